#include "net/peer_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "net/client_socket.h"

namespace understudy {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using client::seconds_text;
using SteadyClock = std::chrono::steady_clock;
using TimePoint = SteadyClock::time_point;
using std::chrono::nanoseconds;

constexpr std::size_t prefix_size = 2;
constexpr std::size_t id_size = 2;
constexpr std::size_t message_limit = 65535;
constexpr std::size_t first_receive_capacity = 4096;
// Room for one message of any size, and for reading on behind a smaller one.
constexpr std::size_t receive_capacity = 2 * (prefix_size + message_limit);
// What is read for nobody: more makes the connection a waste.
constexpr std::uint64_t abandoned_octets_limit = 1 << 20;
constexpr std::size_t abandoned_limit = 4;
constexpr std::size_t strangers_limit = 16;

}  // namespace

PeerConnection::PeerConnection(const asio::any_io_executor& executor, const PeerKey& peer, PeerConnectionOwner& owner)
    : executor_(executor),
      peer_(peer),
      owner_(&owner),
      stream_(make_peer_stream(executor, peer)),
      alarm_(executor, [this] { ring(); }),
      last_progress_(SteadyClock::now()) {}

void PeerConnection::start() {
  // What could be thrown is memory that ran out; then the connection is of no further use.
  asio::co_spawn(executor_, run(), [self = shared_from_this()](const std::exception_ptr& thrown) {
    if (thrown) self->close({Errc::io, fmt::format("{}: the connection was given up", self->peer_.address.text())});
  });
}

asio::awaitable<void> PeerConnection::run() {
  co_await asio::post(executor_, asio::use_awaitable);  // whoever started it has a request to attach
  if (closed_) co_return;
  if (Result<> opened = co_await stream_->open(); !opened) {
    close(opened.error());
    co_return;
  }
  if (closed_) co_return;
  open_ = true;
  last_progress_ = SteadyClock::now();
  flush();
  while (!closed_) {
    make_room();
    begin_wait();
    error_code error;
    const std::size_t size = co_await stream_->read_some(MutableBytes(buffer_).subspan(end_), error);
    if (closed_) co_return;
    if (error == asio::error::eof) {
      lost(Errc::connection_closed, begin_ != end_ ? "closed inside a message" : "closed by the peer");
    } else if (error) {
      const bool reset = error == asio::error::connection_reset || error == asio::error::broken_pipe;
      lost(reset ? Errc::connection_closed : Errc::io, error.message());
    } else {
      received(size);
    }
  }
}

// ------------------------------------------------------------------------------------------------------------- Sending

void PeerConnection::attach(PeerCall& call) {
  const std::uint16_t id = unused_id();
  Result<Bytes> message = call.request.make(id);
  if (message && message->size() > message_limit) message = fail(Errc::no_space, peer_.address.text());
  if (!message) {
    call.finish(std::unexpected(std::move(message).error()));
    return;
  }
  const TimePoint now = SteadyClock::now();
  if (calls_.empty()) last_progress_ = now;
  call.connection = this;
  call.id = id;
  call.first = requests_ == 0;
  call.clock_from = now;
  call.silent = nanoseconds(0);
  const auto& begins_by = call.request.limits.first_octet_by;
  call.first_wait = call.request.limits.stall;
  if (begins_by) call.first_wait = std::clamp<nanoseconds>(*begins_by - now, nanoseconds(0), call.first_wait);

  PeerConnectionCounts& totals = owner_->totals();
  ++totals.requests;
  if (!call.first) ++totals.reused;
  if (!calls_.empty()) ++totals.pipelined;
  if (call.repeated || call.moved) ++totals.repeated;
  ++requests_;
  calls_.push_back(&call);
  most_at_once_ = std::max(most_at_once_, load());

  // RFC 7766 section 8: the length and the message in one piece.
  append_u16(outgoing_, static_cast<std::uint16_t>(message->size()));
  append(outgoing_, *message);
  queued_ += prefix_size + message->size();
  call.sent_at = queued_;
  call.set(PeerCall::State::sent);
  if (calls_.size() > 1) {
    flush_soon();
  } else {
    flush();
  }
  set_alarm();
}

/// Where answers are being waited for, a request can wait for those that are made at the same moment: what leaves
/// together costs one system call, and one packet, instead of one each.
void PeerConnection::flush_soon() {
  if (std::exchange(flushes_, true)) return;
  asio::post(executor_, [self = shared_from_this()] {
    self->flushes_ = false;
    self->flush();
  });
}

void PeerConnection::flush() {
  if (!open_ || writing_ || closed_ || broken_) return;
  while (outgoing_at_ < outgoing_.size()) {
    error_code error;
    const std::size_t taken = stream_->write_some(ByteView(outgoing_).subspan(outgoing_at_), error);
    outgoing_at_ += taken;
    written_ += taken;
    if (error) {
      broken_ = true;  // answers may lie there to be read; behind them the reading loop finds the end
      break;
    }
    if (taken == 0) {
      writing_ = true;
      asio::co_spawn(executor_, write_rest(), [self = shared_from_this()](const std::exception_ptr&) {});
      return;
    }
  }
  outgoing_.clear();
  outgoing_at_ = 0;
}

asio::awaitable<void> PeerConnection::write_rest() {
  error_code error;
  co_await stream_->wait_writable(error);
  writing_ = false;
  if (!error) flush();
}

// ----------------------------------------------------------------------------------------------------------- Receiving

void PeerConnection::make_room() {
  // Starts small, for most connections carry small answers; a full buffer shows that more comes.
  if (calls_.empty() && buffer_.size() > first_receive_capacity) Bytes().swap(buffer_);
  if (buffer_.empty()) buffer_.resize(first_receive_capacity);
  if (begin_ != 0) {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) buffer_.resize(receive_capacity);
}

void PeerConnection::received(std::size_t size) {
  const TimePoint now = SteadyClock::now();
  end_ += size;
  const bool progress = attribute(size);
  if (progress) last_progress_ = now;
  for (std::size_t i = calls_.size(); i-- > 0;) {
    if (i < calls_.size()) after_read(*calls_[i], now, progress);
  }
  dispatch();
  if (!closed_ && calls_.empty() && begin_ != end_) lost(Errc::connection_closed, "data that was not asked for");
}

/// Says whose the octets are that were just read, as far as they show it. False if nobody's.
bool PeerConnection::attribute(std::size_t size) {
  const std::size_t old_end = end_ - size;
  bool progress = false;
  for (std::size_t at = begin_; at < end_;) {
    const std::size_t have = end_ - at;
    std::size_t frame_end = end_;
    std::optional<std::uint16_t> id;
    if (have >= prefix_size) {
      const std::size_t length = load_u16(&buffer_[at]);
      frame_end = std::min(end_, at + prefix_size + length);
      if (length >= id_size && have >= prefix_size + id_size) id = load_u16(&buffer_[at + prefix_size]);
    }
    if (frame_end > old_end) progress |= attribute_frame(id, frame_end - std::max(at, old_end));
    at = frame_end;
  }
  return progress;
}

bool PeerConnection::attribute_frame(std::optional<std::uint16_t> id, std::size_t octets) {
  PeerCall* call = id ? find(*id) : is_sole() ? calls_.front() : nullptr;
  if (call != nullptr) {
    call->new_octets += octets;
    return true;
  }
  Abandoned* abandoned = id ? find_abandoned(*id) : nullptr;
  if (abandoned == nullptr) return false;
  abandoned->octets += octets;
  return true;
}

std::optional<std::size_t> PeerConnection::buffered_message() const {
  if (end_ - begin_ < prefix_size) return std::nullopt;
  const std::size_t size = load_u16(&buffer_[begin_]);
  if (end_ - begin_ < prefix_size + size) return std::nullopt;
  return size;
}

void PeerConnection::dispatch() {
  while (!closed_) {
    const auto size = buffered_message();
    if (!size) return;
    const ByteView message(buffer_.data() + begin_ + prefix_size, *size);
    begin_ += prefix_size + *size;
    std::optional<std::uint16_t> id;
    if (*size >= id_size) id = load_u16(message.data());
    if (PeerCall* call = id ? find(*id) : nullptr) {
      hand_over(*call, message);
    } else {
      drop(id);
    }
  }
}

void PeerConnection::hand_over(PeerCall& call, ByteView message) {
  Result<Next> next = call.request.take(message);
  if (closed_ || find(call.id) != &call) return;  // it was ended meanwhile
  if (!next) {
    fail_call(call, std::move(next).error());
  } else if (*next == Next::done) {
    complete(call);
  } else {
    call.brief = *next == Next::maybe_more;
  }
}

/// A message that is nobody's.
void PeerConnection::drop(std::optional<std::uint16_t> id) {
  ++owner_->totals().dropped;
  if (const Abandoned* abandoned = id ? find_abandoned(*id) : nullptr) {
    if (abandoned->octets > abandoned_octets_limit) retire();
    return;
  }
  if (is_sole() && !(id && was_answered(*id))) {
    // Nobody else asked: it is meant as the answer, and waiting for a better one would only hide what is wrong.
    fail_call(*calls_.front(), {Errc::wrong_id, peer_.address.text()});
    return;
  }
  if (calls_.empty() || ++strangers_ > strangers_limit) {
    lost(Errc::connection_closed,
         fmt::format("{} messages that were not asked for", std::max<std::size_t>(strangers_, 1)));
  }
}

void PeerConnection::complete(PeerCall& call) {
  const bool more = is_sole() ? begin_ != end_ : follows(call);
  if (more) {
    fail_call(call,
              {Errc::extra_records, fmt::format("{}: more data follows on the connection", peer_.address.text())});
    return;
  }
  take_off(call);
  recent_[answered_++ % recent_.size()] = call.id;
  if (!call.first) owner_->saw_reuse(*this, true);
  owner_->saw_answer(*this, call.octets);
  call.finish({});
  if (calls_.empty() && (retired_ || broken_ || !abandoned_.empty() || begin_ != end_)) {
    close({Errc::connection_closed, peer_.address.text()});
  } else {
    owner_->has_room(*this);
  }
}

/// Does a further message with its id lie there?
bool PeerConnection::follows(const PeerCall& call) const {
  for (std::size_t at = begin_; at + prefix_size + id_size <= end_;) {
    const std::size_t length = load_u16(&buffer_[at]);
    if (length >= id_size && load_u16(&buffer_[at + prefix_size]) == call.id) return true;
    at += prefix_size + length;
  }
  return false;
}

// -------------------------------------------------------------------------------------------------------------- Limits

void PeerConnection::begin_wait() {
  const TimePoint now = SteadyClock::now();
  for (PeerCall* call : calls_) call->clock_from = now;
  set_alarm();
}

void PeerConnection::set_alarm() {
  if (closed_) return;
  TimePoint at = calls_.empty() ? idle_until_ : TimePoint::max();
  for (const PeerCall* call : calls_) at = std::min(at, limit_of(*call));
  if (at == TimePoint::max()) {
    alarm_.clear();
  } else {
    alarm_.set(at);
  }
}

nanoseconds PeerConnection::allowed_silence(const PeerCall& call) const {
  if (!call.begun) return call.first_wait;
  const nanoseconds stall = call.request.limits.stall;
  return call.brief ? std::min(stall, owner_->brief_wait()) : stall;
}

TimePoint PeerConnection::limit_of(const PeerCall& call) const {
  const ReceiveLimits& limits = call.request.limits;
  TimePoint at = call.clock_from + (allowed_silence(call) - call.silent);
  if (may_move(call)) at = std::min(at, call.clock_from + (owner_->hesitation() - call.silent));
  if (call.begun && limits.minimum_rate != 0) at = std::min(at, call.rate.too_slow_at(limits, call.clock_from));
  if (limits.deadline) at = std::min(at, *limits.deadline);
  return at;
}

/// A peer may be one that answers the first request only, or hang over the one before. Elsewhere shows it.
bool PeerConnection::may_move(const PeerCall& call) const {
  return open_ && !call.begun && !call.moved && !call.first && 2 * owner_->hesitation() <= allowed_silence(call);
}

void PeerConnection::ring() {
  const TimePoint now = SteadyClock::now();
  if (calls_.empty()) {
    close({Errc::connection_closed, peer_.address.text()});
    return;
  }
  const auto self = shared_from_this();
  for (std::size_t i = calls_.size(); i-- > 0;) {
    if (i < calls_.size()) judge(*calls_[i], now);
  }
  set_alarm();
}

void PeerConnection::judge(PeerCall& call, TimePoint now) {
  const ReceiveLimits& limits = call.request.limits;
  const nanoseconds waited = now - std::exchange(call.clock_from, now);
  call.silent += waited;
  const bool fast_enough = !call.begun || limits.minimum_rate == 0 || call.rate.add(limits, waited, 0);
  if (limits.deadline && now >= *limits.deadline) {
    fail_call(call, deadline_error(call));
  } else if (call.silent >= allowed_silence(call)) {
    fail_call(call, silence_error(call));
  } else if (!fast_enough) {
    fail_call(call, too_slow_error(call));
  } else if (may_move(call) && call.silent >= owner_->hesitation()) {
    call.moved = true;
    call.moved_after = call.silent;
    call.fresh = true;
    send_elsewhere(call);
  }
}

void PeerConnection::after_read(PeerCall& call, TimePoint now, bool progress) {
  const ReceiveLimits& limits = call.request.limits;
  const nanoseconds waited = now - std::exchange(call.clock_from, now);
  const std::size_t octets = std::exchange(call.new_octets, 0);
  call.silent += waited;
  if (octets != 0 && !call.begun) {
    call.begun = true;
    // What came at once here and not at all there tells of the other connection, not of a peer that takes its time.
    if (call.moved && call.silent < call.moved_after) owner_->saw_reuse(*this, false);
  }
  if (octets != 0 || (progress && !call.begun)) call.silent = nanoseconds(0);
  call.octets += octets;
  const bool fast_enough = !call.begun || limits.minimum_rate == 0 || call.rate.add(limits, waited, octets);
  if (limits.deadline && now >= *limits.deadline) {
    fail_call(call, deadline_error(call));
  } else if (!fast_enough) {
    fail_call(call, too_slow_error(call));
  }
}

Error PeerConnection::deadline_error(const PeerCall& call) const {
  return {Errc::timed_out, fmt::format("{}: after {} octets", peer_.address.text(), call.octets)};
}

Error PeerConnection::too_slow_error(const PeerCall& call) const {
  return {Errc::too_slow, fmt::format("{}: {}", peer_.address.text(), call.rate.text(call.request.limits))};
}

Error PeerConnection::silence_error(const PeerCall& call) const {
  const std::string time = seconds_text(allowed_silence(call));
  if (!open_) return {Errc::timed_out, fmt::format("{}: no connection within {}", peer_.address.text(), time)};
  if (written_ < call.sent_at) {
    return {Errc::timed_out, fmt::format("{}: the request was not taken within {}", peer_.address.text(), time)};
  }
  return {Errc::stalled,
          fmt::format("{}: nothing came for {} after {} octets", peer_.address.text(), time, call.octets)};
}

// -------------------------------------------------------------------------------------------------------------- Ending

/// The connection is of no use any more. Requests that may have suffered only from what came before them are repeated
/// (RFC 7766 section 6.2.4), each once.
void PeerConnection::lost(Errc code, const std::string& words) {
  if (answered_ > 0 || most_at_once_ > 1) {
    bool ignored = false;
    for (std::size_t i = calls_.size(); i-- > 0;) {
      PeerCall& call = *calls_[i];
      if (call.begun || call.repeated) continue;
      ignored |= !call.first;
      call.repeated = call.fresh = true;
      take_off(call);
      call.set(PeerCall::State::again);
    }
    if (ignored) owner_->saw_reuse(*this, false);
  }
  while (!calls_.empty()) {
    PeerCall& call = *calls_.front();
    Error error{code, fmt::format("{}: {} after {} octets", peer_.address.text(), words, call.octets)};
    take_off(call);
    call.finish(std::unexpected(std::move(error)));
  }
  close({code, peer_.address.text()});
}

void PeerConnection::close(const Error& reason) {
  if (std::exchange(closed_, true)) return;
  const auto self = shared_from_this();
  stream_->close();
  alarm_.clear();
  while (!calls_.empty()) {
    PeerCall& call = *calls_.back();
    take_off(call);
    call.finish(std::unexpected(reason));
  }
  owner_->is_closed(*this);
}

void PeerConnection::close_when_idle_until(TimePoint time) {
  idle_until_ = time;
  set_alarm();
}

void PeerConnection::take_off(PeerCall& call) {
  std::erase(calls_, &call);
  call.connection = nullptr;
  call.new_octets = 0;
}

void PeerConnection::fail_call(PeerCall& call, Error error) {
  abandon(call);
  call.finish(std::unexpected(std::move(error)));
}

void PeerConnection::send_elsewhere(PeerCall& call) {
  abandon(call);
  call.set(PeerCall::State::again);
}

void PeerConnection::abandon(PeerCall& call) {
  take_off(call);
  leave_behind(call.id);
}

void PeerConnection::leave_behind(std::uint16_t id) {
  abandoned_.push_back({id, 0});
  if (calls_.empty()) {
    close({Errc::connection_closed, peer_.address.text()});
  } else if (abandoned_.size() > abandoned_limit) {
    retire();
  } else {
    owner_->has_room(*this);
  }
}

void PeerConnection::retire() {
  if (closed_ || std::exchange(retired_, true)) return;
  for (std::size_t i = calls_.size(); i-- > 0;) {
    PeerCall& call = *calls_[i];
    if (call.begun) continue;
    take_off(call);
    call.set(PeerCall::State::again);
  }
  if (calls_.empty()) close({Errc::connection_closed, peer_.address.text()});
}

PeerCall* PeerConnection::find(std::uint16_t id) const {
  const auto found = std::find_if(calls_.begin(), calls_.end(), [id](const PeerCall* call) { return call->id == id; });
  return found == calls_.end() ? nullptr : *found;
}

PeerConnection::Abandoned* PeerConnection::find_abandoned(std::uint16_t id) {
  const auto found =
      std::find_if(abandoned_.begin(), abandoned_.end(), [id](const Abandoned& a) { return a.id == id; });
  return found == abandoned_.end() ? nullptr : &*found;
}

bool PeerConnection::was_answered(std::uint16_t id) const {
  const auto end = recent_.begin() + static_cast<std::ptrdiff_t>(std::min(answered_, recent_.size()));
  return std::find(recent_.begin(), end, id) != end;
}

std::uint16_t PeerConnection::unused_id() {
  while (true) {
    const std::uint16_t id = owner_->random_id();
    if (find(id) == nullptr && find_abandoned(id) == nullptr && !was_answered(id)) return id;
  }
}

}  // namespace understudy
