#include "store/zone_store.h"

#include <fmt/format.h>
#include <rocksdb/env.h>

#include <algorithm>

#include "base/log.h"
#include "store/loader.h"
#include "store/state.h"
#include "store/transfer_log.h"

namespace understudy {

namespace {

// Puts the zones' own timers in the place of those of the last commit. Both come in key order.
void merge_timers(const Database& database, std::vector<StoredZone>& zones) {
  std::size_t next = 0;
  bool damaged = false;
  const rocksdb::Status status =
      database.visit(std::string(1, timers_prefix), [&](std::string_view key, std::string_view value) {
        auto order = std::strong_ordering::greater;
        while (next < zones.size() && (order = compare_key(key, zones[next].name)) > 0) ++next;
        if (next == zones.size()) return false;
        if (order != 0) return true;  // timers of a lost zone
        const auto timers = decode_timers(key, value);
        if (timers) {
          zones[next].timers = *timers;
        } else {
          damaged = true;
        }
        ++next;
        return true;
      });
  if (!status.ok() || damaged) {
    log_warning("the timers of some stored zones cannot be read; those of their last transfer are used");
  }
}

}  // namespace

ZoneStore::ZoneStore(std::unique_ptr<State> state) : state_(std::move(state)) {}

ZoneStore::~ZoneStore() = default;

Result<std::unique_ptr<ZoneStore>> ZoneStore::open(const std::string& directory) {
  return open(directory, rocksdb::Env::Default());
}

Result<std::unique_ptr<ZoneStore>> ZoneStore::open(const std::string& directory, rocksdb::Env* env) {
  return without_exceptions([&]() -> Result<std::unique_ptr<ZoneStore>> {
    auto state = std::make_unique<State>(directory, env);
    US_TRY(state->open());
    std::unique_ptr<ZoneStore> store(new ZoneStore(std::move(state)));
    store->transfers_ = std::make_unique<TransferLog>(*store->state_);
    return store;
  });
}

Result<std::vector<StoredZone>> ZoneStore::list(const std::function<void(const std::string&)>& damaged) const {
  std::vector<std::string> reports;
  auto listed = state_->with_database([&]() -> Result<std::vector<StoredZone>> {
    std::vector<StoredZone> zones;
    state_->for_each_head([&](std::string_view key, std::string_view value) {
      auto head = decode_head(key, value);
      const std::optional<Name> zone = head ? head->name : zone_of_key(key);
      if (!zone || state_->lost_zone(*zone)) return true;
      if (!head) {
        reports.push_back(fmt::format("zone {}: {}", zone->text(), head.error().detail));
        return true;
      }
      zones.push_back(stored_zone(*std::move(head)));
      return true;
    });
    merge_timers(*state_->database, zones);
    Lock guard(state_->lost_mutex);
    for (const auto& [key, zone] : state_->lost) {
      reports.push_back(fmt::format("zone {}: {}", zone.promise.zone.text(), zone.reason));
    }
    return zones;
  });
  // Outside all locks: the receiver may call the store.
  for (const std::string& report : reports) damaged(report);
  return listed;
}

Result<std::optional<StoredZone>> ZoneStore::find(NameView zone) const {
  return state_->with_database([&]() -> Result<std::optional<StoredZone>> {
    if (const auto lost = state_->lost_zone(zone)) return fail(Errc::corrupt, zone.text() + ": " + lost->reason);
    US_ASSIGN(auto head, state_->head_of(zone));
    if (!head) return std::nullopt;
    StoredZone out = stored_zone(*std::move(head));
    const std::string key = timers_key(zone);
    rocksdb::PinnableSlice value;
    if (state_->database->get(key, value).ok()) {
      if (const auto timers = decode_timers(key, text_of(value))) out.timers = *timers;
    }
    return out;
  });
}

Result<LoadedZone> ZoneStore::load(NameView zone) const {
  return state_->with_database([&]() -> Result<LoadedZone> {
    if (const auto lost = state_->lost_zone(zone)) return fail(Errc::corrupt, zone.text() + ": " + lost->reason);
    US_ASSIGN(const auto head, state_->head_of(zone));
    if (!head) return fail(Errc::not_found, "no version of " + zone.text() + " is stored");
    OrderedReads rows(*state_->database);
    return load_zone(*state_->database, rows, *head);
  });
}

std::optional<Serial> ZoneStore::promised_serial(NameView zone) const {
  const auto known = [](const Promise& promise) {
    return promise.removed || promise.version == 0 ? std::nullopt : std::optional(Serial{promise.serial});
  };
  if (const auto lost = state_->lost_zone(zone)) return known(lost->promise);
  const auto head = state_->with_database([&] { return state_->head_of(zone); });
  if (head) return *head ? std::optional(Serial{(*head)->serial}) : std::nullopt;
  // A head that cannot be read any more is rare enough for reading the whole ledger.
  const auto promises = state_->ledger.read();
  const auto promise = promises ? promises->find(zone) : std::nullopt;
  return promise ? known(*promise) : std::nullopt;
}

bool ZoneStore::wants_whole(NameView zone) const {
  const auto head = state_->with_database([&] { return state_->head_of(zone); });
  return head && *head && wants_whole_version(**head);
}

Result<void> ZoneStore::commit(const Zone& version, const ZoneTimers& timers, const std::string& source) {
  return commit({version.shared_from_this(), timers, source});
}

Result<void> ZoneStore::commit(const Commit& commit) {
  return std::move(commit_all({&commit, 1}).front());
}

std::vector<Result<void>> ZoneStore::commit_all(std::span<const Commit> commits) {
  std::vector<Result<void>> outcomes(commits.size());
  const auto attempt = [&](std::size_t first, std::size_t count) {
    const auto mine = std::span(outcomes).subspan(first, count);
    const Result<void> whole = state_->with_database([&]() -> Result<void> {
      state_->commit_all(commits.subspan(first, count), mine);
      return {};
    });
    if (!whole) std::ranges::fill(mine, whole);
  };
  attempt(0, commits.size());
  const auto failed = std::ranges::find_if(outcomes, [](const auto& o) { return !o && State::may_recover(o.error()); });
  if (failed != outcomes.end() && state_->recover(failed->error())) {
    for (std::size_t i = 0; i < commits.size(); ++i) {
      if (!outcomes[i]) attempt(i, 1);
    }
  }
  state_->tidy_ledger();
  return outcomes;
}

void ZoneStore::on_made_anew(std::function<void()> made_anew) {
  const std::unique_lock guard(state_->gate);
  state_->made_anew.push_back(std::move(made_anew));
}

Result<void> ZoneStore::save_timers(NameView zone, const ZoneTimers& timers, bool durable) {
  return state_->write_or_recover([&] { return state_->save_timers(zone, timers, durable); });
}

Result<std::vector<std::size_t>> ZoneStore::save_timers(std::span<const TimersOf> zones) {
  std::vector<std::size_t> missing;
  US_TRY(state_->write_or_recover([&] { return state_->save_timers(zones, missing); }));
  return missing;
}

Result<void> ZoneStore::remove(NameView zone) {
  const Name name(zone);
  return remove_all({&name, 1});
}

Result<void> ZoneStore::remove_all(std::span<const Name> zones) {
  return state_->write_or_recover([&] { return state_->remove(zones); });
}

}  // namespace understudy
