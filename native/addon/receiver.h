// SPDX-License-Identifier: Apache-2.0
// Owns one descriptor and the thread that waits for what arrives on it. The thread does nothing but receive: messages are handed to
// JavaScript one by one, and it ends with close(), at end of file, or with its environment.
#ifndef KEELSON_RECEIVER_H
#define KEELSON_RECEIVER_H

#include <napi.h>

#include <atomic>
#include <memory>
#include <thread>

namespace keelson {

class Receiver : public std::enable_shared_from_this<Receiver> {
      public:
	static std::shared_ptr<Receiver> Idle(int fd);
	static std::shared_ptr<Receiver> Start(Napi::Env env, int fd, bool messages, Napi::Function on_message,
					       Napi::Function on_close);
	~Receiver();

	// messages: end of file ends it and descriptors may come along (SEQPACKET); else datagrams of a raw socket.
	void Listen(Napi::Env env, bool messages, Napi::Function on_message, Napi::Function on_close);
	void Close();
	bool closed() const
	{
		return closed_;
	}
	int fd() const
	{
		return fd_;
	}

      private:
	explicit Receiver(int fd);
	void Run(bool messages);
	static void OnExit(void *self);

	int fd_;
	int stop_fd_;
	std::atomic<bool> closed_{ false };
	bool listening_ = false;
	napi_env env_ = nullptr;
	std::thread thread_;
	Napi::ThreadSafeFunction on_message_;
	Napi::ThreadSafeFunction on_close_;
	bool has_close_ = false;
};

} // namespace keelson

#endif
