// A pool of connections with requests that note what became of them, and servers that follow a script.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "net/peer_connections.h"
#include "peers.h"

namespace understudy {
namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;

/// Accepts any number of connections; each follows the script in a thread of its own, which knows its number.
class Server {
 public:
  using Script = std::function<void(int fd, int number)>;

  explicit Server(Script script) : script_(std::move(script)) {
    listener_ = *open_tcp_listener(loopback());
    address = *local_endpoint(listener_.get());
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~Server() {
    stopping = true;
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
  }

  Endpoint address;
  std::atomic<int> connections{0};
  std::atomic<bool> stopping{false};
  std::atomic<bool> other_source{false};  // somebody came from elsewhere than 127.0.0.9

 private:
  void accept_all() {
    while (!stopping) {
      if (!readable(listener_.get(), 10ms)) continue;
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      const int fd = accept4(listener_.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC);
      if (fd < 0) continue;
      const auto peer = Endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&from), size);
      if (peer->address != IpAddress::v4(127, 0, 0, 9)) other_source = true;
      threads_.emplace_back([this, fd, number = connections++] {
        const UniqueFd connection(fd);
        script_(fd, number);
      });
    }
  }

  Script script_;
  UniqueFd listener_;
  std::thread acceptor_;
  std::vector<std::thread> threads_;
};

/// Sends what it can; a client that has gone is no failure of the test.
inline void give(int fd, ByteView data) {
  while (!data.empty()) {
    const ssize_t n = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    data = data.subspan(static_cast<std::size_t>(n));
  }
}

/// One answer for each request, in order, until the client closes.
inline void answer_all(int fd) {
  while (true) {
    const Bytes request = receive_message(fd);
    if (request.empty()) return;
    give(fd, framed(request));
  }
}

inline void hang(int fd) {
  (void)closed_by_peer(fd, 20s);
}

struct Asked {
  bool over = false;
  std::optional<Errc> error;
  std::string detail;
  std::vector<Bytes> messages;
  std::vector<std::uint16_t> ids;  // of every time it was sent
  SteadyClock::time_point begin = SteadyClock::now();
  std::chrono::milliseconds took{0};
  asio::cancellation_signal signal;
};

struct Question {
  std::uint8_t fill = 0;     // tells the requests apart
  std::size_t size = 32;     // of the request
  std::size_t messages = 1;  // of the answer
  ReceiveLimits limits{.stall = 10s, .deadline = std::nullopt};
  std::optional<IpAddress> source;
  std::function<Result<Next>(ByteView)> take;  // instead of keeping the messages
};

class Pool {
 public:
  explicit Pool(const PeerConnectionSettings& settings = {}) : connections(context.get_executor(), settings) {}
  ~Pool() {
    connections.stop();
    EXPECT_TRUE(until([this] { return running_ == 0; }));
  }

  std::shared_ptr<Asked> ask(const Endpoint& peer, Question question = {}) {
    auto asked = std::make_shared<Asked>();
    ++running_;
    asio::co_spawn(context, exchange(peer, std::move(question), asked),
                   asio::bind_cancellation_slot(asked->signal.slot(), [this, asked](const std::exception_ptr& thrown) {
                     EXPECT_FALSE(thrown);
                     asked->over = true;
                     asked->took =
                         std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - asked->begin);
                     --running_;
                   }));
    return asked;
  }
  /// Asks and waits for the end.
  std::shared_ptr<Asked> get(const Endpoint& peer, Question question = {}) {
    auto asked = ask(peer, std::move(question));
    EXPECT_TRUE(until([&] { return asked->over; }));
    return asked;
  }

  bool until(const std::function<bool()>& condition, std::chrono::milliseconds limit = 20s) {
    const auto end = SteadyClock::now() + limit;
    while (!condition()) {
      if (SteadyClock::now() > end) return false;
      if (context.stopped()) context.restart();
      if (context.run_one_for(5ms) == 0) std::this_thread::sleep_for(1ms);
    }
    return true;
  }
  void run_for(std::chrono::milliseconds time) {
    (void)until([] { return false; }, time);
  }

  asio::io_context context;
  PeerConnections connections;

 private:
  asio::awaitable<void> exchange(Endpoint peer, Question question, std::shared_ptr<Asked> asked) {
    co_await asio::this_coro::throw_if_cancelled(false);
    PeerRequest request;
    request.limits = question.limits;
    request.make = [asked, question](std::uint16_t id) -> Result<Bytes> {
      asked->ids.push_back(id);
      return message(id, question.size, question.fill);
    };
    request.take = [asked, question](ByteView answer) -> Result<Next> {
      asked->messages.emplace_back(answer.begin(), answer.end());
      if (question.take) return question.take(answer);
      return asked->messages.size() < question.messages ? Next::more : Next::done;
    };
    const Result<> done = co_await connections.exchange({peer, question.source}, std::move(request));
    if (!done) {
      asked->error = done.error().code;
      asked->detail = done.error().detail;
    }
  }

  int running_ = 0;
};

inline PeerConnectionSettings one_connection() {
  return {.max_connections = 1};
}

inline bool all_over(const std::vector<std::shared_ptr<Asked>>& all) {
  return std::all_of(all.begin(), all.end(), [](const auto& asked) { return asked->over; });
}

}  // namespace understudy
