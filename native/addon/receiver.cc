// SPDX-License-Identifier: Apache-2.0
#include "receiver.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <vector>

#include "sockets.h"

namespace keelson {

namespace {

struct Message {
	std::vector<uint8_t> bytes;
	int fd = -1;
};

void Deliver(Napi::Env env, Napi::Function listener, Message *m)
{
	std::unique_ptr<Message> owned(m);

	if (env == nullptr) {
		if (m->fd >= 0)
			close(m->fd);
		return;
	}
	Napi::Uint8Array bytes = Napi::Uint8Array::New(env, m->bytes.size());

	std::copy(m->bytes.begin(), m->bytes.end(), bytes.Data());
	listener.Call({ bytes, m->fd >= 0 ? Napi::Number::New(env, m->fd) : env.Null() });
}

} // namespace

Receiver::Receiver(int fd) : fd_(fd), stop_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

std::shared_ptr<Receiver> Receiver::Idle(int fd)
{
	return std::shared_ptr<Receiver>(new Receiver(fd));
}

std::shared_ptr<Receiver> Receiver::Start(Napi::Env env, int fd, bool messages, Napi::Function on_message,
					  Napi::Function on_close)
{
	std::shared_ptr<Receiver> r = Idle(fd);

	r->Listen(env, messages, on_message, on_close);
	return r;
}

Receiver::~Receiver()
{
	Close();
	close(stop_fd_);
}

void Receiver::OnExit(void *self)
{
	Receiver *r = static_cast<Receiver *>(self);

	r->env_ = nullptr;
	r->Close();
}

void Receiver::Listen(Napi::Env env, bool messages, Napi::Function on_message, Napi::Function on_close)
{
	if (listening_)
		throw Napi::Error::New(env, "somebody listens already");
	listening_ = true;
	env_ = env;
	on_message_ = Napi::ThreadSafeFunction::New(env, on_message, "keelson-receive", 0, 1);
	has_close_ = !on_close.IsEmpty();
	if (has_close_)
		on_close_ = Napi::ThreadSafeFunction::New(env, on_close, "keelson-close", 0, 1);
	napi_add_env_cleanup_hook(env, OnExit, this);
	thread_ = std::thread([this, messages] { Run(messages); });
}

void Receiver::Run(bool messages)
{
	int code = 0;

	for (;;) {
		pollfd p[2] = { { fd_, POLLIN, 0 }, { stop_fd_, POLLIN, 0 } };

		if (poll(p, 2, -1) < 0 && errno != EINTR) {
			code = errno;
			break;
		}
		if (p[1].revents != 0)
			return;
		if (p[0].revents == 0)
			continue;
		Message *m = new Message;
		ssize_t n = Receive(fd_, &m->bytes, &m->fd);

		if (n == -EAGAIN || n == -EINTR) {
			delete m;
			continue;
		}
		if (n < 0 || (n == 0 && messages)) {
			delete m;
			code = n < 0 ? static_cast<int>(-n) : 0;
			// A raw socket reports its interface's troubles as errors; it goes on.
			if (!messages)
				continue;
			break;
		}
		if (on_message_.BlockingCall(m, Deliver) != napi_ok) {
			delete m;
			return;
		}
	}
	if (has_close_)
		on_close_.BlockingCall(
			new std::string(code == 0 ? "" : ErrnoName(code)),
			[](Napi::Env env, Napi::Function f, std::string *name) {
				std::unique_ptr<std::string> owned(name);

				if (env != nullptr)
					f.Call({ name->empty() ? env.Null() : Napi::String::New(env, *name) });
			});
}

void Receiver::Close()
{
	uint64_t one = 1;

	if (closed_.exchange(true))
		return;
	if (listening_) {
		// the thread may wait in a call into an event loop that waits for us: let it go first
		on_message_.Abort();
		if (has_close_)
			on_close_.Abort();
		(void)!write(stop_fd_, &one, sizeof(one));
		thread_.join();
		if (env_ != nullptr)
			napi_remove_env_cleanup_hook(env_, OnExit, this);
	}
	close(fd_);
}

} // namespace keelson
