#include "transfer/core.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <exception>
#include <thread>
#include <utility>

#include "base/log.h"

namespace understudy {
namespace {

// A SOA query costs one socket for some milliseconds, or for seconds if the primary hangs: then 64 at once are enough.
constexpr unsigned max_probes = 512;
constexpr unsigned max_probes_per_primary = 64;
constexpr unsigned write_threads = 4;
// What a rate holds back may be late by so much: checks of zones at rest share a wake-up then, instead of having one
// each.
constexpr double pace_grain = 0.02;  // seconds
// So long a version that nobody waits for may wait for others that can share its sync.
constexpr std::chrono::milliseconds commit_wait{20};

unsigned cores() {
  return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace

EngineCore::EngineCore(ZoneStore& zone_store, const Clock& engine_clock, const EngineSettings& engine_settings)
    : store(zone_store),
      clock(engine_clock),
      settings(engine_settings),
      random(std::random_device()()),
      probes(
          max_probes, max_probes_per_primary, [this] { return mono(); }, [this](double at) { pace_at(at); }),
      health([this] { boost::asio::post(io, [this] { health.tell_some(); }); }),
      connections(io.get_executor()),
      datagrams(io.get_executor()),
      transfers(engine_settings.max_transfers, engine_settings.max_transfers_per_primary),
      lenders(io),
      notifier(io, clock, board, engine_settings),
      timer_saver(*this),
      compactor(*this),
      loads(cores()),
      writes(write_threads),
      asides(1),
      committer(store, clock, writes),
      pace_timer_(io),
      commit_timer_(io) {
  apply_settings();
}

void EngineCore::apply_settings() {
  probes.set_rate(settings.soa_queries_per_second);
  health.set_longest_pause(std::chrono::duration<double>(settings.max_pause).count());
  transfers.set_limits(settings.max_transfers, settings.max_transfers_per_primary);
  notifier.set_settings(settings);
  connections.set_settings({.max_connections = settings.max_connections,
                            .max_pipelined = settings.max_pipelined,
                            .idle_timeout = settings.idle_timeout});
}

void EngineCore::pace_at(double when) {
  const double present = mono();
  when = std::max(when, present + pace_grain);
  if (stopping || (paces_at_ != 0 && paces_at_ <= when)) return;
  paces_at_ = when;
  pace_timer_.expires_after(
      std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>(when - present)));
  pace_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    paces_at_ = 0;
    probes.tick();
  });
}

void EngineCore::commit(CommitTask task, bool urgent) {
  if (urgent || transfers.active() == 0) {
    committer.submit(std::move(task));
    return;
  }
  committer.submit(std::move(task), Committer::Haste::may_wait);
  if (std::exchange(commits_wait_, true)) return;
  commit_timer_.expires_after(commit_wait);
  commit_timer_.async_wait([this](const boost::system::error_code&) {
    commits_wait_ = false;
    committer.hurry();
  });
}

void EngineCore::run_job(JobPool& pool, JobPool::Urgency urgency, std::function<void()> job,
                         std::function<void()> then) {
  pool.post(
      [this, work = std::move(job), after = std::move(then)]() noexcept {  // an agent waits for `then`
        try {
          work();
        } catch (const std::exception& error) {  // memory that ran out; the outcome stays the one it had before
          log_error("work was given up: {}", error.what());
        }
        calls.post(after);
      },
      urgency);
}

}  // namespace understudy
