#include "net/datagram_exchanges.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "net/sockets.h"

namespace understudy {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

/// A server on the loopback interface that calls `answer` for every query until it goes.
class Peer {
 public:
  using Send = std::function<void(const Bytes&)>;
  explicit Peer(std::function<void(const Bytes& query, const Send& send)> answer) : answer_(std::move(answer)) {
    const Endpoint any{IpAddress::v4(127, 0, 0, 1), 0};
    fd_ = *open_udp_socket(any);
    address = *local_endpoint(fd_.get());
    thread_ = std::thread([this] { serve(); });
  }
  ~Peer() {
    stops_ = true;
    thread_.join();
  }

  Endpoint address;
  std::set<std::uint16_t> ports;  // that queries came from; to be read when no query is under way
  std::atomic<int> queries{0};
  std::atomic<std::uint16_t> asking{0};  // the port of the present query

 private:
  void serve() {
    while (!stops_) {
      pollfd waits{.fd = fd_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&waits, 1, 20) <= 0) continue;
      Bytes query(4096);
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      const ssize_t n = ::recvfrom(fd_.get(), query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (n < 2) continue;
      query.resize(static_cast<std::size_t>(n));
      asking = Endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&from), size)->port;
      ports.insert(asking);
      ++queries;
      answer_(query, [&](const Bytes& message) {
        (void)::sendto(fd_.get(), message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
      });
    }
  }

  std::function<void(const Bytes&, const Send&)> answer_;
  UniqueFd fd_;
  std::atomic<bool> stops_{false};
  std::thread thread_;
};

Bytes with_id(std::uint16_t id) {
  return {static_cast<std::uint8_t>(id >> 8), static_cast<std::uint8_t>(id), 1, 2, 3};
}

class DatagramExchangesTest : public testing::Test {
 protected:
  /// One query; `accept` decides what is an answer.
  asio::awaitable<void> ask(Endpoint peer, std::chrono::milliseconds timeout, std::function<bool(ByteView)> accept) {
    outcomes_.push_back(
        co_await exchanges_.exchange(peer, std::nullopt,
                                     {.make = [](std::uint16_t id) -> Result<Bytes> { return with_id(id); },
                                      .accept = std::move(accept),
                                      .timeout = timeout}));
  }
  static bool any(ByteView) { return true; }
  void run() {
    io_.restart();
    io_.run_for(10s);
  }
  /// Asks until `count` queries are answered, `at_once` under way at a time.
  void ask_many(const Endpoint& peer, int count, int at_once) {
    int left = count, under_way = at_once;
    for (int i = 0; i < at_once; ++i) {
      asio::co_spawn(
          io_,
          [&, peer]() -> asio::awaitable<void> {
            while (left-- > 0) co_await ask(peer, 5s, any);
            if (--under_way == 0) io_.stop();
          },
          asio::detached);
    }
    run();
  }

  asio::io_context io_;
  DatagramExchanges exchanges_{io_.get_executor()};
  std::vector<Result<>> outcomes_;
};

TEST_F(DatagramExchangesTest, QueriesShareSocketsWhosePortsChange) {
  Peer peer([](const Bytes& query, const Peer::Send& send) { send(query); });
  ask_many(peer.address, 2000, 50);
  ASSERT_EQ(outcomes_.size(), 2000U);
  for (const Result<>& outcome : outcomes_) EXPECT_TRUE(outcome);
  EXPECT_GE(exchanges_.opened(), 2000U / 128);
  EXPECT_LE(exchanges_.opened(), 60U);
  EXPECT_LE(exchanges_.open(), 4U);
  EXPECT_GT(peer.ports.size(), 4U);
}

TEST_F(DatagramExchangesTest, WhatHasAnotherIdIsPassedOver) {
  Peer peer([](const Bytes& query, const Peer::Send& send) {
    Bytes wrong = query;
    wrong[0] ^= 1;
    send(wrong);
    send(Bytes{1});
    send(query);
  });
  ask_many(peer.address, 1, 1);
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_TRUE(outcomes_[0]);
}

TEST_F(DatagramExchangesTest, WhoGuessesIdsHasToGuessThePortAnew) {
  Peer peer([](const Bytes& query, const Peer::Send& send) {
    Bytes wrong = query;
    for (int i = 0; i < 40; ++i) {
      wrong[1] = static_cast<std::uint8_t>(query[1] + i + 1);
      send(wrong);
    }
    send(query);
  });
  ask_many(peer.address, 20, 1);
  ASSERT_EQ(outcomes_.size(), 20U);
  for (const Result<>& outcome : outcomes_) {
    ASSERT_FALSE(outcome) << "somebody may be about to guess it";
    EXPECT_EQ(outcome.error().code, Errc::wrong_id);
  }
  EXPECT_EQ(exchanges_.opened(), 20U) << "no socket is used again after so many guesses";
}

TEST_F(DatagramExchangesTest, WhoGuessesEndsWhatOthersHaveUnderWayAtThatSocket) {
  std::atomic<bool> guesses{false};
  Peer peer([&](const Bytes& query, const Peer::Send& send) {
    for (int i = 0; guesses && i < 32; ++i) send(Bytes{static_cast<std::uint8_t>(i)});
    (void)query;
  });
  int ended = 0;
  for (int i = 0; i < 40; ++i) {
    asio::co_spawn(io_, ask(peer.address, 5s, any), [&](const std::exception_ptr&) { ++ended; });
  }
  io_.run_for(200ms);
  ASSERT_EQ(exchanges_.open(), 4U);
  guesses = true;
  asio::co_spawn(io_, ask(peer.address, 5s, any), [&](const std::exception_ptr&) { ++ended; });
  io_.run_for(500ms);
  EXPECT_GT(ended, 1) << "one of the sockets, and all that it was used for";
  EXPECT_LT(ended, 40);
  EXPECT_EQ(exchanges_.open(), 3U);
  for (const Result<>& outcome : outcomes_) EXPECT_EQ(outcome.error().code, Errc::wrong_id);
  exchanges_.stop();
  run();
}

TEST_F(DatagramExchangesTest, AnswersThatComeTooLateAreNotStrange) {
  std::map<std::uint16_t, std::vector<Bytes>> unanswered;
  std::atomic<bool> answers{false};
  Peer peer([&](const Bytes& query, const Peer::Send& send) {
    auto& kept = unanswered[peer.asking];
    if (!answers) return kept.push_back(query);
    for (const Bytes& each : std::exchange(kept, {})) send(each);
    send(query);
  });
  for (int i = 0; i < 240; ++i) asio::co_spawn(io_, ask(peer.address, 300ms, any), asio::detached);
  io_.run_for(1s);
  ASSERT_EQ(outcomes_.size(), 240U);
  answers = true;
  outcomes_.clear();
  ask_many(peer.address, 20, 1);
  ASSERT_EQ(outcomes_.size(), 20U);
  for (const Result<>& outcome : outcomes_) EXPECT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(exchanges_.opened(), 4U);
}

TEST_F(DatagramExchangesTest, WaitsForWhatIsAccepted) {
  Peer peer([](const Bytes& query, const Peer::Send& send) {
    Bytes first = query;
    first.push_back(9);
    send(first);
    send(query);
  });
  std::size_t size = 0;
  asio::co_spawn(io_, ask(peer.address, 5s, [&](ByteView message) { return (size = message.size()) == 5; }),
                 [this](const std::exception_ptr&) { io_.stop(); });
  run();
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_TRUE(outcomes_[0]);
  EXPECT_EQ(size, 5U);
}

TEST_F(DatagramExchangesTest, EndsInTime) {
  Peer peer([](const Bytes&, const Peer::Send&) {});
  for (const auto timeout : {300ms, 100ms}) {
    asio::co_spawn(io_, ask(peer.address, timeout, any), asio::detached);
  }
  asio::steady_timer timer(io_, 400ms);
  timer.async_wait([this](auto) { io_.stop(); });
  run();
  ASSERT_EQ(outcomes_.size(), 2U);
  for (const Result<>& outcome : outcomes_) EXPECT_EQ(outcome.error().code, Errc::timed_out);
  EXPECT_NE(outcomes_[0].error().detail.find("0.1 s"), std::string::npos) << outcomes_[0].error().detail;
}

TEST_F(DatagramExchangesTest, SaysAtOnceThatNobodyListens) {
  Endpoint gone;
  {
    Peer peer([](const Bytes&, const Peer::Send&) {});
    gone = peer.address;
  }
  const auto began = std::chrono::steady_clock::now();
  ask_many(gone, 3, 3);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
  ASSERT_EQ(outcomes_.size(), 3U);
  for (const Result<>& outcome : outcomes_) EXPECT_EQ(outcome.error().code, Errc::connect_failed);
}

TEST_F(DatagramExchangesTest, StopsAndCancels) {
  Peer peer([](const Bytes&, const Peer::Send&) {});
  asio::cancellation_signal signal;
  asio::co_spawn(
      io_,
      [&]() -> asio::awaitable<void> {
        co_await asio::this_coro::throw_if_cancelled(false);
        co_await ask(peer.address, 5s, any);
      },
      asio::bind_cancellation_slot(signal.slot(), asio::detached));
  asio::co_spawn(io_, ask(peer.address, 5s, any), asio::detached);
  asio::steady_timer timer(io_, 50ms);
  timer.async_wait([&](auto) { signal.emit(asio::cancellation_type::terminal); });
  asio::steady_timer later(io_, 1s);
  later.async_wait([&](auto) {
    EXPECT_EQ(outcomes_.size(), 1U);
    exchanges_.stop();
  });
  run();  // to the end: nothing is left to wait for
  ASSERT_EQ(outcomes_.size(), 2U);
  for (const Result<>& outcome : outcomes_) EXPECT_EQ(outcome.error().code, Errc::cancelled);
  EXPECT_EQ(exchanges_.open(), 0U);
  ask_many(peer.address, 1, 1);
  EXPECT_EQ(outcomes_.back().error().code, Errc::cancelled);
}

}  // namespace
}  // namespace understudy
