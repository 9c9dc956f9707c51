// SPDX-License-Identifier: Apache-2.0
// Between JavaScript's values and ours. Every property must be there, so a name typed wrong fails
// loudly; what is optional is null.
#ifndef KEELSON_CONVERT_H
#define KEELSON_CONVERT_H

#include <napi.h>

#include <string>

namespace keelson
{

const char *ErrnoName(int code);

// An Error with `code` EPERM ... as Node's own have it.
Napi::Error SystemError(Napi::Env env, const std::string &what, int code);
// HandleClosedError with `code` ERR_CLOSED.
Napi::Error ClosedError(Napi::Env env);

Napi::Value Property(const Napi::Object &o, const char *name);
std::string TextProperty(const Napi::Object &o, const char *name);
std::string NullableTextProperty(const Napi::Object &o, const char *name); // null: empty
int IntProperty(const Napi::Object &o, const char *name);

std::string TextArgument(const Napi::CallbackInfo &info, size_t at, const char *name);
int IntArgument(const Napi::CallbackInfo &info, size_t at, const char *name);
Napi::Object ObjectArgument(const Napi::CallbackInfo &info, size_t at, const char *name);
Napi::Uint8Array BytesArgument(const Napi::CallbackInfo &info, size_t at, const char *name);
Napi::Function FunctionArgument(const Napi::CallbackInfo &info, size_t at, const char *name);

} // namespace keelson

#endif
