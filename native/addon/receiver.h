// SPDX-License-Identifier: Apache-2.0
// Owns one descriptor and the thread that waits on it. The thread only moves bytes: what arrives
// goes to JavaScript piece by piece and in order, what the peer has no room for waits here and goes
// out when there is. It ends with Close(), at end of file, or with its environment, whose cleanup
// hook joins it. All but Run() belongs to the JavaScript thread.
#ifndef KEELSON_RECEIVER_H
#define KEELSON_RECEIVER_H

#include <napi.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace keelson
{

// A piece that arrived, or the end (code 0: end of file).
struct Arrival {
	std::vector<uint8_t> bytes;
	int fd = -1;
	bool end = false;
	int code = 0;

	~Arrival(); // closes fd, unless taken
};

class Receiver : public std::enable_shared_from_this<Receiver>
{
public:
	// Makes JavaScript of an arrival and calls the listener with it.
	using Hand = void (*)(Napi::Env env, const Napi::Function &listener, Arrival *a);

	static std::shared_ptr<Receiver> Own(int fd);
	~Receiver();

	// ends: end of file and errors end it (SEQPACKET); else errors are the interface's and pass
	// (raw, netlink). on_end may be empty.
	void Listen(Napi::Env env, bool ends, Hand hand, const Napi::Function &on_message,
		    const Napi::Function &on_end);
	// Sends now, or later and in order when the peer has room again. 0 or negative errno.
	int Send(const void *data, size_t size);
	// What still waits to be sent is dropped. May be called again.
	void Close();
	bool closed() const
	{
		return closed_;
	}
	bool listening() const
	{
		return listening_;
	}
	int fd() const
	{
		return fd_;
	}

private:
	static void Deliver(Napi::Env env, Napi::Function none, Receiver *r, Arrival *a);
	using Queue = Napi::TypedThreadSafeFunction<Receiver, Arrival, &Receiver::Deliver>;

	explicit Receiver(int fd);
	void Run();
	bool Pass(Arrival *a);
	int Flush();
	bool HasOutgoing();
	void Wake();
	static void OnExit(void *self);

	int fd_;
	int wake_fd_;
	bool closed_ = false;
	bool listening_ = false;
	bool ends_ = false;
	Hand hand_ = nullptr;
	std::atomic<bool> stopping_{ false };
	std::mutex lock_; // of the two below
	std::deque<std::vector<uint8_t>> outgoing_;
	size_t outgoing_bytes_ = 0;
	std::thread thread_;
	napi_env env_ = nullptr;
	Queue queue_;
	Napi::FunctionReference on_message_;
	Napi::FunctionReference on_end_;
	std::shared_ptr<Receiver> self_; // while the thread runs
};

} // namespace keelson

#endif
