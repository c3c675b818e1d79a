#include "net/unix_server.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <deque>
#include <new>
#include <unordered_set>

#include "base/log.h"
#include "net/alarm.h"
#include "net/sockets.h"
#include "net/unix_address.h"

namespace understudy {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Protocol = asio::local::stream_protocol;
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t read_size = 16 << 10;
constexpr std::size_t piece_size = 64 << 10;  // what a producer is asked for before it is sent
constexpr std::size_t output_limit = 64 << 20;
constexpr int pieces_per_turn = 16;  // then the other work of the thread gets its turn
constexpr std::chrono::milliseconds accept_pause{100};

std::unexpected<Error> path_failure(const std::string& path, std::string_view what, int error) {
  return fail(Errc::io, fmt::format("{}: {}: {}", path, what, system_words(error)));
}

/// Removes a socket file that nobody listens on.
Result<> remove_stale_socket(const std::string& path, const sockaddr_un& address) {
  struct stat status{};
  if (lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return path_failure(path, "cannot look at it", errno);
  }
  if (!S_ISSOCK(status.st_mode)) {
    return fail(Errc::io, fmt::format("{}: is in the way and not a socket, choose another path or remove it", path));
  }
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe.is_open()) return path_failure(path, "cannot open a socket", errno);
  const bool connected = connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (connected || errno == EAGAIN) {  // EAGAIN: somebody listens, and is busy
    return fail(Errc::already_locked, fmt::format("a server listens at {} already", path));
  }
  if (errno != ECONNREFUSED) return path_failure(path, "cannot find out whether a server listens there", errno);
  if (unlink(path.c_str()) != 0) return path_failure(path, "cannot remove the socket of a server that is gone", errno);
  return {};
}

Result<UniqueFd> listen_at(const std::string& path, mode_t mode) {
  US_ASSIGN(const sockaddr_un address, unix_address(path));
  US_TRY(remove_stale_socket(path, address));
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return path_failure(path, "cannot open a socket", errno);
  // Set before binding, so that the file never has a wider mode; and after, for the umask only narrows.
  if (fchmod(fd.get(), mode) != 0) return path_failure(path, "cannot set its mode", errno);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return path_failure(path, "cannot create the socket", errno);
  }
  if (chmod(path.c_str(), mode) != 0) return path_failure(path, "cannot set its mode", errno);
  if (listen(fd.get(), 64) != 0) return path_failure(path, "cannot listen", errno);
  return fd;
}

class Connection;

/// What the server and its connections share.
struct Shared {
  ControlHandler handler;
  UnixServerOptions options;
  std::unordered_set<std::shared_ptr<Connection>> connections;
  bool closed = false;
};

/// One client. Everything happens on the io_context's thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(asio::io_context& context, std::shared_ptr<Shared> shared, Protocol::socket socket)
      : shared_(std::move(shared)), socket_(std::move(socket)), alarm_(context.get_executor(), [this] { close(); }) {}

  void start() { advance(); }
  void close();

  // Of the request that is being answered.
  void add_text(std::string text);
  void add_producer(std::function<bool(std::string&)> produce);
  void response_done();

  [[nodiscard]] asio::any_io_executor executor() { return socket_.get_executor(); }
  [[nodiscard]] bool connected() const { return connected_.load(std::memory_order_relaxed); }

 private:
  /// Text, or what makes more of it.
  struct Item {
    std::string text;
    std::function<bool(std::string&)> produce;
  };

  void advance();
  bool send_output();
  bool produce_piece(Item& item);
  bool send_text(std::string& text, std::size_t& sent);
  bool begin_request();
  void wait_for_input();
  void wait_for_room();
  void take_input();
  void set_alarm(bool blocked);

  const std::shared_ptr<Shared> shared_;
  Protocol::socket socket_;
  Alarm alarm_;
  std::atomic<bool> connected_{true};

  std::string input_;
  bool at_end_ = false;  // the client sends no more
  bool answering_ = false;
  bool done_ = false;  // the response is complete, though perhaps not sent
  std::deque<Item> output_;
  std::size_t sent_ = 0;    // of the front item's text
  std::size_t queued_ = 0;  // octets of text in output_
  bool advancing_ = false;
  bool again_ = false;
  bool reading_ = false;  // operations under way
  bool writing_ = false;
};

class Reply final : public ControlReply {
 public:
  explicit Reply(const std::shared_ptr<Connection>& connection) : connection_(connection) {}
  ~Reply() override {
    if (!done_) on_connection([](Connection& connection) { connection.close(); });
  }
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  void write(std::string_view text) override {
    if (text.empty() || done_) return;
    on_connection([text = std::string(text)](Connection& c) mutable { c.add_text(std::move(text)); });
  }
  void stream(std::function<bool(std::string&)> produce) override {
    if (done_) return;
    on_connection([produce = std::move(produce)](Connection& c) mutable { c.add_producer(std::move(produce)); });
  }
  void done() override {
    if (done_.exchange(true)) return;
    on_connection([](Connection& c) { c.response_done(); });
  }
  [[nodiscard]] bool connected() const override {
    const auto connection = connection_.lock();
    return connection && connection->connected();
  }

 private:
  /// At once on the connection's own thread, otherwise in the order of the calls.
  template <typename Action>
  void on_connection(Action action) {
    auto connection = connection_.lock();
    if (!connection || !connection->connected()) return;
    const auto executor = connection->executor();
    asio::dispatch(executor, [connection = std::move(connection), action = std::move(action)]() mutable {
      if (connection->connected()) action(*connection);
    });
  }

  const std::weak_ptr<Connection> connection_;
  std::atomic<bool> done_{false};
};

void Connection::close() {
  if (!connected_.exchange(false)) return;
  const auto self = shared_from_this();
  error_code ignored;
  socket_.close(ignored);
  alarm_.clear();
  if (!advancing_) output_.clear();  // otherwise one of its producers may be running
  shared_->connections.erase(self);
}

void Connection::add_text(std::string text) {
  queued_ += text.size();
  if (queued_ > output_limit) {
    log_warning("control socket: a client that does not take its response is disconnected");
    close();
    return;
  }
  if (!output_.empty() && !output_.back().produce) {
    output_.back().text += text;
  } else {
    output_.push_back({std::move(text), nullptr});
  }
  advance();
}

void Connection::add_producer(std::function<bool(std::string&)> produce) {
  output_.push_back({{}, std::move(produce)});
  advance();
}

void Connection::response_done() {
  done_ = true;
  advance();
}

/// Does whatever can be done without waiting, then waits for what is needed next.
void Connection::advance() {
  if (advancing_) {  // called by a handler or a producer: the loop below goes round once more
    again_ = true;
    return;
  }
  advancing_ = true;
  const auto self = shared_from_this();
  bool blocked = false;
  do {
    again_ = false;
    blocked = !send_output();
    if (connected() && !blocked && answering_ && done_) answering_ = false;
    if (connected() && !answering_ && begin_request()) again_ = true;
  } while (again_ && connected());
  advancing_ = false;
  if (connected() && !answering_ && at_end_) close();
  if (!connected()) {
    output_.clear();
    return;
  }
  set_alarm(blocked);
  if (blocked) wait_for_room();
  if (!at_end_ && input_.size() <= shared_->options.max_line) wait_for_input();
}

/// True if nothing is left to send, for now. False: wait for room, or for the next turn.
bool Connection::send_output() {
  for (int pieces = 0; connected() && !output_.empty();) {
    Item& item = output_.front();
    if (item.text.empty() && item.produce) {
      if (pieces++ == pieces_per_turn) return false;
      if (!produce_piece(item)) return false;
      queued_ += item.text.size();
    }
    if (!send_text(item.text, sent_)) return false;
    queued_ -= item.text.size();
    item.text.clear();
    sent_ = 0;
    if (!item.produce) output_.pop_front();
  }
  return connected();
}

/// A piece may be as large as what a producer has at one name. Memory that runs out ends the response before its end,
/// which the client sees.
bool Connection::produce_piece(Item& item) {
  bool more = true;
  try {
    while (more && connected() && item.text.size() < piece_size) more = item.produce(item.text);
  } catch (const std::bad_alloc&) {
    log_error(
        "control socket: out of memory: a response is cut off at a piece of more than {} octets; try it when the "
        "server has more",
        item.text.size());
    close();
  }
  if (!more) item.produce = nullptr;
  return connected();
}

bool Connection::send_text(std::string& text, std::size_t& sent) {
  while (sent < text.size()) {
    const ssize_t n =
        ::send(socket_.native_handle(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      sent += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN) {
      return false;
    } else if (errno != EINTR) {
      close();
      return false;
    }
  }
  return true;
}

/// Hands the next request to the handler, if it is whole.
bool Connection::begin_request() {
  const std::size_t newline = input_.find('\n');
  if (newline == std::string::npos || newline > shared_->options.max_line) {
    if (input_.size() > shared_->options.max_line) {
      log_warning("control socket: a request of more than {} octets is not read", shared_->options.max_line);
      close();
    }
    return false;
  }
  const std::string request = input_.substr(0, newline);
  input_.erase(0, newline + 1);
  answering_ = true;
  done_ = false;
  shared_->handler(request, std::make_shared<Reply>(shared_from_this()));
  return true;
}

void Connection::set_alarm(bool blocked) {
  if (blocked) {
    alarm_.set(SteadyClock::now() + shared_->options.write_timeout);
  } else if (!answering_) {
    alarm_.set(SteadyClock::now() + shared_->options.idle_timeout);
  } else {
    alarm_.clear();  // a command may take its time
  }
}

void Connection::wait_for_input() {
  if (reading_) return;
  reading_ = true;
  socket_.async_wait(Protocol::socket::wait_read, [self = shared_from_this()](const error_code& error) {
    self->reading_ = false;
    if (!error && self->connected()) self->take_input();
  });
}

void Connection::take_input() {
  std::array<char, read_size> chunk;
  const ssize_t n = recv(socket_.native_handle(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (n > 0) {
    input_.append(chunk.data(), static_cast<std::size_t>(n));
  } else if (n == 0) {
    // The client may have finished its requests only; if it has gone altogether, nobody waits for the response.
    at_end_ = true;
    pollfd state{socket_.native_handle(), 0, 0};
    if (poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR)) != 0) {
      close();
      return;
    }
  } else if (errno != EAGAIN && errno != EINTR) {
    close();
    return;
  }
  advance();
}

void Connection::wait_for_room() {
  if (writing_) return;
  writing_ = true;
  socket_.async_wait(Protocol::socket::wait_write, [self = shared_from_this()](const error_code& error) {
    self->writing_ = false;
    if (!error && self->connected()) self->advance();
  });
}

}  // namespace

struct UnixServer::Impl : std::enable_shared_from_this<UnixServer::Impl> {
  Impl(asio::io_context& io, std::string at) : context(io), acceptor(io), pause(io), path(std::move(at)) {}

  asio::io_context& context;
  Protocol::acceptor acceptor;
  asio::steady_timer pause;
  const std::string path;
  struct stat file{};
  std::shared_ptr<Shared> shared = std::make_shared<Shared>();

  void accept();
  void close();
};

void UnixServer::Impl::accept() {
  acceptor.async_accept([self = shared_from_this()](const error_code& error, Protocol::socket socket) {
    if (self->shared->closed) return;
    if (!error) {
      if (self->shared->connections.size() < self->shared->options.max_connections) {
        auto connection = std::make_shared<Connection>(self->context, self->shared, std::move(socket));
        self->shared->connections.insert(connection);
        connection->start();
      }
      self->accept();
      return;
    }
    // Most likely no file descriptor is left: asking again at once would only burn time.
    self->pause.expires_after(accept_pause);
    self->pause.async_wait([self](const error_code& stopped) {
      if (!stopped && !self->shared->closed) self->accept();
    });
  });
}

void UnixServer::Impl::close() {
  shared->closed = true;
  struct stat now{};
  if (stat(path.c_str(), &now) == 0 && now.st_ino == file.st_ino && now.st_dev == file.st_dev) unlink(path.c_str());
  error_code ignored;
  acceptor.close(ignored);
  pause.cancel();
  while (!shared->connections.empty()) {
    const auto connection = *shared->connections.begin();
    connection->close();
  }
}

UnixServer::UnixServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

UnixServer::~UnixServer() {
  impl_->close();
}

Result<std::unique_ptr<UnixServer>> UnixServer::create(asio::io_context& context, const std::string& path,
                                                       ControlHandler handler, const UnixServerOptions& options) {
  US_ASSIGN(UniqueFd fd, listen_at(path, options.mode));
  auto impl = std::make_shared<Impl>(context, path);
  if (stat(path.c_str(), &impl->file) != 0) return path_failure(path, "cannot look at it", errno);
  error_code error;
  impl->acceptor.assign(Protocol(), fd.get(), error);
  if (error) return fail(Errc::io, fmt::format("{}: {}", path, error.message()));
  fd.release();
  impl->shared->handler = std::move(handler);
  impl->shared->options = options;
  impl->accept();
  return std::unique_ptr<UnixServer>(new UnixServer(std::move(impl)));
}

}  // namespace understudy
