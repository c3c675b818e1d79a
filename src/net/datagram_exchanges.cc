#include "net/datagram_exchanges.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <exception>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "net/alarm.h"
#include "net/client_socket.h"
#include "net/random_ids.h"
#include "net/wakeup.h"

namespace understudy {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using boost::system::error_code;
using TimePoint = std::chrono::steady_clock::time_point;

constexpr std::size_t sockets_of_a_peer = 4;
constexpr unsigned queries_of_a_socket = 128;
constexpr std::chrono::seconds life_of_a_socket{10};
constexpr std::size_t most_idle = 64;  // sockets without a query, in all
constexpr std::size_t answer_capacity = 4096;
constexpr std::size_t received_at_once = 16;

using Key = std::pair<Endpoint, std::optional<IpAddress>>;

class Socket;

/// One call of exchange(); it belongs to that coroutine.
struct Call {
  Call(const asio::any_io_executor& executor, DatagramRequest asked) : request(std::move(asked)), wake(executor) {}

  void finish(Result<> result) {
    outcome = std::move(result);
    done = true;
    wake.wake();
  }

  DatagramRequest request;
  Wakeup wake;
  Socket* socket = nullptr;  // that it waits on
  std::uint16_t id = 0;
  TimePoint deadline;
  bool done = false;
  Result<> outcome;
};

/// Where datagrams are received into.
struct Room {
  std::array<std::array<std::uint8_t, answer_capacity>, received_at_once> octets;
  std::array<iovec, received_at_once> parts{};
  std::array<mmsghdr, received_at_once> messages{};
};

class Socket : public std::enable_shared_from_this<Socket> {
 public:
  Socket(const asio::any_io_executor& executor, Key peer) : key(std::move(peer)), socket(executor) {}

  [[nodiscard]] bool takes_more(TimePoint now) const {
    return asked < queries_of_a_socket && strangers < client::most_strangers && now < opened_at + life_of_a_socket;
  }
  [[nodiscard]] Call* find(std::uint16_t id) const {
    const auto found = std::ranges::find(calls, id, &Call::id);
    return found == calls.end() ? nullptr : *found;
  }

  const Key key;
  udp::socket socket;
  TimePoint opened_at = std::chrono::steady_clock::now();
  std::vector<Call*> calls;
  std::vector<std::uint16_t> given_up;  // ids of calls that ended without an answer, which may come yet
  unsigned asked = 0;
  unsigned strangers = 0;
};

using SocketPtr = std::shared_ptr<Socket>;

}  // namespace

class DatagramExchanges::Impl : public std::enable_shared_from_this<Impl> {
 public:
  explicit Impl(asio::any_io_executor executor)
      : executor_(std::move(executor)), alarm_(executor_, [this] { ring(); }) {}

  static asio::awaitable<Result<>> exchange(std::shared_ptr<Impl> self, Key key, DatagramRequest request);
  void stop();
  [[nodiscard]] std::uint64_t opened() const { return opened_; }
  [[nodiscard]] std::size_t open() const { return sockets_.size(); }

 private:
  struct Withdrawal;

  Result<> send(const Key& key, Call& call);
  Result<SocketPtr> socket_for(const Key& key);
  Result<SocketPtr> open_socket(const Key& key);
  void receive(const SocketPtr& socket);
  void drain(const SocketPtr& socket);
  void dispatch(Socket& socket, ByteView message);
  void note_stranger(Socket& socket);
  void fail_all(Socket& socket, const Error& error);
  void take_off(Call& call);
  void give_up(Call& call);
  void use_no_more(const Socket& socket);
  void close_if_unused(Socket& socket);
  void close(Socket& socket);
  void ring();
  void ring_by(TimePoint time);

  const asio::any_io_executor executor_;
  Alarm alarm_;
  TimePoint rings_at_ = TimePoint::max();
  RandomIds ids_;
  Room room_;
  bool stopped_ = false;
  std::uint64_t opened_ = 0;
  std::map<Key, std::vector<SocketPtr>> peers_;  // those that take queries
  std::map<Socket*, SocketPtr> sockets_;         // all
  std::set<std::pair<TimePoint, Call*>> deadlines_;
};

/// However the coroutine ends, nobody keeps its call.
struct DatagramExchanges::Impl::Withdrawal {
  Impl& impl;
  Call& call;
  ~Withdrawal() { impl.give_up(call); }
};

asio::awaitable<Result<>> DatagramExchanges::Impl::exchange(std::shared_ptr<Impl> self, Key key,
                                                            DatagramRequest request) {
  Call call(self->executor_, std::move(request));
  const Withdrawal withdrawal{*self, call};
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  if (self->stopped_ || client::is_set(cancellation)) co_return client::cancelled(key.first);
  if (Result<> sent = self->send(key, call); !sent) co_return sent;
  while (!call.done) {
    co_await call.wake.wait();
    if (!call.done && client::is_set(cancellation)) co_return client::cancelled(key.first);
  }
  co_return std::move(call.outcome);
}

Result<> DatagramExchanges::Impl::send(const Key& key, Call& call) {
  error_code error;
  // A socket that was used before may report here what became of another query.
  for (int tries = 0; tries < 2; ++tries) {
    US_ASSIGN(const SocketPtr socket, socket_for(key));
    do {
      call.id = ids_.next();
    } while (socket->find(call.id) != nullptr);
    US_ASSIGN(const Bytes message, call.request.make(call.id));
    ++socket->asked;
    socket->socket.send(asio::buffer(message), 0, error);
    if (!error || error == asio::error::would_block) {  // where there is no room it is lost, as it may be later
      call.socket = socket.get();
      socket->calls.push_back(&call);
      call.deadline = std::chrono::steady_clock::now() + call.request.timeout;
      deadlines_.emplace(call.deadline, &call);
      ring_by(call.deadline);
      return {};
    }
    use_no_more(*socket);
    // That the port is closed is told once: those to whom it belongs would wait in vain. Other errors are this query's.
    if (error == asio::error::connection_refused) {
      fail_all(*socket, client::failure(Errc::connect_failed, key.first, error).error());
    }
    close_if_unused(*socket);
  }
  return client::failure(Errc::connect_failed, key.first, error);
}

/// One of the peer's at random, which is made if it is not there.
Result<SocketPtr> DatagramExchanges::Impl::socket_for(const Key& key) {
  const TimePoint now = std::chrono::steady_clock::now();
  std::vector<SocketPtr>& open = peers_[key];
  const std::size_t chosen = ids_.next() % sockets_of_a_peer;
  if (chosen < open.size()) {
    const SocketPtr socket = open[chosen];
    if (socket->takes_more(now)) return socket;
    use_no_more(*socket);
    close_if_unused(*socket);
  }
  return open_socket(key);
}

Result<SocketPtr> DatagramExchanges::Impl::open_socket(const Key& key) {
  const auto socket = std::make_shared<Socket>(executor_, key);
  error_code error = client::open_for(socket->socket, key.first, key.second);
  if (error) {
    use_no_more(*socket);
    return client::no_socket(key.first, error);
  }
  // Connecting chooses a random port that is ours alone, and makes the kernel drop what comes from elsewhere.
  socket->socket.connect(client::to_asio<udp>(key.first), error);
  if (!error) socket->socket.non_blocking(true, error);
  if (error) {
    use_no_more(*socket);
    return client::failure(Errc::connect_failed, key.first, error);
  }
  ++opened_;
  peers_[key].push_back(socket);
  sockets_.emplace(socket.get(), socket);
  receive(socket);
  return socket;
}

void DatagramExchanges::Impl::receive(const SocketPtr& socket) {
  socket->socket.async_wait(udp::socket::wait_read, [self = weak_from_this(), socket](const error_code& error) {
    const auto impl = self.lock();
    if (!impl || error || !impl->sockets_.contains(socket.get())) return;
    impl->drain(socket);
    if (socket->socket.is_open()) impl->receive(socket);
  });
}

void DatagramExchanges::Impl::drain(const SocketPtr& socket) {
  int count = 0;
  do {
    for (std::size_t i = 0; i < received_at_once; ++i) {
      room_.parts[i] = {room_.octets[i].data(), answer_capacity};
      room_.messages[i] = {};
      room_.messages[i].msg_hdr.msg_iov = &room_.parts[i];
      room_.messages[i].msg_hdr.msg_iovlen = 1;
    }
    count = ::recvmmsg(socket->socket.native_handle(), room_.messages.data(), received_at_once, MSG_DONTWAIT, nullptr);
    if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
      const int number = errno;
      use_no_more(*socket);
      fail_all(*socket, {number == ECONNREFUSED ? Errc::connect_failed : Errc::io,
                         fmt::format("{}: {}", socket->key.first.text(),
                                     error_code(number, boost::system::system_category()).message())});
    }
    for (int i = 0; i < count; ++i) {
      dispatch(*socket, ByteView(room_.octets[static_cast<std::size_t>(i)])
                            .first(room_.messages[static_cast<std::size_t>(i)].msg_len));
    }
  } while (count == static_cast<int>(received_at_once));
  close_if_unused(*socket);
}

void DatagramExchanges::Impl::dispatch(Socket& socket, ByteView message) {
  if (message.size() < 2) return note_stranger(socket);
  const std::uint16_t id = load_u16(message.data());
  Call* const call = socket.find(id);
  if (call == nullptr) {
    // What comes too late is not strange, once.
    const auto late = std::ranges::find(socket.given_up, id);
    if (late == socket.given_up.end()) return note_stranger(socket);
    socket.given_up.erase(late);
    return;
  }
  Result<> outcome;
  try {
    if (!call->request.accept(message)) return note_stranger(socket);
  } catch (const std::exception& error) {  // memory that ran out is the end of this query, and of nothing else
    outcome = fail(Errc::io, fmt::format("{}: {}", socket.key.first.text(), error.what()));
  }
  take_off(*call);
  call->finish(std::move(outcome));
}

/// Whoever guesses gets no more guesses at what is under way here than at what comes later.
void DatagramExchanges::Impl::note_stranger(Socket& socket) {
  if (++socket.strangers < client::most_strangers) return;
  use_no_more(socket);
  fail_all(socket, client::too_many_strangers(socket.key.first, socket.strangers));
}

void DatagramExchanges::Impl::fail_all(Socket& socket, const Error& error) {
  while (!socket.calls.empty()) {
    Call& call = *socket.calls.back();
    take_off(call);
    call.finish(std::unexpected(error));
  }
}

/// The socket itself stays.
void DatagramExchanges::Impl::take_off(Call& call) {
  Socket* const socket = std::exchange(call.socket, nullptr);
  if (socket == nullptr) return;
  std::erase(socket->calls, &call);
  deadlines_.erase({call.deadline, &call});
}

/// The same of one that is not answered.
void DatagramExchanges::Impl::give_up(Call& call) {
  if (call.socket != nullptr) call.socket->given_up.push_back(call.id);
  take_off(call);
}

/// Its queries go on, but it gets no further ones.
void DatagramExchanges::Impl::use_no_more(const Socket& socket) {
  const auto peer = peers_.find(socket.key);
  if (peer == peers_.end()) return;
  std::erase_if(peer->second, [&](const SocketPtr& other) { return other.get() == &socket; });
  if (peer->second.empty()) peers_.erase(peer);
}

void DatagramExchanges::Impl::close_if_unused(Socket& socket) {
  if (!socket.calls.empty()) return;
  const auto peer = peers_.find(socket.key);
  const bool is_kept = peer != peers_.end() && std::ranges::any_of(peer->second, [&](const SocketPtr& other) {
                         return other.get() == &socket;
                       });
  if (!is_kept || sockets_.size() > most_idle) close(socket);
}

void DatagramExchanges::Impl::close(Socket& socket) {
  use_no_more(socket);
  const auto found = sockets_.find(&socket);
  if (found == sockets_.end()) return;
  const SocketPtr held = found->second;
  sockets_.erase(found);
  error_code ignored;  // there is nothing to do about it
  held->socket.close(ignored);
}

void DatagramExchanges::Impl::ring() {
  const TimePoint now = std::chrono::steady_clock::now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    Call& call = *deadlines_.begin()->second;
    const std::string peer = call.socket->key.first.text();
    give_up(call);
    call.finish(fail(Errc::timed_out,
                     fmt::format("{}: no answer within {}", peer, client::seconds_text(call.request.timeout))));
  }
  std::vector<SocketPtr> all;
  for (const auto& [key, socket] : sockets_) all.push_back(socket);
  for (const SocketPtr& socket : all) {
    if (!socket->takes_more(now)) use_no_more(*socket);
    close_if_unused(*socket);
  }
  rings_at_ = TimePoint::max();
  if (!deadlines_.empty()) ring_by(deadlines_.begin()->first);
  for (const auto& [key, socket] : sockets_) {
    if (socket->calls.empty()) ring_by(socket->opened_at + life_of_a_socket);
  }
}

void DatagramExchanges::Impl::ring_by(TimePoint time) {
  if (time >= rings_at_) return;
  rings_at_ = time;
  alarm_.set(time);
}

void DatagramExchanges::Impl::stop() {
  if (std::exchange(stopped_, true)) return;
  while (!sockets_.empty()) {
    const SocketPtr socket = sockets_.begin()->second;
    fail_all(*socket, {Errc::cancelled, socket->key.first.text()});
    close(*socket);
  }
  alarm_.clear();
}

DatagramExchanges::DatagramExchanges(asio::any_io_executor executor)
    : impl_(std::make_shared<Impl>(std::move(executor))) {}

DatagramExchanges::~DatagramExchanges() {
  impl_->stop();
}

asio::awaitable<Result<>> DatagramExchanges::exchange(Endpoint peer, std::optional<IpAddress> source,
                                                      DatagramRequest request) {
  return client::without_exceptions(Impl::exchange(impl_, Key{peer, source}, std::move(request)), peer);
}

void DatagramExchanges::stop() {
  impl_->stop();
}

std::uint64_t DatagramExchanges::opened() const {
  return impl_->opened();
}

std::size_t DatagramExchanges::open() const {
  return impl_->open();
}

}  // namespace understudy
