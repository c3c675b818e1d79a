#include "net/exchange.h"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <set>

#include "peers.h"

namespace understudy {
namespace {

namespace asio = boost::asio;

/// Runs one coroutine to its end on a fresh io_context; cancels it after a while if told so.
template <typename T>
T run(std::function<asio::awaitable<T>()> body, std::optional<std::chrono::milliseconds> cancel_after = std::nullopt) {
  asio::io_context context;
  std::optional<T> out;
  asio::cancellation_signal signal;
  asio::steady_timer timer(context);
  if (cancel_after) {
    timer.expires_after(*cancel_after);
    timer.async_wait([&](auto error) {
      if (!error) signal.emit(asio::cancellation_type::terminal);
    });
  }
  std::exception_ptr exception;
  asio::co_spawn(context, std::move(body),
                 asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, T value) {
                   exception = e;
                   out = std::move(value);
                   timer.cancel();
                 }));
  context.run();
  if (exception) std::rethrow_exception(exception);
  return std::move(*out);
}

/// Results of coroutines must be default-constructible for asio.
struct Outcome {
  std::optional<Errc> error;
  std::string detail;
  std::vector<Bytes> messages;
  std::chrono::milliseconds took{0};
};

void note(Outcome& outcome, const Error& error) {
  outcome.error = error.code;
  outcome.detail = error.detail;
}

struct Timed {
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  [[nodiscard]] std::chrono::milliseconds took() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  }
};

// ---------------------------------------------------------------------------------------------------------------- UDP

struct UdpPeer {
  UniqueFd fd;
  Endpoint address;
  std::thread thread;

  explicit UdpPeer(std::function<void(UdpPeer&)> script) {
    const Endpoint any = loopback();
    fd = open_socket(SOCK_DGRAM, &any, nullptr);
    address = *local_endpoint(fd.get());
    thread = std::thread([this, script = std::move(script)] { script(*this); });
  }
  ~UdpPeer() { thread.join(); }

  /// The next query and who sent it.
  std::pair<Bytes, Endpoint> take() {
    Bytes query(4096);
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    if (!readable(fd.get(), 10s)) return {};
    const ssize_t n = recvfrom(fd.get(), query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    query.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return {query, *Endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&from), size)};
  }
  void give(const Bytes& answer, const Endpoint& to) {
    sockaddr_storage address_of_client{};
    const socklen_t size = to.to_sockaddr(address_of_client);
    EXPECT_EQ(sendto(fd.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&address_of_client), size),
              static_cast<ssize_t>(answer.size()));
  }
};

Outcome ask(const Endpoint& peer, std::uint16_t id, std::chrono::milliseconds timeout,
            std::optional<std::chrono::milliseconds> cancel_after = std::nullopt,
            std::optional<IpAddress> source = std::nullopt) {
  const Timed timed;
  Outcome outcome = run<Outcome>(
      [=]() -> asio::awaitable<Outcome> {
        Outcome out;
        const Bytes query = message(id);
        auto answer = co_await udp_exchange(
            peer, query, timeout, [id](ByteView m) { return m.size() >= 2 && load_u16(m.data()) == id; }, source);
        if (answer) {
          out.messages.push_back(*answer);
        } else {
          note(out, answer.error());
        }
        co_return out;
      },
      cancel_after);
  outcome.took = timed.took();
  return outcome;
}

TEST(UdpExchange, ReturnsTheAnswer) {
  UdpPeer peer([](UdpPeer& p) {
    const auto [query, from] = p.take();
    p.give(message(load_u16(query.data()), 700, 9), from);
  });
  const Outcome outcome = ask(peer.address, 11, 5s);
  ASSERT_EQ(outcome.messages.size(), 1U) << outcome.detail;
  EXPECT_EQ(outcome.messages[0], message(11, 700, 9));
}

TEST(UdpExchange, EndsWhereSomebodyGuesses) {
  UdpPeer peer([](UdpPeer& p) {
    const auto [query, from] = p.take();
    for (std::uint16_t id = 100; id < 132; ++id) p.give(message(id), from);
    p.give(message(load_u16(query.data())), from);
  });
  const Outcome outcome = ask(peer.address, 11, 5s);
  EXPECT_TRUE(outcome.messages.empty());
  EXPECT_EQ(outcome.error, Errc::wrong_id) << outcome.detail;
}

TEST(UdpExchange, IgnoresWhatIsNotTheAnswer) {
  UdpPeer peer([](UdpPeer& p) {
    const auto [query, from] = p.take();
    p.give(message(12), from);
    p.give(Bytes{}, from);
    p.give(Bytes{1}, from);
    p.give(message(11, 50), from);
  });
  const Outcome outcome = ask(peer.address, 11, 5s);
  ASSERT_EQ(outcome.messages.size(), 1U) << outcome.detail;
  EXPECT_EQ(outcome.messages[0].size(), 50U);
}

TEST(UdpExchange, IgnoresOtherSenders) {
  UdpPeer peer([](UdpPeer& p) {
    const auto [query, from] = p.take();
    const Endpoint other = loopback();
    const UniqueFd forger = open_socket(SOCK_DGRAM, &other, nullptr);
    sockaddr_storage to{};
    const socklen_t size = from.to_sockaddr(to);
    const Bytes forged = message(11, 40);
    EXPECT_GT(sendto(forger.get(), forged.data(), forged.size(), 0, reinterpret_cast<sockaddr*>(&to), size), 0);
    std::this_thread::sleep_for(20ms);
    p.give(message(11, 50), from);
  });
  const Outcome outcome = ask(peer.address, 11, 5s);
  ASSERT_EQ(outcome.messages.size(), 1U);
  EXPECT_EQ(outcome.messages[0].size(), 50U);
}

TEST(UdpExchange, GivesUpInTime) {
  UdpPeer peer([](UdpPeer& p) {
    const auto [query, from] = p.take();
    for (int i = 0; i < 5; ++i) {  // wrong answers do not prolong the wait
      p.give(message(99), from);
      std::this_thread::sleep_for(20ms);
    }
  });
  const Outcome outcome = ask(peer.address, 11, 150ms);
  EXPECT_EQ(outcome.error, Errc::timed_out);
  EXPECT_GE(outcome.took, 150ms);
  EXPECT_LT(outcome.took, 2s);
  EXPECT_NE(outcome.detail.find(peer.address.text()), std::string::npos) << outcome.detail;
}

TEST(UdpExchange, SaysAtOnceThatNobodyListens) {
  const Endpoint any = loopback();
  Endpoint unused;
  {
    const UniqueFd fd = open_socket(SOCK_DGRAM, &any, nullptr);
    unused = *local_endpoint(fd.get());
  }
  const Outcome outcome = ask(unused, 11, 5s);
  EXPECT_EQ(outcome.error, Errc::connect_failed);
  EXPECT_LT(outcome.took, 1s);
  EXPECT_NE(outcome.detail.find("refused"), std::string::npos) << outcome.detail;
}

TEST(UdpExchange, CanBeCancelled) {
  UdpPeer peer([](UdpPeer& p) { p.take(); });
  const Outcome outcome = ask(peer.address, 11, 10s, 50ms);
  EXPECT_EQ(outcome.error, Errc::cancelled);
  EXPECT_LT(outcome.took, 2s);
}

TEST(UdpExchange, UsesTheSourceAddressAndFreshPorts) {
  std::set<std::uint16_t> ports;
  for (std::uint16_t i = 0; i < 4; ++i) {
    UdpPeer peer([&](UdpPeer& p) {
      const auto [query, from] = p.take();
      EXPECT_EQ(from.address, IpAddress::v4(127, 0, 0, 9));
      ports.insert(from.port);
      p.give(query, from);
    });
    EXPECT_EQ(ask(peer.address, i, 5s, std::nullopt, IpAddress::v4(127, 0, 0, 9)).messages.size(), 1U);
  }
  EXPECT_GT(ports.size(), 1U);
}

template <typename F>
Outcome without_descriptors(F&& exchange) {
  return run<Outcome>([&]() -> asio::awaitable<Outcome> {
    Outcome out;
    co_await exchange(out);
    co_return out;
  });
}

TEST(UdpExchange, SaysThatNoDescriptorIsLeft) {
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "that sanitizer opens pipes to look at objects and takes them for damaged if it cannot";
#endif
  const Outcome outcome = without_descriptors([](Outcome& out) -> asio::awaitable<void> {
    const NoDescriptors none;
    const Bytes query = message(12);
    const auto answer = co_await udp_exchange(loopback(5300), query, 5s, [](ByteView) { return true; });
    if (!answer) note(out, answer.error());
  });
  EXPECT_EQ(outcome.error, Errc::io);
  EXPECT_NE(outcome.detail.find("raise the limit of open files"), std::string::npos) << outcome.detail;
}

TEST(TcpExchange, SaysThatNoDescriptorIsLeft) {
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "that sanitizer opens pipes to look at objects and takes them for damaged if it cannot";
#endif
  const Outcome outcome = without_descriptors([](Outcome& out) -> asio::awaitable<void> {
    const NoDescriptors none;
    TcpExchange exchange(co_await asio::this_coro::executor);
    const auto connected = co_await exchange.connect(loopback(5300), 5s);
    if (!connected) note(out, connected.error());
  });
  EXPECT_EQ(outcome.error, Errc::io);
  EXPECT_NE(outcome.detail.find("raise the limit of open files"), std::string::npos) << outcome.detail;
}

TEST(UdpExchange, SaysThatASourceAddressIsNotOurs) {
  const Outcome outcome = ask(loopback(5300), 11, 5s, std::nullopt, IpAddress::v4(192, 0, 2, 1));
  EXPECT_EQ(outcome.error, Errc::connect_failed);
  EXPECT_NE(outcome.detail.find("assign"), std::string::npos) << outcome.detail;
}

// ---------------------------------------------------------------------------------------------------------------- TCP

/// Accepts one connection and follows its script.
struct TcpPeer {
  UniqueFd listener;
  Endpoint address;
  std::thread thread;

  explicit TcpPeer(std::function<void(int)> script) {
    listener = *open_tcp_listener(loopback());
    address = *local_endpoint(listener.get());
    thread = std::thread([this, script = std::move(script)] {
      if (!readable(listener.get(), 10s)) return;
      const UniqueFd connection(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      script(connection.get());
    });
  }
  ~TcpPeer() { thread.join(); }
};

struct Plan {
  std::size_t messages = 1;
  ReceiveLimits limits;
  std::optional<std::chrono::milliseconds> deadline;
  std::optional<std::chrono::milliseconds> cancel_after;
};

asio::awaitable<Outcome> transfer(Endpoint peer, Plan plan) {
  Outcome out;
  TcpExchange exchange(co_await asio::this_coro::executor);
  if (auto connected = co_await exchange.connect(peer, 5s); !connected) {
    note(out, connected.error());
    co_return out;
  }
  const Bytes request = message(21);
  if (auto sent = co_await exchange.send(request, 5s); !sent) {
    note(out, sent.error());
    co_return out;
  }
  if (plan.deadline) plan.limits.deadline = std::chrono::steady_clock::now() + *plan.deadline;
  while (out.messages.size() < plan.messages) {
    auto received = co_await exchange.receive(plan.limits);
    if (!received) {
      note(out, received.error());
      co_return out;
    }
    out.messages.emplace_back(received->begin(), received->end());
  }
  co_return out;
}

Outcome transfer_from(const Endpoint& peer, const Plan& plan) {
  const Timed timed;
  Outcome outcome = run<Outcome>([=] { return transfer(peer, plan); }, plan.cancel_after);
  outcome.took = timed.took();
  return outcome;
}

TEST(TcpExchange, CarriesOneMessageEachWay) {
  TcpPeer peer([](int fd) {
    EXPECT_EQ(receive_message(fd), message(21));
    send_all(fd, framed(message(21, 100, 1)));
  });
  const Outcome outcome = transfer_from(peer.address, {});
  ASSERT_EQ(outcome.messages.size(), 1U) << outcome.detail;
  EXPECT_EQ(outcome.messages[0], message(21, 100, 1));
}

TEST(TcpExchange, PutsMessagesTogetherFromAnyPieces) {
  // Sizes around the buffer's limits; the largest message there can be; an empty one; many in one piece.
  const std::vector<std::size_t> sizes = {2, 4094, 4095, 4096, 65535, 65535, 12, 65534, 3, 30000, 65535, 2};
  Bytes stream;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    append(stream, framed(message(static_cast<std::uint16_t>(i), sizes[i], static_cast<std::uint8_t>(i))));
  }
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{7}, std::size_t{1000}, std::size_t{65537}, stream.size()}) {
    const std::size_t until = piece == 1 ? 3 * 2 + 2 + 4094 + 4095 : stream.size();
    TcpPeer peer([&](int fd) {
      receive_message(fd);
      for (std::size_t at = 0; at < until; at += piece) {
        send_all(fd, ByteView(stream).subspan(at, std::min(piece, stream.size() - at)));
      }
    });
    Plan plan;
    plan.messages = piece == 1 ? 3 : sizes.size();
    const Outcome outcome = transfer_from(peer.address, plan);
    ASSERT_EQ(outcome.messages.size(), plan.messages) << piece << " " << outcome.detail;
    for (std::size_t i = 0; i < plan.messages; ++i) {
      EXPECT_EQ(outcome.messages[i], message(static_cast<std::uint16_t>(i), sizes[i], static_cast<std::uint8_t>(i)));
    }
  }
}

TEST(TcpExchange, SaysThatNobodyListens) {
  Endpoint unused;
  {
    const auto listener = open_tcp_listener(loopback());
    unused = *local_endpoint(listener->get());
  }
  const Outcome outcome = transfer_from(unused, {});
  EXPECT_EQ(outcome.error, Errc::connect_failed);
  EXPECT_NE(outcome.detail.find(unused.text()), std::string::npos) << outcome.detail;
  EXPECT_NE(outcome.detail.find("refused"), std::string::npos) << outcome.detail;
}

TEST(TcpExchange, GivesUpConnectingInTime) {
  const FullBacklog backlog;
  const Endpoint full = backlog.address;
  const Timed timed;
  const Outcome outcome = run<Outcome>([=]() -> asio::awaitable<Outcome> {
    Outcome out;
    TcpExchange exchange(co_await asio::this_coro::executor);
    auto connected = co_await exchange.connect(full, 200ms);
    if (!connected) note(out, connected.error());
    co_return out;
  });
  EXPECT_EQ(outcome.error, Errc::timed_out);
  EXPECT_LT(timed.took(), 2s);
}

TEST(TcpExchange, NoticesAnEarlyClose) {
  TcpPeer peer([](int fd) {
    receive_message(fd);
    send_all(fd, framed(message(21)));
    send_all(fd, Bytes{0, 50, 1, 2, 3});
  });
  Plan plan;
  plan.messages = 2;
  const Outcome outcome = transfer_from(peer.address, plan);
  EXPECT_EQ(outcome.error, Errc::connection_closed);
  EXPECT_EQ(outcome.messages.size(), 1U);
  EXPECT_NE(outcome.detail.find("inside a message"), std::string::npos) << outcome.detail;
}

TEST(TcpExchange, NoticesAReset) {
  TcpPeer peer([](int fd) {
    receive_message(fd);
    const linger now{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  });
  EXPECT_EQ(transfer_from(peer.address, {}).error, Errc::connection_closed);
}

TEST(TcpExchange, NoticesAStall) {
  TcpPeer peer([](int fd) {
    receive_message(fd);
    send_all(fd, framed(message(21)));
    send_all(fd, Bytes{0, 50, 1});
    EXPECT_TRUE(closed_by_peer(fd));
  });
  Plan plan;
  plan.messages = 2;
  plan.limits.stall = 150ms;
  const Outcome outcome = transfer_from(peer.address, plan);
  EXPECT_EQ(outcome.error, Errc::stalled);
  EXPECT_EQ(outcome.messages.size(), 1U);
  EXPECT_GE(outcome.took, 150ms);
  EXPECT_LT(outcome.took, 3s);
}

TEST(TcpExchange, TheFirstOctetHasATimeOfItsOwn) {
  TcpPeer silent([](int fd) {
    receive_message(fd);
    EXPECT_TRUE(closed_by_peer(fd));
  });
  Plan plan;
  plan.limits.stall = 5s;
  plan.limits.first_octet_by = std::chrono::steady_clock::now() + 150ms;
  const Outcome nothing = transfer_from(silent.address, plan);
  EXPECT_EQ(nothing.error, Errc::stalled);
  EXPECT_LT(nothing.took, 3s);

  TcpPeer slow([](int fd) {
    receive_message(fd);
    const Bytes stream = framed(message(21));
    send_all(fd, ByteView(stream).first(1));
    std::this_thread::sleep_for(600ms);
    send_all(fd, ByteView(stream).subspan(1));
  });
  plan.limits.first_octet_by = std::chrono::steady_clock::now() + 400ms;
  EXPECT_EQ(transfer_from(slow.address, plan).messages.size(), 1U) << "what has begun may take its time";
}

void trickle(int fd) {
  receive_message(fd);
  const Bytes stream = framed(message(21, 5000));
  for (const std::uint8_t octet : stream) {
    if (::send(fd, &octet, 1, MSG_NOSIGNAL) != 1) return;
    std::this_thread::sleep_for(5ms);
  }
}

TEST(TcpExchange, NoticesATrickle) {
  TcpPeer peer(trickle);
  Plan plan;
  plan.limits.stall = 1s;
  plan.limits.minimum_rate = 10'000;
  plan.limits.rate_window = 200ms;
  const Outcome outcome = transfer_from(peer.address, plan);
  EXPECT_EQ(outcome.error, Errc::too_slow);
  EXPECT_GE(outcome.took, 200ms);
  EXPECT_LT(outcome.took, 3s);
}

TEST(TcpExchange, KeepsToADeadline) {
  TcpPeer peer(trickle);
  Plan plan;
  plan.deadline = 200ms;
  const Outcome outcome = transfer_from(peer.address, plan);
  EXPECT_EQ(outcome.error, Errc::timed_out);
  EXPECT_LT(outcome.took, 3s);
}

TEST(TcpExchange, IsPatientWithASteadyPeer) {
  TcpPeer peer([](int fd) {
    receive_message(fd);
    for (std::uint16_t i = 0; i < 20; ++i) {
      send_all(fd, framed(message(i, 1000)));
      std::this_thread::sleep_for(25ms);
    }
  });
  Plan plan;
  plan.messages = 20;
  plan.limits.stall = 400ms;
  plan.limits.minimum_rate = 2'000;  // an even tenth of what comes
  plan.limits.rate_window = 150ms;
  const Outcome outcome = transfer_from(peer.address, plan);
  EXPECT_EQ(outcome.messages.size(), 20U) << outcome.detail;
}

TEST(TcpExchange, DoesNotBlameThePeerForAReaderThatIsBusy) {
  TcpPeer peer([](int fd) {
    receive_message(fd);
    for (std::uint16_t i = 0; i < 3; ++i) send_all(fd, framed(message(i, 1000)));
    EXPECT_TRUE(closed_by_peer(fd));
  });
  const Endpoint address = peer.address;
  const Outcome outcome = run<Outcome>([=]() -> asio::awaitable<Outcome> {
    Outcome out;
    TcpExchange exchange(co_await asio::this_coro::executor);
    const Bytes request = message(21);
    (void)co_await exchange.connect(address, 5s);
    (void)co_await exchange.send(request, 5s);
    ReceiveLimits limits;
    limits.stall = 100ms;
    limits.minimum_rate = 10'000;
    limits.rate_window = 100ms;
    for (int i = 0; i < 3; ++i) {
      auto received = co_await exchange.receive(limits);
      if (!received) {
        note(out, received.error());
        co_return out;
      }
      out.messages.emplace_back(received->begin(), received->end());
      std::this_thread::sleep_for(200ms);
    }
    co_return out;
  });
  EXPECT_EQ(outcome.messages.size(), 3U) << outcome.detail;
}

TEST(TcpExchange, CanBeCancelledWhileReceiving) {
  TcpPeer peer([](int fd) {
    receive_message(fd);
    EXPECT_TRUE(closed_by_peer(fd));
  });
  Plan plan;
  plan.cancel_after = 50ms;
  const Outcome outcome = transfer_from(peer.address, plan);
  EXPECT_EQ(outcome.error, Errc::cancelled);
  EXPECT_LT(outcome.took, 3s);
}

TEST(TcpExchange, CanBeClosedFromElsewhere) {
  TcpPeer peer([](int fd) {
    receive_message(fd);
    EXPECT_TRUE(closed_by_peer(fd));
  });
  const Endpoint address = peer.address;
  const Outcome outcome = run<Outcome>([=]() -> asio::awaitable<Outcome> {
    Outcome out;
    TcpExchange exchange(co_await asio::this_coro::executor);
    const Bytes request = message(21);
    (void)co_await exchange.connect(address, 5s);
    (void)co_await exchange.send(request, 5s);
    asio::steady_timer timer(co_await asio::this_coro::executor, 50ms);
    timer.async_wait([&](auto) { exchange.close(); });
    auto received = co_await exchange.receive({});
    EXPECT_FALSE(received);
    note(out, received.error());
    EXPECT_FALSE(exchange.is_open());
    received = co_await exchange.receive({});
    EXPECT_EQ(received.error().code, Errc::connection_closed);
    co_return out;
  });
  EXPECT_EQ(outcome.error, Errc::cancelled);
}

TEST(TcpExchange, GivesUpSendingToAPeerThatNeverReads) {
  std::atomic<bool> end{false};
  TcpPeer peer([&](int) { EXPECT_TRUE(eventually([&] { return end.load(); })); });
  const Endpoint address = peer.address;
  const Outcome outcome = run<Outcome>([=]() -> asio::awaitable<Outcome> {
    Outcome out;
    TcpExchange exchange(co_await asio::this_coro::executor);
    (void)co_await exchange.connect(address, 5s);
    const Bytes request(65535);
    while (true) {
      auto sent = co_await exchange.send(request, 100ms);
      if (!sent) {
        note(out, sent.error());
        co_return out;
      }
    }
  });
  end = true;
  EXPECT_EQ(outcome.error, Errc::timed_out);
}

TEST(TcpExchange, ConnectsAgain) {
  TcpPeer first([](int fd) {
    receive_message(fd);
    send_all(fd, Bytes{0, 50, 1, 2});
  });
  TcpPeer second([](int fd) {
    receive_message(fd);
    send_all(fd, framed(message(5)));
  });
  const Outcome outcome = run<Outcome>([one = first.address, two = second.address]() -> asio::awaitable<Outcome> {
    Outcome out;
    TcpExchange exchange(co_await asio::this_coro::executor);
    const Bytes request = message(21);
    for (const Endpoint& peer : {one, two}) {
      EXPECT_TRUE(co_await exchange.connect(peer, 5s));
      EXPECT_TRUE(co_await exchange.send(request, 5s));
      auto received = co_await exchange.receive({});
      if (received) out.messages.emplace_back(received->begin(), received->end());
    }
    EXPECT_EQ(exchange.received_octets(), 34U);
    co_return out;
  });
  ASSERT_EQ(outcome.messages.size(), 1U);
  EXPECT_EQ(outcome.messages[0], message(5));
}

}  // namespace
}  // namespace understudy
