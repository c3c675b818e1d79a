// RocksDB as this store uses it: how it is opened, what its failures mean, and how a large version is written.
//
// Two column families: "default" has heads, timers, deltas, facts, the transfer log and the blocks of small versions,
// each commit one atomic batch;
// "large" has the blocks of large versions, one table file a version, written aside and taken in whole. Such a file
// never takes part in a compaction and is deleted as a file, so a large zone is written once and costs no memtable.
// Thread-safe as rocksdb::DB is. Statuses stay inside src/store; to_error() makes errors of them.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/sst_file_writer.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace understudy {

class StopListener;

class Database {
 public:
  enum class Mode {
    strict,     // read and write; refuses a damaged database
    read_only,  // for a full or read-only disk; refuses a damaged database
    salvage,    // read only; takes what can be read, current or not
  };
  /// Opens, or in strict mode creates, the database at `path`.
  static rocksdb::Status open(const std::string& path, Mode mode, rocksdb::Env* env, std::unique_ptr<Database>& out);
  /// Rebuilds a database whose list of files is lost out of the files that are there.
  static rocksdb::Status repair(const std::string& path, rocksdb::Env* env);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// NotFound if there is no such key.
  rocksdb::Status get(const std::string& key, rocksdb::PinnableSlice& value) const;
  /// Calls `visit` for every key of "default" that begins with `prefix`, in order, until it returns false.
  using Visitor = std::function<bool(std::string_view key, std::string_view value)>;
  rocksdb::Status visit(const std::string& prefix, const Visitor& visit) const;
  /// The same from the key `first` on, or from the last key in front of `before` on backwards.
  rocksdb::Status visit_from(const std::string& first, const std::string& prefix, const Visitor& visit) const;
  rocksdb::Status visit_back(const std::string& before, const std::string& prefix, const Visitor& visit) const;
  /// The same for the blocks of a large version.
  rocksdb::Status visit_large(std::uint64_t version, const Visitor& visit) const;
  /// The versions that the large family has blocks of.
  [[nodiscard]] std::vector<std::uint64_t> large_versions() const;
  rocksdb::Status write(rocksdb::WriteBatch& batch, bool sync);
  /// Deletes the blocks of large versions that no head names.
  rocksdb::Status drop_large(std::span<const std::uint64_t> versions);
  /// Why RocksDB refuses writes since the disk failed or damage was found; ok if it does not. This object does not
  /// leave that state. DB::Resume() is of no use: in RocksDB 7.8 it leaks memory when it fails, and when it succeeds,
  /// the next table file that is handed over gets the number 0. Opening the database again is cheap and safe.
  [[nodiscard]] rocksdb::Status stopped() const;
  /// Leaves the files at `path()` alone from now on, closing included: they are not this database's any more.
  void forsake_files();
  [[nodiscard]] bool writable() const { return mode_ == Mode::strict; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  friend class LargeBlocks;
  friend class LargeWriter;
  friend class OrderedReads;
  Database(std::string path, Mode mode, rocksdb::Env* env);

  const std::string path_;
  const Mode mode_;
  const std::unique_ptr<rocksdb::Env> env_;  // what RocksDB sees; outlives it
  std::shared_ptr<StopListener> stop_;
  rocksdb::Options large_options_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* default_ = nullptr;  // owned; given back before the database is closed
  rocksdb::ColumnFamilyHandle* large_ = nullptr;    // null also if a database that is only read has no such family
};

/// Looks up keys of "default" that come in order and lie near each other, for a fraction of what get() costs each: it
/// goes on from one to the next. Sees what was written before it looked up its first key. Not thread-safe; the database
/// must outlive it.
class OrderedReads {
 public:
  explicit OrderedReads(const Database& database) : database_(database) {}

  /// NotFound if there is no such key. `value` is valid until the next call. A key in front of the one before is found
  /// too. Where a damaged place is in the way, the key is looked up by itself, which may go around it.
  rocksdb::Status get(const std::string& key, std::string_view& value);

 private:
  void move_to(const std::string& key);

  const Database& database_;
  std::unique_ptr<rocksdb::Iterator> iterator_;  // null: before the first key; else at the first from last_ on
  std::string last_;                             // the key asked for last
  rocksdb::PinnableSlice own_;                   // what was looked up by itself
};

/// The blocks of one large version in order. Not thread-safe; the database must outlive it.
class LargeBlocks {
 public:
  LargeBlocks(const Database& database, std::uint64_t version);

  /// The next one, if there is one; both are valid until the next call.
  bool next(std::string_view& key, std::string_view& value);
  /// Once there is none: whether all were seen.
  [[nodiscard]] rocksdb::Status status() const;

 private:
  const std::string first_;
  std::unique_ptr<rocksdb::Iterator> iterator_;  // null: the database has no large versions
  bool has_begun_ = false;
};

/// Writes the blocks of one large version into a file of their own and hands it to the database.
class LargeWriter {
 public:
  /// The file is made at `path`, which must be on the database's file system.
  LargeWriter(Database& database, std::string path);
  /// Removes the file if the database has not taken it.
  ~LargeWriter();
  LargeWriter(const LargeWriter&) = delete;
  LargeWriter& operator=(const LargeWriter&) = delete;

  rocksdb::Status add(const std::string& key, ByteView value);
  /// Afterwards the blocks are in the database, durably.
  rocksdb::Status finish();

 private:
  Database& database_;
  const std::string path_;
  rocksdb::SstFileWriter writer_;
  bool open_ = false;
  bool taken_ = false;
};

/// Whether the file system takes some data, tried with a file at `path`.
rocksdb::Status try_disk(rocksdb::Env* env, const std::string& path);

/// The failure in words, with `what` in front: storage_full, already_locked, corrupt, io or storage.
Error to_error(const rocksdb::Status& status, const std::string& what);
/// The database itself is damaged, as opposed to the disk being full, the lock being held and the like.
bool is_damage(const rocksdb::Status& status);
/// A failure to read that says nothing about the data: for lack of memory or time.
bool is_passing(const rocksdb::Status& status);
/// The disk or a quota is full, or the file system does not take writes.
bool is_out_of_space(const rocksdb::Status& status);

inline rocksdb::Slice slice_of(ByteView octets) {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}
inline std::string_view text_of(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

}  // namespace understudy
