// What all agents of one engine share: its thread, its bounds, its job pools, the store.
//
// Members are grouped by who may touch them. The io_context and the calls for its thread are the first to be made and
// the last to go, because what still waits in them refers to everything else.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <random>

#include "base/clock.h"
#include "net/thread_calls.h"
#include "store/zone_store.h"
#include "transfer/commit.h"
#include "transfer/compactor.h"
#include "transfer/engine_events.h"
#include "transfer/idle_lenders.h"
#include "transfer/job_pool.h"
#include "transfer/limits.h"
#include "transfer/notifier.h"
#include "transfer/primary_check.h"
#include "transfer/primary_health.h"
#include "transfer/primary_traits.h"
#include "transfer/settings.h"
#include "transfer/status_board.h"
#include "transfer/text_pool.h"
#include "transfer/timer_queue.h"
#include "transfer/timer_saver.h"

namespace understudy {

struct EngineCore {
  EngineCore(ZoneStore& zone_store, const Clock& engine_clock, const EngineSettings& engine_settings);

  // Any thread.
  boost::asio::io_context io{1};
  ThreadCalls calls{io};  // what jobs hand back and NOTIFYs; in no order with what is posted to `io`
  ZoneStore& store;
  const Clock& clock;
  StatusBoard board;
  TextPool texts;  // names and addresses of primaries, and paths of files

  EngineEvents events;  // constant once there are zones

  // The transfer thread.
  EngineSettings settings;
  std::mt19937_64 random;
  TimerQueue timers;
  Lanes probes;  // one for each SOA query
  PrimaryHealth health;
  PrimaryTraits traits;
  PeerConnections connections;
  DatagramExchanges datagrams;
  Lanes transfers;
  IdleLenders lenders;
  Notifier notifier;
  TimerSaver timer_saver;
  Compactor compactor;
  unsigned at_work = 0;            // agents with work under way
  unsigned checks_left = 0;        // whose turn had not come when the engine stopped
  unsigned store_writes = 0;       // under way
  unsigned commits_ahead = 0;      // versions that are being committed
  std::uint64_t octets_ahead = 0;  // memory of these
  unsigned rewrites = 0;           // versions that are written whole beside the commits, or wait for that
  bool stopping = false;
  std::function<void(double)> due_at;  // tells whoever waits that a timer was set to this time

  // Any thread again; they go first, so that no job outlives what it works on.
  JobPool loads;   // as many as there are cores: reading and building, slices of compactions
  JobPool writes;  // mostly waiting for the disk
  JobPool asides;  // one: large versions written whole, which takes long and nobody waits for
  Committer committer;

  /// What exchanges with primaries need; valid as long as this.
  [[nodiscard]] PrimaryAccess primaries() { return {clock, traits, connections, datagrams}; }
  /// Another large version may be written beside the commits: each pins its memory until that is done.
  [[nodiscard]] bool may_rewrite() const { return rewrites < max_rewrites; }
  static constexpr unsigned max_rewrites = 4;
  /// Takes up what has changed in `settings`.
  void apply_settings();
  /// [0,1)
  double random_part() { return std::uniform_real_distribution<double>(0, 1)(random); }
  [[nodiscard]] Moment now() const { return moment_of(clock); }
  /// Moment::mono alone, for half of what both clocks cost.
  [[nodiscard]] double mono() const { return static_cast<double>(clock.mono_ns()) / 1e9; }
  /// Commits the task: at once if it is `urgent` or nothing else is being transferred, else with what comes within some
  /// milliseconds.
  void commit(CommitTask task, bool urgent);
  /// Runs `job` on the pool and `then` on the transfer thread, also if the job throws. Where there is no memory to
  /// hand `then` over, the process ends.
  void run_job(JobPool& pool, JobPool::Urgency urgency, std::function<void()> job, std::function<void()> then);

 private:
  void pace_at(double when);

  boost::asio::steady_timer pace_timer_;  // the transfer thread
  double paces_at_ = 0;                   // monotonic seconds; 0: not set
  boost::asio::steady_timer commit_timer_;
  bool commits_wait_ = false;  // the timer is set
};

}  // namespace understudy
