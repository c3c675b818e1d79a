#include "store/rescue.h"

#include <rocksdb/write_batch.h>

#include <set>

#include "store/crc32c.h"
#include "store/deltas.h"
#include "store/format.h"

namespace understudy {

namespace {

constexpr std::size_t batch_limit = 1024 * 1024;

class Rescue {
 public:
  Rescue(const Database& source, Database& target, const std::string& incoming)
      : source_(source), target_(target), incoming_(incoming) {}

  Result<RescueReport> run(const Promises& promises) {
    for (const std::string& key : head_keys(promises)) {
      US_ASSIGN(const bool saved, copy_zone(key));
      ++(saved ? report_.saved : report_.lost);
    }
    for (const char prefix : {fact_prefix, transfer_prefix, transfer_index_prefix}) US_TRY(copy_values(prefix));
    US_TRY(flush(/*sync=*/true));
    return report_;
  }

 private:
  // The pass over the heads ends at the first one that cannot be read; the ledger knows the names behind it.
  std::set<std::string> head_keys(const Promises& promises) const {
    std::set<std::string> keys;
    const rocksdb::Status status = source_.visit(std::string(1, head_prefix), [&](std::string_view key, auto) {
      if (zone_of_key(key)) keys.emplace(key);
      return true;
    });
    status.PermitUncheckedError();
    for (std::size_t i = 0; i < promises.size(); ++i) {
      const Promise promise = promises.at(i);
      if (!promise.removed) keys.insert(head_key(promise.zone));
    }
    return keys;
  }

  // False if the zone is not whole.
  Result<bool> copy_zone(const std::string& key) {
    rocksdb::PinnableSlice value;
    if (!source_.get(key, value).ok()) return false;
    const auto head = decode_head(key, text_of(value));
    if (!head) return false;
    const auto deltas = read_deltas(source_, *head);
    if (!deltas) return false;
    US_ASSIGN(const bool whole, head->large ? copy_large(*head) : copy_small(*head));
    if (!whole) return false;
    US_TRY(copy_head(key, *head, *deltas));
    const std::string timers = timers_key(head->name);
    rocksdb::PinnableSlice timers_value;
    if (source_.get(timers, timers_value).ok() && decode_timers(timers, text_of(timers_value))) {
      batch_.Put(timers, timers_value);
    }
    if (batch_.GetDataSize() >= batch_limit) US_TRY(flush(/*sync=*/false));
    return true;
  }

  // Deltas get new values: of the history, only what is whole.
  Result<void> copy_head(const std::string& key, VersionHead head, const StoredDeltas& stored) {
    const std::span<const DeltaPtr> deltas(stored.deltas);
    head.first = head.chain - stored.history;
    head.history_octets = octets_of(deltas.first(stored.history));
    head.end = head.first;
    head.link = 0;
    Result<void> flushed;
    append_deltas(head, deltas, [&](const std::string& delta, ByteView value) {
      batch_.Put(delta, slice_of(value));
      if (flushed && batch_.GetDataSize() >= batch_limit) flushed = flush(/*sync=*/false);
    });
    batch_.Put(key, slice_of(encode_head(key, head)));
    return flushed;
  }

  // Facts and the transfer log: what is whole. A pass ends at a place that cannot be read, so there is one from each
  // end.
  Result<void> copy_values(char prefix) {
    const std::string begin(1, prefix), end(1, static_cast<char>(prefix + 1));
    std::string last;
    Result<void> flushed;
    const auto copy = [&](std::string_view key, std::string_view value) {
      if (!unseal(key, value)) return true;
      batch_.Put(rocksdb::Slice(key.data(), key.size()), rocksdb::Slice(value.data(), value.size()));
      if (batch_.GetDataSize() >= batch_limit) flushed = flush(/*sync=*/false);
      return flushed.has_value();
    };
    const rocksdb::Status status = source_.visit(begin, [&](std::string_view key, std::string_view value) {
      last = key;
      return copy(key, value);
    });
    if (flushed && !status.ok()) {
      source_
          .visit_back(end, begin,
                      [&](std::string_view key, std::string_view value) { return key > last && copy(key, value); })
          .PermitUncheckedError();
    }
    return flushed;
  }

  Result<bool> copy_small(const VersionHead& head) {
    std::uint32_t digest = 0;
    batch_.SetSavePoint();
    for (std::uint32_t number = 0; number < head.blocks; ++number) {
      const std::string key = block_key(head.name, head.base, number);
      rocksdb::PinnableSlice value;
      if (!source_.get(key, value).ok() || !add_to_digest(key, text_of(value), digest)) break;
      batch_.Put(key, value);
    }
    if (digest == head.digest) {
      batch_.PopSavePoint().PermitUncheckedError();
      return true;
    }
    batch_.RollbackToSavePoint().PermitUncheckedError();
    return false;
  }

  Result<bool> copy_large(const VersionHead& head) {
    LargeWriter writer(target_, incoming_ + "/" + std::to_string(head.base) + ".sst");
    std::uint32_t number = 0, digest = 0;
    bool whole = true;
    rocksdb::Status written;
    const rocksdb::Status read = source_.visit_large(head.base, [&](std::string_view key, std::string_view value) {
      whole = key == large_block_key(head.base, number++) && add_to_digest(key, value, digest);
      if (whole) written = writer.add(std::string(key), view_of(value));
      return whole && written.ok();
    });
    if (written.ok() && (!read.ok() || !whole || number != head.blocks || digest != head.digest)) return false;
    if (written.ok()) written = writer.finish();
    if (!written.ok()) return std::unexpected(to_error(written, "cannot save a zone out of the damaged database"));
    return true;
  }

  static bool add_to_digest(std::string_view key, std::string_view value, std::uint32_t& digest) {
    if (!unseal(key, value)) return false;
    digest = crc32c(digest, view_of(value.substr(value.size() - 4)));
    return true;
  }

  Result<void> flush(bool sync) {
    const rocksdb::Status status = target_.write(batch_, sync);
    if (!status.ok()) return std::unexpected(to_error(status, "cannot save zones out of the damaged database"));
    batch_.Clear();
    return {};
  }

  const Database& source_;
  Database& target_;
  const std::string& incoming_;
  rocksdb::WriteBatch batch_;
  RescueReport report_;
};

}  // namespace

Result<RescueReport> rescue(const Database& source, const Promises& promises, Database& target,
                            const std::string& incoming) {
  return Rescue(source, target, incoming).run(promises);
}

}  // namespace understudy
