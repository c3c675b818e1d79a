// Tells downstream secondaries about new versions (RFC 1996): NOTIFY over UDP until it is acknowledged.
//
// One pending announcement for each zone and target: a newer version takes the place of the one before. Tries are
// repeated with doubling timeouts; how many are under way at once is bounded, in all and for each target, so a target
// that is gone holds up no other, and how many are sent a second. What waits for that is replaced by what is newer. On
// the transfer thread only.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
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
  Notifier(boost::asio::io_context& io, const Clock& clock, StatusBoard& board, const EngineSettings& settings);
  ~Notifier();

  void set_settings(const EngineSettings& settings);
  /// `urgent`: a change that has just happened, before those that are only repeated after a start.
  void announce(std::span<const PeerSettings> targets, const std::shared_ptr<const Zone>& version, bool urgent);
  /// Gives up what is pending for this zone.
  void forget(NameView zone);
  /// Gives up everything; nothing is under way any more once is_idle().
  void stop();
  [[nodiscard]] bool is_idle() const { return lanes_.active() == 0; }

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
  void wake_at(double when);

  boost::asio::io_context& io_;
  const Clock& clock_;
  StatusBoard& board_;
  std::chrono::milliseconds timeout_;
  unsigned tries_;
  bool stopping_ = false;
  Lanes lanes_;
  std::map<Key, std::shared_ptr<Task>> tasks_;
  boost::asio::steady_timer pace_timer_;
  double paces_at_ = 0;  // monotonic seconds; 0: not set
};

}  // namespace understudy
