// One connection of PeerConnections (peer_connections.h) and the requests that are under way on it.
//
//   opening -> busy <-> idle -> closed      (closed from each; busy again with every request)
//
// A reading loop hands every message to the request that has its id. Each request is judged by its own limits, for
// which only the time counts that the loop waits for the peer; while a request's answer has not begun, what comes for
// others counts as progress, for a peer may answer in order. A request that is given up before its answer is complete
// leaves an abandoned id behind, whose messages are dropped; with nothing else under way the connection is closed.
// A retired connection completes the answers that have begun and then closes; its other requests go elsewhere.
#pragma once

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/alarm.h"
#include "net/peer_connections.h"
#include "net/peer_stream.h"
#include "net/rate_meter.h"
#include "net/wakeup.h"

namespace understudy {

class PeerConnection;

/// One call of PeerConnections::exchange(). It belongs to that coroutine, which waits for a change of `state`.
struct PeerCall {
  using TimePoint = std::chrono::steady_clock::time_point;
  enum class State : std::uint8_t {
    waiting,  // for a connection
    sent,     // on `connection`
    again,    // must be sent on another connection
    done,     // `outcome` is set
  };

  PeerCall(const boost::asio::any_io_executor& executor, PeerRequest asked)
      : request(std::move(asked)), wake(executor) {}

  void set(State next) {
    state = next;
    if (place_timer) place_timer->cancel();
    wake.wake();
  }
  void finish(Result<> result) {
    outcome = std::move(result);
    set(State::done);
  }

  PeerRequest request;
  // What the coroutine waits for: every change of the state, and while it has no connection for so long.
  Wakeup wake;
  std::optional<boost::asio::steady_timer> place_timer;
  State state = State::waiting;
  Result<> outcome;
  TimePoint place_by;     // must be on a connection by then
  bool fresh = false;     // wants a connection of its own making
  bool repeated = false;  // its connection was closed once: not a second time
  bool moved = false;     // from a connection that did not get on
  std::chrono::nanoseconds moved_after{0};

  // On the present connection.
  PeerConnection* connection = nullptr;
  std::uint16_t id = 0;
  bool first = false;  // nothing was asked before it there
  bool begun = false;  // something of its answer has come
  bool brief = false;  // what came may have been all of it
  TimePoint clock_from;
  std::chrono::nanoseconds silent{0};      // time waited since the last progress
  std::chrono::nanoseconds first_wait{0};  // allowed until the answer begins
  std::uint64_t octets = 0;
  std::size_t new_octets = 0;  // of the last read
  std::uint64_t sent_at = 0;   // sent when so many octets have been written
  RateMeter rate;
};

/// Who keeps the connections.
class PeerConnectionOwner {
 public:
  virtual ~PeerConnectionOwner() = default;
  virtual std::uint16_t random_id() = 0;
  virtual PeerConnectionCounts& totals() = 0;
  virtual std::chrono::nanoseconds hesitation() const = 0;
  virtual std::chrono::nanoseconds brief_wait() const = 0;
  /// A request is over; maybe there is room for another.
  virtual void has_room(PeerConnection& connection) = 0;
  virtual void is_closed(PeerConnection& connection) = 0;
  /// A whole answer of so many octets has come.
  virtual void saw_answer(PeerConnection& connection, std::uint64_t octets) = 0;
  /// A request that was not the first on its connection was answered, or was not while a first one is.
  virtual void saw_reuse(PeerConnection& connection, bool works) = 0;
};

class PeerConnection : public std::enable_shared_from_this<PeerConnection> {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  PeerConnection(const boost::asio::any_io_executor& executor, const PeerKey& peer, PeerConnectionOwner& owner);

  /// Begins to connect.
  void start();
  /// Makes the message and sends it as soon as possible. The call is then `sent`, or `done` if make() fails.
  void attach(PeerCall& call);
  /// The call, which is on this connection, is of no interest any more.
  void abandon(PeerCall& call);
  /// Ends all calls with this error.
  void close(const Error& reason);
  void close_when_idle_until(TimePoint time);

  [[nodiscard]] const PeerKey& peer() const { return peer_; }
  [[nodiscard]] bool is_idle() const { return accepts() && calls_.empty(); }
  /// May further requests be sent?
  [[nodiscard]] bool accepts() const { return !closed_ && !retired_ && !broken_; }
  [[nodiscard]] bool has_answered() const { return answered_ != 0; }
  [[nodiscard]] std::size_t load() const { return calls_.size() + abandoned_.size(); }
  /// Idle, and the peer has neither closed it nor sent anything.
  [[nodiscard]] bool is_fit() const { return is_idle() && stream_->is_quiet(); }
  /// Requests wait on it and nothing has come for the time of hesitation.
  [[nodiscard]] bool is_silent(TimePoint now) const { return !calls_.empty() && now >= silent_at(); }
  [[nodiscard]] TimePoint silent_at() const { return last_progress_ + owner_->hesitation(); }

  // The owner's: the place in its list of idle connections, if it is there.
  std::list<PeerConnection*>::iterator idle_place;
  bool in_idle_list = false;
  TimePoint idle_since;

 private:
  struct Abandoned {
    std::uint16_t id;
    std::uint64_t octets;
  };

  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> write_rest();
  void flush();
  void flush_soon();

  void received(std::size_t size);
  bool attribute(std::size_t size);
  bool attribute_frame(std::optional<std::uint16_t> id, std::size_t octets);
  void dispatch();
  void hand_over(PeerCall& call, ByteView message);
  void drop(std::optional<std::uint16_t> id);
  void complete(PeerCall& call);
  [[nodiscard]] bool follows(const PeerCall& call) const;
  [[nodiscard]] std::optional<std::size_t> buffered_message() const;
  void make_room();

  void begin_wait();
  void set_alarm();
  [[nodiscard]] TimePoint limit_of(const PeerCall& call) const;
  [[nodiscard]] std::chrono::nanoseconds allowed_silence(const PeerCall& call) const;
  [[nodiscard]] bool may_move(const PeerCall& call) const;
  void ring();
  void judge(PeerCall& call, TimePoint now);
  void after_read(PeerCall& call, TimePoint now, bool progress);
  [[nodiscard]] Error silence_error(const PeerCall& call) const;
  [[nodiscard]] Error too_slow_error(const PeerCall& call) const;
  [[nodiscard]] Error deadline_error(const PeerCall& call) const;

  void lost(Errc code, const std::string& words);
  void fail_call(PeerCall& call, Error error);
  void send_elsewhere(PeerCall& call);
  void take_off(PeerCall& call);
  void leave_behind(std::uint16_t id);
  void retire();
  [[nodiscard]] PeerCall* find(std::uint16_t id) const;
  [[nodiscard]] Abandoned* find_abandoned(std::uint16_t id);
  [[nodiscard]] bool was_answered(std::uint16_t id) const;
  [[nodiscard]] std::uint16_t unused_id();
  [[nodiscard]] bool is_sole() const { return calls_.size() == 1 && abandoned_.empty(); }

  const boost::asio::any_io_executor executor_;
  const PeerKey peer_;
  PeerConnectionOwner* const owner_;  // not used any more when closed
  const std::unique_ptr<PeerStream> stream_;
  Alarm alarm_;
  bool open_ = false;
  bool flushes_ = false;  // once the handlers that are ready now have run
  bool closed_ = false;
  bool retired_ = false;
  bool broken_ = false;  // takes no more: the reading loop finds out why
  bool writing_ = false;

  std::vector<PeerCall*> calls_;  // in the order of their requests
  std::vector<Abandoned> abandoned_;
  std::array<std::uint16_t, 64> recent_{};  // ids that were answered
  std::size_t requests_ = 0;
  std::size_t answered_ = 0;
  std::size_t most_at_once_ = 0;
  std::size_t strangers_ = 0;  // messages with ids that were never asked for, or after the end
  TimePoint last_progress_;
  TimePoint idle_until_ = TimePoint::max();

  Bytes outgoing_;  // not yet written, from outgoing_at_ on
  std::size_t outgoing_at_ = 0;
  std::uint64_t queued_ = 0;   // octets ever put into outgoing_
  std::uint64_t written_ = 0;  // octets ever taken by the stream

  Bytes buffer_;
  std::size_t begin_ = 0;  // what was received and not yet handed over lies in [begin, end)
  std::size_t end_ = 0;
};

}  // namespace understudy
