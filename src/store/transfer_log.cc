#include "store/transfer_log.h"

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "base/thread_name.h"
#include "store/format.h"
#include "store/state.h"

namespace understudy {

namespace {

// What comes within this time is written together.
constexpr auto linger = std::chrono::milliseconds(50);
// A disk that stands still must not fill the memory.
constexpr std::size_t max_waiting_octets = 8 * 1024 * 1024;
// A write deletes up to this many for each record that it adds, so that a log over its bounds shrinks.
constexpr std::uint64_t deletions_per_record = 2;
constexpr std::uint64_t more_deletions = 16;
constexpr std::size_t max_listed = 100'000;

const std::string log_prefix(1, transfer_prefix);

}  // namespace

TransferLog::TransferLog(ZoneStore::State& state) : state_(state) {
  {
    Lock guard(writing_);
    position_ = find_position();
    Lock inner(mutex_);
    next_id_ = position_.next_id;
  }
  thread_ = std::thread([this] {
    name_this_thread("us-log");
    run();
  });
}

TransferLog::~TransferLog() {
  {
    Lock guard(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

// The first and the last record tell: no pass over the log is needed.
TransferLogPosition TransferLog::find_position() const {
  TransferLogPosition position;
  const Result<void> found = state_.with_database([&]() -> Result<void> {
    const Database& database = *state_.database;
    database
        .visit_back(log_prefix + std::string(9, '\xff'), log_prefix,
                    [&](std::string_view key, std::string_view value) {
                      const auto last = decode_transfer(key, value);
                      if (!last) return true;
                      position.next_id = last->record.id + 1;
                      position.next_start = last->start + value.size();
                      return false;
                    })
        .PermitUncheckedError();
    position.first_id = position.next_id;
    position.first_start = position.next_start;
    database
        .visit(log_prefix,
               [&](std::string_view key, std::string_view value) {
                 const auto first = decode_transfer(key, value);
                 if (!first) return true;
                 position.first_id = first->record.id;
                 position.first_start = first->start;
                 return false;
               })
        .PermitUncheckedError();
    return {};
  });
  if (!found) log_warning("the transfer log cannot be read: {}", found.error().text());
  return position;
}

std::uint64_t TransferLog::append(TransferRecord record) {
  bound_texts(record);
  const std::size_t weight = weight_of(record);
  std::uint64_t id = 0;
  bool is_first = false;
  {
    Lock guard(mutex_);
    id = record.id = next_id_++;
    if (waiting_octets_ + weight > max_waiting_octets) {
      ++dropped_;
      return id;
    }
    is_first = waiting_.empty();
    waiting_octets_ += weight;
    waiting_.push_back(std::move(record));
  }
  if (is_first) wake_.notify_one();  // it lingers then; to be woken by each would cost more than the writing
  return id;
}

void TransferLog::run() {
  for (bool stopping = false; !stopping;) {
    {
      std::unique_lock lock(mutex_.native());
      const auto wanted = [this]() US_NO_ANALYSIS { return stopping_ || !waiting_.empty() || dropped_ != 0; };
      const auto stop = [this]() US_NO_ANALYSIS { return stopping_; };
      wake_.wait(lock, wanted);
      stopping = wake_.wait_for(lock, linger, stop);
    }
    flush();
  }
}

void TransferLog::flush() {
  Lock writing(writing_);
  std::deque<TransferRecord> records;
  std::uint64_t dropped = 0;
  {
    Lock guard(mutex_);
    records.swap(waiting_);
    waiting_octets_ = 0;
    dropped = std::exchange(dropped_, 0);
  }
  if (dropped != 0) log_warning("{} records of transfers were not kept: they came faster than the disk", dropped);
  if (records.empty()) return;
  const Result<void> written = write(records);
  if (!written && !failing_) {
    log_warning("records of transfers are not kept until the disk works again: {}", written.error().text());
  }
  failing_ = !written;
}

Result<void> TransferLog::write(const std::deque<TransferRecord>& records) {
  TransferLogPosition position = position_;
  const Result<void> written = state_.with_database([&]() -> Result<void> {
    rocksdb::WriteBatch batch;
    std::vector<std::string> index;
    index.reserve(records.size());
    for (const TransferRecord& record : records) {
      const std::string key = transfer_key(record.id);
      const Bytes value = encode_transfer(position.next_start, record);
      batch.Put(key, slice_of(value));
      index.push_back(transfer_index_key(record.zone, record.id));
      position.next_start += value.size();
      position.next_id = record.id + 1;
    }
    // What comes in order costs the database less.
    std::ranges::sort(index);
    Bytes entry;
    for (const std::string& key : index) {
      entry.clear();
      seal(key, entry);
      batch.Put(key, slice_of(entry));
    }
    prune(position, deletions_per_record * records.size() + more_deletions, batch);
    const rocksdb::Status status = state_.database->write(batch, /*sync=*/false);
    if (!status.ok()) return std::unexpected(to_error(status, "cannot write the transfer log"));
    return {};
  });
  if (written) position_ = position;
  return written;
}

// Records that were lost leave gaps between ids, so there are never more than the difference.
void TransferLog::prune(TransferLogPosition& position, std::uint64_t deletions, rocksdb::WriteBatch& batch) const {
  const auto too_many = [&] {
    return position.next_id - position.first_id > max_records ||
           position.next_start - position.first_start > max_octets;
  };
  if (!too_many()) return;
  state_.database
      ->visit_from(transfer_key(position.first_id), log_prefix,
                   [&](std::string_view key, std::string_view value) {
                     const auto stored = decode_transfer(key, value);
                     if (stored) {
                       position.first_id = stored->record.id;
                       position.first_start = stored->start;
                     }
                     if (!too_many() || deletions-- == 0) return false;
                     batch.Delete(std::string(key));
                     if (stored) batch.Delete(transfer_index_key(stored->record.zone, stored->record.id));
                     position.first_id = last_u64(key) + 1;
                     position.first_start += stored ? value.size() : 0;
                     return true;
                   })
      .PermitUncheckedError();
}

Result<std::vector<TransferRecord>> TransferLog::list(const std::optional<Name>& zone, std::uint64_t before,
                                                      std::size_t limit) {
  flush();
  limit = std::min(limit, max_listed);
  if (before == 0) before = ~std::uint64_t{0};
  return state_.with_database([&]() -> Result<std::vector<TransferRecord>> {
    std::vector<TransferRecord> records;
    if (limit == 0) return records;
    const Database& database = *state_.database;
    const auto take = [&](std::string_view key, std::string_view value) {
      if (auto stored = decode_transfer(key, value)) records.push_back(std::move(stored->record));
      return records.size() < limit;
    };
    rocksdb::Status status;
    if (!zone) {
      status = database.visit_back(transfer_key(before), log_prefix, take);
    } else {
      status = database.visit_back(transfer_index_key(*zone, before), transfer_index_key(*zone),
                                   [&](std::string_view index, std::string_view) {
                                     const std::string key = transfer_key(last_u64(index));
                                     rocksdb::PinnableSlice value;
                                     return !database.get(key, value).ok() || take(key, text_of(value));
                                   });
    }
    if (!status.ok()) return std::unexpected(to_error(status, "cannot read the transfer log"));
    return records;
  });
}

Result<std::optional<TransferRecord>> TransferLog::find(std::uint64_t id) {
  flush();
  return state_.with_database([&]() -> Result<std::optional<TransferRecord>> {
    const std::string key = transfer_key(id);
    rocksdb::PinnableSlice value;
    const rocksdb::Status status = state_.database->get(key, value);
    if (status.IsNotFound()) return std::nullopt;
    if (!status.ok()) return std::unexpected(to_error(status, "cannot read the transfer log"));
    US_ASSIGN(StoredTransfer stored, decode_transfer(key, text_of(value)));
    return std::move(stored.record);
  });
}

}  // namespace understudy
