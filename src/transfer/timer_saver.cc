#include "transfer/timer_saver.h"

#include <utility>

#include "base/log.h"
#include "transfer/zone_agent.h"

namespace understudy {
namespace {

constexpr std::chrono::seconds longest_wait{5};
constexpr std::size_t max_waiting = 4096;

struct Batch {
  std::vector<std::shared_ptr<ZoneAgent>> agents;
  std::vector<TimersOf> timers;
  Result<std::vector<std::size_t>> missing = fail(Errc::storage, "out of memory");
};

void saved(const Batch& batch) {
  if (!batch.missing) {
    // The next confirmation writes them again; until then a restart finds older ones, which only means more checks.
    log_warning("the timers of {} zones, one of them {}, could not be stored: {}; {}", batch.agents.size(),
                batch.agents.front()->name().text(), batch.missing.error().text(),
                advice_text(batch.missing.error().code));
  }
  std::vector<bool> is_missing(batch.agents.size());
  if (batch.missing) {
    for (const std::size_t i : *batch.missing) is_missing[i] = true;
  }
  for (std::size_t i = 0; i < batch.agents.size(); ++i) batch.agents[i]->timers_are_saved(!is_missing[i]);
}

}  // namespace

TimerSaver::TimerSaver(EngineCore& core) : core_(core), timer_(core.io) {}

void TimerSaver::add(const std::shared_ptr<ZoneAgent>& agent) {
  waiting_.push_back(agent);
  if (core_.stopping || waiting_.size() >= max_waiting) {
    flush();
    return;
  }
  if (std::exchange(is_set_, true)) return;
  timer_.expires_after(longest_wait);
  timer_.async_wait([this](const boost::system::error_code& error) {
    is_set_ = false;
    if (!error) flush();
  });
}

void TimerSaver::flush() {
  const auto batch = std::make_shared<Batch>();
  for (const std::shared_ptr<ZoneAgent>& agent : std::exchange(waiting_, {})) {
    if (const auto timers = agent->begin_to_save_timers()) {
      batch->agents.push_back(agent);
      batch->timers.push_back({agent->name(), *timers});
    }
  }
  if (batch->agents.empty()) return;
  core_.run_job(
      core_.writes, JobPool::Urgency::urgent,
      [this, batch] { batch->missing = core_.store.save_timers(std::span<const TimersOf>(batch->timers)); },
      [batch] { saved(*batch); });
}

}  // namespace understudy
