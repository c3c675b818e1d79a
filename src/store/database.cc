#include "store/database.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>

#include "base/mutex.h"
#include "store/format.h"

namespace understudy {

namespace {

constexpr std::size_t mebibyte = 1024 * 1024;
constexpr std::int64_t background_octets_per_second = 64 * mebibyte;

rocksdb::DBOptions database_options(Database::Mode mode, rocksdb::Env* env) {
  rocksdb::DBOptions options;
  options.env = env;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  // A log that ends within a record is what a kill leaves; damage anywhere else must not pass for a clean end, as the
  // commits behind it were acknowledged. Salvage reads around it: what is missing then, the ledger shows.
  const bool salvage = mode == Database::Mode::salvage;
  options.wal_recovery_mode = salvage ? rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords
                                      : rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.paranoid_checks = !salvage;
  options.track_and_verify_wals_in_manifest = !salvage;
  // Memory and files: this server's memory is for zones. Tables are opened as they are needed.
  options.max_open_files = 256;
  options.skip_stats_update_on_db_open = true;
  options.max_file_opening_threads = 1;
  // One flush and one compaction at a time leave the cores to the workers.
  options.max_background_jobs = 2;
  // What they write a second is bounded, flushes first, so that reads and the syncs of commits find the disk free.
  // Commits and large versions are not under this bound.
  options.rate_limiter.reset(rocksdb::NewGenericRateLimiter(background_octets_per_second));
  // A start replays the log into memory and leaves the rest for later: it is faster and works on a nearly full disk.
  options.avoid_flush_during_recovery = true;
  // Bounds what a start has to replay.
  options.max_total_wal_size = 32 * mebibyte;
  // Spreads the writing of large versions, so that their final sync is short.
  options.bytes_per_sync = mebibyte;
  options.manifest_preallocation_size = 64 * 1024;
  options.max_manifest_file_size = 4 * mebibyte;
  // The store opens a stopped database again when it is asked to write: at a known point, without a thread that polls.
  options.max_bgerror_resume_count = 0;
  // Its own log: warnings only, little of it, no statistics.
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.keep_log_file_num = 2;
  options.max_log_file_size = 256 * 1024;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

rocksdb::ColumnFamilyOptions family_options() {
  rocksdb::ColumnFamilyOptions options;
  // Names and addresses hardly compress, and both commit and load count processor time.
  options.compression = rocksdb::kNoCompression;
  options.bottommost_compression = rocksdb::kNoCompression;
  // Nothing is rewritten because of its age: a zone may rest for years.
  options.ttl = 0;
  options.periodic_compaction_seconds = 0;
  return options;
}

rocksdb::ColumnFamilyOptions default_family_options() {
  rocksdb::ColumnFamilyOptions options = family_options();
  options.write_buffer_size = 8 * mebibyte;  // two of them are all that commits can fill
  options.max_write_buffer_number = 2;
  // The first commit of a zone looks for one before it: mostly in vain, in memory as in the tables.
  options.memtable_prefix_bloom_size_ratio = 0.02;
  options.memtable_whole_key_filtering = true;
  options.target_file_size_base = 16 * mebibyte;
  options.max_bytes_for_level_base = 64 * mebibyte;
  options.level_compaction_dynamic_level_bytes = true;
  rocksdb::BlockBasedTableOptions table;
  // Loading all zones at start goes through them in key order: the cache need only hold the current blocks.
  table.block_cache = rocksdb::NewLRUCache(2 * mebibyte);
  table.block_size = 16 * 1024;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

rocksdb::ColumnFamilyOptions large_family_options() {
  rocksdb::ColumnFamilyOptions options = family_options();
  options.write_buffer_size = 64 * 1024;  // never used: all data comes as files
  options.disable_auto_compactions = true;
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;  // read once, in order
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> families() {
  return {{rocksdb::kDefaultColumnFamilyName, default_family_options()}, {"large", large_family_options()}};
}

/// Without this, RocksDB would poll for free space in a thread of its own after the disk was full, and refuse to resume
/// when it is asked to: the next commit is the better moment, and it tells whether there is room.
class UnmeasuredEnv : public rocksdb::EnvWrapper {
 public:
  explicit UnmeasuredEnv(rocksdb::Env* env) : EnvWrapper(env) {}
  const char* Name() const override { return "UnmeasuredEnv"; }
  rocksdb::Status GetFreeSpace(const std::string&, std::uint64_t*) override { return rocksdb::Status::NotSupported(); }
};

rocksdb::Status no_room_at_open() {
  return rocksdb::Status::NoSpace("there was no room when the database was opened");
}

bool mentions(const rocksdb::Status& status, std::string_view words) {
  return status.getState() != nullptr && std::string_view(status.getState()).find(words) != std::string_view::npos;
}

// As a repair leaves a database that had no large version: it knows only the families that it found data of.
bool lacks_large_family(const rocksdb::DBOptions& options, const std::string& path) {
  std::vector<std::string> names;
  return rocksdb::DB::ListColumnFamilies(options, path, &names).ok() &&
         std::ranges::find(names, "large") == names.end();
}

}  // namespace

/// Notes the first failure after which RocksDB refuses writes.
class StopListener : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    Lock guard(mutex_);
    if (status_.ok()) status_ = *status;
  }
  [[nodiscard]] rocksdb::Status status() {
    Lock guard(mutex_);
    return status_;
  }

 private:
  Mutex mutex_;
  rocksdb::Status status_ US_GUARDED_BY(mutex_);
};

Database::Database(std::string path, Mode mode, rocksdb::Env* env)
    : path_(std::move(path)),
      mode_(mode),
      env_(std::make_unique<UnmeasuredEnv>(env)),
      stop_(std::make_shared<StopListener>()) {}

rocksdb::Status Database::stopped() const {
  return stop_->status();
}

rocksdb::Status Database::open(const std::string& path, Mode mode, rocksdb::Env* env, std::unique_ptr<Database>& out) {
  std::unique_ptr<Database> database(new Database(path, mode, env));
  rocksdb::DBOptions options = database_options(mode, database->env_.get());
  options.listeners.push_back(database->stop_);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors = families();
  if (mode != Mode::strict && lacks_large_family(options, path)) descriptors.pop_back();
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = mode == Mode::strict
                                     ? rocksdb::DB::Open(options, path, descriptors, &handles, &db)
                                     : rocksdb::DB::OpenForReadOnly(options, path, descriptors, &handles, &db);
  if (!status.ok()) return status;
  database->db_.reset(db);
  database->default_ = handles[0];
  database->large_ = handles.size() > 1 ? handles[1] : nullptr;
  database->large_options_ = rocksdb::Options(options, large_family_options());
  // Compactions yield to the threads that answer.
  env->LowerThreadPoolCPUPriority(rocksdb::Env::LOW);
  out = std::move(database);
  return status;
}

rocksdb::Status Database::repair(const std::string& path, rocksdb::Env* env) {
  return rocksdb::RepairDB(path, database_options(Mode::salvage, env), families());
}

Database::~Database() {
  if (db_ == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* family : {default_, large_}) {
    if (family != nullptr) db_->DestroyColumnFamilyHandle(family);
  }
  db_->Close();
}

void Database::forsake_files() {
  // Closing looks through the folder by its name and deletes what it does not know.
  db_->DisableFileDeletions().PermitUncheckedError();
}

rocksdb::Status Database::get(const std::string& key, rocksdb::PinnableSlice& value) const {
  return db_->Get(rocksdb::ReadOptions(), default_, key, &value);
}

namespace {

rocksdb::Status run(rocksdb::Iterator& iterator, const rocksdb::Slice& first, const rocksdb::Slice& prefix,
                    const Database::Visitor& visit) {
  for (iterator.Seek(first); iterator.Valid() && iterator.key().starts_with(prefix); iterator.Next()) {
    if (!visit(text_of(iterator.key()), text_of(iterator.value()))) break;
  }
  return iterator.status();
}

rocksdb::ReadOptions scan_options() {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  return options;
}

}  // namespace

rocksdb::Status Database::visit(const std::string& prefix, const Visitor& visit) const {
  return visit_from(prefix, prefix, visit);
}

rocksdb::Status Database::visit_from(const std::string& first, const std::string& prefix, const Visitor& visit) const {
  const std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator(scan_options(), default_));
  return run(*iterator, first, prefix, visit);
}

rocksdb::Status Database::visit_back(const std::string& before, const std::string& prefix, const Visitor& visit) const {
  const std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator(scan_options(), default_));
  iterator->SeekForPrev(before);
  if (iterator->Valid() && iterator->key() == before) iterator->Prev();
  for (; iterator->Valid() && iterator->key().starts_with(prefix); iterator->Prev()) {
    if (!visit(text_of(iterator->key()), text_of(iterator->value()))) break;
  }
  return iterator->status();
}

rocksdb::Status Database::visit_large(std::uint64_t version, const Visitor& visit) const {
  if (large_ == nullptr) return rocksdb::Status::NotFound("there are no large versions");
  const std::string first = large_block_key(version, 0);
  const std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator(scan_options(), large_));
  return run(*iterator, first, rocksdb::Slice(first.data(), 8), visit);
}

LargeBlocks::LargeBlocks(const Database& database, std::uint64_t version) : first_(large_block_key(version, 0)) {
  if (database.large_ != nullptr) iterator_.reset(database.db_->NewIterator(scan_options(), database.large_));
}

bool LargeBlocks::next(std::string_view& key, std::string_view& value) {
  if (iterator_ == nullptr) return false;
  if (!has_begun_) {
    iterator_->Seek(first_);
  } else if (iterator_->Valid()) {
    iterator_->Next();
  }
  has_begun_ = true;
  const rocksdb::Slice version(first_.data(), sizeof(std::uint64_t));
  if (!iterator_->Valid() || !iterator_->key().starts_with(version)) return false;
  key = text_of(iterator_->key());
  value = text_of(iterator_->value());
  return true;
}

rocksdb::Status LargeBlocks::status() const {
  return iterator_ == nullptr ? rocksdb::Status::NotFound("there are no large versions") : iterator_->status();
}

std::vector<std::uint64_t> Database::large_versions() const {
  rocksdb::ColumnFamilyMetaData metadata;
  db_->GetColumnFamilyMetaData(large_, &metadata);
  std::vector<std::uint64_t> versions;
  for (const auto& level : metadata.levels) {
    for (const auto& file : level.files) {
      if (const auto version = version_of_large_key(file.smallestkey)) versions.push_back(*version);
    }
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

rocksdb::Status Database::write(rocksdb::WriteBatch& batch, bool sync) {
  if (!writable()) return no_room_at_open();
  if (const rocksdb::Status status = stopped(); !status.ok()) return status;
  rocksdb::WriteOptions options;
  options.sync = sync;
  return db_->Write(options, &batch);
}

rocksdb::Status Database::drop_large(std::span<const std::uint64_t> versions) {
  if (!writable()) return no_room_at_open();
  if (versions.empty()) return {};
  // All at once: each call waits for the disk.
  std::vector<std::string> ends;
  ends.reserve(2 * versions.size());
  std::vector<rocksdb::Slice> slices;
  slices.reserve(2 * versions.size());
  std::vector<rocksdb::RangePtr> ranges;
  for (const std::uint64_t version : versions) {
    const rocksdb::Slice& first = slices.emplace_back(ends.emplace_back(large_block_key(version, 0)));
    const rocksdb::Slice& last = slices.emplace_back(ends.emplace_back(large_block_key(version, 0xffff'ffffU)));
    ranges.emplace_back(&first, &last);
  }
  return rocksdb::DeleteFilesInRanges(db_.get(), large_, ranges.data(), ranges.size());
}

void OrderedReads::move_to(const std::string& key) {
  // Beyond that many rows in between, to look for the place is cheaper.
  constexpr int most_steps = 4;
  if (iterator_ == nullptr) iterator_.reset(database_.db_->NewIterator(scan_options(), database_.default_));
  const auto is_behind = [&] { return iterator_->Valid() && iterator_->key().compare(key) < 0; };
  const bool goes_on = !last_.empty() && last_ <= key && iterator_->status().ok();
  last_ = key;
  for (int step = 0; goes_on && step < most_steps && is_behind(); ++step) iterator_->Next();
  if (!goes_on || is_behind()) iterator_->Seek(key);
}

rocksdb::Status OrderedReads::get(const std::string& key, std::string_view& value) {
  move_to(key);
  if (!iterator_->Valid() && !iterator_->status().ok()) {
    own_.Reset();
    const rocksdb::Status status = database_.get(key, own_);
    value = text_of(own_);
    return status;
  }
  if (!iterator_->Valid() || iterator_->key() != rocksdb::Slice(key)) return rocksdb::Status::NotFound();
  value = text_of(iterator_->value());
  return {};
}

LargeWriter::LargeWriter(Database& database, std::string path)
    : database_(database),
      path_(std::move(path)),
      // The page cache is left alone: a restart soon after reads the file again.
      writer_(rocksdb::EnvOptions(database.large_options_), database.large_options_, database.large_,
              /*invalidate_page_cache=*/false) {}

LargeWriter::~LargeWriter() {
  if (open_ && !taken_) database_.large_options_.env->DeleteFile(path_).PermitUncheckedError();
}

rocksdb::Status LargeWriter::add(const std::string& key, ByteView value) {
  if (!open_) {
    if (!database_.writable()) return no_room_at_open();
    open_ = true;  // from now on there may be a file
    const rocksdb::Status status = writer_.Open(path_);
    if (!status.ok()) return status;
  }
  return writer_.Put(key, slice_of(value));
}

rocksdb::Status LargeWriter::finish() {
  rocksdb::Status status = writer_.Finish();
  if (status.ok()) status = database_.stopped();
  if (!status.ok()) return status;
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  options.write_global_seqno = false;
  // Keys are new, so the file always fits there, where it can be deleted as a file.
  options.fail_if_not_bottommost_level = true;
  status = database_.db_->IngestExternalFile(database_.large_, {path_}, options);
  taken_ = status.ok();
  return status;
}

rocksdb::Status try_disk(rocksdb::Env* env, const std::string& path) {
  const rocksdb::Status status = rocksdb::WriteStringToFile(env, std::string(256 * 1024, '.'), path, /*sync=*/true);
  env->DeleteFile(path).PermitUncheckedError();
  return status;
}

bool is_out_of_space(const rocksdb::Status& status) {
  // Quotas and file size limits come as plain I/O errors.
  return status.IsNoSpace() ||
         (status.IsIOError() && (mentions(status, "Disk quota exceeded") || mentions(status, "File too large") ||
                                 mentions(status, "Read-only file system")));
}

bool is_passing(const rocksdb::Status& status) {
  return status.IsMemoryLimit() || status.IsTimedOut() || status.IsAborted();
}

bool is_damage(const rocksdb::Status& status) {
  if (status.IsCorruption() || status.IsNotFound()) return true;
  return status.IsIOError() && (status.IsPathNotFound() || mentions(status, "No such file") ||
                                mentions(status, "Input/output error") || mentions(status, "Is a directory"));
}

Error to_error(const rocksdb::Status& status, const std::string& what) {
  Errc code = Errc::storage;
  if (is_out_of_space(status)) {
    code = Errc::storage_full;
  } else if (status.IsCorruption()) {
    code = Errc::corrupt;
  } else if (status.IsIOError() && mentions(status, "Resource temporarily unavailable")) {
    code = Errc::already_locked;
  } else if (status.IsIOError() && mentions(status, "Permission denied")) {
    code = Errc::io;
  }
  return {code, what + ": " + status.ToString()};
}

}  // namespace understudy
