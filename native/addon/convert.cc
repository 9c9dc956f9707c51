// SPDX-License-Identifier: Apache-2.0
#include "convert.h"

#include <cmath>
#include <cstdint>
#include <cstring>

namespace keelson
{

namespace
{

Napi::TypeError Wrong(Napi::Env env, const char *name, const char *wanted)
{
	return Napi::TypeError::New(env, std::string(name) + " must be " + wanted);
}

std::string Text(const Napi::Value &v, const char *name)
{
	if (!v.IsString())
		throw Wrong(v.Env(), name, "a string");
	return v.As<Napi::String>();
}

int Int(const Napi::Value &v, const char *name)
{
	double n = v.IsNumber() ? v.As<Napi::Number>().DoubleValue() : NAN;

	if (!(n >= INT32_MIN && n <= INT32_MAX) || n != std::floor(n))
		throw Wrong(v.Env(), name, "a whole number");
	return static_cast<int>(n);
}

} // namespace

const char *ErrnoName(int code)
{
	const char *name = strerrorname_np(code);

	return name != nullptr ? name : "EUNKNOWN";
}

Napi::Error SystemError(Napi::Env env, const std::string &what, int code)
{
	Napi::Error e = Napi::Error::New(env, what + ": " + strerror(code));

	e.Set("code", Napi::String::New(env, ErrnoName(code)));
	return e;
}

Napi::Error ClosedError(Napi::Env env)
{
	Napi::Error e = Napi::Error::New(env, "the handle is closed");

	e.Set("name", Napi::String::New(env, "HandleClosedError"));
	e.Set("code", Napi::String::New(env, "ERR_CLOSED"));
	return e;
}

Napi::Value Property(const Napi::Object &o, const char *name)
{
	if (!o.Has(name))
		throw Napi::TypeError::New(o.Env(), std::string("property missing: ") + name);
	return o.Get(name);
}

std::string TextProperty(const Napi::Object &o, const char *name)
{
	return Text(Property(o, name), name);
}

std::string NullableTextProperty(const Napi::Object &o, const char *name)
{
	Napi::Value v = Property(o, name);

	return v.IsNull() ? std::string() : Text(v, name);
}

int IntProperty(const Napi::Object &o, const char *name)
{
	return Int(Property(o, name), name);
}

std::string TextArgument(const Napi::CallbackInfo &info, size_t at, const char *name)
{
	return Text(info[at], name);
}

int IntArgument(const Napi::CallbackInfo &info, size_t at, const char *name)
{
	return Int(info[at], name);
}

Napi::Object ObjectArgument(const Napi::CallbackInfo &info, size_t at, const char *name)
{
	if (!info[at].IsObject())
		throw Wrong(info.Env(), name, "an object");
	return info[at].As<Napi::Object>();
}

Napi::Uint8Array BytesArgument(const Napi::CallbackInfo &info, size_t at, const char *name)
{
	if (!info[at].IsTypedArray() ||
	    info[at].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
		throw Wrong(info.Env(), name, "a Uint8Array");
	return info[at].As<Napi::Uint8Array>();
}

Napi::Function FunctionArgument(const Napi::CallbackInfo &info, size_t at, const char *name)
{
	if (!info[at].IsFunction())
		throw Wrong(info.Env(), name, "a function");
	return info[at].As<Napi::Function>();
}

} // namespace keelson
