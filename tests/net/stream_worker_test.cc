#include "net/stream_worker.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include <set>

#include "base/qsbr.h"
#include "stream_handlers.h"

namespace understudy {
namespace {

/// Sets the limit of open files while it lives.
class FileLimit {
 public:
  explicit FileLimit(rlim_t limit) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit wanted{std::min(limit, before_.rlim_max), before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &wanted);
  }
  ~FileLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit before_{};
};

/// A limit that leaves no descriptor.
rlim_t lowest_unused_descriptor() {
  const UniqueFd probe(dup(0));
  return static_cast<rlim_t>(probe.get());
}

/// Connects and sends, without the test's macros: under a FileLimit they cannot report, for sanitizers need
/// descriptors.
bool connect_and_send(int fd, const Endpoint& address, ByteView octets) {
  sockaddr_storage to{};
  const socklen_t size = address.to_sockaddr(to);
  return connect(fd, reinterpret_cast<sockaddr*>(&to), size) == 0 &&
         ::send(fd, octets.data(), octets.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(octets.size());
}

struct Server {
  std::shared_ptr<ConnectionLimits> limits;
  std::unique_ptr<StreamWorker> worker;
  Endpoint address;

  explicit Server(const StreamOptions& options = {}, std::size_t total = 2000, std::size_t per_client = 2000)
      : Server(std::make_shared<ConnectionLimits>(total, per_client), options) {}
  explicit Server(std::shared_ptr<ConnectionLimits> shared, const StreamOptions& options = {})
      : limits(std::move(shared)) {
    auto created = StreamWorker::create(std::vector{loopback()}, std::make_unique<ScriptedHandler>(), limits, options);
    EXPECT_TRUE(created) << created.error().text();
    worker = std::move(*created);
    address = worker->local_endpoints()[0];
    worker->start();
  }
  [[nodiscard]] UniqueFd client() const { return open_socket(SOCK_STREAM, nullptr, &address); }
  [[nodiscard]] const StreamCounters& counters() const { return worker->counters(); }
};

Bytes ask(int fd, ByteView request) {
  send_all(fd, framed(request));
  return receive_message(fd);
}

TEST(StreamWorker, AnswersSeveralQueriesOnOneConnection) {
  Server server;
  const UniqueFd client = server.client();
  for (std::uint16_t i = 0; i < 20; ++i) EXPECT_EQ(ask(client.get(), query(i)), query(i));
  server.worker->stop();
  EXPECT_EQ(server.counters().accepted, 1U);
  EXPECT_EQ(server.counters().received, 20U);
  EXPECT_EQ(server.counters().answered, 20U);
}

TEST(StreamWorker, ListensOnIpv6) {
  auto worker = StreamWorker::create(std::vector{loopback(), loopback_v6()}, std::make_unique<ScriptedHandler>(),
                                     std::make_shared<ConnectionLimits>(10, 10));
  ASSERT_TRUE(worker) << worker.error().text();
  (*worker)->start();
  for (const Endpoint& address : (*worker)->local_endpoints()) {
    const UniqueFd client = open_socket(SOCK_STREAM, nullptr, &address);
    EXPECT_EQ(ask(client.get(), query(1)), query(1));
  }
}

TEST(StreamWorker, TakesQueriesOctetByOctet) {
  Server server;
  const UniqueFd client = server.client();
  const int on = 1;
  setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Bytes stream = framed(query(1));
  append(stream, framed(query(2)));
  for (const std::uint8_t octet : stream) {
    send_all(client.get(), Bytes{octet});
    std::this_thread::sleep_for(100us);
  }
  EXPECT_EQ(receive_message(client.get()), query(1));
  EXPECT_EQ(receive_message(client.get()), query(2));
}

TEST(StreamWorker, AnswersPipelinedQueriesOfAClientThatReadsLate) {
  Server server;
  const UniqueFd client = server.client();
  constexpr std::uint16_t count = 5000;
  std::thread writer([&] {
    for (std::uint16_t i = 0; i < count; ++i) send_all(client.get(), framed(query(i, 'e', 0, 300)));
    shutdown(client.get(), SHUT_WR);
  });
  std::this_thread::sleep_for(50ms);
  for (std::uint16_t i = 0; i < count; ++i) ASSERT_EQ(receive_message(client.get()), query(i, 'e', 0, 300)) << i;
  EXPECT_TRUE(closed_by_peer(client.get()));
  writer.join();
}

TEST(StreamWorker, InterleavesALongResponseWithOtherAnswers) {
  Server server;
  const UniqueFd client = server.client();
  constexpr std::uint16_t count = 2000;  // 40 MB: more than the system buffers
  send_all(client.get(), framed(query(1, 't', count)));
  ASSERT_EQ(id_of(receive_message(client.get())), 1);
  send_all(client.get(), framed(query(2)));
  std::uint16_t got = 1;
  int answer_at = -1;
  while (got < count) {
    const Bytes m = receive_message(client.get());
    ASSERT_FALSE(m.empty()) << got;
    if (id_of(m) == 2) {
      answer_at = got;
    } else {
      ASSERT_EQ(load_u16(&m[2]), got++);
    }
  }
  EXPECT_GE(answer_at, 0);
  EXPECT_LT(answer_at, count - 1) << "the short answer waited for the long one";
}

TEST(StreamWorker, OneLongResponseDoesNotHoldUpOtherConnections) {
  Server server;
  const UniqueFd slow = server.client();
  send_all(slow.get(), framed(query(1, 't', 60000)));
  ASSERT_FALSE(receive_message(slow.get()).empty());
  const UniqueFd other = server.client();
  for (std::uint16_t i = 0; i < 100; ++i) EXPECT_EQ(ask(other.get(), query(i)), query(i));
}

TEST(StreamWorker, ClosesWhenALongResponseFails) {
  Server server;
  const UniqueFd client = server.client();
  send_all(client.get(), framed(query(1, 'f', 3)));
  EXPECT_TRUE(closed_by_peer(client.get()));
  EXPECT_TRUE(eventually([] { return ScriptedHandler::sources == 0; }));
}

TEST(StreamWorker, ClosesIdleConnections) {
  StreamOptions options;
  options.idle_timeout = 100ms;
  Server server(options);
  const UniqueFd silent = server.client();
  const UniqueFd active = server.client();
  const UniqueFd trickling = server.client();
  for (std::uint16_t i = 0; i < 10; ++i) {
    EXPECT_EQ(ask(active.get(), query(i)), query(i));
    // Octets that never make a query do not count as activity.
    (void)::send(trickling.get(), "\1\1", 1, MSG_NOSIGNAL);
    std::this_thread::sleep_for(40ms);
  }
  EXPECT_TRUE(closed_by_peer(silent.get(), 1s));
  EXPECT_TRUE(closed_by_peer(trickling.get(), 1s));
  EXPECT_EQ(server.counters().idle_closed, 2U);
  EXPECT_EQ(server.limits->open(), 1U);
  EXPECT_TRUE(closed_by_peer(active.get(), 2s));
  EXPECT_TRUE(eventually([&] { return server.limits->open() == 0; }));
}

TEST(StreamWorker, ClosesConnectionsOfPeersThatNeverRead) {
  StreamOptions options;
  options.write_timeout = 200ms;
  options.idle_timeout = 60s;
  Server server(options);
  const UniqueFd transfer = server.client();
  send_all(transfer.get(), framed(query(1, 't', 60000)));
  // One that asks and asks, and never takes an answer.
  const UniqueFd asking = server.client();
  std::thread flood([&] {
    const Bytes stream = framed(query(2, 'b'));
    while (::send(asking.get(), stream.data(), stream.size(), MSG_NOSIGNAL) > 0) continue;
  });
  EXPECT_TRUE(eventually([&] { return server.counters().write_timeouts == 2; }));
  flood.join();
  EXPECT_TRUE(eventually([&] { return server.limits->open() == 0; }));
  EXPECT_TRUE(eventually([] { return ScriptedHandler::sources == 0; }));
  EXPECT_EQ(server.counters().idle_closed, 0U);
}

/// Reads a transfer of 12 MB at about 400 KB a second, for a while. Whether the connection is still there.
bool is_kept_while_reading_slowly(const UniqueFd& client, std::chrono::milliseconds how_long) {
  const int small = 65536;
  setsockopt(client.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  send_all(client.get(), framed(query(1, 't', 600)));
  const auto end = std::chrono::steady_clock::now() + how_long;
  Bytes octets(16384);
  while (std::chrono::steady_clock::now() < end) {
    if (::recv(client.get(), octets.data(), octets.size(), 0) <= 0) return false;
    std::this_thread::sleep_for(40ms);
  }
  return true;
}

// What the system keeps for it may be megabytes, of which nothing is writable for long.
TEST(StreamWorker, KeepsConnectionsOfPeersThatReadSlowly) {
  StreamOptions options;
  options.write_timeout = 1s;
  Server server(options);
  const UniqueFd client = server.client();
  EXPECT_TRUE(is_kept_while_reading_slowly(client, 6s));
  EXPECT_EQ(server.counters().write_timeouts, 0U);
  std::size_t rest = 0;
  Bytes octets(1 << 20);
  constexpr std::size_t all = 600 * 20'002;
  while (rest < all / 2) {
    const ssize_t n = ::recv(client.get(), octets.data(), octets.size(), 0);
    ASSERT_GT(n, 0);
    rest += static_cast<std::size_t>(n);
  }
}

TEST(StreamWorker, ClosesConnectionsOfPeersThatReadTooSlowly) {
  StreamOptions options;
  options.write_timeout = 300ms;
  options.least_rate = 5'000'000;
  Server server(options);
  const UniqueFd client = server.client();
  // What is on its way still comes.
  static_cast<void>(is_kept_while_reading_slowly(client, 3s));
  EXPECT_TRUE(eventually([&] { return server.counters().write_timeouts == 1; }));
  EXPECT_TRUE(eventually([&] { return server.limits->open() == 0; }));
}

TEST(StreamWorker, LimitsConnectionsPerClient) {
  Server server({}, 100, 3);
  std::vector<UniqueFd> clients;
  for (std::uint16_t i = 0; i < 3; ++i) {
    clients.push_back(server.client());
    EXPECT_EQ(ask(clients.back().get(), query(i)), query(i));
  }
  const UniqueFd refused = server.client();
  EXPECT_TRUE(closed_by_peer(refused.get()));
  EXPECT_EQ(server.counters().refused, 1U);
  const Endpoint elsewhere{IpAddress::v4(127, 0, 0, 5), 0};
  const UniqueFd other = open_socket(SOCK_STREAM, &elsewhere, &server.address);
  EXPECT_EQ(ask(other.get(), query(9)), query(9));
  clients.pop_back();
  EXPECT_TRUE(eventually([&] { return server.counters().open == 3; }));
  const UniqueFd again = server.client();
  EXPECT_EQ(ask(again.get(), query(10)), query(10));
}

TEST(StreamWorker, MakesRoomByClosingTheConnectionIdleLongest) {
  Server server({}, 4, 100);
  std::vector<UniqueFd> clients;
  for (std::uint16_t i = 0; i < 4; ++i) {
    clients.push_back(server.client());
    EXPECT_EQ(ask(clients.back().get(), query(i)), query(i));
  }
  EXPECT_EQ(ask(clients[0].get(), query(5)), query(5));  // now the second is idle longest
  const UniqueFd fifth = server.client();
  EXPECT_EQ(ask(fifth.get(), query(6)), query(6));
  EXPECT_TRUE(closed_by_peer(clients[1].get()));
  EXPECT_EQ(ask(clients[0].get(), query(7)), query(7));
  EXPECT_EQ(server.counters().evicted, 1U);
  EXPECT_EQ(server.counters().open, 4U);
}

// Which worker a connection comes to is chance: one that has none to close gets room from the others.
TEST(StreamWorker, MakesRoomWithTheConnectionsOfOtherWorkers) {
  Server full({}, 3, 100);
  Server other(full.limits);
  std::vector<UniqueFd> clients;
  for (std::uint16_t i = 0; i < 3; ++i) {
    clients.push_back(full.client());
    EXPECT_EQ(ask(clients.back().get(), query(i)), query(i));
  }
  const UniqueFd fourth = other.client();
  EXPECT_EQ(ask(fourth.get(), query(4)), query(4));
  EXPECT_TRUE(closed_by_peer(clients[0].get()));
  EXPECT_EQ(full.counters().evicted, 1U);
  EXPECT_EQ(other.counters().refused, 0U);
  EXPECT_TRUE(eventually([&] { return full.limits->open() == 3; }));
  EXPECT_EQ(ask(clients[1].get(), query(5)), query(5));
  full.worker->stop();  // its room is free, and nobody asks it any more
  for (std::uint16_t i = 0; i < 3; ++i) {
    clients.push_back(other.client());
    EXPECT_EQ(ask(clients.back().get(), query(i)), query(i));
  }
  EXPECT_EQ(other.counters().evicted, 1U);
}

TEST(ConnectionLimits, OthersMakeRoomOnlyIfOneIsIdle) {
  ConnectionLimits limits(1, 10);
  ConnectionLimits::Worker worker;
  int asked = 0;
  worker.make_room = [&] { ++asked; };
  limits.join(worker);
  const IpAddress client = IpAddress::v4(192, 0, 2, 1);
  EXPECT_EQ(limits.admit(client), ConnectionLimits::Verdict::admitted);
  EXPECT_EQ(limits.admit(client), ConnectionLimits::Verdict::full);
  EXPECT_EQ(limits.admit_for_another(client), ConnectionLimits::Verdict::full);
  worker.idle = 1;
  EXPECT_EQ(limits.admit_for_another(client), ConnectionLimits::Verdict::admitted);
  EXPECT_EQ(limits.admit_for_another(client), ConnectionLimits::Verdict::full) << "one over the limit for each worker";
  EXPECT_EQ(asked, 1);
  limits.leave(worker);
  limits.release(client);
  EXPECT_EQ(limits.admit_for_another(client), ConnectionLimits::Verdict::full);
}

TEST(StreamWorker, RefusesWhenAllConnectionsAreBusy) {
  Server server({}, 2, 100);
  std::vector<UniqueFd> busy;
  for (std::uint16_t i = 0; i < 2; ++i) {
    busy.push_back(server.client());
    send_all(busy.back().get(), framed(query(i, 't', 60000)));
    ASSERT_FALSE(receive_message(busy.back().get()).empty());
  }
  const UniqueFd third = server.client();
  EXPECT_TRUE(closed_by_peer(third.get()));
  EXPECT_FALSE(receive_message(busy[0].get()).empty());
}

TEST(StreamWorker, SurvivesGarbage) {
  Server server;
  const UniqueFd http = server.client();
  send_all(http.get(), view_of("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"));
  const UniqueFd zeros = server.client();
  send_all(zeros.get(), Bytes(1000));
  EXPECT_TRUE(closed_by_peer(zeros.get()));
  const UniqueFd reset = server.client();
  send_all(reset.get(), framed(query(1, 'b')));
  const linger now{1, 0};
  setsockopt(reset.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  const UniqueFd good = server.client();
  EXPECT_EQ(ask(good.get(), query(3)), query(3));
}

TEST(StreamWorker, ServesAThousandConnections) {
  const FileLimit limit(4096);
  Server server;
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 1000; ++i) clients.push_back(server.client());
  for (std::uint16_t i = 0; i < 1000; ++i) send_all(clients[i].get(), framed(query(i)));
  for (std::uint16_t i = 0; i < 1000; ++i) ASSERT_EQ(receive_message(clients[i].get()), query(i));
  EXPECT_EQ(server.counters().open, 1000U);
  clients.clear();
  EXPECT_TRUE(eventually([&] { return server.limits->open() == 0; }));
}

TEST(StreamWorker, WithoutDescriptorsClosesTheConnectionIdleLongest) {
  Server server;
  const UniqueFd idle = server.client();
  EXPECT_EQ(ask(idle.get(), query(1)), query(1));
  const UniqueFd next(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  bool sent = false;
  bool answered = false;
  {
    const FileLimit none(lowest_unused_descriptor());
    sent = connect_and_send(next.get(), server.address, framed(query(2)));
    answered = readable(next.get(), 10s);
  }
  EXPECT_TRUE(sent);
  EXPECT_TRUE(answered);
  EXPECT_EQ(receive_message(next.get()), query(2));
  EXPECT_TRUE(closed_by_peer(idle.get()));
  EXPECT_EQ(server.counters().evicted, 1U);
}

TEST(StreamWorker, WithoutDescriptorsWaitsUntilThereIsOne) {
  Server server;
  const UniqueFd next(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  bool sent = false;
  bool answered = true;
  {
    const FileLimit none(lowest_unused_descriptor());
    sent = connect_and_send(next.get(), server.address, framed(query(2)));
    answered = readable(next.get(), 300ms);
  }
  EXPECT_TRUE(sent);
  EXPECT_FALSE(answered);
  EXPECT_EQ(receive_message(next.get()), query(2));
}

TEST(StreamWorker, StopsWhileBusy) {
  Server server;
  const UniqueFd transfer = server.client();
  send_all(transfer.get(), framed(query(1, 't', 60000)));
  ASSERT_FALSE(receive_message(transfer.get()).empty());
  const UniqueFd idle = server.client();
  EXPECT_EQ(ask(idle.get(), query(2)), query(2));
  server.worker->stop();
  EXPECT_TRUE(closed_by_peer(transfer.get()));
  EXPECT_TRUE(closed_by_peer(idle.get()));
  EXPECT_EQ(ScriptedHandler::sources, 0);
  EXPECT_EQ(server.limits->open(), 0U);
  EXPECT_TRUE(check_address_free(server.address));
}

TEST(StreamWorker, StopsWithoutStart) {
  auto worker = StreamWorker::create(std::vector{loopback()}, std::make_unique<ScriptedHandler>(),
                                     std::make_shared<ConnectionLimits>(10, 10));
  ASSERT_TRUE(worker);
  (*worker)->stop();
  EXPECT_TRUE(check_address_free((*worker)->local_endpoints()[0]));
}

TEST(StreamWorker, DoesNotHoldUpReclamationWhileItSleeps) {
  Server server;
  const UniqueFd client = server.client();
  EXPECT_EQ(ask(client.get(), query(1)), query(1));
  bool disposed = false;
  qsbr_retire([&] { disposed = true; });
  qsbr_drain();  // would hang if the sleeping worker counted as a reader
  EXPECT_TRUE(disposed);
}

// A client with thousands of queries in flight, all of them answered, does not keep another waiting for all of them.
TEST(StreamWorker, AGreedyClientTakesTurnsWithTheOthers) {
  Server server;
  const UniqueFd greedy = server.client(), other = server.client();
  constexpr int asked = 200'000;
  std::thread asking([&] {
    Bytes stream;
    for (std::uint16_t i = 0; i < 1000; ++i) append(stream, framed(query(i)));
    for (int i = 0; i < asked / 1000; ++i) send_all(greedy.get(), stream);
  });
  std::atomic<int> taken{0};
  std::thread reading([&] {
    while (taken < asked && !receive_message(greedy.get()).empty()) ++taken;
  });
  EXPECT_TRUE(eventually([&] { return taken > 1000; }));
  int answered_meanwhile = 0;
  while (taken < asked) {
    const int before = taken;
    EXPECT_EQ(ask(other.get(), query(7)), query(7));
    if (taken < asked && taken - before < asked / 2) ++answered_meanwhile;
    if (testing::Test::HasFailure()) break;
  }
  asking.join();
  reading.join();
  EXPECT_EQ(taken, asked);
  EXPECT_GT(answered_meanwhile, 5);
}

TEST(StreamWorker, WhoStopsSendingStillGetsItsAnswers) {
  Server server;
  const UniqueFd client = server.client();
  Bytes stream;
  for (std::uint16_t i = 0; i < 1000; ++i) append(stream, framed(query(i)));
  append(stream, framed(query(1000, 't', 20)));
  send_all(client.get(), stream);
  shutdown(client.get(), SHUT_WR);
  for (std::uint16_t i = 0; i < 1000; ++i) ASSERT_EQ(receive_message(client.get()), query(i));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(receive_message(client.get()).size(), 20000U);
  EXPECT_TRUE(closed_by_peer(client.get()));
  EXPECT_EQ(server.counters().idle_closed, 0U);
}

TEST(ConnectionLimits, IdleTimeFollowsLoad) {
  ConnectionLimits limits(100, 100);
  const IpAddress client = IpAddress::v4(192, 0, 2, 1);
  const auto open = [&](std::size_t count) {
    while (limits.open() < count) ASSERT_EQ(limits.admit(client), ConnectionLimits::Verdict::admitted);
  };
  EXPECT_EQ(limits.idle_time(10s), 10s);
  open(50);
  EXPECT_EQ(limits.idle_time(10s), 10s);
  open(75);
  EXPECT_EQ(limits.idle_time(10s), 5s);
  open(99);
  EXPECT_EQ(limits.idle_time(10s), 200ms);
  open(100);
  EXPECT_EQ(limits.idle_time(10s), 0ms);
}

// `full` makes others close a connection: not for a client that would get none anyway.
TEST(ConnectionLimits, ClientsWithTheirShareMakeNobodyClose) {
  ConnectionLimits limits(2, 1);
  using enum ConnectionLimits::Verdict;
  EXPECT_EQ(limits.admit(*IpAddress::parse("192.0.2.1")), admitted);
  EXPECT_EQ(limits.admit(*IpAddress::parse("192.0.2.2")), admitted);
  EXPECT_EQ(limits.admit(*IpAddress::parse("192.0.2.1")), client_full);
  EXPECT_EQ(limits.admit(*IpAddress::parse("192.0.2.3")), full);
}

// A connection is closed for another even while those that have not said for whom they are make it too many.
TEST(ConnectionLimits, AnEvictionIsAnExchange) {
  ConnectionLimits limits(1, 10);
  using enum ConnectionLimits::Verdict;
  const std::optional client(*IpAddress::parse("192.0.2.1"));
  EXPECT_EQ(limits.admit(client), admitted);
  EXPECT_EQ(limits.admit(std::nullopt), admitted);
  EXPECT_EQ(limits.admit(std::nullopt), admitted);
  EXPECT_TRUE(limits.is_over());
  EXPECT_EQ(limits.admit(client), full);
  limits.release(client);
  EXPECT_EQ(limits.admit(client), full);
  EXPECT_EQ(limits.admit_in_place(client), admitted);
  EXPECT_EQ(limits.open(), 3U);
}

TEST(ConnectionLimits, CountAnIpv6SiteAsOneClient) {
  ConnectionLimits limits(10, 2);
  using enum ConnectionLimits::Verdict;
  EXPECT_EQ(limits.admit(*IpAddress::parse("2001:db8::1")), admitted);
  EXPECT_EQ(limits.admit(*IpAddress::parse("2001:db8::2")), admitted);
  EXPECT_EQ(limits.admit(*IpAddress::parse("2001:db8::3")), client_full);
  EXPECT_EQ(limits.admit(*IpAddress::parse("2001:db8:0:1::3")), admitted);
  limits.release(*IpAddress::parse("2001:db8::2"));
  EXPECT_EQ(limits.admit(*IpAddress::parse("2001:db8::3")), admitted);
  EXPECT_EQ(limits.open(), 3U);
}

}  // namespace
}  // namespace understudy
