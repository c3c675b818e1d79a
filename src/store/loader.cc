#include "store/loader.h"

#include <fmt/format.h>

#include <span>
#include <utility>

#include "base/log.h"
#include "store/crc32c.h"
#include "store/deltas.h"
#include "store/version_codec.h"
#include "zone/apply.h"
#include "zone/builder.h"

namespace understudy {

namespace {

std::unexpected<Error> not_as_stored(const VersionHead& head, const std::string& how) {
  return fail(Errc::corrupt,
              fmt::format("the stored version of {} with serial {}: {}", head.name.text(), head.serial, how));
}

// Reads blocks in order and feeds the builder.
class BaseLoader {
 public:
  BaseLoader(const Database& database, OrderedReads& rows, const VersionHead& head)
      : database_(database),
        rows_(rows),
        head_(head),
        builder_(head.name, {.nodes = head.nodes, .octets = head.octets}) {}

  Result<std::shared_ptr<const Zone>> run() {
    US_TRY(head_.large ? read_large() : read_small());
    if (next_ != head_.blocks || digest_ != head_.digest) return damaged("blocks are missing or not the head's");
    auto version = builder_.finish();
    if (!version) return damaged(version.error().text());
    return version;
  }

 private:
  Result<void> read_small() {
    for (std::uint32_t number = 0; number < head_.blocks; ++number) {
      const std::string key = block_key(head_.name, head_.base, number);
      std::string_view value;
      const rocksdb::Status status = rows_.get(key, value);
      if (!status.ok()) return unreadable(status);
      US_TRY(take(key, value));
    }
    return {};
  }

  Result<void> read_large() {
    Result<void> outcome;
    const rocksdb::Status status = database_.visit_large(head_.base, [&](std::string_view key, std::string_view value) {
      if (key == large_block_key(head_.base, next_)) {
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

  [[nodiscard]] std::unexpected<Error> damaged(const std::string& how) const { return not_as_stored(head_, how); }

  [[nodiscard]] std::unexpected<Error> unreadable(const rocksdb::Status& status) const {
    // Whatever the database's reason, the blocks are not to be had: only a lack of memory or files may pass.
    if (is_passing(status)) return std::unexpected(to_error(status, "cannot read " + head_.name.text()));
    return damaged(status.ToString());
  }

  const Database& database_;
  OrderedReads& rows_;
  const VersionHead& head_;
  ZoneBuilder builder_;
  std::uint32_t next_ = 0;
  std::uint32_t digest_ = 0;
};

}  // namespace

Result<LoadedZone> load_zone(const Database& database, OrderedReads& rows, const VersionHead& head) {
  // Deltas first: they are soon read, and damage to them makes reading the base needless.
  US_ASSIGN(const StoredDeltas stored, read_deltas(database, head));
  if (!stored.damage.empty()) {
    log_warning("the history of {} is cut, its older differences are not kept: {}", head.name.text(), stored.damage);
  }
  US_ASSIGN(std::shared_ptr<const Zone> version, BaseLoader(database, rows, head).run());
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
