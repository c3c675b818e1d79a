#include "store/loader.h"

#include <fmt/format.h>

#include <span>
#include <utility>

#include "base/log.h"
#include "store/crc32c.h"
#include "store/deltas.h"
#include "store/large_load.h"
#include "store/load_errors.h"
#include "store/version_codec.h"
#include "zone/apply.h"
#include "zone/builder.h"

namespace understudy {

namespace {

// Feeds the blocks of a small version to a builder.
class SmallBase {
 public:
  SmallBase(OrderedReads& rows, const VersionHead& head, ZoneBuilder& builder)
      : rows_(rows), head_(head), builder_(builder) {}

  Result<BlocksRead> read() {
    while (read_.count < head_.blocks) {
      const std::string key = block_key(head_.name, head_.base, read_.count);
      std::string_view value;
      const rocksdb::Status status = rows_.get(key, value);
      if (!status.ok()) return unreadable(head_, status);
      US_TRY(take(key, value));
    }
    return read_;
  }

 private:
  Result<void> take(std::string_view key, std::string_view value) {
    std::uint32_t checksum = 0;
    const auto content = unseal(key, value, &checksum);
    if (!content) return not_as_stored(head_, fmt::format("the checksum of block {} is wrong", read_.count));
    read_.digest = crc32c(read_.digest, view_of(value.substr(value.size() - sizeof(checksum))));
    ++read_.count;
    return as_stored(head_, decode_block(*content, head_.name, builder_));
  }

  OrderedReads& rows_;
  const VersionHead& head_;
  ZoneBuilder& builder_;
  BlocksRead read_;
};

Result<std::shared_ptr<const Zone>> load_base(const Database& database, OrderedReads& rows, const VersionHead& head) {
  ZoneBuilder builder(head.name, {.nodes = head.nodes, .octets = head.octets});
  US_ASSIGN(const BlocksRead read,
            head.large ? add_large_version(database, head, builder) : SmallBase(rows, head, builder).read());
  if (read.count != head.blocks || read.digest != head.digest) {
    return not_as_stored(head, "blocks are missing or not the head's");
  }
  return as_stored(head, builder.finish());
}

}  // namespace

Result<LoadedZone> load_zone(const Database& database, OrderedReads& rows, const VersionHead& head) {
  // Deltas first: they are soon read, and damage to them makes reading the base needless.
  US_ASSIGN(const StoredDeltas stored, read_deltas(database, head));
  if (!stored.damage.empty()) {
    log_warning("the history of {} is cut, its older differences are not kept: {}", head.name.text(), stored.damage);
  }
  US_ASSIGN(std::shared_ptr<const Zone> version, load_base(database, rows, head));
  const std::span<const DeltaPtr> deltas(stored.deltas);
  if (const auto chain = deltas.subspan(stored.history); !chain.empty()) {
    auto applied = apply_stored_deltas(version, chain);
    if (!applied) return not_as_stored(head, applied.error().text());
    version = *std::move(applied);
  }
  if (version->record_count() != head.records || version->serial().value != head.serial) {
    return not_as_stored(head, "its records are not those that were stored");
  }
  return LoadedZone{std::move(version), ZoneHistory().with(deltas, head.keep)};
}

}  // namespace understudy
