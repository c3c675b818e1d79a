#include "store/zone_store.h"

#include <fmt/format.h>
#include <rocksdb/env.h>

#include <algorithm>

#include "base/log.h"
#include "store/crc32c.h"
#include "store/state.h"
#include "store/version_codec.h"

namespace understudy {

namespace {

bool may_recover(const Error& error) {
  return error.code == Errc::storage_full || error.code == Errc::corrupt || error.code == Errc::storage;
}

// Reads blocks in order and feeds the builder.
class Loader {
 public:
  Loader(const Database& database, const VersionHead& head)
      : database_(database), head_(head), builder_(head.name, {.nodes = head.nodes, .octets = head.octets}) {}

  Result<std::shared_ptr<const Zone>> run() {
    US_TRY(head_.large ? read_large() : read_small());
    if (next_ != head_.blocks || digest_ != head_.digest) return damaged("blocks are missing or not the head's");
    auto version = builder_.finish();
    if (!version) return damaged(version.error().text());
    const Zone& zone = **version;
    if (zone.record_count() != head_.records || zone.serial().value != head_.serial) {
      return damaged("its records are not those that were stored");
    }
    return version;
  }

 private:
  Result<void> read_small() {
    for (std::uint32_t number = 0; number < head_.blocks; ++number) {
      const std::string key = block_key(head_.name, head_.version, number);
      rocksdb::PinnableSlice value;
      const rocksdb::Status status = database_.get(key, value);
      if (!status.ok()) return unreadable(status);
      US_TRY(take(key, text_of(value)));
    }
    return {};
  }

  Result<void> read_large() {
    Result<void> outcome;
    const rocksdb::Status status =
        database_.visit_large(head_.version, [&](std::string_view key, std::string_view value) {
          if (key == large_block_key(head_.version, next_)) {
            outcome = take(key, value);
          } else {
            outcome = damaged("a block is missing");
          }
          return outcome.has_value();
        });
    if (outcome && !status.ok()) return unreadable(status);
    return outcome;
  }

  Result<void> take(std::string_view key, std::string_view value) {
    std::uint32_t checksum = 0;
    const auto content = unseal(key, value, &checksum);
    if (!content) return damaged(fmt::format("the checksum of block {} is wrong", next_));
    digest_ = crc32c(digest_, view_of(value.substr(value.size() - sizeof(checksum))));
    ++next_;
    const auto decoded = decode_block(*content, head_.name, builder_);
    return decoded ? decoded : damaged(decoded.error().text());
  }

  [[nodiscard]] std::unexpected<Error> damaged(const std::string& how) const {
    return fail(Errc::corrupt,
                fmt::format("the stored version of {} with serial {}: {}", head_.name.text(), head_.serial, how));
  }

  [[nodiscard]] std::unexpected<Error> unreadable(const rocksdb::Status& status) const {
    // Whatever the database's reason, the blocks are not to be had: only a lack of memory or files may pass.
    const bool passing = status.IsMemoryLimit() || status.IsTimedOut() || status.IsAborted();
    if (passing) return std::unexpected(to_error(status, "cannot read " + head_.name.text()));
    return damaged(status.ToString());
  }

  const Database& database_;
  const VersionHead& head_;
  ZoneBuilder builder_;
  std::uint32_t next_ = 0;
  std::uint32_t digest_ = 0;
};

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
    return std::unique_ptr<ZoneStore>(new ZoneStore(std::move(state)));
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
      zones.push_back(
          {head->name, Serial{head->serial}, head->timers, head->records, head->nodes, std::move(head->source)});
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

Result<std::shared_ptr<const Zone>> ZoneStore::load(NameView zone) const {
  return state_->with_database([&]() -> Result<std::shared_ptr<const Zone>> {
    if (const auto lost = state_->lost_zone(zone)) return fail(Errc::corrupt, zone.text() + ": " + lost->reason);
    US_ASSIGN(const auto head, state_->head_of(zone));
    if (!head) return fail(Errc::not_found, "no version of " + zone.text() + " is stored");
    return Loader(*state_->database, *head).run();
  });
}

Result<void> ZoneStore::commit(const Zone& version, const ZoneTimers& timers, const std::string& source) {
  const Commit one{version.shared_from_this(), timers, source};
  return std::move(commit_all({&one, 1}).front());
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
  const auto failed = std::ranges::find_if(outcomes, [](const auto& o) { return !o && may_recover(o.error()); });
  if (failed != outcomes.end() && state_->recover(failed->error())) {
    for (std::size_t i = 0; i < commits.size(); ++i) {
      if (!outcomes[i]) attempt(i, 1);
    }
  }
  state_->tidy_ledger();
  return outcomes;
}

Result<void> ZoneStore::save_timers(NameView zone, const ZoneTimers& timers, bool durable) {
  const auto attempt = [&] { return state_->save_timers(zone, timers, durable); };
  Result<void> outcome = state_->with_database(attempt);
  if (!outcome && may_recover(outcome.error()) && state_->recover(outcome.error())) {
    outcome = state_->with_database(attempt);
  }
  return outcome;
}

Result<void> ZoneStore::remove(NameView zone) {
  const auto attempt = [&] { return state_->remove(zone); };
  Result<void> outcome = state_->with_database(attempt);
  if (!outcome && may_recover(outcome.error()) && state_->recover(outcome.error())) {
    outcome = state_->with_database(attempt);
  }
  return outcome;
}

}  // namespace understudy
