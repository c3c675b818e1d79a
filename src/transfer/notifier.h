// Tells downstream secondaries about new versions (RFC 1996): NOTIFY over UDP until it is acknowledged.
//
// One pending announcement for each zone and target: a newer version takes the place of the one before. Tries are
// repeated with doubling timeouts; how many are under way at once is bounded, in all and for each target, so a target
// that is gone holds up no other, and how many are sent a second. What waits for that is replaced by what is newer.
//
// Of zones that want to announce something, only some hundreds have announcements pending; the others stand in line, at
// the cost of a pointer each, and announce what they have when their turn comes. Targets that acknowledge nothing are
// not waited for: what was only to be repeated after a start is left out there, and so are changes once some hundreds
// are pending. On the transfer thread only.
#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/clock.h"
#include "transfer/limits.h"
#include "transfer/settings.h"
#include "transfer/status_board.h"
#include "zone/zone.h"

namespace understudy {

class Notifier {
 public:
  /// A zone that has something to announce.
  class Announcer {
   public:
    virtual ~Announcer() = default;
    /// To call announce() below with what there is now, if anything.
    virtual void announce_now(bool urgent) = 0;

   private:
    friend class Notifier;
    enum class Waits : std::uint8_t { no, to_repeat, urgent } waits_ = Waits::no;
  };

  Notifier(boost::asio::io_context& io, const Clock& clock, StatusBoard& board, const EngineSettings& settings);
  ~Notifier();

  void set_settings(const EngineSettings& settings);
  /// Calls announce_now(), at once if there is room. `urgent`: a change that has just happened, before those that are
  /// only repeated after a start.
  void announce_in_turn(const std::shared_ptr<Announcer>& announcer, NameView zone, bool urgent);
  void announce(std::span<const PeerSettings> targets, const std::shared_ptr<const Zone>& version, bool urgent);
  /// Gives up what is pending for this zone.
  void forget(NameView zone);
  /// Gives up everything; nothing is under way any more once is_idle().
  void stop();
  [[nodiscard]] bool is_idle() const { return lanes_.active() == 0; }
  /// Announcements that are kept for targets that acknowledge them, or may.
  [[nodiscard]] std::size_t pending() const { return pending_; }
  /// Those for targets that acknowledge none.
  [[nodiscard]] std::size_t pending_to_silent() const { return pending_to_silent_; }

 private:
  struct Task;
  using Key = std::pair<std::string, Endpoint>;  // the zone's name in lower case wire form

  static Key key_of(NameView zone, const Endpoint& target);
  void queue(const std::shared_ptr<Task>& task);
  void start_try(const std::shared_ptr<Task>& task, Lanes::Permit permit);
  boost::asio::awaitable<void> try_once(std::shared_ptr<Task> task, Lanes::Permit permit);
  boost::asio::awaitable<Result<>> exchange(const Task& task, std::chrono::milliseconds timeout);
  void try_ended(const std::shared_ptr<Task>& task, const Result<>& outcome);
  void finish(const std::shared_ptr<Task>& task);
  struct Target {
    std::size_t tasks = 0;
    unsigned failures = 0;  // of tries, in a row
    bool is_silent = false;
    bool leaves_out = false;  // changes, as too many are pending; said in the log
  };
  [[nodiscard]] bool leaves_out(const PeerSettings& target, bool urgent);
  void count_task(const Endpoint& target);
  void uncount_task(const Endpoint& target);
  void note_try(const PeerSettings& target, const Result<>& outcome);
  [[nodiscard]] bool has_task(NameView zone) const;
  [[nodiscard]] bool has_room() const;
  void draw();
  void wake_at(double when);

  boost::asio::io_context& io_;
  const Clock& clock_;
  StatusBoard& board_;
  std::chrono::milliseconds timeout_;
  unsigned tries_;
  bool stopping_ = false;
  Lanes lanes_;
  std::map<Key, std::shared_ptr<Task>> tasks_;
  std::map<Endpoint, Target> targets_;                           // those that have tasks or did not acknowledge
  std::size_t pending_ = 0;                                      // tasks of targets that are not silent
  std::size_t pending_to_silent_ = 0;                            // the others
  std::array<std::deque<std::shared_ptr<Announcer>>, 2> lines_;  // urgent ones first
  bool draw_is_posted_ = false;
  boost::asio::steady_timer pace_timer_;
  double paces_at_ = 0;  // monotonic seconds; 0: not set
};

}  // namespace understudy
