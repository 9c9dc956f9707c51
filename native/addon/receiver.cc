// SPDX-License-Identifier: Apache-2.0
#include "receiver.h"

#include <cerrno>
#include <cstdio>
#include <exception>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

#include "convert.h"
#include "sockets.h"

namespace keelson
{

namespace
{

// Arrivals that wait for JavaScript; then the thread waits, and the kernel's buffer after it.
constexpr size_t kWaiting = 1024;
// Bytes that wait for the peer; a peer that does not read must not eat our memory.
constexpr size_t kOutgoing = 256u << 20;

} // namespace

Arrival::~Arrival()
{
	if (fd >= 0)
		close(fd);
}

Receiver::Receiver(int fd) : fd_(fd), wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
}

std::shared_ptr<Receiver> Receiver::Own(int fd)
{
	return std::shared_ptr<Receiver>(new Receiver(fd));
}

Receiver::~Receiver()
{
	try {
		Close();
	} catch (const std::exception &e) {
		// a thread that cannot be joined has not ended: its sockets stay its own
		(void)fprintf(stderr, "keelson addon: %s\n", e.what());
	}
}

void Receiver::OnExit(void *self)
{
	static_cast<Receiver *>(self)->Close();
}

void Receiver::Wake()
{
	uint64_t one = 1;

	(void)!write(wake_fd_, &one, sizeof(one));
}

/* ---- the JavaScript side -------------------------------------------------------------------------------------- */

void Receiver::Listen(Napi::Env env, bool ends, Hand hand, const Napi::Function &on_message,
		      const Napi::Function &on_end)
{
	if (wake_fd_ < 0)
		throw SystemError(env, "eventfd", EMFILE);
	ends_ = ends;
	hand_ = hand;
	env_ = env;
	on_message_ = Napi::Persistent(on_message);
	if (!on_end.IsEmpty())
		on_end_ = Napi::Persistent(on_end);
	queue_ = Queue::New(env, "keelson-receiver", kWaiting, 1, this);
	napi_add_env_cleanup_hook(env, OnExit, this);
	listening_ = true;
	self_ = shared_from_this();
	try {
		thread_ = std::thread([this] { Run(); });
	} catch (const std::system_error &e) {
		Close();
		throw SystemError(env, "thread", e.code().value());
	}
}

// After Close() the queue hands what is left to env null.
void Receiver::Deliver(Napi::Env env, Napi::Function, Receiver *r, Arrival *a)
{
	std::unique_ptr<Arrival> owned(a);

	if (env == nullptr)
		return;
	std::shared_ptr<Receiver> keep = r->shared_from_this();

	try {
		if (!a->end) {
			r->hand_(env, r->on_message_.Value(), a);
			return;
		}
		Napi::Value code =
			a->code == 0 ? env.Null() : Napi::String::New(env, ErrnoName(a->code));
		Napi::Function on_end =
			r->on_end_.IsEmpty() ? Napi::Function() : r->on_end_.Value();

		r->Close();
		if (!on_end.IsEmpty())
			on_end.Call({ code });
	} catch (const Napi::Error &e) {
		// else Node would only warn of it
		napi_fatal_exception(env, e.Value());
	}
}

int Receiver::Send(const void *data, size_t size)
{
	const uint8_t *bytes = static_cast<const uint8_t *>(data);
	std::lock_guard<std::mutex> guard(lock_);

	if (outgoing_.empty()) {
		if (send(fd_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	if (outgoing_bytes_ + size > kOutgoing)
		return -ENOBUFS;
	outgoing_.emplace_back(bytes, bytes + size);
	outgoing_bytes_ += size;
	if (outgoing_.size() == 1)
		Wake();
	return 0;
}

void Receiver::Close()
{
	std::shared_ptr<Receiver> self = std::move(self_);

	if (closed_)
		return;
	closed_ = true;
	if (listening_) {
		stopping_ = true;
		queue_.Abort(); // the thread may wait for room in it
		Wake();
		if (thread_.joinable())
			thread_.join();
		napi_remove_env_cleanup_hook(env_, OnExit, this);
		on_message_.Reset();
		on_end_.Reset();
	}
	close(fd_);
	close(wake_fd_);
}

/* ---- the thread ----------------------------------------------------------------------------------------------- */

bool Receiver::HasOutgoing()
{
	std::lock_guard<std::mutex> guard(lock_);

	return !outgoing_.empty();
}

int Receiver::Flush()
{
	std::lock_guard<std::mutex> guard(lock_);

	while (!outgoing_.empty()) {
		const std::vector<uint8_t> &next = outgoing_.front();

		if (send(fd_, next.data(), next.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		outgoing_bytes_ -= next.size();
		outgoing_.pop_front();
	}
	return 0;
}

// False: JavaScript takes nothing any more.
bool Receiver::Pass(Arrival *a)
{
	if (queue_.BlockingCall(a) == napi_ok)
		return true;
	delete a;
	return false;
}

void Receiver::Run()
{
	std::vector<uint8_t> buffer(kLargestMessage);
	int code = 0;

	for (;;) {
		short wanted = static_cast<short>(POLLIN | (HasOutgoing() ? POLLOUT : 0));
		pollfd p[2] = { { fd_, wanted, 0 }, { wake_fd_, POLLIN, 0 } };
		uint64_t woken;
		int fd = -1;
		ssize_t n;

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents != 0)
			(void)!read(wake_fd_, &woken, sizeof(woken));
		if (stopping_)
			return;
		code = (p[0].revents & POLLOUT) != 0 ? -Flush() : 0;
		if (code != 0)
			break;
		if ((p[0].revents & ~POLLOUT) == 0)
			continue;
		n = ReceiveMessage(fd_, &buffer, &fd);
		if (n == -EAGAIN || n == -EINTR)
			continue;
		if (ends_ && n <= 0) {
			code = static_cast<int>(-n);
			break;
		}
		if (n <= 0)
			continue;
		Arrival *a = new Arrival;

		a->bytes.assign(buffer.begin(), buffer.begin() + n);
		a->fd = fd;
		if (!Pass(a))
			return;
	}
	Arrival *end = new Arrival;

	end->end = true;
	end->code = code;
	Pass(end);
}

} // namespace keelson
