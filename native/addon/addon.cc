// SPDX-License-Identifier: Apache-2.0
// The addon: what Node lacks of Linux sockets, memory and processes, and nothing else. Convert,
// call, convert; no policy and no defaults. Names and order are those of src/kernel/io/addon.ts.
#include <napi.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "convert.h"
#include "interfaces.h"
#include "pattern.h"
#include "receiver.h"
#include "restrict.h"
#include "sockets.h"

namespace
{

using namespace keelson;

const std::shared_ptr<Receiver> &Open(const Napi::CallbackInfo &info,
				      const std::shared_ptr<Receiver> &r)
{
	if (r->closed())
		throw ClosedError(info.Env());
	return r;
}

void HandMessage(Napi::Env env, const Napi::Function &listener, Arrival *a)
{
	Napi::Uint8Array bytes = Napi::Uint8Array::New(env, a->bytes.size());
	Napi::Value fd = env.Null();

	std::copy(a->bytes.begin(), a->bytes.end(), bytes.Data());
	if (a->fd >= 0)
		fd = Napi::Number::New(env, a->fd);
	a->fd = -1; // the listener's from here
	listener.Call({ bytes, fd });
}

void HandPacket(Napi::Env env, const Napi::Function &listener, Arrival *a)
{
	Napi::Uint8Array bytes = Napi::Uint8Array::New(env, a->bytes.size());

	std::copy(a->bytes.begin(), a->bytes.end(), bytes.Data());
	listener.Call({ bytes });
}

// seqpacketConnect(path, onMessage(bytes, fd | null), onClose(code | null)) -> { send(bytes),
// close() }
Napi::Value SeqpacketConnect(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	std::string path = TextArgument(info, 0, "path");
	Napi::Function on_message = FunctionArgument(info, 1, "onMessage");
	Napi::Function on_close = FunctionArgument(info, 2, "onClose");
	int fd = ConnectSeqpacket(path);

	if (fd < 0)
		throw SystemError(env, path, -fd);
	std::shared_ptr<Receiver> r = Receiver::Own(fd);
	Napi::Object handle = Napi::Object::New(env);

	r->Listen(env, true, HandMessage, on_message, on_close);
	handle.Set("send", Napi::Function::New(env, [r](const Napi::CallbackInfo &i) {
			   Napi::Uint8Array b = BytesArgument(i, 0, "bytes");
			   int status = Open(i, r)->Send(b.Data(), b.ByteLength());

			   if (status != 0)
				   throw SystemError(i.Env(), "send", -status);
		   }));
	handle.Set("close",
		   Napi::Function::New(env, [r](const Napi::CallbackInfo &) { r->Close(); }));
	return handle;
}

// mapReadOnly(fd, size) -> ArrayBuffer; takes the descriptor
Napi::Value MapReadOnly(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	int fd = IntArgument(info, 0, "fd");
	int wanted = IntArgument(info, 1, "size");
	size_t size = static_cast<size_t>(wanted);
	struct stat st = {};
	int code = 0;
	void *p = MAP_FAILED;

	// touching what lies behind the end of a file would kill the process
	if (fstat(fd, &st) != 0)
		code = errno;
	else if (wanted <= 0 || st.st_size < wanted)
		code = EINVAL;
	if (code == 0) {
		p = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
		code = p == MAP_FAILED ? errno : 0;
	}
	close(fd);
	if (code != 0)
		throw SystemError(env, "map of " + std::to_string(wanted) + " bytes", code);
	return Napi::ArrayBuffer::New(env, p, size,
				      [size](Napi::Env, void *at) { munmap(at, size); });
}

// rawSocketOpen({ protocol, device, mcastGroup | null, source | null, ttl, tos }) -> {
// send(destination, payload), onMessage(listener), close() }
Napi::Value RawSocketOpen(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	Napi::Object o = ObjectArgument(info, 0, "options");
	RawOptions raw = {
		IntProperty(o, "protocol"),
		TextProperty(o, "device"),
		NullableTextProperty(o, "mcastGroup"),
		NullableTextProperty(o, "source"),
		IntProperty(o, "ttl"),
		IntProperty(o, "tos"),
	};
	std::string failed;
	int fd = OpenRaw(raw, &failed);

	if (fd < 0)
		throw SystemError(env, failed, -fd);
	std::shared_ptr<Receiver> r = Receiver::Own(fd);
	Napi::Object handle = Napi::Object::New(env);

	handle.Set("send", Napi::Function::New(env, [r](const Napi::CallbackInfo &i) {
			   std::string to = TextArgument(i, 0, "destination");
			   Napi::Uint8Array b = BytesArgument(i, 1, "payload");
			   int status = SendRaw(Open(i, r)->fd(), to, b.Data(), b.ByteLength());

			   if (status != 0)
				   throw SystemError(i.Env(), "send to " + to, -status);
		   }));
	handle.Set("onMessage", Napi::Function::New(env, [r](const Napi::CallbackInfo &i) {
			   Napi::Function listener = FunctionArgument(i, 0, "listener");

			   if (Open(i, r)->listening())
				   throw Napi::Error::New(i.Env(), "somebody listens already");
			   r->Listen(i.Env(), false, HandPacket, listener, Napi::Function());
		   }));
	handle.Set("close",
		   Napi::Function::New(env, [r](const Napi::CallbackInfo &) { r->Close(); }));
	return handle;
}

// setRealtime(priority): SCHED_RR for the JavaScript thread and the threads it starts later
void SetRealtime(const Napi::CallbackInfo &info)
{
	sched_param p = {};

	p.sched_priority = IntArgument(info, 0, "priority");
	if (sched_setscheduler(0, SCHED_RR, &p) != 0)
		throw SystemError(info.Env(), "sched_setscheduler", errno);
}

// setParentDeathSignal(signal): 0 = none
void SetParentDeathSignal(const Napi::CallbackInfo &info)
{
	if (prctl(PR_SET_PDEATHSIG, IntArgument(info, 0, "signal")) != 0)
		throw SystemError(info.Env(), "PR_SET_PDEATHSIG", errno);
}

// setTimerSlack(nanoseconds): 0 = the default again
void SetTimerSlack(const Napi::CallbackInfo &info)
{
	if (prctl(PR_SET_TIMERSLACK, IntArgument(info, 0, "nanoseconds")) != 0)
		throw SystemError(info.Env(), "PR_SET_TIMERSLACK", errno);
}

Napi::Object Init(Napi::Env env, Napi::Object exports)
{
	exports.Set("seqpacketConnect", Napi::Function::New(env, SeqpacketConnect));
	exports.Set("mapReadOnly", Napi::Function::New(env, MapReadOnly));
	exports.Set("rawSocketOpen", Napi::Function::New(env, RawSocketOpen));
	AddInterfaces(env, exports);
	AddPatterns(env, exports);
	AddRestriction(env, exports);
	exports.Set("setRealtime", Napi::Function::New(env, SetRealtime));
	exports.Set("setParentDeathSignal", Napi::Function::New(env, SetParentDeathSignal));
	exports.Set("setTimerSlack", Napi::Function::New(env, SetTimerSlack));
	return exports;
}

} // namespace

NODE_API_MODULE(keelson, Init)
