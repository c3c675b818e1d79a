#include "net/peer_connections.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <mutex>
#include <set>

#include "peers.h"

namespace understudy {
namespace {

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
void give(int fd, ByteView data) {
  while (!data.empty()) {
    const ssize_t n = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    data = data.subspan(static_cast<std::size_t>(n));
  }
}

/// One answer for each request, in order, until the client closes.
void answer_all(int fd) {
  while (true) {
    const Bytes request = receive_message(fd);
    if (request.empty()) return;
    give(fd, framed(request));
  }
}

void hang(int fd) {
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

PeerConnectionSettings one_connection() {
  return {.max_connections = 1};
}

// --------------------------------------------------------------------------------------------------- Kept connections

TEST(PeerConnections, KeepsAConnectionForTheNextRequest) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool;
  for (std::uint8_t i = 0; i < 5; ++i) {
    const auto asked = pool.get(server.address, {.fill = i});
    ASSERT_EQ(asked->messages.size(), 1U) << asked->detail;
    EXPECT_EQ(asked->messages[0], message(asked->ids.at(0), 32, i));
  }
  EXPECT_EQ(server.connections, 1);
  const PeerConnectionCounts counts = pool.connections.counts();
  EXPECT_EQ(counts.opened, 1U);
  EXPECT_EQ(counts.requests, 5U);
  EXPECT_EQ(counts.reused, 4U);
  EXPECT_EQ(counts.repeated, 0U);
  EXPECT_EQ(counts.idle, 1U);
}

TEST(PeerConnections, ClosesWhatIsIdleTooLong) {
  std::atomic<int> closed{0};
  Server server([&](int fd, int) {
    answer_all(fd);
    ++closed;
  });
  Pool pool({.idle_timeout = 100ms});
  EXPECT_FALSE(pool.get(server.address)->error);
  pool.run_for(50ms);
  EXPECT_FALSE(pool.get(server.address)->error);
  pool.run_for(70ms);
  EXPECT_EQ(closed, 0) << "the time begins anew with every request";
  EXPECT_TRUE(pool.until([&] { return closed == 1; }));
  EXPECT_EQ(pool.connections.counts().open, 0U);

  pool.connections.set_idle_timeout({server.address}, 0ms);
  EXPECT_FALSE(pool.get(server.address)->error);
  EXPECT_TRUE(pool.until([&] { return closed == 2; }));
  pool.connections.set_idle_timeout({server.address}, std::nullopt);
  EXPECT_FALSE(pool.get(server.address)->error);
  EXPECT_EQ(pool.connections.counts().idle, 1U);
}

TEST(PeerConnections, KeepsABoundedNumber) {
  std::vector<std::unique_ptr<Server>> servers;
  for (int i = 0; i < 5; ++i) servers.push_back(std::make_unique<Server>([](int fd, int) { answer_all(fd); }));
  {
    Pool pool({.max_idle = 3});
    for (const auto& server : servers) EXPECT_FALSE(pool.get(server->address)->error);
    EXPECT_EQ(pool.connections.counts().idle, 3U);
    EXPECT_EQ(pool.connections.counts().open, 3U);
    EXPECT_FALSE(pool.get(servers[4]->address)->error);
    EXPECT_EQ(servers[4]->connections, 1) << "the longest idle ones were closed";
    EXPECT_FALSE(pool.get(servers[0]->address)->error);
    EXPECT_EQ(servers[0]->connections, 2);
  }
}

TEST(PeerConnections, APeerThatClosesAnIdleConnectionIsAskedOnAFreshOne) {
  Server server([](int fd, int) {
    give(fd, framed(receive_message(fd)));
    std::this_thread::sleep_for(30ms);
  });
  Pool pool;
  for (int i = 0; i < 4; ++i) {
    EXPECT_FALSE(pool.get(server.address)->error);
    pool.run_for(80ms);
    EXPECT_EQ(pool.connections.counts().open, 0U);
  }
  EXPECT_EQ(pool.connections.counts().repeated, 0U);
}

TEST(PeerConnections, APeerThatClosesAfterEachAnswerIsNoTrouble) {
  Server server([](int fd, int) { give(fd, framed(receive_message(fd))); });
  Pool pool;
  for (int i = 0; i < 50; ++i) {
    const auto asked = pool.get(server.address);
    EXPECT_FALSE(asked->error) << asked->detail;
  }
  EXPECT_EQ(pool.connections.counts().opened, 50U);
}

TEST(PeerConnections, ARequestOnADyingConnectionIsRepeatedAndThePeerRemembered) {
  Server server([](int fd, int) {
    give(fd, framed(receive_message(fd)));
    receive_message(fd);  // and closes without an answer
  });
  Pool pool;
  for (int i = 0; i < 8; ++i) {
    const auto asked = pool.get(server.address);
    EXPECT_FALSE(asked->error) << asked->detail;
  }
  const PeerConnectionCounts counts = pool.connections.counts();
  EXPECT_EQ(counts.repeated, 2U) << "after two of them nothing is kept for this peer";
  EXPECT_EQ(counts.opened, 8U);
  EXPECT_EQ(counts.idle, 0U);
}

TEST(PeerConnections, ARepeatedRequestHasAnotherIdAndIsNotRepeatedAgain) {
  Server server([](int fd, int number) {
    if (number == 0) give(fd, framed(receive_message(fd)));
    receive_message(fd);
  });
  Pool pool;
  EXPECT_FALSE(pool.get(server.address)->error);
  const auto asked = pool.get(server.address);
  EXPECT_EQ(asked->error, Errc::connection_closed);
  EXPECT_NE(asked->detail.find(server.address.text()), std::string::npos) << asked->detail;
  EXPECT_EQ(asked->ids.size(), 2U);
  EXPECT_EQ(server.connections, 2);
}

TEST(PeerConnections, AFreshConnectionThatIsClosedIsAFailure) {
  Server server([](int fd, int) { receive_message(fd); });
  Pool pool;
  const auto asked = pool.get(server.address);
  EXPECT_EQ(asked->error, Errc::connection_closed);
  EXPECT_EQ(asked->ids.size(), 1U);
  EXPECT_EQ(server.connections, 1);
}

TEST(PeerConnections, AnAnswerThatBreaksOffIsAFailure) {
  Server server([](int fd, int) {
    for (int i = 0; i < 2; ++i) {
      const Bytes request = receive_message(fd);
      give(fd, framed(request));
      if (i == 0) continue;
      give(fd, Bytes{0, 50, request[0], request[1], 3});
    }
  });
  Pool pool;
  EXPECT_FALSE(pool.get(server.address)->error);
  const auto asked = pool.get(server.address, {.messages = 3});
  EXPECT_EQ(asked->error, Errc::connection_closed);
  EXPECT_NE(asked->detail.find("inside a message"), std::string::npos) << asked->detail;
  EXPECT_EQ(asked->messages.size(), 1U);
  EXPECT_EQ(server.connections, 1) << "what has begun is not repeated";
}

TEST(PeerConnections, APeerThatIgnoresTheSecondRequestIsAskedOnAFreshConnection) {
  Server server([](int fd, int) {
    give(fd, framed(receive_message(fd)));
    hang(fd);
  });
  Pool pool({.hesitation = 100ms});
  for (int i = 0; i < 3; ++i) {
    const auto asked = pool.get(server.address);
    EXPECT_FALSE(asked->error) << asked->detail;
    EXPECT_EQ(asked->took >= 100ms, i != 0);
  }
  for (int i = 0; i < 3; ++i) EXPECT_LT(pool.get(server.address)->took, 100ms) << "it is known by now";
}

// ------------------------------------------------------------------------------------------------------- Many at once

TEST(PeerConnections, AnswersMayInterleaveAndComeInAnyOrder) {
  Server server([](int fd, int) {
    std::vector<Bytes> requests;
    for (int i = 0; i < 3; ++i) requests.push_back(receive_message(fd));
    Bytes stream;
    for (std::uint8_t part = 0; part < 4; ++part) {
      for (auto request = requests.rbegin(); request != requests.rend(); ++request) {
        if (request->back() == 2 && part == 3) continue;
        append(stream, framed(message(id_of(*request), 3000 + part, request->back())));
      }
    }
    for (std::size_t at = 0; at < stream.size(); at += 1777) {
      give(fd, ByteView(stream).subspan(at, std::min<std::size_t>(1777, stream.size() - at)));
    }
    hang(fd);
  });
  Pool pool(one_connection());
  std::vector<std::shared_ptr<Asked>> all;
  for (std::uint8_t i = 1; i <= 3; ++i) {
    all.push_back(pool.ask(server.address, {.fill = i, .messages = i == 2 ? 3U : 4U}));
  }
  EXPECT_TRUE(pool.until([&] { return all[0]->over && all[1]->over && all[2]->over; }));
  for (std::uint8_t i = 1; i <= 3; ++i) {
    const Asked& asked = *all[i - 1U];
    EXPECT_FALSE(asked.error) << asked.detail;
    ASSERT_EQ(asked.messages.size(), i == 2 ? 3U : 4U);
    for (std::size_t part = 0; part < asked.messages.size(); ++part) {
      EXPECT_EQ(asked.messages[part], message(asked.ids.at(0), 3000 + part, i));
    }
  }
  EXPECT_EQ(server.connections, 1);
  EXPECT_EQ(pool.connections.counts().pipelined, 2U);
}

TEST(PeerConnections, WaitsWhenAllIsFull) {
  std::atomic<int> most{0};
  Server server([&](int fd, int) {
    while (true) {
      Bytes first = receive_message(fd);
      if (first.empty()) return;
      std::this_thread::sleep_for(20ms);
      int ready = 1;
      std::vector<Bytes> requests{first};
      while (readable(fd, 0ms)) {
        Bytes next = receive_message(fd);
        if (next.empty()) return;
        requests.push_back(next);
        ++ready;
      }
      most = std::max(most.load(), ready);
      for (const Bytes& request : requests) give(fd, framed(request));
    }
  });
  Pool pool({.max_connections = 2, .max_pipelined = 3});
  std::vector<std::shared_ptr<Asked>> all;
  for (std::uint8_t i = 0; i < 40; ++i) all.push_back(pool.ask(server.address, {.fill = i}));
  EXPECT_TRUE(pool.until([&] { return pool.connections.counts().waiting == 34; }));
  EXPECT_TRUE(pool.until([&] { return std::all_of(all.begin(), all.end(), [](auto& a) { return a->over; }); }));
  for (const auto& asked : all) EXPECT_FALSE(asked->error) << asked->detail;
  EXPECT_EQ(server.connections, 2);
  EXPECT_LE(most, 3);
}

TEST(PeerConnections, SaysThatNoConnectionWasFree) {
  Server server([](int fd, int) { hang(fd); });
  Pool pool({.max_connections = 1, .max_pipelined = 1, .hesitation = 5s});
  const auto first = pool.ask(server.address);
  const auto second = pool.get(server.address, {.limits = {.stall = 100ms, .deadline = std::nullopt}});
  EXPECT_EQ(second->error, Errc::timed_out);
  EXPECT_NE(second->detail.find("free"), std::string::npos) << second->detail;
  EXPECT_FALSE(first->over);
}

TEST(PeerConnections, NobodyWaitsBehindAHungRequest) {
  // In order, and the first one hangs: only another connection helps.
  Server server([](int fd, int) {
    while (true) {
      const Bytes request = receive_message(fd);
      if (request.empty()) return;
      if (request.back() == 1) return hang(fd);
      give(fd, framed(request));
    }
  });
  Pool pool({.max_connections = 1, .hesitation = 150ms});
  const auto hung = pool.ask(server.address, {.fill = 1});
  std::vector<std::shared_ptr<Asked>> others;
  for (std::uint8_t i = 2; i < 6; ++i) others.push_back(pool.ask(server.address, {.fill = i}));
  EXPECT_TRUE(pool.until([&] { return std::all_of(others.begin(), others.end(), [](auto& a) { return a->over; }); }));
  for (const auto& asked : others) {
    EXPECT_FALSE(asked->error) << asked->detail;
    EXPECT_LT(asked->took, 2s);
  }
  EXPECT_FALSE(hung->over);
  const auto later = pool.get(server.address, {.fill = 9});
  EXPECT_FALSE(later->error) << later->detail;
  EXPECT_LT(later->took, 100ms);
}

TEST(PeerConnections, AHundredHungRequestsDoNotDelayAHealthyOne) {
  Server server([](int fd, int) {
    while (true) {
      const Bytes request = receive_message(fd);
      if (request.empty()) return;
      if (request.back() == 1) return hang(fd);
      give(fd, framed(request));
    }
  });
  Pool pool({.max_connections = 16, .hesitation = 100ms});
  std::vector<std::shared_ptr<Asked>> hung;
  for (int i = 0; i < 100; ++i) hung.push_back(pool.ask(server.address, {.fill = 1}));
  EXPECT_TRUE(pool.until([&] { return pool.connections.counts().open >= 100; }));
  pool.run_for(150ms);
  const auto healthy = pool.get(server.address, {.fill = 2});
  EXPECT_FALSE(healthy->error) << healthy->detail;
  EXPECT_LT(healthy->took, 100ms);
}

TEST(PeerConnections, AThousandRequestsOverSixteenConnections) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool({.max_connections = 16, .max_pipelined = 8});
  std::vector<std::shared_ptr<Asked>> all;
  for (int i = 0; i < 1000; ++i) all.push_back(pool.ask(server.address, {.fill = static_cast<std::uint8_t>(i % 251)}));
  EXPECT_TRUE(pool.until([&] { return std::all_of(all.begin(), all.end(), [](auto& a) { return a->over; }); }));
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(all[i]->messages.size(), 1U) << all[i]->detail;
    EXPECT_EQ(all[i]->messages[0], message(all[i]->ids.at(0), 32, static_cast<std::uint8_t>(i % 251)));
  }
  EXPECT_EQ(server.connections, 16);
  EXPECT_EQ(pool.connections.counts().idle, 16U);
}

TEST(PeerConnections, IdsAreNotUsedAgainSoonAndCannotBeGuessed) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool;
  std::vector<std::uint16_t> ids;
  int steps_of_one = 0;
  for (int i = 0; i < 1500; ++i) {
    ids.push_back(pool.get(server.address)->ids.at(0));
    const std::size_t from = ids.size() > 64 ? ids.size() - 64 : 0;
    const std::set<std::uint16_t> last(ids.begin() + static_cast<std::ptrdiff_t>(from), ids.end());
    ASSERT_EQ(last.size(), ids.size() - from);
    if (i > 0 && static_cast<std::uint16_t>(ids.back() - ids[ids.size() - 2] + 1) <= 2) ++steps_of_one;
  }
  EXPECT_LT(steps_of_one, 10);
  EXPECT_EQ(server.connections, 1);
}

TEST(PeerConnections, PassesLargeMessagesBothWays) {
  Server server([](int fd, int) {
    std::this_thread::sleep_for(100ms);  // until the socket's buffers are full
    answer_all(fd);
  });
  Pool pool({.max_connections = 1, .max_pipelined = 200});
  std::vector<std::shared_ptr<Asked>> all;
  for (std::uint8_t i = 0; i < 150; ++i) all.push_back(pool.ask(server.address, {.fill = i, .size = 65535}));
  EXPECT_TRUE(pool.until([&] { return std::all_of(all.begin(), all.end(), [](auto& a) { return a->over; }); }));
  for (std::uint8_t i = 0; i < 150; ++i) {
    ASSERT_EQ(all[i]->messages.size(), 1U) << all[i]->detail;
    EXPECT_EQ(all[i]->messages[0], message(all[i]->ids.at(0), 65535, i));
  }
}

// ---------------------------------------------------------------------------------------------- What was not asked for

TEST(PeerConnections, AnotherIdThanAskedForEndsTheOnlyRequest) {
  Server server([](int fd, int) {
    const Bytes request = receive_message(fd);
    give(fd, framed(message(static_cast<std::uint16_t>(id_of(request) + 1))));
    hang(fd);
  });
  Pool pool;
  const auto asked = pool.get(server.address);
  EXPECT_EQ(asked->error, Errc::wrong_id);
  EXPECT_TRUE(asked->messages.empty());
  EXPECT_EQ(pool.connections.counts().open, 0U);
}

/// Two requests at once; the server sends this many messages for nobody before it answers both.
void strangers(std::size_t count, int connections) {
  Server server([count](int fd, int number) {
    const Bytes one = receive_message(fd);
    const Bytes two = receive_message(fd, 300ms);
    if (number == 0) {
      std::uint16_t id = 0;
      for (std::size_t i = 0; i < count; ++i) {
        do ++id;
        while (id == id_of(one) || id == id_of(two));
        give(fd, framed(i % 5 == 0 ? Bytes(i % 2, 1) : message(id)));
      }
    }
    give(fd, framed(one));
    if (!two.empty()) give(fd, framed(two));
    hang(fd);
  });
  Pool pool(one_connection());
  const auto one = pool.ask(server.address, {.fill = 1});
  const auto two = pool.ask(server.address, {.fill = 2});
  EXPECT_TRUE(pool.until([&] { return one->over && two->over; }));
  EXPECT_FALSE(one->error) << one->detail;
  EXPECT_FALSE(two->error) << two->detail;
  EXPECT_EQ(server.connections, connections);
  EXPECT_GE(pool.connections.counts().dropped, std::min<std::size_t>(count, 16));
}

TEST(PeerConnections, DropsMessagesThatAreNobodys) {
  strangers(16, 1);
}

TEST(PeerConnections, ClosesAConnectionWithTooManyOfThem) {
  strangers(40, 3);  // each of the two is repeated on a connection of its own
}

TEST(PeerConnections, DataOnAnIdleConnectionClosesIt) {
  Server server([](int fd, int) {
    const Bytes request = receive_message(fd);
    give(fd, framed(request));
    std::this_thread::sleep_for(50ms);
    give(fd, framed(request));
    EXPECT_TRUE(closed_by_peer(fd));
  });
  Pool pool;
  EXPECT_FALSE(pool.get(server.address)->error);
  EXPECT_EQ(pool.connections.counts().idle, 1U);
  EXPECT_TRUE(pool.until([&] { return pool.connections.counts().open == 0; }));
}

TEST(PeerConnections, MoreBehindTheLastMessageIsRefused) {
  for (const bool whole : {true, false}) {
    Server server([whole](int fd, int) {
      const Bytes request = receive_message(fd);
      Bytes both = framed(request);
      append(both, whole ? framed(request) : Bytes{0});
      give(fd, both);
      hang(fd);
    });
    Pool pool;
    const auto asked = pool.get(server.address);
    EXPECT_EQ(asked->error, Errc::extra_records);
    EXPECT_EQ(pool.connections.counts().open, 0U);
  }
}

TEST(PeerConnections, MoreOfAFinishedAnswerAmongOthersIsRefused) {
  Server server([](int fd, int) {
    const Bytes one = receive_message(fd);
    const Bytes two = receive_message(fd);
    Bytes stream;
    for (const Bytes* part : {&one, &two, &one}) append(stream, framed(*part));
    give(fd, stream);
    hang(fd);
  });
  Pool pool(one_connection());
  const auto one = pool.ask(server.address, {.fill = 1});
  const auto two = pool.ask(server.address, {.fill = 2, .messages = 1});
  EXPECT_TRUE(pool.until([&] { return one->over && two->over; }));
  EXPECT_EQ(one->error, Errc::extra_records);
  EXPECT_FALSE(two->error == Errc::extra_records) << two->detail;
}

// ------------------------------------------------------------------------------------------------------------ Giving
// up

TEST(PeerConnections, CancellingTheOnlyRequestClosesItsConnection) {
  std::atomic<bool> closed{false};
  Server server([&](int fd, int) {
    receive_message(fd);
    closed = closed_by_peer(fd);
  });
  Pool pool;
  const auto asked = pool.ask(server.address);
  pool.run_for(50ms);
  asked->signal.emit(asio::cancellation_type::terminal);
  EXPECT_TRUE(pool.until([&] { return asked->over; }));
  EXPECT_EQ(asked->error, Errc::cancelled);
  EXPECT_TRUE(pool.until([&] { return closed.load(); }));
}

TEST(PeerConnections, CancellingOneOfSeveralLeavesTheOthersAlone) {
  std::atomic<bool> go{false};
  Server server([&](int fd, int) {
    const Bytes one = receive_message(fd);
    const Bytes two = receive_message(fd);
    give(fd, framed(one));
    EXPECT_TRUE(eventually([&] { return go.load(); }));
    for (int i = 0; i < 5; ++i) {
      give(fd, framed(one));
      give(fd, framed(two));
    }
    EXPECT_TRUE(closed_by_peer(fd)) << "something could still come for the first, so it is not kept";
  });
  Pool pool(one_connection());
  const auto one = pool.ask(server.address, {.fill = 1, .messages = 6});
  const auto two = pool.ask(server.address, {.fill = 2, .messages = 5});
  EXPECT_TRUE(pool.until([&] { return one->messages.size() == 1; }));
  one->signal.emit(asio::cancellation_type::terminal);
  EXPECT_TRUE(pool.until([&] { return one->over; }));
  EXPECT_EQ(one->error, Errc::cancelled);
  go = true;
  EXPECT_TRUE(pool.until([&] { return two->over; }));
  EXPECT_FALSE(two->error) << two->detail;
  EXPECT_EQ(two->messages.size(), 5U);
  EXPECT_EQ(one->messages.size(), 1U);
  EXPECT_GE(pool.connections.counts().dropped, 4U);
}

TEST(PeerConnections, AnEndlessAnswerThatNobodyWantsHoldsUpNobody) {
  std::atomic<bool> go{false};
  Server server([&](int fd, int number) {
    if (number != 0) return answer_all(fd);
    const Bytes one = receive_message(fd);
    receive_message(fd);
    EXPECT_TRUE(eventually([&] { return go.load(); }));
    const Bytes part = framed(message(id_of(one), 60'000));
    for (int i = 0; i < 1000; ++i) {
      if (::send(fd, part.data(), part.size(), MSG_NOSIGNAL) <= 0) return;
    }
    ADD_FAILURE() << "60 MB were read for nobody";
  });
  Pool pool(one_connection());
  const auto one = pool.ask(server.address, {.fill = 1});
  const auto two = pool.ask(server.address, {.fill = 2});
  pool.run_for(50ms);
  one->signal.emit(asio::cancellation_type::terminal);
  EXPECT_TRUE(pool.until([&] { return one->over; }));
  go = true;
  EXPECT_TRUE(pool.until([&] { return two->over; }));
  EXPECT_FALSE(two->error) << two->detail;
  EXPECT_EQ(two->ids.size(), 2U);
}

TEST(PeerConnections, CancelsARequestThatWaits) {
  Server server([](int fd, int) { hang(fd); });
  Pool pool({.max_connections = 1, .max_pipelined = 1});
  const auto first = pool.ask(server.address);
  const auto second = pool.ask(server.address);
  EXPECT_TRUE(pool.until([&] { return pool.connections.counts().waiting == 1; }));
  second->signal.emit(asio::cancellation_type::terminal);
  EXPECT_TRUE(pool.until([&] { return second->over; }));
  EXPECT_EQ(second->error, Errc::cancelled);
  EXPECT_EQ(pool.connections.counts().waiting, 0U);
  EXPECT_FALSE(first->over);
}

TEST(PeerConnections, AnErrorOfTheTakerEndsTheRequest) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool;
  const auto asked = pool.get(server.address, {.take = [](ByteView) { return fail(Errc::bad_rdata, "x"); }});
  EXPECT_EQ(asked->error, Errc::bad_rdata);
  EXPECT_EQ(pool.connections.counts().open, 0U) << "who knows what would follow";
}

TEST(PeerConnections, ARequestThatCannotBeMadeCostsNothing) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool;
  const auto asked = pool.get(server.address, {.size = 65536});
  EXPECT_EQ(asked->error, Errc::no_space);
  EXPECT_FALSE(pool.get(server.address)->error);
  EXPECT_EQ(pool.connections.counts().requests, 1U);
}

TEST(PeerConnections, StopsInEveryState) {
  Server quiet([](int fd, int) { hang(fd); });
  Server healthy([](int fd, int) { answer_all(fd); });
  // A full backlog: the system drops further connection requests, as a filter would.
  auto listener = open_tcp_listener(loopback(), 0);
  const Endpoint full = *local_endpoint(listener->get());
  std::vector<UniqueFd> blockers;
  for (int i = 0; i < 4; ++i) {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_storage address{};
    const socklen_t size = full.to_sockaddr(address);
    (void)connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
    blockers.push_back(std::move(fd));
  }
  Pool pool({.max_connections = 1, .max_pipelined = 2});
  const auto idle = pool.get(healthy.address);
  std::vector<std::shared_ptr<Asked>> all;
  for (int i = 0; i < 3; ++i) all.push_back(pool.ask(quiet.address));  // two are sent, one waits
  for (int i = 0; i < 2; ++i) all.push_back(pool.ask(full));           // connecting
  pool.run_for(50ms);
  const PeerConnectionCounts counts = pool.connections.counts();
  EXPECT_EQ(counts.open, 3U);
  EXPECT_EQ(counts.idle, 1U);
  EXPECT_EQ(counts.waiting, 1U);
  pool.connections.stop();
  EXPECT_TRUE(pool.until([&] { return std::all_of(all.begin(), all.end(), [](auto& a) { return a->over; }); }, 1s));
  for (const auto& asked : all) {
    EXPECT_EQ(asked->error, Errc::cancelled);
    EXPECT_FALSE(asked->detail.empty());
  }
  EXPECT_EQ(pool.connections.counts().open, 0U);
  EXPECT_EQ(pool.get(healthy.address)->error, Errc::cancelled);
}

TEST(PeerConnections, CanBeStoppedByATaker) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool(one_connection());
  const auto other = pool.ask(server.address, {.messages = 2});
  const auto asked = pool.ask(server.address, {.take = [&](ByteView) {
                                pool.connections.stop();
                                return Next::done;
                              }});
  EXPECT_TRUE(pool.until([&] { return asked->over && other->over; }));
  EXPECT_EQ(asked->error, Errc::cancelled);
  EXPECT_EQ(other->error, Errc::cancelled);
}

TEST(PeerConnections, MayBeDestroyedWhileSomethingIsUnderWay) {
  Server server([](int fd, int) { hang(fd); });
  auto context = std::make_unique<asio::io_context>();
  auto connections = std::make_unique<PeerConnections>(context->get_executor());
  for (int i = 0; i < 3; ++i) {
    asio::co_spawn(
        *context,
        [](PeerConnections& pool, Endpoint peer) -> asio::awaitable<void> {
          PeerRequest request;
          request.make = [](std::uint16_t id) -> Result<Bytes> { return message(id); };
          request.take = [](ByteView) -> Result<Next> { return Next::done; };
          const Result<> done = co_await pool.exchange({peer}, std::move(request));
          EXPECT_EQ(done.error().code, Errc::cancelled);
        }(*connections, server.address),
        [](const std::exception_ptr& thrown) { EXPECT_FALSE(thrown); });
  }
  context->run_for(50ms);
  connections.reset();
  context.reset();  // the coroutines have not been resumed
}

// ---------------------------------------------------------------------------------------------------------------
// Limits

TEST(PeerConnections, NoticesAStall) {
  Server server([](int fd, int) {
    const Bytes request = receive_message(fd);
    give(fd, framed(request));
    give(fd, Bytes{0, 50, request[0]});
    hang(fd);
  });
  Pool pool;
  const auto asked = pool.get(server.address, {.messages = 2, .limits = {.stall = 150ms, .deadline = std::nullopt}});
  EXPECT_EQ(asked->error, Errc::stalled);
  EXPECT_NE(asked->detail.find(server.address.text()), std::string::npos) << asked->detail;
  EXPECT_EQ(asked->messages.size(), 1U);
  EXPECT_GE(asked->took, 150ms);
  EXPECT_LT(asked->took, 3s);
}

TEST(PeerConnections, TheFirstOctetHasATimeOfItsOwn) {
  Server silent([](int fd, int) { hang(fd); });
  Pool pool;
  Question question{.limits = {.stall = 10s, .first_octet_by = SteadyClock::now() + 150ms, .deadline = std::nullopt}};
  const auto nothing = pool.get(silent.address, question);
  EXPECT_EQ(nothing->error, Errc::stalled);
  EXPECT_LT(nothing->took, 3s);

  Server slow([](int fd, int) {
    const Bytes stream = framed(receive_message(fd));
    give(fd, ByteView(stream).first(1));
    std::this_thread::sleep_for(600ms);
    give(fd, ByteView(stream).subspan(1));
  });
  question.limits.first_octet_by = SteadyClock::now() + 400ms;
  EXPECT_FALSE(pool.get(slow.address, question)->error) << "what has begun may take its time";
}

void trickle(int fd) {
  const Bytes stream = framed(message(id_of(receive_message(fd)), 5000));
  for (const std::uint8_t octet : stream) {
    if (::send(fd, &octet, 1, MSG_NOSIGNAL) != 1) return;
    std::this_thread::sleep_for(5ms);
  }
}

TEST(PeerConnections, NoticesATrickle) {
  Server server([](int fd, int) { trickle(fd); });
  Pool pool;
  const auto asked =
      pool.get(server.address,
               {.limits = {.stall = 1s, .minimum_rate = 10'000, .rate_window = 200ms, .deadline = std::nullopt}});
  EXPECT_EQ(asked->error, Errc::too_slow);
  EXPECT_GE(asked->took, 200ms);
  EXPECT_LT(asked->took, 3s);
}

TEST(PeerConnections, KeepsToADeadline) {
  Server server([](int fd, int) { trickle(fd); });
  Pool pool;
  const auto asked = pool.get(server.address, {.limits = {.stall = 1s, .deadline = SteadyClock::now() + 200ms}});
  EXPECT_EQ(asked->error, Errc::timed_out);
  EXPECT_LT(asked->took, 3s);
}

TEST(PeerConnections, IsPatientWithASteadyPeer) {
  Server server([](int fd, int) {
    const std::uint16_t id = id_of(receive_message(fd));
    for (int i = 0; i < 20; ++i) {
      give(fd, framed(message(id, 1000)));
      std::this_thread::sleep_for(25ms);
    }
  });
  Pool pool;
  const auto asked =
      pool.get(server.address,
               {.messages = 20,
                .limits = {.stall = 400ms, .minimum_rate = 2'000, .rate_window = 150ms, .deadline = std::nullopt}});
  EXPECT_EQ(asked->messages.size(), 20U) << asked->detail;
}

TEST(PeerConnections, DoesNotBlameThePeerForATakerThatIsBusy) {
  Server server([](int fd, int) {
    const std::uint16_t id = id_of(receive_message(fd));
    for (int i = 0; i < 3; ++i) {
      give(fd, framed(message(id, 1000)));
      std::this_thread::sleep_for(20ms);
    }
    hang(fd);
  });
  Pool pool;
  int taken = 0;
  const auto asked =
      pool.get(server.address,
               {.limits = {.stall = 100ms, .minimum_rate = 10'000, .rate_window = 100ms, .deadline = std::nullopt},
                .take = [&](ByteView) {
                  std::this_thread::sleep_for(200ms);
                  return ++taken < 3 ? Next::more : Next::done;
                }});
  EXPECT_EQ(asked->messages.size(), 3U) << asked->detail;
}

TEST(PeerConnections, ARequestBehindAnotherIsNotTakenForHung) {
  Server server([](int fd, int) {
    const Bytes one = receive_message(fd);
    const Bytes two = receive_message(fd);
    for (int i = 0; i < 20; ++i) {
      give(fd, framed(one));
      std::this_thread::sleep_for(30ms);
    }
    give(fd, framed(two));
    hang(fd);
  });
  Pool pool({.max_connections = 1, .hesitation = 150ms});
  const ReceiveLimits limits{.stall = 300ms, .first_octet_by = SteadyClock::now() + 400ms, .deadline = std::nullopt};
  const auto one = pool.ask(server.address, {.fill = 1, .messages = 20, .limits = limits});
  const auto two = pool.ask(server.address, {.fill = 2, .limits = limits});
  EXPECT_TRUE(pool.until([&] { return two->over; }));
  EXPECT_FALSE(one->error) << one->detail;
  EXPECT_FALSE(two->error) << two->detail;
  EXPECT_EQ(server.connections, 1);
}

TEST(PeerConnections, AStalledAnswerIsJudgedByItsOwnProgress) {
  Server server([](int fd, int) {
    const Bytes one = receive_message(fd);
    const Bytes two = receive_message(fd);
    give(fd, framed(one));
    for (int i = 0; i < 40; ++i) {
      give(fd, framed(two));
      std::this_thread::sleep_for(20ms);
    }
    hang(fd);
  });
  Pool pool(one_connection());
  const auto one =
      pool.ask(server.address, {.fill = 1, .messages = 2, .limits = {.stall = 250ms, .deadline = std::nullopt}});
  const auto two = pool.ask(server.address, {.fill = 2, .messages = 40});
  EXPECT_TRUE(pool.until([&] { return one->over; }));
  EXPECT_EQ(one->error, Errc::stalled);
  EXPECT_LT(one->took, 700ms);
  EXPECT_TRUE(pool.until([&] { return two->over; }));
  EXPECT_FALSE(two->error) << two->detail;
}

// -----------------------------------------------------------------------------------------------------------
// Connecting

TEST(PeerConnections, SaysThatNobodyListens) {
  Endpoint unused;
  {
    const auto listener = open_tcp_listener(loopback());
    unused = *local_endpoint(listener->get());
  }
  Pool pool;
  const auto asked = pool.get(unused);
  EXPECT_EQ(asked->error, Errc::connect_failed);
  EXPECT_NE(asked->detail.find(unused.text()), std::string::npos) << asked->detail;
  EXPECT_NE(asked->detail.find("refused"), std::string::npos) << asked->detail;
}

TEST(PeerConnections, UsesTheSourceAddress) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool;
  const IpAddress source = IpAddress::v4(127, 0, 0, 9);
  EXPECT_FALSE(pool.get(server.address, {.source = source})->error);
  EXPECT_FALSE(pool.get(server.address, {.source = source})->error);
  EXPECT_FALSE(server.other_source);
  EXPECT_EQ(server.connections, 1);
  EXPECT_FALSE(pool.get(server.address)->error);
  EXPECT_EQ(server.connections, 2) << "another source is another connection";
  const auto foreign = pool.get(server.address, {.source = IpAddress::v4(192, 0, 2, 1)});
  EXPECT_EQ(foreign->error, Errc::connect_failed);
  EXPECT_NE(foreign->detail.find("assign"), std::string::npos) << foreign->detail;
}

}  // namespace
}  // namespace understudy
