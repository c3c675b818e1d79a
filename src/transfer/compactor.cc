#include "transfer/compactor.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "base/log.h"
#include "base/out_of_memory.h"
#include "base/unused_memory.h"
#include "transfer/core.h"
#include "transfer/zone_agent.h"

namespace understudy {
namespace {

constexpr std::size_t names_at_once = 256;                        // before the clock is asked again
constexpr std::uint64_t deltas_at_once = std::uint64_t{1} << 20;  // octets
// Rounds with pauses in which what was committed meanwhile is caught up with, beside those that are needed at first.
constexpr std::uint64_t paced_rounds = 16;
constexpr unsigned most_doublings = 7;  // of the time between two looks at a version
constexpr double look_again = 0.05;     // seconds, while a commit is under way
constexpr std::chrono::steady_clock::duration longest_timer{std::chrono::hours(1)};

double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double seconds(std::chrono::milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

std::chrono::steady_clock::duration timer_duration(double seconds) {
  const auto time = std::chrono::ceil<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds));
  return std::clamp<std::chrono::steady_clock::duration>(time, {}, longest_timer);
}

/// Octets that hold this version's records, about.
std::uint64_t live_octets(const Zone& version) {
  const std::uint64_t free = version.shared() == nullptr ? 0 : version.shared()->arena().free();
  return version.memory_size() - std::min(free, version.memory_size());
}

}  // namespace

struct Compactor::Job {
  std::shared_ptr<ZoneAgent> agent;
  std::shared_ptr<Compaction> compaction;  // of the job on the pool while a slice runs
  std::vector<DeltaPtr> pending;           // were committed since
  std::uint64_t pending_octets = 0;
  std::uint64_t newest = 0;          // Zone::id() of what they lead to
  const ZoneArena* arena = nullptr;  // in which that lies
  std::uint64_t octets = 0;          // of that when it began
  std::uint64_t live = 0;
  std::uint64_t rounds = 0;  // of following
  std::uint64_t paced_rounds = 0;
  bool waits_for_commit = false;
  double began = 0, busy = 0;  // monotonic; seconds of processor time

  [[nodiscard]] bool is_built() const { return compaction->version() != nullptr; }
  [[nodiscard]] std::vector<DeltaPtr> take_some() {
    std::uint64_t octets_taken = 0;
    std::size_t count = 0;
    while (count < pending.size() && octets_taken < deltas_at_once) octets_taken += pending[count++]->size();
    const auto end = pending.begin() + static_cast<std::ptrdiff_t>(count);
    std::vector<DeltaPtr> out(pending.begin(), end);
    pending.erase(pending.begin(), end);
    pending_octets -= octets_taken;
    return out;
  }
};

Compactor::Compactor(EngineCore& core) : core_(core), look_timer_(core.io), pause_timer_(core.io) {}

Compactor::~Compactor() = default;

// What happens to zones.

void Compactor::committed(ZoneAgent& agent, const std::shared_ptr<const Zone>& version,
                          std::span<const DeltaPtr> deltas) {
  if (current_ && current_->agent.get() == &agent) {
    Job& job = *current_;
    std::uint64_t octets = 0;
    for (const DeltaPtr& delta : deltas) octets += delta->size();
    if (deltas.empty() || version->shared() == nullptr || &version->shared()->arena() != job.arena) {
      throw_away("it came whole");
    } else if (job.pending_octets + octets > job.live / 2) {
      throw_away("it changes faster than it can be compacted");
      look_later(agent, seconds(core_.settings.compaction.retry), true);
    } else {
      job.pending.insert(job.pending.end(), deltas.begin(), deltas.end());
      job.pending_octets += octets;
      job.newest = version->id();
      if (std::exchange(job.waits_for_commit, false)) run();
      return;
    }
  }
  consider(agent, version);
}

void Compactor::consider(ZoneAgent& agent, const std::shared_ptr<const Zone>& version) {
  const bool may_be_sparse =
      version && version->shared() != nullptr && version->shared()->arena().used() > least_free_to_compact;
  // Not at once: what the last commit has left is not free before the last reader has gone on.
  if (may_be_sparse && !agent.is_local()) look_later(agent, seconds(core_.settings.compaction.settle), false);
}

void Compactor::give_up(const ZoneAgent& agent, std::string_view why) {
  if (current_ && current_->agent.get() == &agent) throw_away(why);
}

void Compactor::stop() {
  look_timer_.cancel();
  candidates_.clear();
  sparse_.clear();
  if (current_) throw_away("the server stops");
}

// Which zone.

void Compactor::look_later(ZoneAgent& agent, double seconds, bool is_retry) {
  if (core_.stopping) return;
  const std::shared_ptr<ZoneAgent> known = agent.shared_from_this();
  const auto is_it = [&](const std::weak_ptr<ZoneAgent>& other) {
    return !other.owner_before(known) && !known.owner_before(other);
  };
  if (std::ranges::any_of(sparse_, is_it)) return;
  const double due = core_.mono() + seconds;
  const auto found = std::ranges::find_if(candidates_, is_it, &Candidate::agent);
  if (found == candidates_.end()) {
    candidates_.push_back({.agent = known, .due = due, .is_retry = is_retry});
  } else if (!found->is_retry) {
    *found = {.agent = known, .due = std::min(due, found->due)};
  }
  set_look_timer();
}

void Compactor::set_look_timer() {
  if (candidates_.empty() || core_.stopping) return;
  const double due = std::ranges::min(candidates_, {}, &Candidate::due).due;
  look_timer_.expires_after(timer_duration(due - core_.mono()));  // one that was set is called with an error
  look_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) look();
  });
}

void Compactor::look() {
  const double now = core_.mono();
  std::erase_if(candidates_, [&](Candidate& candidate) {
    if (candidate.due > now) return false;
    const std::shared_ptr<ZoneAgent> agent = candidate.agent.lock();
    const auto version = agent ? agent->compactable() : nullptr;
    if (!version) return true;
    if (is_sparse(*version)) {
      sparse_.push_back(agent);
      return true;
    }
    // Somebody may still read the version before, or write it to the disk: then it is sparse once that is over. That
    // may take as long as the slowest transfer.
    candidate.looks = std::min(candidate.looks + 1, most_doublings);
    candidate.due = now + seconds(core_.settings.compaction.settle) * (1U << candidate.looks);
    candidate.is_retry = false;
    return false;
  });
  set_look_timer();
  start_next();
}

void Compactor::start_next() {
  while (!current_ && !slice_runs_ && !sparse_.empty() && !core_.stopping) {
    const std::shared_ptr<ZoneAgent> agent = sparse_.front().lock();
    sparse_.pop_front();
    const auto version = agent ? agent->compactable() : nullptr;
    if (!version || !is_sparse(*version)) {
      if (version) consider(*agent, version);
      continue;
    }
    current_ = std::make_shared<Job>();
    current_->agent = agent;
    current_->compaction = std::make_shared<Compaction>(version, agent->max_octets());
    current_->newest = version->id();
    current_->arena = &version->shared()->arena();
    current_->octets = version->memory_size();
    current_->live = live_octets(*version);
    current_->began = core_.mono();
    core_.board.count([](EngineCounters& counters) { ++counters.compactions_begun; });
    run();
  }
}

// One compaction.

/// The next step, after a pause.
void Compactor::run() {
  const JobPtr job = current_;
  if (!job || slice_runs_) return;
  job->waits_for_commit = false;
  pause_timer_.cancel();
  if (job->is_built() && job->pending.empty()) {
    put_in_place();
  } else {
    run_slice(job);
  }
}

namespace {

struct Slice {
  std::vector<DeltaPtr> deltas;
  double most = 0;  // seconds of processor time
  double busy = 0;
  Result<bool> done = fail(Errc::io, "out of memory");

  void run(Compaction& compaction) {
    const double began = thread_seconds();
    done = work(compaction, began + most);
    deltas.clear();
    busy = thread_seconds() - began;
  }

 private:
  Result<bool> work(Compaction& compaction, double until) const {
    if (!deltas.empty()) {
      US_TRY(compaction.follow(deltas));
      return true;
    }
    while (true) {
      US_ASSIGN(const bool is_built, compaction.work(names_at_once));
      if (is_built || thread_seconds() >= until) return is_built;
    }
  }
};

}  // namespace

void Compactor::run_slice(const JobPtr& job) {
  const auto slice = std::make_shared<Slice>();
  slice->most = seconds(core_.settings.compaction.slice);
  if (job->is_built()) {
    if (job->rounds == 0) job->paced_rounds = paced_rounds + job->pending_octets / deltas_at_once;
    slice->deltas = job->take_some();
    ++job->rounds;
  }
  slice_runs_ = true;
  core_.run_job(
      core_.loads, JobPool::Urgency::can_wait, [job, slice] { slice->run(*job->compaction); },
      [this, job, slice] { slice_is_over(job, slice->busy, slice->done); });
}

void Compactor::slice_is_over(const JobPtr& job, double busy, const Result<bool>& done) {
  slice_runs_ = false;
  job->busy += busy;
  if (job != current_) {  // was thrown away
    core_.loads.post([gone = std::move(job->compaction)] {}, JobPool::Urgency::can_wait);
    start_next();
    return;
  }
  if (!done) {
    failed(done.error());
    return;
  }
  // Updates that come faster than it may follow would never be caught up with.
  if (job->rounds > job->paced_rounds) {
    run();
  } else {
    wait(compaction_pause(busy, core_.settings.compaction.share));
  }
}

void Compactor::wait(double seconds) {
  pause_timer_.expires_after(timer_duration(seconds));
  pause_timer_.async_wait([this, job = std::weak_ptr(current_)](const boost::system::error_code& error) {
    if (!error && job.lock() == current_) run();
  });
}

void Compactor::failed(const Error& error) {
  const std::shared_ptr<ZoneAgent> agent = current_->agent;
  if (error.code == Errc::internal) {  // a fault of ours, which would come again
    log_warning(
        "zone {}: its memory, over half of which is free, cannot be compacted: {}; it is served all the same; "
        "please report this",
        agent->name().text(), error.text());
    throw_away(error.text());
    return;
  }
  if (error.code != Errc::byte_limit && !std::exchange(has_warned_, true)) {
    log_warning(
        "zone {}: its memory, over half of which is free, could not be compacted: {}; it is served all the "
        "same, and this is tried again later without another line",
        agent->name().text(), error.text());
  }
  throw_away(error.text());
  look_later(*agent, seconds(core_.settings.compaction.retry), true);
}

void Compactor::put_in_place() {
  const JobPtr job = current_;
  switch (job->agent->take_compacted(job->newest, job->compaction->version())) {
    case ZoneAgent::Taking::taken:
      done(*job);
      break;
    case ZoneAgent::Taking::not_now:
      job->waits_for_commit = true;
      wait(look_again);
      break;
    case ZoneAgent::Taking::refused:
      throw_away("it is another version now");
      break;
  }
}

void Compactor::done(const Job& job) {
  const double took = core_.mono() - job.began;
  has_warned_ = false;
  core_.board.count([&](EngineCounters& counters) {
    ++counters.compactions;
    counters.compaction_busy += job.busy;
    counters.compaction_seconds += took;
  });
  log_debug(
      "zone {}: serial {} was compacted in {:.1f} s, {:.1f} s of processor time: {} octets of memory before, {} "
      "after",
      job.agent->name().text(), job.compaction->version()->serial().value, took, job.busy, job.octets,
      job.compaction->version()->memory_size());
  end_current();
}

void Compactor::throw_away(std::string_view why) {
  core_.board.count([](EngineCounters& counters) { ++counters.compactions_thrown_away; });
  log_debug("zone {}: its compaction was thrown away after {:.1f} s: {}", current_->agent->name().text(),
            core_.mono() - current_->began, why);
  end_current();
}

/// Large memory is given back on the pool, not here.
void Compactor::end_current() {
  const JobPtr job = std::exchange(current_, nullptr);
  pause_timer_.cancel();
  job->agent.reset();
  job->pending.clear();
  if (slice_runs_) return;  // the end of the slice goes on
  core_.loads.post(
      [gone = std::move(job->compaction)]() mutable {
        gone.reset();
        release_unused_memory();
      },
      JobPool::Urgency::can_wait);
  start_next();
}

}  // namespace understudy
