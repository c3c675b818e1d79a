// Stores the timers of zones that were confirmed, some seconds' worth of them at once.
//
// A confirmation that is lost by a crash costs nothing but a check: the older timers, which a restart then finds, have
// the zone checked earlier and expire earlier. So it need not reach the disk on its own. What must not be lost (that an
// expired zone lives again, that one has expired) is not for this. On the transfer thread.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <vector>

namespace understudy {

struct EngineCore;
class ZoneAgent;

class TimerSaver {
 public:
  explicit TimerSaver(EngineCore& core);

  /// The agent's timers, as they are then, are stored within some seconds; when the engine stops, at once.
  void add(const std::shared_ptr<ZoneAgent>& agent);
  /// Begins to store all that waits.
  void flush();

 private:
  EngineCore& core_;
  boost::asio::steady_timer timer_;
  bool is_set_ = false;
  std::vector<std::shared_ptr<ZoneAgent>> waiting_;
};

}  // namespace understudy
