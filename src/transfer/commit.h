// The commit of finished transfers: check -> durable -> visible -> announced.
//
// commit_versions() is that list, for one zone or for many that share one sync. Committer collects what comes while the
// disk is busy, so a thousand zones cost a few syncs. It runs on the job pool; while a zone's version is being
// committed its agent leaves the zone's slot and stored data alone.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "store/zone_store.h"
#include "transfer/job_pool.h"
#include "xfr/schedule.h"
#include "zone/apply.h"
#include "zone/builder.h"
#include "zone/history.h"
#include "zone/zone_table.h"

namespace understudy {

struct CommitTask {
  std::shared_ptr<ZoneSlot> slot;
  // What the version is made of: one of the two, unless `version` is there already, to which `deltas` lead.
  std::optional<ZoneBuilder> builder;
  std::vector<DeltaPtr> deltas;  // to be applied to `base`

  std::shared_ptr<const Zone> base;  // the version before; null if there is none
  ZoneHistory::Ptr history;          // what led to it; afterwards, to the new one
  HistoryLimits keep;
  std::uint64_t max_octets = ~std::uint64_t{0};  // of memory
  bool write_whole = false;                      // not only its deltas
  bool may_rewrite = true;                       // a large version may be written beside what comes next
  bool stored = true;                            // false: a zone from a file, which is kept nowhere else
  bool may_go_back = false;                      // the operator's word, or a file
  std::optional<Serial> ours;                    // before
  std::string source;                            // ADDRESS@PORT or the file
  RefreshSchedule schedule;                      // goes on from the new version once that is durable
  std::optional<std::uint32_t> expire_left;      // for the schedule, as is
  double random = 0;                             // [0,1)
  /// Called once, on a job thread: the agent announces the version and reports.
  std::function<void(CommitTask&&)> done;

  // Outcome.
  Result<void> result;
  std::shared_ptr<const Zone> version;
  ZoneBuilder::Report report;
  // The store has many deltas to read at a start: one of the two.
  bool wants_whole = false;              // write the next version whole
  std::shared_ptr<ZoneRewrite> rewrite;  // a large version, to be written beside what comes next
};

/// One list for all tasks; a task that fails at one step takes no part in the next. Memory that runs out for versions
/// and differences fails their tasks. Where it runs out for what makes them visible or tells of them, which is little,
/// the process ends: agents that are never told would keep their zones from ever being checked again.
void commit_versions(ZoneStore& store, const Clock& clock, std::span<CommitTask> tasks) noexcept;

Moment moment_of(const Clock& clock);

class Committer {
 public:
  Committer(ZoneStore& store, const Clock& clock, JobPool& jobs) : store_(store), clock_(clock), jobs_(jobs) {}

  enum class Haste : std::uint8_t { now, may_wait };

  /// Commits the task soon, together with others. One that `may_wait` does so until there are many, another one cannot
  /// wait, or hurry() is called: every sync costs processor time, whatever it syncs. Thread-safe.
  void submit(CommitTask task, Haste haste = Haste::now) US_EXCLUDES(mutex_);
  /// Nothing waits any longer. Thread-safe.
  void hurry() US_EXCLUDES(mutex_);

 private:
  void run() noexcept US_EXCLUDES(mutex_);

  ZoneStore& store_;
  const Clock& clock_;
  JobPool& jobs_;
  Mutex mutex_;
  std::vector<CommitTask> waiting_ US_GUARDED_BY(mutex_);
  bool hurried_ US_GUARDED_BY(mutex_) = false;  // what waits is to be committed
  bool running_ US_GUARDED_BY(mutex_) = false;
};

}  // namespace understudy
