// SPDX-License-Identifier: Apache-2.0
#ifndef KEELSON_RESTRICT_H
#define KEELSON_RESTRICT_H

#include <napi.h>

namespace keelson
{

void AddRestriction(Napi::Env env, Napi::Object exports);

} // namespace keelson

#endif
