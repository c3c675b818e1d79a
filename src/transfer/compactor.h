// Compacts the memory of large zones in the background (zone/compaction.h), one zone at a time and at a bounded rate.
//
// Some time after a commit it looks at the zone's version. If that is sparse, it is built anew in slices: jobs that
// each take some milliseconds of a pool's thread (the last more) and go behind all that is urgent there, with pauses in
// between, in which nothing of it runs. What is committed meanwhile is applied to what was built, until that has caught
// up; then it takes the place of the zone's version, with the same serial and records: nobody is told, nothing is
// stored. Whatever else happens to the zone, a compaction under way is thrown away. On the transfer thread.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "zone/compaction.h"

namespace understudy {

struct EngineCore;
class ZoneAgent;

/// How long nothing runs after a slice that took `busy` seconds of processor time, so that it is `share` of a core.
constexpr double compaction_pause(double busy, double share) {
  return busy * (1 / share - 1);
}

class Compactor {
 public:
  explicit Compactor(EngineCore& core);
  ~Compactor();

  /// The agent's zone is at `version` now; `deltas` led to it from the one before, none: it came in another way.
  void committed(ZoneAgent& agent, const std::shared_ptr<const Zone>& version,
                 std::span<const std::shared_ptr<const ZoneDelta>> deltas);
  /// Looks at the zone soon. `version` (may be null) is what it is at.
  void consider(ZoneAgent& agent, const std::shared_ptr<const Zone>& version);
  /// Throws away what is under way for this zone.
  void give_up(const ZoneAgent& agent, std::string_view why);
  /// Nothing is begun any more.
  void stop();

 private:
  struct Job;
  using JobPtr = std::shared_ptr<Job>;
  struct Candidate {
    std::weak_ptr<ZoneAgent> agent;
    double due = 0;         // monotonic seconds
    unsigned looks = 0;     // so often it was not sparse, up to a number
    bool is_retry = false;  // nothing brings it forward
  };

  void look_later(ZoneAgent& agent, double seconds, bool is_retry);
  void set_look_timer();
  void look();
  void start_next();
  void run();
  void run_slice(const JobPtr& job);
  void slice_is_over(const JobPtr& job, double busy, const Result<bool>& done);
  void wait(double seconds);
  void failed(const Error& error);
  void put_in_place();
  void done(const Job& job);
  void throw_away(std::string_view why);
  void end_current();

  EngineCore& core_;
  boost::asio::steady_timer look_timer_, pause_timer_;
  std::vector<Candidate> candidates_;  // to be looked at
  std::deque<std::weak_ptr<ZoneAgent>> sparse_;
  JobPtr current_;
  bool slice_runs_ = false;  // on the pool: the current one's, or that of one that was thrown away
  bool has_warned_ = false;  // since the last success
};

}  // namespace understudy
