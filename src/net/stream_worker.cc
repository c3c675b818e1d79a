#include "net/stream_worker.h"

#include <fmt/format.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <list>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/qsbr.h"
#include "base/thread_name.h"
#include "net/proxy_protocol.h"
#include "net/ready_set.h"
#include "net/sockets.h"
#include "net/stream_session.h"

namespace understudy {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using SteadyClock = std::chrono::steady_clock;
using TimePoint = SteadyClock::time_point;
using Descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;

// After so many connections from one listener, or reads from one connection, the others get their turn.
constexpr int accepts_per_turn = 32;
constexpr std::size_t most_unclaimed = 64;  // connections over the limit, of balancers that have not said for whom
constexpr int reads_per_turn = 4;
// However full it is: a client gets this long to send its first query.
constexpr std::chrono::milliseconds least_idle_time{1000};
// When the process has no descriptor left and no idle connection to close.
constexpr std::chrono::milliseconds accept_pause{100};

IpAddress client_key(const IpAddress& address) {
  if (address.is_v4()) return address;
  Bytes octets(address.bytes().begin(), address.bytes().end());
  std::fill(octets.begin() + 8, octets.end(), std::uint8_t{0});
  return *IpAddress::from_bytes(octets);
}

void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) {
  // One writer: a plain addition, not a locked one.
  if (n != 0) counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

/// This thread may hold shared data while one of these lives. It must not wait meanwhile.
class OnlineScope {
 public:
  OnlineScope() { QsbrReader::online(); }
  ~OnlineScope() { QsbrReader::offline(); }
  OnlineScope(const OnlineScope&) = delete;
  OnlineScope& operator=(const OnlineScope&) = delete;
};

class SocketSink final : public StreamSink {
 public:
  /// Counts what was given to the system in `given`.
  SocketSink(int fd, std::uint64_t& given) : fd_(fd), given_(given) {}
  std::optional<std::size_t> write(ByteView octets) override {
    while (true) {
      const ssize_t n = ::send(fd_, octets.data(), octets.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n >= 0) {
        given_ += static_cast<std::size_t>(n);
        return static_cast<std::size_t>(n);
      }
      if (errno == EAGAIN) return 0;
      if (errno != EINTR) return std::nullopt;
    }
  }

 private:
  const int fd_;
  std::uint64_t& given_;
};

struct Connection;
using ConnectionList = std::list<std::shared_ptr<Connection>>;

struct Connection {
  Connection(UniqueFd fd, const StreamSessionLimits& limits) : socket(std::move(fd)), session(limits) {}

  UniqueFd socket;
  std::optional<std::uint32_t> watched;  // what the ready set watches it for, once it does
  StreamSession session;
  sockaddr_storage peer{};
  std::optional<IpAddress> client;  // none yet, or nobody: what a balancer does on its own account
  std::optional<Bytes> header;      // as much as is here of the PROXY header that has to come first
  ConnectionList* list = nullptr;   // idle or busy; null once closed
  ConnectionList::iterator place;
  TimePoint since;                   // idle: since when; busy: since when it is measured what the peer takes
  std::uint64_t given = 0;           // octets that the system has taken for the peer
  std::uint64_t taken_at_since = 0;  // of them, those that the peer had taken then
  bool turn_to_come = false;

  /// Octets that have reached the peer: what the system still keeps for it, which may be megabytes, has not.
  [[nodiscard]] std::uint64_t taken() {
    int kept = 0;
    if (::ioctl(socket.get(), SIOCOUTQ, &kept) != 0 || kept < 0) return given;
    return given - std::min(given, static_cast<std::uint64_t>(kept));
  }
};
using ConnectionPtr = std::shared_ptr<Connection>;

struct Listener {
  Listener(asio::io_context& context, const Endpoint& endpoint) : socket(context), pause(context), local(endpoint) {}
  Descriptor socket;
  asio::steady_timer pause;
  Endpoint local;
};

}  // namespace

void ConnectionLimits::join(Worker& worker) {
  const Lock lock(mutex_);
  workers_.push_back(&worker);
}

void ConnectionLimits::leave(Worker& worker) {
  const Lock lock(mutex_);
  std::erase(workers_, &worker);
}

ConnectionLimits::Verdict ConnectionLimits::admit(const std::optional<IpAddress>& client) {
  const Lock lock(mutex_);
  return admit_below(limit_for(client), client);
}

ConnectionLimits::Verdict ConnectionLimits::admit_in_place(const std::optional<IpAddress>& client) {
  const Lock lock(mutex_);
  return admit_below(total_ + most_unclaimed, client);
}

ConnectionLimits::Verdict ConnectionLimits::admit_for_another(const std::optional<IpAddress>& client) {
  const Lock lock(mutex_);
  const auto idle = [](const Worker* worker) { return worker->idle.load(std::memory_order_relaxed); };
  const auto richest = std::ranges::max_element(workers_, {}, idle);
  if (richest == workers_.end() || idle(*richest) == 0) return Verdict::full;
  const Verdict verdict = admit_below(limit_for(client) + workers_.size(), client);
  if (verdict == Verdict::admitted) (*richest)->make_room();
  return verdict;
}

ConnectionLimits::Verdict ConnectionLimits::admit_below(std::size_t limit, const std::optional<IpAddress>& client) {
  // First what the client has: who has its share already costs nobody else a connection.
  if (client && connections_of(*client) >= per_client_) return Verdict::client_full;
  if (open_.load(std::memory_order_relaxed) >= limit) return Verdict::full;
  if (client) ++clients_[client_key(*client)];
  open_.fetch_add(1, std::memory_order_relaxed);
  return Verdict::admitted;
}

std::size_t ConnectionLimits::limit_for(const std::optional<IpAddress>& client) const {
  return client ? total_ : total_ + most_unclaimed;
}

bool ConnectionLimits::claim(const IpAddress& client) {
  const Lock lock(mutex_);
  if (connections_of(client) >= per_client_) return false;
  ++clients_[client_key(client)];
  return true;
}

std::size_t ConnectionLimits::connections_of(const IpAddress& client) const {
  const auto found = clients_.find(client_key(client));
  return found == clients_.end() ? 0 : found->second;
}

std::chrono::milliseconds ConnectionLimits::idle_time(std::chrono::milliseconds configured) const {
  const std::size_t taken = std::min(open(), total_);
  const std::size_t free = total_ - taken;
  if (free >= taken) return configured;
  return configured * static_cast<std::int64_t>(2 * free) / static_cast<std::int64_t>(total_);
}

void ConnectionLimits::release(const std::optional<IpAddress>& client) {
  const Lock lock(mutex_);
  open_.fetch_sub(1, std::memory_order_relaxed);
  if (!client) return;
  const auto found = clients_.find(client_key(*client));
  if (found != clients_.end() && --found->second == 0) clients_.erase(found);
}

struct StreamWorker::Impl {
  // Constant after create().
  std::unique_ptr<StreamHandler> handler;
  std::shared_ptr<ConnectionLimits> limits;
  StreamOptions options;

  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};

  // Used by the worker's thread only, once it runs.
  std::vector<std::unique_ptr<Listener>> listeners;
  ConnectionList idle;  // the one that is idle longest first
  ConnectionList busy;  // the one that waits longest first
  ReadySet ready{context};
  std::vector<Connection*> by_descriptor;  // null: none of these lists has it
  asio::steady_timer tick{context};
  bool ticking = false;
  StreamScratch scratch;

  // Used by the owner's thread only.
  std::thread thread;

  StreamCounters counters;
  RateLimited limit_log{1};
  ConnectionLimits::Worker as_member;

  void run();
  void close_all();

  void wait_for_clients(Listener& listener);
  bool accept_one(Listener& listener);
  bool make_room_for_descriptor(Listener& listener);
  bool admit(const IpAddress& peer, const std::optional<IpAddress>& client);
  void open(UniqueFd fd, const sockaddr_storage& peer, const std::optional<IpAddress>& client);
  void close(Connection& connection);
  void note_ready(int fd, std::uint32_t ready);
  bool watch(Connection& connection);
  bool evict_idle();
  void note_idle();

  void read(const ConnectionPtr& connection);
  std::optional<std::size_t> read_header(const ConnectionPtr& connection);
  std::optional<std::size_t> take_header(const ConnectionPtr& connection, const ProxyHeader& header);
  void refuse_header(Connection& connection);
  void write(const ConnectionPtr& connection);
  void go_on(const ConnectionPtr& connection);
  template <typename Work>
  bool take_turn(Connection& connection, Work&& its_work);
  void settle(const ConnectionPtr& connection, bool progress);
  void move_to(Connection& connection, ConnectionList& list);
  void start_tick();
  void close_slow();
  void close_late(ConnectionList& list, std::chrono::milliseconds limit, std::atomic<std::uint64_t>& counter);
};

void StreamWorker::Impl::run() {
  const QsbrReader reader;
  QsbrReader::offline();
  for (auto& listener : listeners) wait_for_clients(*listener);
  ready.run([this](int fd, std::uint32_t what) { note_ready(fd, what); });
  context.run();
}

void StreamWorker::Impl::close_all() {
  limits->leave(as_member);
  for (auto& listener : listeners) {
    error_code ignored;
    listener->socket.close(ignored);
    listener->pause.cancel();
  }
  while (!idle.empty()) close(*idle.front());
  while (!busy.empty()) close(*busy.front());
  ready.close();
  tick.cancel();
  work.reset();
}

// ---------------------------------------------------------------------------------------------------------- accepting

void StreamWorker::Impl::wait_for_clients(Listener& listener) {
  listener.socket.async_wait(Descriptor::wait_read, [this, &listener](const error_code& error) {
    if (error) return;
    for (int i = 0; i < accepts_per_turn; ++i) {
      if (!accept_one(listener)) break;
    }
    // A pause is under way if the process has run out of descriptors.
    if (listener.socket.is_open() && listener.pause.expiry() <= SteadyClock::now()) wait_for_clients(listener);
  });
}

/// False if there is none, for now.
bool StreamWorker::Impl::accept_one(Listener& listener) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  UniqueFd fd(accept4(listener.socket.native_handle(), reinterpret_cast<sockaddr*>(&peer), &size,
                      SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.is_open()) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      return make_room_for_descriptor(listener);
    }
    return errno != EAGAIN && errno != EBADF && errno != EINVAL;  // others concern only the one that gave up
  }
  const auto endpoint = Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&peer), size);
  if (!endpoint) return true;
  std::optional<IpAddress> client;
  if (!speaks_for_others(options.balancers, endpoint->address)) client = endpoint->address;
  if (admit(endpoint->address, client)) open(std::move(fd), peer, client);
  return true;
}

bool StreamWorker::Impl::make_room_for_descriptor(Listener& listener) {
  // The system looks for a descriptor before it looks for a client.
  pollfd client{listener.socket.native_handle(), POLLIN, 0};
  if (poll(&client, 1, 0) != 1) return false;
  std::uint64_t left_out = 0;
  if (limit_log.allow(SteadyClock::now().time_since_epoch().count(), left_out)) {
    log_warning("TCP: no file descriptor is left for a new connection; raise the limit of open files");
  }
  if (evict_idle()) return true;
  listener.pause.expires_after(accept_pause);
  listener.pause.async_wait([this, &listener](const error_code& error) {
    if (!error) wait_for_clients(listener);
  });
  return false;
}

bool StreamWorker::Impl::admit(const IpAddress& peer, const std::optional<IpAddress>& client) {
  auto verdict = limits->admit(client);
  if (verdict == ConnectionLimits::Verdict::full) {
    verdict = evict_idle() ? limits->admit_in_place(client) : limits->admit_for_another(client);
  }
  if (verdict == ConnectionLimits::Verdict::admitted) return true;
  add(counters.refused, 1);
  std::uint64_t left_out = 0;
  if (limit_log.allow(SteadyClock::now().time_since_epoch().count(), left_out)) {
    log_warning("TCP: a connection from {} is refused, the limit {} is reached ({} more refused before)", peer.text(),
                verdict == ConnectionLimits::Verdict::full ? "in all" : "per client", left_out);
  }
  return false;
}

void StreamWorker::Impl::open(UniqueFd fd, const sockaddr_storage& peer, const std::optional<IpAddress>& client) {
  const auto descriptor = static_cast<std::size_t>(fd.get());
  const auto connection =
      std::make_shared<Connection>(std::move(fd), StreamSessionLimits{options.max_queued, options.max_sources});
  if (descriptor >= by_descriptor.size()) by_descriptor.resize(std::max(descriptor + 1, 2 * by_descriptor.size()));
  by_descriptor[descriptor] = connection.get();
  connection->peer = peer;
  connection->client = client;
  if (!client) connection->header.emplace();
  connection->since = SteadyClock::now();
  connection->place = idle.insert(idle.end(), connection);
  connection->list = &idle;
  note_idle();
  add(counters.accepted, 1);
  add(counters.open, 1);
  start_tick();
  read(connection);  // the first query is often here already
}

void StreamWorker::Impl::close(Connection& connection) {
  if (connection.list == nullptr) return;
  by_descriptor[static_cast<std::size_t>(connection.socket.get())] = nullptr;
  connection.socket.reset();
  limits->release(connection.client);
  counters.open.store(counters.open.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  std::exchange(connection.list, nullptr)->erase(connection.place);  // this may be the last owner
  note_idle();
}

void StreamWorker::Impl::note_ready(int fd, std::uint32_t what) {
  const Connection* found = by_descriptor[static_cast<std::size_t>(fd)];
  if (found == nullptr) return;
  const ConnectionPtr connection = *found->place;  // it may be closed meanwhile
  what &= connection->watched.value_or(0);
  if ((what & ReadySet::input) != 0) read(connection);
  if ((what & ReadySet::output) != 0 && connection->list != nullptr) write(connection);
}

/// For what the session wants. False if the system cannot: the connection is closed.
bool StreamWorker::Impl::watch(Connection& connection) {
  const StreamSession& session = connection.session;
  const std::uint32_t wanted =
      (session.wants_input() ? ReadySet::input : 0) | (session.wants_output() ? ReadySet::output : 0);
  if (connection.watched == wanted) return true;
  const int fd = connection.socket.get();
  if (connection.watched ? ready.change(fd, wanted) : ready.add(fd, wanted)) {
    connection.watched = wanted;
    return true;
  }
  const int why = errno;
  std::uint64_t left_out = 0;
  if (limit_log.allow(SteadyClock::now().time_since_epoch().count(), left_out)) {
    log_warning("TCP: a connection is closed, the system cannot watch it: {}", system_words(why));
  }
  close(connection);
  return false;
}

// For the other workers.
void StreamWorker::Impl::note_idle() {
  as_member.idle.store(idle.size(), std::memory_order_relaxed);
}

bool StreamWorker::Impl::evict_idle() {
  if (idle.empty()) return false;
  add(counters.evicted, 1);
  close(*idle.front());
  return true;
}

// ---------------------------------------------------------------------------------------------------- one connection

/// Reads the header that comes first, if one has to; the octets behind it are where the session looks for input.
/// nullopt while it is not whole, or if the connection has been closed.
std::optional<std::size_t> StreamWorker::Impl::read_header(const ConnectionPtr& connection) {
  if (!connection->header) return 0;
  Bytes& octets = *connection->header;
  const MutableBytes room = MutableBytes(scratch.input).first(ProxyHeader::max_size - octets.size());
  const ssize_t n = recv(connection->socket.get(), room.data(), room.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
    settle(connection, false);
    return std::nullopt;
  }
  if (n <= 0) {
    close(*connection);
    return std::nullopt;
  }
  append(octets, room.first(static_cast<std::size_t>(n)));
  ProxyHeader header;
  switch (ProxyHeader::read(octets, header)) {
    case ProxyHeader::Verdict::whole:
      return take_header(connection, header);
    case ProxyHeader::Verdict::partial:
      settle(connection, false);
      return std::nullopt;
    case ProxyHeader::Verdict::wrong:
      break;
  }
  refuse_header(*connection);
  return std::nullopt;
}

/// From here on the connection is the client's, for whom what is behind the header is.
std::optional<std::size_t> StreamWorker::Impl::take_header(const ConnectionPtr& connection, const ProxyHeader& header) {
  if (header.client) {
    if (!limits->claim(header.client->address)) {
      add(counters.refused, 1);
      close(*connection);
      return std::nullopt;
    }
    connection->client = header.client->address;
    header.client->to_sockaddr(connection->peer);
  }
  if (limits->is_over()) {
    move_to(*connection, idle);  // the last of them
    if (idle.front() != connection) evict_idle();
  }
  const Bytes octets = std::move(*connection->header);
  connection->header.reset();
  const ByteView rest = ByteView(octets).subspan(header.size);
  std::ranges::copy(rest, connection->session.input_room(scratch).begin());
  return rest.size();
}

void StreamWorker::Impl::refuse_header(Connection& connection) {
  add(counters.without_proxy_header, 1);
  std::uint64_t left_out = 0;
  if (limit_log.allow(SteadyClock::now().time_since_epoch().count(), left_out)) {
    const auto peer =
        Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&connection.peer), sizeof connection.peer);
    log_warning(
        "TCP: a connection from {} does not begin with a PROXY protocol header (version 2) and is closed ({} more "
        "before); have the balancer send one, or take its address out of server.proxy-from",
        peer ? peer->text() : "", left_out);
  }
  close(connection);
}

/// Lets the session do `its_work`, one turn of it. Whether it answered something.
template <typename Work>
bool StreamWorker::Impl::take_turn(Connection& connection, Work&& its_work) {
  handler->set_idle_time(limits->idle_time(options.idle_timeout));
  SocketSink sink(connection.socket.get(), connection.given);
  StreamSession::Context context_of_call{*handler, scratch, sink, reinterpret_cast<sockaddr*>(&connection.peer)};
  {
    const OnlineScope online;
    its_work(context_of_call);
  }
  add(counters.received, context_of_call.queries);
  add(counters.answered, context_of_call.answers);
  return context_of_call.queries != 0;
}

void StreamWorker::Impl::read(const ConnectionPtr& connection) {
  const auto here = read_header(connection);
  if (!here) return;
  const int fd = connection->socket.get();
  StreamSession& session = connection->session;
  bool broken = false;
  const bool answered = take_turn(*connection, [&](StreamSession::Context& turn) {
    if (*here != 0) session.received(turn, *here);
    for (int i = 0; i < reads_per_turn && session.wants_input(); ++i) {
      const MutableBytes room = session.input_room(scratch);
      const ssize_t n = recv(fd, room.data(), room.size(), MSG_DONTWAIT);
      if (n < 0) {
        broken = errno != EAGAIN && errno != EINTR;
        return;
      }
      if (n == 0) return session.received_end();
      session.received(turn, static_cast<std::size_t>(n));
      if (static_cast<std::size_t>(n) < room.size()) return;  // that was all there is
    }
  });
  if (broken) {
    close(*connection);
    return;
  }
  // Asking more is no progress for a peer that has yet to take its answers.
  settle(connection, answered && !session.wants_output());
}

void StreamWorker::Impl::write(const ConnectionPtr& connection) {
  bool progress = false;
  take_turn(*connection, [&](StreamSession::Context& turn) { progress = connection->session.writable(turn); });
  settle(connection, progress);
}

/// The rest of what came at once, after the others.
void StreamWorker::Impl::go_on(const ConnectionPtr& connection) {
  StreamSession& session = connection->session;
  const bool answered = take_turn(*connection, [&](StreamSession::Context& turn) { session.take_turn(turn); });
  settle(connection, answered && !session.wants_output());
}

/// Decides what the connection waits for next. `progress` starts its time limit anew.
void StreamWorker::Impl::settle(const ConnectionPtr& connection, bool progress) {
  const StreamSession& session = connection->session;
  if (session.is_finished()) {
    close(*connection);
    return;
  }
  ConnectionList& list = session.wants_output() ? busy : idle;
  if (&list != connection->list || progress) move_to(*connection, list);
  if (!watch(*connection)) return;
  if (session.wants_turn() && !connection->turn_to_come) {
    connection->turn_to_come = true;
    asio::post(context, [this, connection] {
      connection->turn_to_come = false;
      if (connection->list != nullptr) go_on(connection);
    });
  }
}

void StreamWorker::Impl::move_to(Connection& connection, ConnectionList& list) {
  list.splice(list.end(), *connection.list, connection.place);
  connection.list = &list;
  connection.since = SteadyClock::now();
  if (&list == &busy) connection.taken_at_since = connection.taken();
  note_idle();
}

// ------------------------------------------------------------------------------------------------------------- time

void StreamWorker::Impl::start_tick() {
  if (ticking) return;
  ticking = true;
  using std::chrono::milliseconds;
  tick.expires_after(
      std::clamp(std::min(options.idle_timeout, options.write_timeout) / 8, milliseconds(5), milliseconds(500)));
  tick.async_wait([this](const error_code& error) {
    ticking = false;
    if (error) return;
    const milliseconds idle_time =
        std::max(limits->idle_time(options.idle_timeout), std::min(options.idle_timeout, least_idle_time));
    close_late(idle, idle_time, counters.idle_closed);
    close_slow();
    if (!idle.empty() || !busy.empty()) start_tick();
  });
}

void StreamWorker::Impl::close_late(ConnectionList& list, std::chrono::milliseconds limit,
                                    std::atomic<std::uint64_t>& counter) {
  const TimePoint now = SteadyClock::now();
  while (!list.empty() && list.front()->since + limit <= now) {
    add(counter, 1);
    close(*list.front());
  }
}

/// Who takes too little of what waits is closed; who takes enough goes on, at whatever pace.
void StreamWorker::Impl::close_slow() {
  const TimePoint now = SteadyClock::now();
  while (!busy.empty() && busy.front()->since + options.write_timeout <= now) {
    Connection& connection = *busy.front();
    const double seconds = std::chrono::duration<double>(now - connection.since).count();
    const std::uint64_t taken = connection.taken() - connection.taken_at_since;
    if (static_cast<double>(taken) >= seconds * static_cast<double>(options.least_rate) && taken != 0) {
      move_to(connection, busy);  // to the end, and measured anew
      continue;
    }
    add(counters.write_timeouts, 1);
    close(connection);
  }
}

// ------------------------------------------------------------------------------------------------------- the worker

StreamWorker::StreamWorker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

StreamWorker::~StreamWorker() {
  stop();
}

Result<std::unique_ptr<StreamWorker>> StreamWorker::create(std::span<const Endpoint> listen,
                                                           std::unique_ptr<StreamHandler> handler,
                                                           std::shared_ptr<ConnectionLimits> limits,
                                                           const StreamOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->handler = std::move(handler);
  impl->limits = std::move(limits);
  impl->options = options;
  US_TRY(impl->ready.open());
  for (const Endpoint& endpoint : listen) {
    US_ASSIGN(UniqueFd fd, open_tcp_listener(endpoint));
    US_ASSIGN(const Endpoint local, local_endpoint(fd.get()));
    auto listener = std::make_unique<Listener>(impl->context, local);
    error_code error;
    listener->socket.assign(fd.get(), error);
    if (error) return fail(Errc::io, fmt::format("{}: {}", endpoint.text(), error.message()));
    fd.release();
    impl->listeners.push_back(std::move(listener));
  }
  return std::unique_ptr<StreamWorker>(new StreamWorker(std::move(impl)));
}

void StreamWorker::start() {
  impl_->as_member.make_room = [impl = impl_.get()] { asio::post(impl->context, [impl] { impl->evict_idle(); }); };
  impl_->limits->join(impl_->as_member);
  impl_->thread = std::thread([impl = impl_.get()] {
    name_this_thread("us-stream");
    impl->run();
  });
}

void StreamWorker::stop() {
  if (impl_->thread.joinable()) {
    asio::post(impl_->context, [impl = impl_.get()] { impl->close_all(); });
    impl_->thread.join();
  }
  impl_->close_all();  // the listeners of a worker that was never started
}

const StreamCounters& StreamWorker::counters() const {
  return impl_->counters;
}

std::vector<Endpoint> StreamWorker::local_endpoints() const {
  std::vector<Endpoint> endpoints;
  for (const auto& listener : impl_->listeners) endpoints.push_back(listener->local);
  return endpoints;
}

}  // namespace understudy
