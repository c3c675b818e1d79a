// A small HTTP/1.1 server for administration: metrics, health, later the API and the dashboard.
//
// Runs on the caller's io_context (which runs on one thread); the handler is called there and must not block.
// Keep-alive, HEAD (the handler sees GET), bounded headers, bodies and connections, and timeouts are done here; which
// targets and methods exist is the handler's affair. Malformed or oversized requests never reach it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace boost::asio {
class io_context;
}

namespace understudy {

struct HttpRequest {
  std::string method;  // "GET" for a HEAD request too
  std::string target;  // path and query as sent
  std::string body;
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // further fields, e.g. Allow
};

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

struct HttpOptions {
  std::size_t max_header = 16 << 10;          // octets; more is answered 431
  std::size_t max_body = 1 << 20;             // octets; more is answered 413
  std::size_t max_connections = 64;           // more are closed at once
  std::chrono::milliseconds timeout{30'000};  // for a whole request, for taking the response, and between requests
};

class HttpServer {
 public:
  /// Binds, listens and starts to accept. An address in use is an error.
  static Result<std::unique_ptr<HttpServer>> create(boost::asio::io_context& context, std::span<const Endpoint> listen,
                                                    HttpHandler handler, const HttpOptions& options = {});
  /// Closes the listeners and all connections. On the io_context's thread, or after it has stopped.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// The bound addresses, in the order given to create().
  [[nodiscard]] std::vector<Endpoint> local_endpoints() const;

 private:
  struct Impl;
  explicit HttpServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace understudy
