#include "net/http_server.h"

#include <fmt/format.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <unordered_set>

#include "net/sockets.h"

namespace understudy {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds accept_pause{100};

/// What the server and its connections share.
struct Shared {
  HttpHandler handler;
  HttpOptions options;
  std::unordered_set<beast::tcp_stream*> streams;
  bool closed = false;
};

using Parser = http::request_parser<http::string_body>;
using Message = http::response<http::string_body>;

Message plain(http::status status) {
  Message message(status, 11);
  message.set(http::field::content_type, "text/plain; charset=utf-8");
  message.body() = std::string(http::obsolete_reason(status)) + "\n";
  message.keep_alive(false);
  message.prepare_payload();
  return message;
}

/// The response to a request that was not understood; nullopt if the connection is to be closed without a word.
std::optional<Message> response_to(const error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return plain(http::status::request_header_fields_too_large);
  }
  if (error == http::error::body_limit) return plain(http::status::payload_too_large);
  if (error.category() == http::make_error_code(http::error::bad_method).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message) {
    return plain(http::status::bad_request);
  }
  return std::nullopt;
}

Message response_to(const Parser::value_type& request, const HttpHandler& handler) {
  const bool head = request.method() == http::verb::head;
  const HttpResponse answer = handler(
      HttpRequest{head ? "GET" : std::string(request.method_string()), std::string(request.target()), request.body()});
  Message message(http::int_to_status(answer.status), request.version());
  message.result(answer.status);
  message.set(http::field::content_type, answer.content_type);
  for (const auto& [name, value] : answer.headers) message.set(name, value);
  message.keep_alive(request.keep_alive());
  if (head) {
    message.content_length(answer.body.size());  // RFC 9110 section 9.3.2: as GET would say
  } else {
    message.body() = answer.body;
    message.prepare_payload();
  }
  return message;
}

/// Sends the header and, for all but HEAD, the body.
asio::awaitable<bool> send(beast::tcp_stream& stream, const Message& message, bool head) {
  error_code error;
  http::response_serializer<http::string_body> serializer(message);
  if (head) {
    co_await http::async_write_header(stream, serializer, asio::redirect_error(asio::use_awaitable, error));
  } else {
    co_await http::async_write(stream, serializer, asio::redirect_error(asio::use_awaitable, error));
  }
  co_return !error && message.keep_alive();
}

/// Waits for the client to close after our last word: closing with its data unread would reset the connection, and it
/// might lose the response.
asio::awaitable<void> linger(beast::tcp_stream& stream) {
  error_code error;
  stream.socket().shutdown(tcp::socket::shutdown_send, error);
  std::array<char, 4096> sink;
  for (int reads = 0; !error && reads < 1024; ++reads) {
    co_await stream.async_read_some(asio::buffer(sink), asio::redirect_error(asio::use_awaitable, error));
  }
}

asio::awaitable<void> serve(std::shared_ptr<Shared> shared, beast::tcp_stream& stream) {
  const HttpOptions& options = shared->options;
  beast::flat_buffer buffer(options.max_header + options.max_body + 4096);
  bool open = true;
  while (open && !shared->closed) {
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(options.max_header));
    parser.body_limit(options.max_body);
    error_code error;
    stream.expires_after(options.timeout);
    co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
    if (shared->closed) co_return;
    stream.expires_after(options.timeout);
    if (error) {
      if (const auto response = response_to(error)) co_await send(stream, *response, false);
      open = false;
    } else {
      const bool head = parser.get().method() == http::verb::head;
      const Message response = response_to(parser.get(), shared->handler);
      open = co_await send(stream, response, head);
    }
  }
  co_await linger(stream);
}

asio::awaitable<void> run_connection(std::shared_ptr<Shared> shared, tcp::socket socket) {
  beast::tcp_stream stream(std::move(socket));
  shared->streams.insert(&stream);
  co_await serve(shared, stream);
  shared->streams.erase(&stream);
}

}  // namespace

struct HttpServer::Impl {
  explicit Impl(asio::io_context& io) : context(io) {}

  asio::io_context& context;
  std::vector<std::unique_ptr<tcp::acceptor>> acceptors;
  std::vector<Endpoint> locals;
  std::shared_ptr<Shared> shared = std::make_shared<Shared>();

  Result<> listen(const Endpoint& endpoint);
  static asio::awaitable<void> accept(std::shared_ptr<Impl> self, tcp::acceptor& acceptor);
  void close();
};

Result<> HttpServer::Impl::listen(const Endpoint& endpoint) {
  US_TRY(check_address_free(endpoint));
  US_ASSIGN(UniqueFd fd, open_tcp_listener(endpoint));
  US_ASSIGN(const Endpoint local, local_endpoint(fd.get()));
  auto acceptor = std::make_unique<tcp::acceptor>(context);
  error_code error;
  acceptor->assign(endpoint.address.is_v4() ? tcp::v4() : tcp::v6(), fd.get(), error);
  if (error) return fail(Errc::io, fmt::format("{}: {}", endpoint.text(), error.message()));
  fd.release();
  acceptors.push_back(std::move(acceptor));
  locals.push_back(local);
  return {};
}

asio::awaitable<void> HttpServer::Impl::accept(std::shared_ptr<Impl> self, tcp::acceptor& acceptor) {
  asio::steady_timer pause(self->context);
  while (!self->shared->closed) {
    error_code error;
    tcp::socket socket =
        co_await acceptor.async_accept(self->context, asio::redirect_error(asio::use_awaitable, error));
    if (self->shared->closed) co_return;
    if (error) {
      // Most likely no file descriptor is left: asking again at once would only burn time.
      pause.expires_after(accept_pause);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    } else if (self->shared->streams.size() < self->shared->options.max_connections) {
      asio::co_spawn(self->context, run_connection(self->shared, std::move(socket)), asio::detached);
    }
  }
}

void HttpServer::Impl::close() {
  shared->closed = true;
  error_code ignored;
  for (auto& acceptor : acceptors) acceptor->close(ignored);
  for (beast::tcp_stream* stream : shared->streams) stream->close();
}

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  impl_->close();
}

Result<std::unique_ptr<HttpServer>> HttpServer::create(asio::io_context& context, std::span<const Endpoint> listen,
                                                       HttpHandler handler, const HttpOptions& options) {
  auto impl = std::make_shared<Impl>(context);
  impl->shared->handler = std::move(handler);
  impl->shared->options = options;
  for (const Endpoint& endpoint : listen) US_TRY(impl->listen(endpoint));
  for (auto& acceptor : impl->acceptors) {
    asio::co_spawn(context, Impl::accept(impl, *acceptor), asio::detached);
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

std::vector<Endpoint> HttpServer::local_endpoints() const {
  return impl_->locals;
}

}  // namespace understudy
