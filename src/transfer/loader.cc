#include "transfer/loader.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <exception>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

#include "base/log.h"

namespace understudy {
namespace {

// Enough to make the hand-over cheap, few enough that all cores end at about the same time.
constexpr std::size_t batch_size = 32;
// So many are looked up one by one; for more, all that is stored is listed once.
constexpr std::size_t few = 1000;

struct Loading {
  EngineCore& core;
  std::vector<std::shared_ptr<ZoneAgent>> agents;
  std::function<void()> done;
  std::vector<StoredZone> stored;
  std::unordered_map<NameView, const StoredZone*, NameHash, NameEqual> by_name;
  std::size_t left = 0;  // on the transfer thread

  Loading(EngineCore& engine_core, std::vector<std::shared_ptr<ZoneAgent>> to_load, std::function<void()> then)
      : core(engine_core), agents(std::move(to_load)), done(std::move(then)), left(agents.size()) {}
};
using LoadingPtr = std::shared_ptr<Loading>;

void read_heads(Loading& loading) {
  const auto damaged = [](const std::string& what) {
    log_error("storage: {}; it is taken from its primaries again", what);
  };
  auto stored = loading.core.store.list(damaged);
  if (!stored) {
    log_error("storage: the stored zones cannot be listed: {}; all zones are taken from their primaries again",
              stored.error().text());
    return;
  }
  loading.stored = *std::move(stored);
  for (const StoredZone& zone : loading.stored) loading.by_name.emplace(zone.name.view(), &zone);
}

/// Memory that runs out ends the work on one zone, not the server.
template <typename F>
void guarded(const char* what, F&& f) {
  try {
    f();
  } catch (const std::exception& error) {
    log_error("{}: {}; what is missing is taken from its primaries again", what, error.what());
  }
}

bool are_few(const Loading& loading) {
  return loading.agents.size() <= few;
}

std::optional<StoredZone> find_stored(const Loading& loading, const Name& name) {
  if (!are_few(loading)) {
    const auto found = loading.by_name.find(name.view());
    return found == loading.by_name.end() ? std::nullopt : std::optional(*found->second);
  }
  auto found = loading.core.store.find(name);
  if (found) return *std::move(found);
  log_error("storage: zone {}; it is taken from its primaries again", found.error().text());
  return std::nullopt;
}

void load_one(const Loading& loading, ZoneAgent& agent) {
  if (agent.is_local()) {
    agent.load_file();
    return;
  }
  const auto stored = find_stored(loading, agent.name());
  if (!stored) {
    agent.was_lost(loading.core.store.promised_serial(agent.name()));
    return;
  }
  if (const Result<void> loaded = agent.load(*stored); !loaded) {
    log_error("zone {}: the stored version cannot be served: {}; it is taken from its primaries again",
              agent.name().text(), loaded.error().text());
  }
}

void adopt(const LoadingPtr& loading, std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) loading->agents[i]->adopt();
  loading->left -= end - begin;
  if (loading->left == 0 && loading->done) loading->done();
}

void start_batches(const LoadingPtr& loading) {
  for (std::size_t begin = 0; begin < loading->agents.size(); begin += batch_size) {
    const std::size_t end = std::min(begin + batch_size, loading->agents.size());
    loading->core.loads.post(
        [loading, begin, end] {
          for (std::size_t i = begin; i < end; ++i) {
            guarded("a stored version could not be read", [&] { load_one(*loading, *loading->agents[i]); });
          }
          loading->core.calls.post([loading, begin, end] { adopt(loading, begin, end); });
        },
        JobPool::Urgency::can_wait);
  }
}

}  // namespace

void load_zones(EngineCore& core, std::vector<std::shared_ptr<ZoneAgent>> agents, std::function<void()> done) {
  const auto loading = std::make_shared<Loading>(core, std::move(agents), std::move(done));
  if (loading->agents.empty()) {
    boost::asio::post(core.io, [loading] {
      if (loading->done) loading->done();
    });
    return;
  }
  core.loads.post(
      [loading] {
        const bool any_stored = !are_few(*loading) && !std::ranges::all_of(loading->agents, &ZoneAgent::is_local);
        if (any_stored) guarded("the stored zones could not be listed", [&] { read_heads(*loading); });
        start_batches(loading);
      },
      JobPool::Urgency::can_wait);
}

}  // namespace understudy
