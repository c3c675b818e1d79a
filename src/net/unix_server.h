// The control socket: lines of text over a UNIX stream socket, answered one after the other per connection.
//
// A request is one line (at most max_line octets, the newline not included). The handler gets it with a ControlReply,
// to which it writes the response - any number of lines; what they mean is the handler's affair - and then calls
// done(), at once or much later. The next request of that connection is read after done(). Runs on the caller's
// io_context (one thread): handler and producers are called there and must not block. A stale socket file that nobody
// listens on is replaced; a live one is an error. The file has mode 0660.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace boost::asio {
class io_context;
}

namespace understudy {

/// The response to one request. Thread-safe as long as the io_context lives. May outlive the connection and the server:
/// calls then do nothing. If the last reference goes away without done(), the connection is closed.
class ControlReply {
 public:
  virtual ~ControlReply() = default;
  /// Queues text. For responses of moderate size: a client with more than 64 MiB waiting for it is disconnected.
  virtual void write(std::string_view text) = 0;
  /// Streams a large response: `produce` appends the next piece to its argument and returns true if there is more to
  /// come. It is called on the io_context's thread whenever the client has taken the text before, after everything
  /// written so far; end the response with done() in any case, which waits for the producer to finish.
  virtual void stream(std::function<bool(std::string&)> produce) = 0;
  /// Ends the response.
  virtual void done() = 0;
  /// False once the client has gone away: nobody waits for the outcome any more.
  [[nodiscard]] virtual bool connected() const = 0;
};

using ControlHandler = std::function<void(std::string_view request, std::shared_ptr<ControlReply> reply)>;

struct UnixServerOptions {
  std::size_t max_line = 1 << 20;                   // a longer request closes the connection
  std::size_t max_connections = 64;                 // more are closed at once
  std::chrono::milliseconds idle_timeout{300'000};  // between requests
  std::chrono::milliseconds write_timeout{30'000};  // the client takes nothing of a response
  mode_t mode = 0660;
};

class UnixServer {
 public:
  /// Errc::already_locked if a server listens there; Errc::io with the path and the system's words otherwise.
  static Result<std::unique_ptr<UnixServer>> create(boost::asio::io_context& context, const std::string& path,
                                                    ControlHandler handler, const UnixServerOptions& options = {});
  /// Closes everything and removes the socket file if it is still ours. On the io_context's thread, or after it has
  /// stopped.
  ~UnixServer();
  UnixServer(const UnixServer&) = delete;
  UnixServer& operator=(const UnixServer&) = delete;

 private:
  struct Impl;
  explicit UnixServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace understudy
