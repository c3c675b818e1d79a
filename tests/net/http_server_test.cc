#include "net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "peers.h"

namespace understudy {
namespace {

namespace asio = boost::asio;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class HttpServerTest : public testing::Test {
 protected:
  void start(const HttpOptions& options = {}) {
    auto server = HttpServer::create(
        context_, std::vector{loopback(), loopback_v6()}, [this](const HttpRequest& r) { return handle(r); }, options);
    ASSERT_TRUE(server) << server.error().text();
    server_ = std::move(*server);
    address_ = server_->local_endpoints()[0];
    thread_ = std::thread([this] { context_.run(); });
  }
  void TearDown() override { stop(); }
  void stop() {
    if (!thread_.joinable()) return;
    asio::post(context_, [this] {
      server_.reset();
      work_.reset();
    });
    thread_.join();
  }

  HttpResponse handle(const HttpRequest& request) {
    ++requests_;
    if (request.target == "/large") return {200, "text/plain", std::string(10 << 20, 'x'), {}};
    if (request.method == "POST") return {201, "text/plain", "got " + std::to_string(request.body.size()), {}};
    if (request.method != "GET") return {405, "text/plain", "no", {{"Allow", "GET, POST"}}};
    return {200, "application/json", "{\"target\":\"" + request.target + "\"}", {}};
  }

  [[nodiscard]] UniqueFd client() const { return open_socket(SOCK_STREAM, nullptr, &address_); }
  /// All that comes until the server closes the connection.
  static std::string rest(int fd) {
    constexpr std::size_t step = 65536;
    std::string all;
    while (true) {
      const Bytes piece = receive_exactly(fd, step);
      all += text_of(piece);
      if (piece.size() < step) return all;
    }
  }
  std::string ask(std::string_view request) const {
    const UniqueFd fd = client();
    send_all(fd.get(), view_of(request));
    shutdown(fd.get(), SHUT_WR);
    return rest(fd.get());
  }

  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
  std::unique_ptr<HttpServer> server_;
  Endpoint address_;
  std::thread thread_;
  std::atomic<int> requests_{0};
};

TEST_F(HttpServerTest, AnswersRequests) {
  start();
  const std::string response = ask("GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(response, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(response, HasSubstr("Content-Length: 25\r\n"));
  EXPECT_TRUE(response.ends_with("\r\n\r\n{\"target\":\"/metrics?x=1\"}")) << response;
}

TEST_F(HttpServerTest, ListensOnEveryAddress) {
  start();
  for (const Endpoint& address : server_->local_endpoints()) {
    const UniqueFd fd = open_socket(SOCK_STREAM, nullptr, &address);
    send_all(fd.get(), view_of("GET / HTTP/1.0\r\n\r\n"));
    EXPECT_THAT(rest(fd.get()), HasSubstr(" 200 OK\r\n"));
  }
}

TEST_F(HttpServerTest, KeepsConnections) {
  start();
  // Two requests in one piece, a third after them, which closes.
  const UniqueFd fd = client();
  send_all(fd.get(), view_of("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"));
  send_all(fd.get(), view_of("GET /3 HTTP/1.1\r\nConnection: close\r\n\r\n"));
  const std::string all = rest(fd.get());
  EXPECT_THAT(all, HasSubstr("/1"));
  EXPECT_THAT(all, HasSubstr("201 Created"));
  EXPECT_THAT(all, HasSubstr("got 5"));
  EXPECT_THAT(all, HasSubstr("/3"));
  EXPECT_EQ(requests_, 3);
}

TEST_F(HttpServerTest, AnswersHeadWithoutABody) {
  start();
  const std::string response = ask("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(response, HasSubstr("Content-Length: 15\r\n"));
  EXPECT_TRUE(response.ends_with("\r\n\r\n")) << response;
}

TEST_F(HttpServerTest, LeavesMethodsToTheHandler) {
  start();
  const std::string response = ask("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(response, HasSubstr("405 Method Not Allowed"));
  EXPECT_THAT(response, HasSubstr("Allow: GET, POST\r\n"));
  EXPECT_THAT(ask("FROB / HTTP/1.1\r\nHost: a\r\n\r\n"), HasSubstr("405"));
}

TEST_F(HttpServerTest, SendsLargeResponses) {
  start();
  const std::string response = ask("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_GT(response.size(), 10U << 20);
  EXPECT_TRUE(response.ends_with("xxxx"));
}

TEST_F(HttpServerTest, RefusesWhatIsNoHttp) {
  start();
  EXPECT_THAT(ask("\x16\x03\x01 hello\r\n\r\n"), StartsWith("HTTP/1.1 400 Bad Request"));
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nContent-Length: nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(ask("GET / HT"), "");
  EXPECT_EQ(ask(""), "");
  EXPECT_EQ(requests_, 0);
  EXPECT_THAT(ask("GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, LimitsHeadersAndBodies) {
  HttpOptions options;
  options.max_header = 1000;
  options.max_body = 1000;
  start(options);
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nX: " + std::string(2000, 'x') + "\r\n\r\n"), StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(ask("GET /" + std::string(200000, 'x')), StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n" + std::string(1001, 'x')),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" + std::string(0x800, 'x')),
              StartsWith("HTTP/1.1 413"));
  EXPECT_EQ(requests_, 0);
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x')), HasSubstr("got 1000"));
}

TEST_F(HttpServerTest, DoesNotWaitForever) {
  HttpOptions options;
  options.timeout = 200ms;
  start(options);
  const UniqueFd silent = client();
  const UniqueFd trickling = client();
  const UniqueFd deaf = client();
  send_all(deaf.get(), view_of("GET /large HTTP/1.1\r\nHost: a\r\n\r\n"));
  for (int i = 0; i < 10; ++i) {
    (void)::send(trickling.get(), "G", 1, MSG_NOSIGNAL);
    std::this_thread::sleep_for(40ms);
  }
  EXPECT_TRUE(closed_by_peer(silent.get(), 2s));
  EXPECT_TRUE(closed_by_peer(trickling.get(), 2s));
  EXPECT_LT(rest(deaf.get()).size(), 10U << 20);
}

TEST_F(HttpServerTest, LimitsConnections) {
  HttpOptions options;
  options.max_connections = 2;
  start(options);
  UniqueFd first = client();
  const UniqueFd second = client();
  for (const int fd : {first.get(), second.get()}) {
    send_all(fd, view_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_TRUE(readable(fd, 10s));
  }
  const UniqueFd third = client();
  EXPECT_TRUE(closed_by_peer(third.get()));
  first.reset();
  EXPECT_TRUE(eventually([&] { return ask("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"); }));
}

TEST_F(HttpServerTest, StopsWithConnectionsOpen) {
  start();
  const UniqueFd idle = client();
  send_all(idle.get(), view_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_TRUE(readable(idle.get(), 10s));
  const UniqueFd deaf = client();
  send_all(deaf.get(), view_of("GET /large HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_TRUE(readable(deaf.get(), 10s));
  stop();
  EXPECT_TRUE(closed_by_peer(idle.get()));
  EXPECT_TRUE(closed_by_peer(deaf.get()));
}

TEST_F(HttpServerTest, SaysThatAnAddressIsTaken) {
  start();
  asio::io_context other;
  const auto second =
      HttpServer::create(other, std::vector{address_}, [](const HttpRequest&) { return HttpResponse{}; });
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().text(), HasSubstr(address_.text()));
  EXPECT_THAT(second.error().text(), HasSubstr("in use"));
}

}  // namespace
}  // namespace understudy
