// Opening the store, in good times and bad. The rules stand in doc/storage-format.md, "Damage".
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <rocksdb/env.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <mutex>
#include <system_error>

#include "base/clock.h"
#include "base/log.h"
#include "store/rescue.h"
#include "store/state.h"

namespace understudy {

namespace {

constexpr const char* zones_folder = "zones";
constexpr const char* refill_folder = "zones.new";
constexpr std::string_view damaged_prefix = "damaged-";
constexpr std::int64_t reopen_interval_ns = 200'000'000;

Result<void> rename_path(const std::string& from, const std::string& to) {
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (error) return fail(Errc::io, fmt::format("cannot rename {} to {}: {}", from, to, error.message()));
  return {};
}

void remove_tree(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  return names;
}

Promise promise_of(const VersionHead& head) {
  return {head.name, head.version, head.serial, false};
}

// Compares heads with promises; both come in key order.
class Audit {
 public:
  /// `intact`: the database was opened without a sign of damage.
  Audit(const Promises& promises, bool intact) : promises_(promises), intact_(intact) {}

  void head(std::string_view key, std::string_view value) {
    const auto zone = zone_of_key(key);
    if (!zone) return;
    std::optional<Promise> promise;
    for (; next_ < promises_.size(); ++next_) {
      Promise candidate = promises_.at(next_);
      const auto order = compare_key(key, candidate.zone);
      if (order < 0) break;
      if (order == 0) {
        promise = candidate;
      } else {
        missing(candidate);
      }
    }
    compare(*zone, promise, decode_head(key, value));
  }

  void end() {
    for (; next_ < promises_.size(); ++next_) missing(promises_.at(next_));
  }

  LostZones lost;
  std::vector<VersionHead> dead;  // heads of versions that must not be served
  std::vector<std::uint64_t> live_large;
  std::uint64_t highest_version = 0;
  bool ledger_is_behind = false;

 private:
  void missing(const Promise& promise) {
    // In a damaged ledger the newest entry of a zone may be missing, and that may have been its removal.
    if (promise.removed || (intact_ && promises_.damaged_octets() != 0)) return;
    lose(promise, fmt::format("serial {} was stored here and cannot be read any more", promise.serial));
  }

  void lose(const Promise& promise, std::string reason) {
    lost[std::string(text_of(Name(promise.zone).lowered().wire()))] = {promise, std::move(reason)};
  }

  void compare(const Name& zone, const std::optional<Promise>& promise, const Result<VersionHead>& head) {
    if (!head) {
      lose(promise.value_or(Promise{zone, 0, 0, false}), head.error().detail);
      return;
    }
    highest_version = std::max({highest_version, head->version, head->base});
    if (!promise || promise->version < head->version) ledger_is_behind = true;
    if (!promise || promise->version <= head->version) {
      if (head->large) live_large.push_back(head->base);
      return;
    }
    dead.push_back(*head);
    if (promise->removed) return;  // the removal was not finished
    lose(*promise, fmt::format("serial {} was stored here, but only the older version {} is left", promise->serial,
                               head->serial));
  }

  const Promises& promises_;
  const bool intact_;
  std::size_t next_ = 0;
};

}  // namespace

ZoneStore::State::State(std::string path, rocksdb::Env* environment)
    : directory(std::move(path)),
      env(environment),
      incoming(directory + "/incoming"),
      ledger(directory + "/promises") {}

Result<void> ZoneStore::State::open() {
  US_TRY(make_directory(directory));
  US_TRY(take_lock());
  US_TRY(finish_interrupted_refill());
  US_TRY(open_database());
  database_place.take(path(zones_folder) + "/IDENTITY");
  return {};
}

Result<void> ZoneStore::State::take_lock() {
  US_ASSIGN(lock, lock_file(path("lock"), directory));
  lock_place.take(path("lock"));
  return {};
}

Result<void> ZoneStore::State::in_place() const {
  if (lock_place.in_place() && database_place.in_place()) return {};
  return fail(Errc::storage,
              fmt::format("the directory {} was removed or replaced while the server uses it, so nothing "
                          "can be stored in it; stop the server before its files are moved or removed",
                          directory));
}

// The files that are open are not those that the next start will find: uses what is at their place now, which may be
// nothing. A zone that is not there, or not as it was, is written whole with its next commit. False: the old files stay
// open for reading, and writes fail.
bool ZoneStore::State::move_in_anew() {
  log_error(
      "{}: it was removed or replaced while the server uses it, files of the storage are lost; it is opened anew, "
      "and zones are stored again when they are next transferred or confirmed",
      directory);
  Result<void> made = make_directory(directory);
  if (made && !lock_place.in_place()) made = take_lock();
  if (made) made = make_directory(incoming);
  if (!made) {
    log_error("{}: {}; nothing can be stored", directory, made.error().text());
    return false;
  }
  if (database != nullptr) database->forsake_files();
  database.reset();
  ledger.let_go();
  database_place = {};
  moved = true;
  return true;
}

// A refill that was interrupted before the new database was whole is thrown away; afterwards, it is completed.
Result<void> ZoneStore::State::finish_interrupted_refill() const {
  if (!exists(path(refill_folder))) return {};
  if (!exists(path(zones_folder))) return rename_path(path(refill_folder), path(zones_folder));
  remove_tree(path(refill_folder));
  return {};
}

// RocksDB would take such a folder for a new database and delete what is in it.
bool ZoneStore::State::lost_its_current_file() const {
  const std::vector<std::string> names = names_in(path(zones_folder));
  const auto is_data = [](const std::string& name) { return name.ends_with(".sst") || name.ends_with(".log"); };
  return std::ranges::find(names, "CURRENT") == names.end() && std::ranges::any_of(names, is_data);
}

Result<void> ZoneStore::State::open_database() {
  remove_tree(incoming);
  if (auto made = make_directory(incoming); !made) log_warning("{}", made.error().text());
  US_ASSIGN(const Promises promises, ledger.read());
  rocksdb::Status status = lost_its_current_file()
                               ? rocksdb::Status::Corruption("the file CURRENT is missing")
                               : Database::open(path(zones_folder), Database::Mode::strict, env, database);
  if (is_out_of_space(status)) {
    log_error("{}: {}; stored zones are served, nothing can be stored until there is room", directory,
              status.ToString());
    status = Database::open(path(zones_folder), Database::Mode::read_only, env, database);
  }
  if (is_damage(status)) return open_damaged(status.ToString(), nullptr, promises);
  if (!status.ok()) return std::unexpected(to_error(status, "cannot open the database in " + directory));
  if (audit(promises, /*intact=*/true) || !database->writable()) return {};
  return open_damaged("a table of the database cannot be read", std::move(database), promises);
}

Result<void> ZoneStore::State::open_damaged(const std::string& why, std::unique_ptr<Database> source,
                                            const Promises& promises) {
  log_error("{}: the database is damaged ({}); moving what is whole into a new one", directory, why);
  if (source == nullptr) source = open_for_salvage();
  if (auto refilled = refill(source, promises); !refilled) {
    // Without room for a second database, serve what can be read of this one. Every version is checked when it is
    // loaded, and the audit leaves out what is not current.
    if (source == nullptr || refilled.error().code != Errc::storage_full) return refilled;
    log_error("{}: {}; serving what can be read, nothing can be stored until there is room", directory,
              refilled.error().text());
    source.reset();  // it may hold the lock of the database
    database = open_for_salvage();
    if (database == nullptr) return refilled;
    audit(promises, /*intact=*/false);
    return {};
  }
  const rocksdb::Status status = Database::open(path(zones_folder), Database::Mode::strict, env, database);
  if (!status.ok()) return std::unexpected(to_error(status, "cannot open the new database in " + directory));
  audit(promises, /*intact=*/false);
  return {};
}

std::unique_ptr<Database> ZoneStore::State::open_for_salvage() const {
  std::unique_ptr<Database> source;
  rocksdb::Status status = Database::open(path(zones_folder), Database::Mode::salvage, env, source);
  if (status.ok()) return source;
  status = Database::repair(path(zones_folder), env);
  if (status.ok()) status = Database::open(path(zones_folder), Database::Mode::salvage, env, source);
  if (!status.ok()) log_error("{}: nothing can be read of the damaged database: {}", directory, status.ToString());
  return source;
}

// Fills a new database from `source` (null: nothing can be read) and puts it in the place of the damaged one.
Result<void> ZoneStore::State::refill(std::unique_ptr<Database>& source, const Promises& promises) {
  remove_tree(path(refill_folder));
  std::unique_ptr<Database> target;
  const rocksdb::Status status = Database::open(path(refill_folder), Database::Mode::strict, env, target);
  if (!status.ok()) return std::unexpected(to_error(status, "cannot make a new database in " + directory));
  RescueReport report;
  if (source != nullptr) {
    US_ASSIGN(report, rescue(*source, promises, *target, incoming));
  }
  target.reset();
  source.reset();
  for (const std::string& name : names_in(directory)) {
    if (name.starts_with(damaged_prefix)) remove_tree(path(name.c_str()));
  }
  const std::string aside =
      path(fmt::format("{}{:%Y%m%dT%H%M%SZ}", damaged_prefix, fmt::gmtime(std::time(nullptr))).c_str());
  US_TRY(rename_path(path(zones_folder), aside));
  US_TRY(rename_path(path(refill_folder), path(zones_folder)));
  US_TRY(sync_directory_of(aside));
  log_error("{}: {} zones were saved, {} were not whole; the damaged database is kept as {}", directory, report.saved,
            report.lost, aside);
  return {};
}

bool ZoneStore::State::for_each_head(const Database::Visitor& visit) const {
  const std::string prefix(1, head_prefix);
  std::string last = prefix;
  const rocksdb::Status status = database->visit(prefix, [&](std::string_view key, std::string_view value) {
    last = key;
    return visit(key, value);
  });
  if (status.ok()) return true;
  log_error("{}: {}", directory, status.ToString());
  const auto promises = ledger.read();
  for (std::size_t i = 0; promises && i < promises->size(); ++i) {
    const std::string key = head_key(promises->at(i).zone);
    rocksdb::PinnableSlice value;
    if (key > last && database->get(key, value).ok()) visit(key, text_of(value));
  }
  return false;
}

// Finds out which zones are there as they were promised. False if some part of the heads cannot be read.
bool ZoneStore::State::audit(const Promises& promises, bool intact) {
  Audit audit(promises, intact);
  const bool readable = for_each_head([&](std::string_view key, std::string_view value) {
    audit.head(key, value);
    return true;
  });
  audit.end();
  const std::uint64_t highest = std::max(audit.highest_version, promises.highest_version());
  if (next_version <= highest) next_version = highest + 1;
  if (!audit.lost.empty()) {
    const LostZone& first = audit.lost.begin()->second;
    log_error("{}: {} zones have to be taken again, among them {}: {}", directory, audit.lost.size(),
              first.promise.zone.text(), first.reason);
  }
  const bool wasteful = promises.octets() > 128 * 1024 && promises.octets() > 128 * promises.size();
  const bool rewrite = audit.ledger_is_behind || promises.damaged_octets() != 0 || wasteful;
  {
    Lock guard(lost_mutex);
    lost = std::move(audit.lost);
  }
  if (!readable || !database->writable()) return readable;
  drop_dead(audit.dead, audit.live_large);
  if (rewrite) {
    if (auto rewritten = rewrite_ledger(); !rewritten) log_warning("{}", rewritten.error().text());
  }
  return true;
}

// Deletes versions that are not to be served and blocks of large versions that were never finished or are replaced.
void ZoneStore::State::drop_dead(const std::vector<VersionHead>& dead, const std::vector<std::uint64_t>& live_large) {
  rocksdb::WriteBatch batch;
  for (const VersionHead& head : dead) delete_version(*database, head, batch);
  rocksdb::Status status;
  if (batch.Count() != 0) status = database->write(batch, /*sync=*/true);
  std::vector<std::uint64_t> live = live_large;
  std::ranges::sort(live);
  std::vector<std::uint64_t> unused = database->large_versions();
  std::erase_if(unused, [&](std::uint64_t version) { return std::ranges::binary_search(live, version); });
  if (status.ok()) status = database->drop_large(unused);
  // A disk that is full now will be reported by the first commit; these are deleted at the next start.
  if (!status.ok()) log_warning("{}: cannot delete what is not used any more: {}", directory, status.ToString());
}

Result<void> ZoneStore::State::rewrite_ledger() {
  return ledger.rewrite([this](const Ledger::Sink& sink) -> Result<void> {
    const bool readable = for_each_head([&](std::string_view key, std::string_view value) {
      const auto head = decode_head(key, value);
      if (head && !lost_zone(head->name)) sink(promise_of(*head));
      return true;
    });
    if (!readable) return fail(Errc::corrupt, "the ledger is not rewritten, as not all zones can be read");
    Lock guard(lost_mutex);
    for (const auto& [key, zone] : lost) sink(zone.promise);
    return {};
  });
}

void ZoneStore::State::tidy_ledger() {
  if (!ledger.wants_rewrite()) return;
  const std::unique_lock guard(gate);
  if (database == nullptr || !ledger.wants_rewrite()) return;
  if (auto rewritten = rewrite_ledger(); !rewritten) log_warning("{}", rewritten.error().text());
}

bool ZoneStore::State::recover(const Error& error) {
  const std::unique_lock guard(gate);
  if (!in_place()) {
    const std::int64_t now = SystemClock().mono_ns();
    if (moved_at != 0 && now - moved_at < reopen_interval_ns) return false;
    moved_at = now;
    if (!move_in_anew()) return false;
    reopened_at = 0;
  }
  if (!make_directory(incoming)) return false;
  bool damaged = error.code == Errc::corrupt;
  if (database != nullptr && database->writable() && !damaged) {
    const rocksdb::Status stopped = database->stopped();
    if (stopped.ok()) return true;  // another thread was here, or the failure was not RocksDB's
    damaged = is_damage(stopped);
  }
  // Until there is room, the open database goes on serving what it has.
  if (!try_disk(env, incoming + "/probe").ok()) return false;
  const std::int64_t now = SystemClock().mono_ns();
  if (reopened_at != 0 && now - reopened_at < reopen_interval_ns) return false;
  reopened_at = now;
  Result<void> opened;
  if (damaged && database != nullptr) {
    const auto promises = ledger.read();
    if (!promises) return false;
    opened = open_damaged(error.text(), std::move(database), *promises);
  } else {
    database.reset();
    opened = open_database();
  }
  if (!opened) {
    log_error("{}: {}", directory, opened.error().text());
    return false;
  }
  database_place.take(path(zones_folder) + "/IDENTITY");
  if (std::exchange(moved, false)) {
    for (const auto& tell : made_anew) tell();
  }
  return database->writable();
}

std::optional<LostZone> ZoneStore::State::lost_zone(NameView zone) const {
  Lock guard(lost_mutex);
  if (lost.empty()) return std::nullopt;
  const auto found = lost.find(std::string(text_of(Name(zone).lowered().wire())));
  if (found == lost.end()) return std::nullopt;
  return found->second;
}

void ZoneStore::State::forget_lost(NameView zone) {
  Lock guard(lost_mutex);
  if (!lost.empty()) lost.erase(std::string(text_of(Name(zone).lowered().wire())));
}

}  // namespace understudy
