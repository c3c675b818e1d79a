#include "transfer/loader.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <exception>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "base/log.h"

namespace understudy {
namespace {

using AgentPtr = std::shared_ptr<ZoneAgent>;
using Agents = std::span<const AgentPtr>;

// Enough to make the reading and the hand-over cheap, few enough that no zone waits long for its neighbours.
constexpr std::size_t most_in_batch = 256;
// Files are read one by one; so many to make the hand-over cheap.
constexpr std::size_t most_files_in_batch = 32;
// So many at least, if there are enough zones, that all cores end at about the same time.
constexpr std::size_t batches_per_thread = 8;
constexpr const char* cannot_be_read = "stored versions could not be read and are taken from their primaries again";

struct Loading {
  EngineCore& core;
  std::vector<AgentPtr> agents;
  std::function<void()> done;
  std::size_t left;  // on the transfer thread
};
using LoadingPtr = std::shared_ptr<Loading>;

/// Memory that runs out ends the work on some zones, not the server; false.
template <typename F>
bool guarded(const char* what, F&& f) {
  try {
    f();
    return true;
  } catch (const std::exception& error) {
    log_error("{}: {}", what, error.what());
    return false;
  }
}

/// Nothing older than what was served may take the place of a version that cannot be read.
void note_lost(const Loading& loading, ZoneAgent& agent) {
  guarded("what was served before is not known",
          [&] { agent.was_lost(loading.core.store.promised_serial(agent.name())); });
}

/// Agents that nobody hands over would be checked by nobody for good: without memory for it the process ends.
void hand_over(const LoadingPtr& loading, Agents agents) noexcept {
  if (agents.empty()) return;
  loading->core.calls.post([loading, agents] {
    for (const AgentPtr& agent : agents) agent->adopt();
    loading->left -= agents.size();
    if (loading->left == 0 && loading->done) loading->done();
  });
}

void use(const Loading& loading, ZoneAgent& agent, const StoredZone& stored, const Result<LoadedZone>& loaded) {
  if (loaded) {
    agent.load(stored, *loaded);
    return;
  }
  note_lost(loading, agent);
  log_error("zone {}: the stored version cannot be served: {}; it is taken from its primaries again",
            agent.name().text(), loaded.error().text());
}

/// A large one takes long: its neighbours do not wait for it.
void load_alone(const LoadingPtr& loading, const AgentPtr& agent, StoredZone stored) {
  loading->core.loads.post(
      [loading, &agent, head = std::move(stored)] {
        if (!guarded(cannot_be_read, [&] { use(*loading, *agent, head, loading->core.store.load(agent->name())); })) {
          note_lost(*loading, *agent);
        }
        hand_over(loading, {&agent, 1});
      },
      JobPool::Urgency::can_wait);
}

/// False if another job does it.
bool take_up(const LoadingPtr& loading, const AgentPtr& agent, Result<std::optional<FoundZone>>& found) {
  if (!found) {
    note_lost(*loading, *agent);
    log_error("storage: zone {}; it is taken from its primaries again", found.error().text());
    return true;
  }
  if (!*found) return true;
  FoundZone& zone = **found;
  if (!zone.loaded) {
    load_alone(loading, agent, std::move(zone.stored));
    return false;
  }
  agent->load(zone.stored, *zone.loaded);
  return true;
}

std::vector<NameView> names_of(Agents agents) {
  std::vector<NameView> names;
  names.reserve(agents.size());
  for (const AgentPtr& agent : agents) names.push_back(agent->name());
  return names;
}

void load_batch(const LoadingPtr& loading, Agents agents) {
  std::vector<Result<std::optional<FoundZone>>> found;
  if (!guarded(cannot_be_read, [&] { found = loading->core.store.read_all(names_of(agents)); })) {
    for (const AgentPtr& agent : agents) note_lost(*loading, *agent);
  }
  std::size_t begin = 0;  // of those that are to be handed over
  for (std::size_t i = 0; i < found.size(); ++i) {
    bool is_mine = true;
    if (!guarded(cannot_be_read, [&] { is_mine = take_up(loading, agents[i], found[i]); })) {
      note_lost(*loading, *agents[i]);
    }
    if (is_mine) continue;
    hand_over(loading, agents.subspan(begin, i - begin));
    begin = i + 1;
  }
  hand_over(loading, agents.subspan(begin));
}

void load_files(const LoadingPtr& loading, Agents agents) {
  for (const AgentPtr& agent : agents) {
    guarded("a zone file could not be read, for now", [&] { agent->load_file(); });
  }
  hand_over(loading, agents);
}

void post_batches(const LoadingPtr& loading, Agents agents, std::size_t most,
                  void (*load)(const LoadingPtr& loading, Agents agents)) {
  const std::size_t threads = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t size = std::clamp<std::size_t>(agents.size() / (threads * batches_per_thread), 1, most);
  for (std::size_t begin = 0; begin < agents.size(); begin += size) {
    const Agents batch = agents.subspan(begin, std::min(size, agents.size() - begin));
    loading->core.loads.post([loading, batch, load] { load(loading, batch); }, JobPool::Urgency::can_wait);
  }
}

/// As they lie on the disk.
void put_in_order(std::span<AgentPtr> agents) {
  std::vector<AgentPtr> in_order;
  in_order.reserve(agents.size());
  for (const std::uint32_t index : ZoneStore::reading_order(names_of(agents))) {
    in_order.push_back(std::move(agents[index]));
  }
  std::ranges::move(in_order, agents.begin());
}

}  // namespace

void load_zones(EngineCore& core, std::vector<AgentPtr> to_load, std::function<void()> done) {
  if (to_load.empty()) {
    boost::asio::post(core.io, [then = std::move(done)] {
      if (then) then();
    });
    return;
  }
  const std::size_t count = to_load.size();
  const auto loading = std::make_shared<Loading>(core, std::move(to_load), std::move(done), count);
  core.loads.post(
      [loading] {
        const std::span<AgentPtr> agents = loading->agents;
        const auto stored = std::ranges::partition(agents, [](const AgentPtr& agent) { return agent->is_local(); });
        guarded("stored zones are read in any order", [&] { put_in_order(stored); });
        post_batches(loading, agents.first(agents.size() - stored.size()), most_files_in_batch, load_files);
        post_batches(loading, stored, most_in_batch, load_batch);
      },
      JobPool::Urgency::can_wait);
}

}  // namespace understudy
