#include "store/rescue.h"

#include <rocksdb/write_batch.h>

#include <set>

#include "store/crc32c.h"
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
    US_ASSIGN(const bool whole, head->large ? copy_large(*head) : copy_small(*head));
    if (!whole) return false;
    batch_.Put(key, value);
    const std::string timers = timers_key(head->name);
    rocksdb::PinnableSlice timers_value;
    if (source_.get(timers, timers_value).ok() && decode_timers(timers, text_of(timers_value))) {
      batch_.Put(timers, timers_value);
    }
    if (batch_.GetDataSize() >= batch_limit) US_TRY(flush(/*sync=*/false));
    return true;
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
