#include "net/udp_worker.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <filesystem>
#include <set>

#include "base/qsbr.h"
#include "peers.h"

namespace understudy {
namespace {

/// Sends the query back with its first octet of the body turned around; a body that starts with 'x' gets no answer, one
/// with 'L' the longest answer there is room for.
class Echo final : public DatagramHandler {
 public:
  explicit Echo(std::atomic<std::size_t>* largest = nullptr) : largest_(largest) {}

  void answer_batch(std::span<Datagram> batch) override {
    if (largest_ != nullptr && batch.size() > *largest_) *largest_ = batch.size();
    for (Datagram& d : batch) {
      if (d.query_size > 2 && d.query[2] == 'x') continue;
      d.response_size = d.query_size > 2 && d.query[2] == 'L' ? d.response_capacity : d.query_size;
      std::memset(d.response, 0, d.response_size);
      std::memcpy(d.response, d.query, d.query_size);
      if (d.response_size > 2) d.response[2] = static_cast<std::uint8_t>(~d.query[2]);
    }
  }

 private:
  std::atomic<std::size_t>* largest_;
};

std::unique_ptr<UdpWorker> start(std::vector<Endpoint> listen, std::unique_ptr<DatagramHandler> handler = nullptr) {
  if (!handler) handler = std::make_unique<Echo>();
  auto worker = UdpWorker::create(listen, std::move(handler));
  EXPECT_TRUE(worker) << worker.error().text();
  (*worker)->start();
  return std::move(*worker);
}

Bytes ask(int fd, ByteView query, std::chrono::milliseconds limit = 10s) {
  EXPECT_EQ(::send(fd, query.data(), query.size(), 0), static_cast<ssize_t>(query.size()));
  Bytes answer(65536);
  if (!readable(fd, limit)) return {};
  const ssize_t n = recv(fd, answer.data(), answer.size(), 0);
  answer.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
  return answer;
}

TEST(UdpWorker, AnswersOnEveryAddress) {
  auto worker = start({loopback(), loopback_v6()});
  const auto locals = worker->local_endpoints();
  ASSERT_EQ(locals.size(), 2U);
  for (const Endpoint& local : locals) {
    const UniqueFd client = open_socket(SOCK_DGRAM, nullptr, &local);
    const Bytes answer = ask(client.get(), message(7));
    ASSERT_EQ(answer.size(), 32U);
    EXPECT_EQ(id_of(answer), 7);
    EXPECT_EQ(answer[2], 0xff);
  }
  worker->stop();
  EXPECT_EQ(worker->counters().received, 2U);
  EXPECT_EQ(worker->counters().answered, 2U);
  EXPECT_EQ(worker->counters().dropped, 0U);
}

TEST(UdpWorker, AnswersFromTheAddressTheQueryCameToOnWildcardSockets) {
  auto worker = start({Endpoint{IpAddress(), 0}});
  const std::uint16_t port = worker->local_endpoints()[0].port;
  // A connected socket only takes datagrams from the address it asked, so the answer proves its source.
  for (const std::uint8_t host : std::array<std::uint8_t, 3>{1, 2, 77}) {
    const Endpoint target{IpAddress::v4(127, 0, 0, host), port};
    const Endpoint own = loopback();
    const UniqueFd client = open_socket(SOCK_DGRAM, &own, &target);
    EXPECT_EQ(id_of(ask(client.get(), message(host))), host);
  }
}

TEST(UdpWorker, AnswersOnTheIpv6WildcardBesideTheIpv4One) {
  auto first = start({Endpoint{IpAddress(), 0}});
  const std::uint16_t port = first->local_endpoints()[0].port;
  auto second = UdpWorker::create(std::vector{Endpoint{IpAddress::any_v6(), port}}, std::make_unique<Echo>());
  ASSERT_TRUE(second) << second.error().text();
  (*second)->start();
  const Endpoint target = loopback_v6(port);
  const UniqueFd client = open_socket(SOCK_DGRAM, nullptr, &target);
  EXPECT_EQ(id_of(ask(client.get(), message(9))), 9);
  EXPECT_EQ(first->counters().received, 0U);
}

TEST(UdpWorker, TakesBurstsInBatches) {
  std::atomic<std::size_t> largest{0};
  auto worker = UdpWorker::create(std::vector{loopback()}, std::make_unique<Echo>(&largest));
  ASSERT_TRUE(worker);
  const Endpoint target = (*worker)->local_endpoints()[0];
  const UniqueFd client = open_socket(SOCK_DGRAM, nullptr, &target);
  constexpr std::uint16_t count = 100;
  for (std::uint16_t i = 0; i < count; ++i) send_all(client.get(), message(i, 20U + i * 7));
  (*worker)->start();  // all of them wait by now
  std::set<std::uint16_t> ids;
  for (int i = 0; i < count; ++i) {
    Bytes answer(4096);
    ASSERT_TRUE(readable(client.get(), 10s));
    answer.resize(static_cast<std::size_t>(recv(client.get(), answer.data(), answer.size(), 0)));
    EXPECT_EQ(answer.size(), 20U + id_of(answer) * 7);
    ids.insert(id_of(answer));
  }
  EXPECT_EQ(ids.size(), count);
  (*worker)->stop();
  EXPECT_EQ(largest, UdpWorker::batch_size);
  EXPECT_EQ((*worker)->counters().batches, 4U);
  EXPECT_EQ((*worker)->counters().answered, count);
}

TEST(UdpWorker, SendsOnlyWhatIsToBeAnswered) {
  auto worker = UdpWorker::create(std::vector{loopback()}, std::make_unique<Echo>());
  ASSERT_TRUE(worker);
  const Endpoint target = (*worker)->local_endpoints()[0];
  const UniqueFd client = open_socket(SOCK_DGRAM, nullptr, &target);
  for (std::uint16_t i = 0; i < 20; ++i) {
    Bytes query = message(i);
    if (i % 2 == 0) query[2] = 'x';
    send_all(client.get(), query);
  }
  (*worker)->start();
  for (std::uint16_t i = 1; i < 20; i = static_cast<std::uint16_t>(i + 2)) {
    Bytes answer(4096);
    ASSERT_TRUE(readable(client.get(), 10s));
    EXPECT_GT(recv(client.get(), answer.data(), answer.size(), 0), 0);
    EXPECT_EQ(id_of(answer), i);
  }
  EXPECT_FALSE(readable(client.get(), 50ms));
  (*worker)->stop();
  EXPECT_EQ((*worker)->counters().unanswered, 10U);
  EXPECT_EQ((*worker)->counters().answered, 10U);
}

TEST(UdpWorker, TakesEmptyAndOversizedDatagrams) {
  auto worker = start({loopback()});
  const Endpoint target = worker->local_endpoints()[0];
  const UniqueFd client = open_socket(SOCK_DGRAM, nullptr, &target);
  ASSERT_EQ(::send(client.get(), "", 0, 0), 0);
  EXPECT_EQ(ask(client.get(), message(3, 3000)).size(), UdpWorker::query_capacity);
  Bytes query = message(4);
  query[2] = 'L';
  EXPECT_EQ(ask(client.get(), query).size(), UdpWorker::response_capacity);
}

TEST(UdpWorker, OneAnswerThatCannotBeSentDoesNotHoldUpTheOthers) {
  auto worker = UdpWorker::create(std::vector{loopback()}, std::make_unique<Echo>());
  ASSERT_TRUE(worker);
  const Endpoint target = (*worker)->local_endpoints()[0];
  // Nothing can be sent to port 0; only a raw socket (which needs a privilege) can send from there.
  const UniqueFd raw(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!raw.is_open()) GTEST_SKIP() << "raw sockets are not allowed here";
  Bytes datagram;
  append_u16(datagram, 0);
  append_u16(datagram, target.port);
  append_u16(datagram, 8 + 32);
  append_u16(datagram, 0);
  append(datagram, message(1));
  sockaddr_storage address{};
  const socklen_t size = loopback().to_sockaddr(address);
  const UniqueFd client = open_socket(SOCK_DGRAM, nullptr, &target);
  send_all(client.get(), message(2));
  ASSERT_EQ(sendto(raw.get(), datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&address), size), 40);
  send_all(client.get(), message(3));
  (*worker)->start();
  for (const int id : {2, 3}) {
    Bytes answer(4096);
    ASSERT_TRUE(readable(client.get(), 10s));
    EXPECT_GT(recv(client.get(), answer.data(), answer.size(), 0), 0);
    EXPECT_EQ(id_of(answer), id);
  }
  (*worker)->stop();
  EXPECT_EQ((*worker)->counters().received, 3U);
  EXPECT_EQ((*worker)->counters().answered, 2U);
  EXPECT_EQ((*worker)->counters().dropped, 1U);
}

TEST(UdpWorker, SeveralWorkersShareOneAddress) {
  auto first = start({loopback()});
  const Endpoint target = first->local_endpoints()[0];
  auto second = start({target});
  std::vector<UniqueFd> clients;
  for (std::uint16_t i = 0; i < 64; ++i) {
    clients.push_back(open_socket(SOCK_DGRAM, nullptr, &target));
    EXPECT_EQ(id_of(ask(clients.back().get(), message(i))), i);
  }
  EXPECT_EQ(first->counters().received + second->counters().received, 64U);
  EXPECT_GT(first->counters().received, 0U);
  EXPECT_GT(second->counters().received, 0U);
}

TEST(UdpWorker, NamesTheAddressThatItCannotBind) {
  // 192.0.2.0/24 (RFC 5737) belongs to no machine.
  const auto worker =
      UdpWorker::create(std::vector{Endpoint{IpAddress::v4(192, 0, 2, 1), 5300}}, std::make_unique<Echo>());
  ASSERT_FALSE(worker);
  EXPECT_EQ(worker.error().code, Errc::io);
  EXPECT_NE(worker.error().detail.find("192.0.2.1@5300"), std::string::npos) << worker.error().detail;
}

TEST(UdpWorker, StopsWhileBusy) {
  auto worker = start({loopback()});
  const Endpoint target = worker->local_endpoints()[0];
  std::atomic<bool> end{false};
  std::thread flood([&] {
    const UniqueFd client = open_socket(SOCK_DGRAM, nullptr, &target);
    const Bytes query = message(5);
    while (!end) (void)::send(client.get(), query.data(), query.size(), MSG_DONTWAIT);
  });
  EXPECT_TRUE(eventually([&] { return worker->counters().received > 1000; }));
  worker->stop();
  end = true;
  flood.join();
}

TEST(UdpWorker, DoesNotHoldUpReclamationWhileItSleeps) {
  auto worker = start({loopback()});
  const Endpoint target = worker->local_endpoints()[0];
  const UniqueFd client = open_socket(SOCK_DGRAM, nullptr, &target);
  ask(client.get(), message(1));
  bool disposed = false;
  qsbr_retire([&] { disposed = true; });
  qsbr_drain();  // would hang if the sleeping worker counted as a reader
  EXPECT_TRUE(disposed);
}

TEST(UdpWorker, StopsWithoutStart) {
  auto worker = UdpWorker::create(std::vector{loopback()}, std::make_unique<Echo>());
  ASSERT_TRUE(worker);
  (*worker)->stop();
}

// The descriptors of epoll instances that are open.
std::set<int> epoll_descriptors() {
  std::set<int> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(entry, error).string() == "anon_inode:[eventpoll]") {
      found.insert(std::stoi(entry.path().filename().string()));
    }
  }
  return found;
}

// Else the kernel would go on handing it queries.
TEST(UdpWorker, OneThatCannotGoOnClosesItsSockets) {
  const std::set<int> before = epoll_descriptors();
  auto worker = UdpWorker::create(std::array{loopback()}, std::make_unique<Echo>());
  ASSERT_TRUE(worker);
  std::set<int> own;
  for (const int fd : epoll_descriptors()) {
    if (!before.contains(fd)) own.insert(fd);
  }
  ASSERT_EQ(own.size(), 1U);
  const Endpoint local = (*worker)->local_endpoints()[0];
  const UniqueFd nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(dup2(nothing.get(), *own.begin()), *own.begin());
  (*worker)->start();
  const UniqueFd client = open_socket(SOCK_DGRAM, nullptr, &local);
  EXPECT_TRUE(eventually([&] {
    const Bytes query = message(1);
    return ::send(client.get(), query.data(), query.size(), 0) < 0 && errno == ECONNREFUSED;
  }));
}

TEST(Sockets, TellThatAnAddressIsTaken) {
  auto worker = start({loopback()});
  const Endpoint taken = worker->local_endpoints()[0];
  const auto busy = check_address_free(taken);
  ASSERT_FALSE(busy);
  EXPECT_NE(busy.error().detail.find("in use"), std::string::npos) << busy.error().detail;
  worker->stop();
  EXPECT_TRUE(check_address_free(taken));

  auto listener = open_tcp_listener(loopback());
  ASSERT_TRUE(listener);
  const Endpoint listening = *local_endpoint(listener->get());
  EXPECT_FALSE(check_address_free(listening));
}

}  // namespace
}  // namespace understudy
