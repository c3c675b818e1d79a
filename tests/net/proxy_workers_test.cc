// Workers behind a load balancer: whom the handler takes the client for.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "net/proxy_protocol.h"
#include "net/stream_worker.h"
#include "net/udp_worker.h"
#include "peers.h"
#include "proxy_header.h"

namespace understudy {
namespace {

// Answers with the asker's address and the query behind it.
std::size_t answer_peer(ByteView query, const sockaddr* peer, MutableBytes response) {
  const socklen_t size = peer->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  const std::string text = Endpoint::from_sockaddr(peer, size)->text() + " " + std::string(text_of(query));
  std::copy(text.begin(), text.end(), response.begin());
  return text.size();
}

class WhoAsks final : public DatagramHandler, public StreamHandler {
 public:
  void answer_batch(std::span<Datagram> batch) override {
    for (Datagram& d : batch) {
      if (d.query_size == 0) continue;
      d.response_size =
          static_cast<std::uint32_t>(answer_peer({d.query, d.query_size}, d.peer, {d.response, d.response_capacity}));
    }
  }
  std::size_t answer(ByteView request, const sockaddr* peer, MutableBytes response,
                     std::unique_ptr<ResponseSource>&) override {
    return answer_peer(request, peer, response);
  }
};

const std::vector balancers = {Prefix::parse("127.0.0.2").value(), Prefix::parse("127.0.0.4/31").value()};
const Endpoint client = Endpoint::parse("192.0.2.1@5353").value();
const Endpoint client_v6 = Endpoint::parse("2001:db8::1@5353").value();

UniqueFd from(const char* address, int type, const Endpoint& to) {
  const Endpoint local{IpAddress::parse(address).value(), 0};
  return open_socket(type, &local, &to);
}

Bytes joined(ByteView a, ByteView b) {
  Bytes out(a.begin(), a.end());
  append(out, b);
  return out;
}

struct UdpServer {
  std::unique_ptr<UdpWorker> worker;
  UdpServer() {
    worker = UdpWorker::create(std::vector{loopback()}, std::make_unique<WhoAsks>(), {}, balancers).value();
    worker->start();
  }
  [[nodiscard]] Endpoint address() const { return worker->local_endpoints()[0]; }
};

std::string ask(int fd, ByteView datagram, std::chrono::milliseconds limit = 5s) {
  EXPECT_EQ(::send(fd, datagram.data(), datagram.size(), 0), static_cast<ssize_t>(datagram.size()));
  if (!readable(fd, limit)) return "nothing";
  char buffer[UdpWorker::response_capacity];
  const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
  return {buffer, n < 0 ? 0 : static_cast<std::size_t>(n)};
}

TEST(UdpBehindBalancer, TheClientIsWhoTheHeaderNames) {
  const UdpServer server;
  const UniqueFd balancer = from("127.0.0.2", SOCK_DGRAM, server.address());
  EXPECT_EQ(ask(balancer.get(), joined(proxy_header(client), view_of("one"))), "192.0.2.1@5353 one");
  EXPECT_EQ(ask(balancer.get(), joined(proxy_header(client_v6, 2), view_of("two"))), "2001:db8::1@5353 two");
}

TEST(UdpBehindBalancer, LocalHeadersStandForTheBalancer) {
  const UdpServer server;
  const UniqueFd balancer = from("127.0.0.5", SOCK_DGRAM, server.address());
  Bytes local = proxy_header(client);
  local[12] = 0x20;
  EXPECT_TRUE(ask(balancer.get(), joined(local, view_of("health"))).starts_with("127.0.0.5@"));
}

TEST(UdpBehindBalancer, WithoutAHeaderItIsDroppedAndOthersAreServed) {
  const UdpServer server;
  const UniqueFd balancer = from("127.0.0.4", SOCK_DGRAM, server.address());
  EXPECT_EQ(ask(balancer.get(), view_of("no header"), 100ms), "nothing");
  Bytes cut = proxy_header(client);
  cut.pop_back();
  EXPECT_EQ(ask(balancer.get(), cut, 100ms), "nothing");
  EXPECT_EQ(ask(balancer.get(), joined(proxy_header(client), view_of("good"))), "192.0.2.1@5353 good");
  EXPECT_EQ(server.worker->counters().without_proxy_header, 2U);
}

// The longest header, most of it extensions, leaves the query its whole room; a longer one is none.
TEST(UdpBehindBalancer, LongHeadersTakeNoRoomFromTheQuery) {
  const UdpServer server;
  const UniqueFd balancer = from("127.0.0.2", SOCK_DGRAM, server.address());
  Bytes header = proxy_header(client);
  header.resize(ProxyHeader::max_size);
  store_u16(&header[14], ProxyHeader::max_size - ProxyHeader::fixed_size);
  const std::string query(UdpWorker::query_capacity, 'q');
  EXPECT_EQ(ask(balancer.get(), joined(header, view_of(query))), "192.0.2.1@5353 " + query);
  EXPECT_EQ(ask(balancer.get(), joined(header, view_of(query + "r"))), "192.0.2.1@5353 " + query)
      << "cut as others are";
  header.push_back(0);
  store_u16(&header[14], ProxyHeader::max_size - ProxyHeader::fixed_size + 1);
  EXPECT_EQ(ask(balancer.get(), joined(header, view_of("one")), 100ms), "nothing");
}

TEST(UdpBehindBalancer, FromOthersAHeaderIsOnlyOctets) {
  const UdpServer server;
  const UniqueFd other = from("127.0.0.3", SOCK_DGRAM, server.address());
  const std::string answer = ask(other.get(), joined(proxy_header(client), view_of("x")));
  EXPECT_TRUE(answer.starts_with("127.0.0.3@")) << answer;
  EXPECT_NE(answer.find("QUIT"), std::string::npos) << "the header went to the handler, too";
}

struct TcpServer {
  std::shared_ptr<ConnectionLimits> limits;
  std::unique_ptr<StreamWorker> worker;
  explicit TcpServer(std::chrono::milliseconds idle = 10s, std::size_t total = 100)
      : limits(std::make_shared<ConnectionLimits>(total, 2)) {
    StreamOptions options;
    options.balancers = balancers;
    options.idle_timeout = idle;
    worker = StreamWorker::create(std::vector{loopback()}, std::make_unique<WhoAsks>(), limits, options).value();
    worker->start();
  }
  [[nodiscard]] Endpoint address() const { return worker->local_endpoints()[0]; }
};

std::string answer_of(int fd) {
  const Bytes answer = receive_message(fd);
  return std::string(text_of(answer));
}

constexpr std::string_view first = "the first query", second = "the second one";

// The answer to a query of `whom` on a new connection of the balancer, which stays in `open`.
std::string ask_for(const Endpoint& whom, const TcpServer& server, std::vector<UniqueFd>& open) {
  open.push_back(from("127.0.0.2", SOCK_STREAM, server.address()));
  send_all(open.back().get(), joined(proxy_header(whom), framed(view_of(first))));
  return answer_of(open.back().get());
}

TEST(TcpBehindBalancer, TheClientIsWhoTheHeaderNames) {
  const TcpServer server;
  const UniqueFd balancer = from("127.0.0.2", SOCK_STREAM, server.address());
  send_all(balancer.get(), joined(proxy_header(client_v6), framed(view_of(first))));
  EXPECT_EQ(answer_of(balancer.get()), "2001:db8::1@5353 the first query");
  send_all(balancer.get(), framed(view_of(second)));
  EXPECT_EQ(answer_of(balancer.get()), "2001:db8::1@5353 the second one");
}

TEST(TcpBehindBalancer, OctetByOctet) {
  const TcpServer server;
  const UniqueFd balancer = from("127.0.0.2", SOCK_STREAM, server.address());
  const int on = 1;
  setsockopt(balancer.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  for (const std::uint8_t octet : joined(proxy_header(client), framed(view_of(first)))) {
    send_all(balancer.get(), {&octet, 1});
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(answer_of(balancer.get()), "192.0.2.1@5353 the first query");
}

TEST(TcpBehindBalancer, WithoutAHeaderItIsClosed) {
  const TcpServer server;
  const UniqueFd balancer = from("127.0.0.2", SOCK_STREAM, server.address());
  send_all(balancer.get(), framed(view_of(first)));
  EXPECT_TRUE(closed_by_peer(balancer.get()));
  EXPECT_EQ(server.worker->counters().without_proxy_header, 1U);
  const UniqueFd other = from("127.0.0.3", SOCK_STREAM, server.address());
  send_all(other.get(), framed(view_of(first)));
  EXPECT_TRUE(answer_of(other.get()).starts_with("127.0.0.3@"));
}

TEST(TcpBehindBalancer, OneThatNeverSendsItsHeaderIsIdle) {
  const TcpServer server(200ms);
  const UniqueFd balancer = from("127.0.0.2", SOCK_STREAM, server.address());
  send_all(balancer.get(), ByteView(proxy_header(client)).first(15));
  EXPECT_TRUE(closed_by_peer(balancer.get(), 5s));
  EXPECT_TRUE(eventually([&] { return server.limits->open() == 0; }));
}

TEST(TcpBehindBalancer, ConnectionsCountForTheClient) {
  const TcpServer server;
  std::vector<UniqueFd> open;
  const auto connect_for = [&](const Endpoint& whom) { return ask_for(whom, server, open); };
  EXPECT_NE(connect_for(client), "");
  EXPECT_NE(connect_for(client), "");
  EXPECT_EQ(connect_for(client), "") << "two are its share";
  EXPECT_NE(connect_for(client_v6), "") << "of the balancer there may be any number";
  EXPECT_TRUE(eventually([&] { return server.limits->open() == 3; }));
  open[0].reset();
  EXPECT_TRUE(eventually([&] { return server.limits->open() == 2; }));
  EXPECT_NE(connect_for(client), "");
}

// Where no connection is left, the longest idle one makes room, but for nobody who has his share.
TEST(TcpBehindBalancer, WhoHasHisShareCostsNobodyElseAConnection) {
  const TcpServer server(10s, 3);
  const UniqueFd other = from("127.0.0.3", SOCK_STREAM, server.address());
  send_all(other.get(), framed(view_of(first)));
  EXPECT_NE(answer_of(other.get()), "");
  std::vector<UniqueFd> open;
  const auto connect_for = [&](const Endpoint& whom) { return ask_for(whom, server, open); };
  EXPECT_NE(connect_for(client), "");
  EXPECT_NE(connect_for(client), "");
  EXPECT_EQ(connect_for(client), "");
  EXPECT_EQ(server.worker->counters().evicted, 0U);
  send_all(other.get(), framed(view_of(second)));
  EXPECT_NE(answer_of(other.get()), "");
  EXPECT_NE(connect_for(client_v6), "");
  EXPECT_TRUE(eventually([&] { return server.limits->open() == 3; }));
  EXPECT_EQ(server.worker->counters().evicted, 1U);
}

}  // namespace
}  // namespace understudy
