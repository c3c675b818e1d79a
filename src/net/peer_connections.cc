#include "net/peer_connections.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <map>
#include <utility>

#include "net/client_socket.h"
#include "net/peer_connection.h"
#include "net/random_ids.h"

namespace understudy {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using SteadyClock = std::chrono::steady_clock;
using TimePoint = SteadyClock::time_point;

constexpr unsigned strikes_limit = 2;
constexpr std::chrono::minutes memory_of_strikes{10};
// Answers of up to so many octets are small: what they cost is mostly that they are asked for and read.
constexpr std::uint64_t small_answer = 16 * 1024;
constexpr std::uint64_t answers_averaged = 8;

/// One peer: its connections, who waits for one, and what is remembered about it.
struct Peer {
  std::vector<std::shared_ptr<PeerConnection>> connections;
  std::deque<PeerCall*> waiting;
  std::unique_ptr<Alarm> alarm;  // for when a connection falls silent, while somebody waits
  std::optional<std::chrono::milliseconds> idle_timeout;
  bool serving = false;                                          // those who wait
  std::uint64_t usual_answer = answers_averaged * small_answer;  // octets, averaged; many small answers show
  unsigned strikes = 0;  // requests that were not answered because they were not the first
  TimePoint one_request_until{};

  [[nodiscard]] bool takes_one_request(TimePoint now) const { return now < one_request_until; }
  [[nodiscard]] bool is_forgettable(TimePoint now) const {
    return connections.empty() && waiting.empty() && !idle_timeout && strikes == 0 && !takes_one_request(now);
  }
};

}  // namespace

class PeerConnections::Impl final : public PeerConnectionOwner, public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor executor, const PeerConnectionSettings& settings)
      : executor_(std::move(executor)), settings_(settings) {}

  static asio::awaitable<Result<>> exchange(std::shared_ptr<Impl> self, PeerKey key, PeerRequest request);
  void set_idle_timeout(const PeerKey& key, std::optional<std::chrono::milliseconds> timeout);
  void set_settings(const PeerConnectionSettings& settings);
  void stop();
  [[nodiscard]] PeerConnectionCounts counts() const;

  std::uint16_t random_id() override { return ids_.next(); }
  PeerConnectionCounts& totals() override { return totals_; }
  std::chrono::nanoseconds hesitation() const override { return settings_.hesitation; }
  std::chrono::nanoseconds brief_wait() const override { return settings_.brief_wait; }
  void has_room(PeerConnection& connection) override;
  void is_closed(PeerConnection& connection) override;
  void saw_answer(PeerConnection& connection, std::uint64_t octets) override;
  void saw_reuse(PeerConnection& connection, bool works) override;

 private:
  struct Withdrawal;

  void place(const PeerKey& key, PeerCall& call);
  void withdraw(const PeerKey& key, PeerCall& call);
  std::shared_ptr<PeerConnection> find_place(const PeerKey& key, Peer& peer, const PeerCall& call);
  static std::shared_ptr<PeerConnection> find_idle(Peer& peer);
  [[nodiscard]] std::shared_ptr<PeerConnection> find_shared(const Peer& peer, TimePoint now) const;
  std::shared_ptr<PeerConnection> open_fresh(const PeerKey& key, Peer& peer, TimePoint now);
  static void close(PeerConnection& connection);
  void send_on(PeerConnection& connection, PeerCall& call);
  void serve_waiting(const PeerKey& key, Peer& peer);
  void watch_for_silence(const PeerKey& key, Peer& peer);
  void keep(PeerConnection& connection, const Peer& peer);
  void leave_idle_list(PeerConnection& connection);
  void forget_if_unused(const PeerKey& key);

  const asio::any_io_executor executor_;
  PeerConnectionSettings settings_;
  PeerConnectionCounts totals_;
  RandomIds ids_;
  bool stopped_ = false;
  std::map<PeerKey, Peer> peers_;
  std::list<PeerConnection*> idle_;  // the longest idle first
};

/// However the coroutine ends, nobody keeps its call.
struct PeerConnections::Impl::Withdrawal {
  Impl& impl;
  const PeerKey& key;
  PeerCall& call;
  ~Withdrawal() { impl.withdraw(key, call); }
};

asio::awaitable<Result<>> PeerConnections::Impl::exchange(std::shared_ptr<Impl> self, PeerKey key,
                                                          PeerRequest request) {
  PeerCall call(self->executor_, std::move(request));
  const Withdrawal withdrawal{*self, key, call};
  const auto cancellation = co_await asio::this_coro::cancellation_state;
  call.state = PeerCall::State::again;
  while (call.state != PeerCall::State::done) {
    if (self->stopped_ || client::is_set(cancellation)) co_return client::cancelled(key.address);
    if (call.state == PeerCall::State::again) {
      self->place(key, call);
      continue;
    }
    if (call.state == PeerCall::State::sent) {  // its connection looks after its limits
      co_await call.wake.wait();
      continue;
    }
    call.place_timer.emplace(self->executor_, call.place_by);
    error_code error;
    co_await call.place_timer->async_wait(asio::redirect_error(asio::use_awaitable, error));
    call.place_timer.reset();
    if (!error && call.state == PeerCall::State::waiting) {
      co_return fail(Errc::timed_out, fmt::format("{}: no connection was free in time", key.address.text()));
    }
  }
  co_return std::move(call.outcome);
}

/// Sends the call, or has it wait, or ends it.
void PeerConnections::Impl::place(const PeerKey& key, PeerCall& call) {
  const ReceiveLimits& limits = call.request.limits;
  const TimePoint now = SteadyClock::now();
  call.place_by = now + limits.stall;
  if (limits.first_octet_by) call.place_by = std::min(call.place_by, *limits.first_octet_by);
  if (limits.deadline) call.place_by = std::min(call.place_by, *limits.deadline);
  if (call.place_by <= now) {
    call.finish(fail(Errc::timed_out, fmt::format("{}: no time was left", key.address.text())));
    return;
  }
  Peer& peer = peers_[key];
  if (peer.waiting.empty()) {
    if (const auto connection = find_place(key, peer, call)) {
      send_on(*connection, call);
      return;
    }
  }
  call.set(PeerCall::State::waiting);
  peer.waiting.push_back(&call);
  watch_for_silence(key, peer);
}

void PeerConnections::Impl::withdraw(const PeerKey& key, PeerCall& call) {
  if (call.connection != nullptr) call.connection->abandon(call);
  const auto found = peers_.find(key);
  if (found == peers_.end()) return;
  std::erase(found->second.waiting, &call);
  forget_if_unused(key);
}

std::shared_ptr<PeerConnection> PeerConnections::Impl::find_place(const PeerKey& key, Peer& peer,
                                                                  const PeerCall& call) {
  const TimePoint now = SteadyClock::now();
  const bool shares = !call.fresh && !peer.takes_one_request(now);
  if (shares) {
    if (auto shared = find_shared(peer, now)) return shared;
    if (auto idle = find_idle(peer)) return idle;
  }
  if (auto fresh = open_fresh(key, peer, now)) return fresh;
  if (!shares) {
    const auto idle = find_idle(peer);
    if (!idle) return nullptr;
    close(*idle);
    return open_fresh(key, peer, now);
  }
  std::shared_ptr<PeerConnection> least;
  for (const auto& connection : peer.connections) {
    if (!connection->accepts() || connection->is_silent(now)) continue;
    if (!least || connection->load() < least->load()) least = connection;
  }
  if (least && least->load() >= settings_.max_pipelined) least = nullptr;
  return least;
}

/// Null if there are enough.
std::shared_ptr<PeerConnection> PeerConnections::Impl::open_fresh(const PeerKey& key, Peer& peer, TimePoint now) {
  const auto silent = static_cast<std::size_t>(std::count_if(
      peer.connections.begin(), peer.connections.end(), [now](const auto& other) { return other->is_silent(now); }));
  if (silent >= settings_.max_silent || peer.connections.size() - silent >= settings_.max_connections) return nullptr;
  auto fresh = std::make_shared<PeerConnection>(executor_, key, *this);
  peer.connections.push_back(fresh);
  ++totals_.opened;
  fresh->start();
  return fresh;
}

void PeerConnections::Impl::close(PeerConnection& connection) {
  connection.close({Errc::connection_closed, connection.peer().address.text()});
}

/// One that others wait on, if answers are usually small: many can be asked for, and read, at once. Null if there is
/// none.
std::shared_ptr<PeerConnection> PeerConnections::Impl::find_shared(const Peer& peer, TimePoint now) const {
  if (peer.usual_answer > small_answer) return nullptr;
  const auto found = std::ranges::find_if(peer.connections, [&](const auto& connection) {
    const std::size_t load = connection->load();
    return load != 0 && load < settings_.max_pipelined && connection->accepts() && connection->has_answered() &&
           !connection->is_silent(now);
  });
  return found == peer.connections.end() ? nullptr : *found;
}

/// The one that was used last; on the way those are closed that the peer has closed.
std::shared_ptr<PeerConnection> PeerConnections::Impl::find_idle(Peer& peer) {
  while (true) {
    std::shared_ptr<PeerConnection> last;
    for (const auto& connection : peer.connections) {
      if (connection->is_idle() && (!last || connection->idle_since > last->idle_since)) last = connection;
    }
    if (!last || last->is_fit()) return last;
    close(*last);
  }
}

void PeerConnections::Impl::send_on(PeerConnection& connection, PeerCall& call) {
  leave_idle_list(connection);
  const auto kept = connection.shared_from_this();
  connection.attach(call);
  if (connection.is_idle()) has_room(connection);  // there was nothing to send
}

void PeerConnections::Impl::has_room(PeerConnection& connection) {
  const auto found = peers_.find(connection.peer());
  if (stopped_ || found == peers_.end()) return;
  const auto kept = connection.shared_from_this();
  serve_waiting(found->first, found->second);
  if (connection.is_idle() && !connection.in_idle_list) keep(connection, found->second);
}

void PeerConnections::Impl::serve_waiting(const PeerKey& key, Peer& peer) {
  if (std::exchange(peer.serving, true)) return;  // a connection was closed to make room, or there was nothing to send
  while (!peer.waiting.empty()) {
    PeerCall& call = *peer.waiting.front();
    const auto connection = find_place(key, peer, call);
    if (!connection) break;
    peer.waiting.pop_front();
    send_on(*connection, call);
  }
  peer.serving = false;
  watch_for_silence(key, peer);
}

void PeerConnections::Impl::watch_for_silence(const PeerKey& key, Peer& peer) {
  if (peer.waiting.empty()) {
    if (peer.alarm) peer.alarm->clear();
    return;
  }
  const TimePoint now = SteadyClock::now();
  TimePoint at = TimePoint::max();
  for (const auto& connection : peer.connections) {
    if (!connection->is_silent(now)) at = std::min(at, connection->silent_at());
  }
  if (at == TimePoint::max()) return;
  if (!peer.alarm) {
    peer.alarm = std::make_unique<Alarm>(executor_, [this, key] {
      if (const auto found = peers_.find(key); found != peers_.end()) serve_waiting(found->first, found->second);
    });
  }
  peer.alarm->set(at);
}

/// The connection has become idle.
void PeerConnections::Impl::keep(PeerConnection& connection, const Peer& peer) {
  const TimePoint now = SteadyClock::now();
  const auto timeout = peer.idle_timeout.value_or(settings_.idle_timeout);
  if (timeout.count() == 0 || settings_.max_idle == 0 || peer.takes_one_request(now)) {
    close(connection);
    return;
  }
  if (idle_.size() >= settings_.max_idle) close(*idle_.front());
  connection.idle_since = now;
  connection.idle_place = idle_.insert(idle_.end(), &connection);
  connection.in_idle_list = true;
  connection.close_when_idle_until(now + timeout);
}

void PeerConnections::Impl::leave_idle_list(PeerConnection& connection) {
  if (!std::exchange(connection.in_idle_list, false)) return;
  idle_.erase(connection.idle_place);
}

void PeerConnections::Impl::is_closed(PeerConnection& connection) {
  leave_idle_list(connection);
  const PeerKey key = connection.peer();
  const auto found = peers_.find(key);
  if (found == peers_.end()) return;
  std::erase_if(found->second.connections, [&](const auto& other) { return other.get() == &connection; });
  if (stopped_) return;
  serve_waiting(found->first, found->second);
  if (!found->second.connections.empty()) return;
  asio::post(executor_, [self = weak_from_this(), key] {  // not now: a caller may be at work on this peer
    if (const auto impl = self.lock()) impl->forget_if_unused(key);
  });
}

void PeerConnections::Impl::saw_answer(PeerConnection& connection, std::uint64_t octets) {
  const auto found = peers_.find(connection.peer());
  if (found == peers_.end()) return;
  std::uint64_t& usual = found->second.usual_answer;
  usual -= usual / answers_averaged;
  usual += std::min(octets, answers_averaged * small_answer * 2) / answers_averaged;
}

void PeerConnections::Impl::saw_reuse(PeerConnection& connection, bool works) {
  const auto found = peers_.find(connection.peer());
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  peer.strikes = works ? 0 : peer.strikes + 1;
  if (peer.strikes < strikes_limit) return;
  peer.strikes = 0;
  peer.one_request_until = SteadyClock::now() + memory_of_strikes;
}

void PeerConnections::Impl::forget_if_unused(const PeerKey& key) {
  const auto found = peers_.find(key);
  if (found != peers_.end() && found->second.is_forgettable(SteadyClock::now())) peers_.erase(found);
}

void PeerConnections::Impl::set_idle_timeout(const PeerKey& key, std::optional<std::chrono::milliseconds> timeout) {
  if (timeout || peers_.contains(key)) peers_[key].idle_timeout = timeout;
  forget_if_unused(key);
}

void PeerConnections::Impl::set_settings(const PeerConnectionSettings& settings) {
  settings_ = settings;
  std::vector<PeerKey> keys;
  for (const auto& [key, peer] : peers_) keys.push_back(key);
  for (const PeerKey& key : keys) {
    if (const auto found = peers_.find(key); found != peers_.end()) serve_waiting(found->first, found->second);
  }
}

void PeerConnections::Impl::stop() {
  if (std::exchange(stopped_, true)) return;
  for (auto& [key, peer] : peers_) {
    for (PeerCall* call : std::exchange(peer.waiting, {})) call->finish(client::cancelled(key.address));
    peer.alarm.reset();
    while (!peer.connections.empty()) peer.connections.back()->close({Errc::cancelled, key.address.text()});
  }
  peers_.clear();
}

PeerConnectionCounts PeerConnections::Impl::counts() const {
  PeerConnectionCounts counts = totals_;
  counts.idle = idle_.size();
  for (const auto& [key, peer] : peers_) {
    counts.open += peer.connections.size();
    counts.waiting += peer.waiting.size();
  }
  return counts;
}

PeerConnections::PeerConnections(asio::any_io_executor executor, const PeerConnectionSettings& settings)
    : impl_(std::make_shared<Impl>(std::move(executor), settings)) {}

PeerConnections::~PeerConnections() {
  impl_->stop();
}

asio::awaitable<Result<>> PeerConnections::exchange(PeerKey peer, PeerRequest request) {
  const Endpoint address = peer.address;
  return client::without_exceptions(Impl::exchange(impl_, std::move(peer), std::move(request)), address);
}

void PeerConnections::set_idle_timeout(const PeerKey& peer, std::optional<std::chrono::milliseconds> timeout) {
  impl_->set_idle_timeout(peer, timeout);
}

void PeerConnections::set_settings(const PeerConnectionSettings& settings) {
  impl_->set_settings(settings);
}

void PeerConnections::stop() {
  impl_->stop();
}

PeerConnectionCounts PeerConnections::counts() const {
  return impl_->counts();
}

}  // namespace understudy
