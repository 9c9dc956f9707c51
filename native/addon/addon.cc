// SPDX-License-Identifier: Apache-2.0
// The addon: what Node lacks of Linux sockets and memory, and nothing else. Convert, call, convert; names and order as in src/kernel/io/addon.ts.
#include <napi.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "receiver.h"
#include "sockets.h"

namespace {

using keelson::Receiver;

Napi::Error SystemError(Napi::Env env, const std::string &what, int code)
{
	Napi::Error e = Napi::Error::New(env, what + ": " + strerror(code));

	e.Set("code", Napi::String::New(env, keelson::ErrnoName(code)));
	return e;
}

// Every property must be there: a name typed wrong fails loudly.
Napi::Value Required(const Napi::Object &o, const char *name)
{
	if (!o.Has(name))
		throw Napi::TypeError::New(o.Env(), std::string("property missing: ") + name);
	return o.Get(name);
}

std::string RequiredString(const Napi::Object &o, const char *name)
{
	Napi::Value v = Required(o, name);

	if (!v.IsString())
		throw Napi::TypeError::New(o.Env(), std::string(name) + " must be a string");
	return v.As<Napi::String>();
}

std::string OptionalString(const Napi::Object &o, const char *name)
{
	return Required(o, name).IsNull() ? std::string() : RequiredString(o, name);
}

int RequiredInt(const Napi::Object &o, const char *name)
{
	Napi::Value v = Required(o, name);

	if (!v.IsNumber())
		throw Napi::TypeError::New(o.Env(), std::string(name) + " must be a number");
	return v.As<Napi::Number>().Int32Value();
}

// A handle: functions that share one descriptor; using it after close throws ERR_CLOSED.
std::shared_ptr<Receiver> Open(const Napi::CallbackInfo &info, const std::shared_ptr<Receiver> &r)
{
	if (r->closed()) {
		Napi::Error e = Napi::Error::New(info.Env(), "the handle is closed");

		e.Set("code", Napi::String::New(info.Env(), "ERR_CLOSED"));
		throw e;
	}
	return r;
}

Napi::Uint8Array Bytes(const Napi::CallbackInfo &info, size_t at)
{
	if (info.Length() <= at || !info[at].IsTypedArray())
		throw Napi::TypeError::New(info.Env(), "a Uint8Array is wanted");
	return info[at].As<Napi::Uint8Array>();
}

Napi::Function Listener(const Napi::CallbackInfo &info, size_t at)
{
	if (info.Length() <= at || !info[at].IsFunction())
		throw Napi::TypeError::New(info.Env(), "a function is wanted");
	return info[at].As<Napi::Function>();
}

void AddClose(Napi::Env env, Napi::Object handle, std::shared_ptr<Receiver> r)
{
	handle.Set("close", Napi::Function::New(env, [r](const Napi::CallbackInfo &) { r->Close(); }));
}

// seqpacketConnect(path, onMessage(bytes, fd | null), onClose(code | null)) -> { send(bytes), close() }
Napi::Value SeqpacketConnect(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	std::string path = info[0].ToString();
	int fd = keelson::ConnectSeqpacket(path);

	if (fd < 0)
		throw SystemError(env, path, -fd);
	std::shared_ptr<Receiver> r = Receiver::Start(env, fd, true, Listener(info, 1), Listener(info, 2));
	Napi::Object handle = Napi::Object::New(env);

	handle.Set("send", Napi::Function::New(env, [r](const Napi::CallbackInfo &i) {
		Napi::Uint8Array b = Bytes(i, 0);
		int rc = keelson::SendAll(Open(i, r)->fd(), b.Data(), b.ByteLength());

		if (rc != 0)
			throw SystemError(i.Env(), "send", -rc);
	}));
	AddClose(env, handle, r);
	return handle;
}

// mapReadOnly(fd, size) -> ArrayBuffer over the shared memory; takes the descriptor
Napi::Value MapReadOnly(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	int fd = info[0].ToNumber().Int32Value();
	size_t size = static_cast<size_t>(info[1].ToNumber().Int64Value());
	void *p = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
	int code = errno;

	close(fd);
	if (p == MAP_FAILED)
		throw SystemError(env, "mmap", code);
	return Napi::ArrayBuffer::New(env, p, size, [size](Napi::Env, void *at) { munmap(at, size); });
}

// rawSocketOpen({ protocol, device, mcastGroup | null, source | null, ttl, tos }) -> { send(destination, payload), onMessage(listener), close() }
Napi::Value RawSocketOpen(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	Napi::Object o = info[0].As<Napi::Object>();
	keelson::RawOptions raw = {
		RequiredInt(o, "protocol"),	    RequiredString(o, "device"), OptionalString(o, "mcastGroup"),
		OptionalString(o, "source"), RequiredInt(o, "ttl"),	  RequiredInt(o, "tos"),
	};
	std::string failed;
	int fd = keelson::OpenRaw(raw, &failed);

	if (fd < 0)
		throw SystemError(env, failed, -fd);
	std::shared_ptr<Receiver> r = Receiver::Idle(fd);
	Napi::Object handle = Napi::Object::New(env);

	handle.Set("send", Napi::Function::New(env, [r](const Napi::CallbackInfo &i) {
		std::string to = i[0].ToString();
		Napi::Uint8Array b = Bytes(i, 1);
		int rc = keelson::SendRaw(Open(i, r)->fd(), to, b.Data(), b.ByteLength());

		if (rc != 0)
			throw SystemError(i.Env(), "send to " + to, -rc);
	}));
	handle.Set("onMessage", Napi::Function::New(env, [r](const Napi::CallbackInfo &i) {
		Open(i, r)->Listen(i.Env(), false, Listener(i, 0), Napi::Function());
	}));
	AddClose(env, handle, r);
	return handle;
}

// setRealtime(priority): SCHED_RR for the calling thread
void SetRealtime(const Napi::CallbackInfo &info)
{
	sched_param p = {};

	p.sched_priority = info[0].ToNumber().Int32Value();
	if (sched_setscheduler(0, SCHED_RR, &p) != 0)
		throw SystemError(info.Env(), "sched_setscheduler", errno);
}

Napi::Object Init(Napi::Env env, Napi::Object exports)
{
	exports.Set("seqpacketConnect", Napi::Function::New(env, SeqpacketConnect));
	exports.Set("mapReadOnly", Napi::Function::New(env, MapReadOnly));
	exports.Set("rawSocketOpen", Napi::Function::New(env, RawSocketOpen));
	exports.Set("setRealtime", Napi::Function::New(env, SetRealtime));
	return exports;
}

} // namespace

NODE_API_MODULE(keelson, Init)
