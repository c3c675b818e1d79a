#include "transfer/catalog_publisher.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "base/thread_name.h"
#include "transfer/catalog_producer.h"
#include "zone/apply.h"

namespace understudy {
namespace {

// What could not be stored or read is tried again after this time.
constexpr std::chrono::seconds retry_after{10};
constexpr std::size_t fact_batch = 4096;  // that are written together

/// What one call of zones_changed() was about, as far as it matters here.
struct Change {
  struct Listing {
    Name zone;
    std::optional<Name> catalog;
  };
  std::vector<Listing> set;
  std::vector<Name> removed;
  std::vector<Name> catalogs;  // produced zones among `set`
  bool all = false;
};

std::uint64_t random_number() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace

struct CatalogPublisher::State {
  State(TransferEngine& its_engine, ZoneStore& its_store, const Clock& its_clock)
      : engine(its_engine), store(its_store), clock(its_clock), thread([this] { run(); }) {}

  void run();
  void carry_out(std::deque<Change> changes);
  void try_again();
  template <typename F>
  void guarded(F&& work);
  CatalogProducer* producer_of(const Name& catalog);
  void publish(const Name& catalog, Result<std::optional<CatalogProducer::Update>> update);
  Result<void> store_whole(const CatalogProducer& producer);
  void store_was_made_anew();
  void store_again();

  TransferEngine& engine;
  ZoneStore& store;
  const Clock& clock;

  // The thread.
  std::map<Name, CatalogProducer> producers;
  std::set<Name> broken;           // can never be made; said once
  std::set<Name> failed;           // to be tried again: `listed_in` says what they list
  std::map<Name, Name> listed_in;  // zone -> its catalog
  std::set<Name> unstored;         // what the store has of them is not what they are: all of it is to be stored

  mutable Mutex mutex;
  std::condition_variable_any wake;
  bool made_anew US_GUARDED_BY(mutex) = false;    // the store was, and the thread does not know it yet
  bool is_unstored US_GUARDED_BY(mutex) = false;  // the same, or it has not stored everything again
  std::deque<Change> waiting US_GUARDED_BY(mutex);
  bool stopping US_GUARDED_BY(mutex) = false;

  std::thread thread;
};

void CatalogPublisher::State::run() {
  name_this_thread("us-publisher");
  while (true) {
    std::deque<Change> changes;
    bool all_is_lost = false;
    {
      Lock lock(mutex);
      while (waiting.empty() && !stopping && !made_anew) {
        if (failed.empty()) {
          wake.wait(mutex);
        } else if (wake.wait_for(mutex, retry_after) == std::cv_status::timeout) {
          break;
        }
      }
      if (stopping) return;
      changes.swap(waiting);
      all_is_lost = std::exchange(made_anew, false);
    }
    if (all_is_lost) {
      for (const auto& [catalog, producer] : producers) unstored.insert(catalog);
    }
    guarded([&] {
      if (!changes.empty()) {
        carry_out(std::move(changes));
      } else if (!all_is_lost) {
        try_again();
      }
    });
    guarded([&] { store_again(); });
  }
}

/// Memory that runs out costs time, not the server.
template <typename F>
void CatalogPublisher::State::guarded(F&& work) {
  try {
    work();
  } catch (const std::exception& error) {
    log_error("catalogs of this server: {}; they are made anew in {} s", error.what(), retry_after.count());
    for (const auto& [zone, catalog] : listed_in) failed.insert(catalog);
  }
}

void CatalogPublisher::State::try_again() {
  std::map<Name, std::vector<ProducedMember>> lists;
  for (const Name& catalog : std::exchange(failed, {})) lists[catalog];
  for (const auto& [zone, catalog] : listed_in) {
    if (const auto list = lists.find(catalog); list != lists.end()) list->second.push_back({zone, ""});
  }
  for (const auto& [catalog, list] : lists) {
    CatalogProducer* producer = producer_of(catalog);
    if (producer != nullptr) publish(catalog, producer->replace(list, {}, clock.wall_seconds()));
  }
}

/// Null if there is none and none can be made.
CatalogProducer* CatalogPublisher::State::producer_of(const Name& catalog) {
  if (const auto found = producers.find(catalog); found != producers.end()) return &found->second;
  if (broken.contains(catalog)) return nullptr;
  Result<CatalogProducer> made = CatalogProducer::make(catalog, random_number());
  Result<void> restored;
  if (made) {
    const Result<void> visited = store.visit_facts(made->fact_prefix(), [&](std::string_view key, ByteView value) {
      restored = made->restore(key, value);
      return restored.has_value();
    });
    if (restored) restored = visited;
  }
  if (!made || !restored) {
    (made ? failed : broken).insert(catalog);
    log_error("catalog {}: it cannot be made: {}", catalog.text(), (made ? restored.error() : made.error()).text());
    return nullptr;
  }
  return &producers.emplace(catalog, *std::move(made)).first->second;
}

/// Any thread, within a call to the store.
void CatalogPublisher::State::store_was_made_anew() {
  Lock lock(mutex);
  made_anew = is_unstored = true;
  wake.notify_one();
}

/// New labels would have our consumers reset every zone: what is lost with the store is stored again.
void CatalogPublisher::State::store_again() {
  for (auto at = unstored.begin(); at != unstored.end();) {
    const Name catalog = *at++;
    if (failed.contains(catalog)) continue;  // try_again() comes to it
    publish(catalog, std::nullopt);
  }
  Lock lock(mutex);
  if (unstored.empty() && !made_anew) is_unstored = false;
}

Result<void> CatalogPublisher::State::store_whole(const CatalogProducer& producer) {
  Result<void> stored;
  std::vector<Fact> facts;
  const auto flush = [&] {
    if (stored) stored = store.put_facts(facts);
    facts.clear();
  };
  const auto put = [&](Fact fact) {
    facts.push_back(std::move(fact));
    if (facts.size() == fact_batch) flush();
  };
  const Result<void> visited = store.visit_facts(producer.fact_prefix(), [&](std::string_view key, ByteView) {
    if (!producer.has_fact(key)) put({std::string(key), std::nullopt});
    return stored.has_value();
  });
  producer.for_each_fact(put);
  flush();
  return stored ? visited : stored;
}

/// Durable before visible: a label must not be given to another zone after a crash.
void CatalogPublisher::State::publish(const Name& catalog, Result<std::optional<CatalogProducer::Update>> update) {
  CatalogProducer& producer = producers.at(catalog);
  if (!update) {
    log_error("catalog {}: its members cannot be listed: {}", catalog.text(), update.error().text());
    return;
  }
  const bool whole = unstored.contains(catalog);
  if (whole || *update) {
    if (const Result<void> stored = whole ? store_whole(producer) : store.put_facts((*update)->facts); !stored) {
      log_error("catalog {}: the list of its members cannot be stored and stays as it was: {}", catalog.text(),
                stored.error().text());
      unstored.insert(catalog);
      failed.insert(catalog);
      return;
    }
    unstored.erase(catalog);
  }
  // After a failure the engine does not have the version that the delta begins with.
  const DeltaPtr delta = *update && !whole ? (*update)->delta : nullptr;
  const auto version = producer.version();
  if (version) engine.put_version(*version, delta);
}

void CatalogPublisher::State::carry_out(std::deque<Change> changes) {
  struct Work {
    std::set<Name> set, removed;  // a zone in both is removed first
    bool all = false;             // `set` is everything there is
  };
  std::map<Name, Work> work;
  const auto leave = [&](const Name& zone) {
    const auto before = listed_in.find(zone);
    if (before == listed_in.end()) return;
    Work& of_catalog = work[before->second];
    of_catalog.set.erase(zone);
    of_catalog.removed.insert(zone);
    listed_in.erase(before);
  };
  for (const Change& change : changes) {
    if (change.all) {
      // A catalog may have lost all its members.
      for (const auto& [catalog, producer] : producers) work[catalog];
      for (auto& [catalog, of_catalog] : work) of_catalog = {.set = {}, .removed = {}, .all = true};
      listed_in.clear();
      broken.clear();
    }
    for (const Name& catalog : change.catalogs) {
      Work& of_catalog = work[catalog];
      of_catalog.all |= change.all;
    }
    for (const Name& zone : change.removed) leave(zone);
    for (const Change::Listing& listing : change.set) {
      if (const auto before = listed_in.find(listing.zone);
          before != listed_in.end() && (!listing.catalog || before->second != *listing.catalog)) {
        leave(listing.zone);
      }
      if (!listing.catalog) continue;
      Work& of_catalog = work[*listing.catalog];
      of_catalog.set.insert(listing.zone);
      of_catalog.all |= change.all;
      listed_in[listing.zone] = *listing.catalog;
    }
  }
  for (const auto& [catalog, of_catalog] : work) {
    CatalogProducer* producer = producer_of(catalog);
    if (producer == nullptr) continue;
    std::vector<ProducedMember> members;
    for (const Name& zone : of_catalog.set) members.push_back({zone, ""});
    const std::vector<Name> removed(of_catalog.removed.begin(), of_catalog.removed.end());
    const WallSeconds now = clock.wall_seconds();
    publish(catalog,
            of_catalog.all ? producer->replace(members, removed, now) : producer->change(members, removed, now));
  }
}

CatalogPublisher::CatalogPublisher(TransferEngine& engine, ZoneStore& store, const Clock& clock)
    : state_(std::make_shared<State>(engine, store, clock)) {
  store.on_made_anew([weak = std::weak_ptr(state_)] {
    if (const auto alive = weak.lock()) alive->store_was_made_anew();
  });
}

CatalogPublisher::~CatalogPublisher() {
  stop();
}

void CatalogPublisher::zones_changed(std::span<const ZoneSettings> set, std::span<const Name> removed, bool all) {
  Change change{.removed = {removed.begin(), removed.end()}, .all = all};
  for (const ZoneSettings& zone : set) {
    if (zone.produced) change.catalogs.push_back(zone.name);
    // Whoever belongs to none may have belonged to one before; of all zones only those that do matter.
    const auto& catalog = zone.policy->catalog_produce;
    if (!zone.produced && (catalog || !all)) change.set.push_back({zone.name, catalog});
  }
  Lock lock(state_->mutex);
  state_->waiting.push_back(std::move(change));
  state_->wake.notify_one();
}

bool CatalogPublisher::is_unstored() const {
  Lock lock(state_->mutex);
  return state_->is_unstored;
}

void CatalogPublisher::stop() {
  {
    Lock lock(state_->mutex);
    state_->stopping = true;
    state_->wake.notify_one();
  }
  if (state_->thread.joinable()) state_->thread.join();
}

}  // namespace understudy
