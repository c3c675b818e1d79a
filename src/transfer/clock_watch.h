// The one timer of the engine: wakes for the zone that is due first, and notices when the wall clock jumps.
//
// While the process runs only monotonic time counts, so a jump moves nothing; but the stored times are wall times, and
// a restart after a jump would take them for others. They are written again then, a batch at a time. On the transfer
// thread.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "transfer/core.h"
#include "transfer/directory.h"

namespace understudy {

class ClockWatch {
 public:
  using Zones = std::function<std::shared_ptr<const Directory>()>;
  ClockWatch(EngineCore& core, Zones zones)
      : core_(core), zones_(std::move(zones)), timer_(core.io), jumps_(core.clock) {}

  void start();
  void stop();
  /// Runs what is due and waits for the next. To be called after a timer was set to an earlier time.
  void look();

 private:
  void run_due();
  void notice_jump();
  void rewrite_some();
  void wait();

  EngineCore& core_;
  const Zones zones_;
  boost::asio::steady_timer timer_;
  JumpWatch jumps_;
  double waits_until_ = 0;  // monotonic seconds
  bool waiting_ = false;
  std::shared_ptr<const Directory> rewriting_;  // null: nothing to do
  std::size_t rewritten_ = 0;                   // of its agents
};

}  // namespace understudy
