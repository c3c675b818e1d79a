// Small values of other parts of the server (ZoneStore's facts).
#include <fmt/format.h>
#include <rocksdb/write_batch.h>

#include <utility>
#include <vector>

#include "base/log.h"
#include "store/state.h"
#include "store/zone_store.h"

namespace understudy {

namespace {

// A visit reads so much before it lets go of the database and calls the visitor.
constexpr std::size_t page_octets = 256 * 1024;

using Page = std::vector<std::pair<std::string, Bytes>>;

struct Damage {
  std::uint64_t count = 0;
  std::string first;

  void add(std::string_view key) {
    if (count++ == 0) first = key;
  }
};

}  // namespace

Result<void> ZoneStore::put_facts(std::span<const Fact> facts) {
  return state_->write_or_recover([&]() -> Result<void> {
    rocksdb::WriteBatch batch;
    for (const Fact& fact : facts) {
      const std::string key = fact_key(fact.key);
      if (!fact.value) {
        batch.Delete(key);
        continue;
      }
      Bytes value = *fact.value;
      seal(key, value);
      batch.Put(key, slice_of(value));
    }
    if (batch.Count() == 0) return {};
    const rocksdb::Status status = state_->database->write(batch, /*sync=*/true);
    if (!status.ok()) return std::unexpected(to_error(status, "cannot write the server's facts"));
    return {};
  });
}

Result<std::optional<Bytes>> ZoneStore::fact(std::string_view key) const {
  return state_->with_database([&]() -> Result<std::optional<Bytes>> {
    const std::string stored_key = fact_key(key);
    rocksdb::PinnableSlice value;
    const rocksdb::Status status = state_->database->get(stored_key, value);
    if (status.IsNotFound()) return std::nullopt;
    if (!status.ok()) return std::unexpected(to_error(status, fmt::format("cannot read the fact {}", key)));
    const auto content = unseal(stored_key, text_of(value));
    if (!content) return fail(Errc::corrupt, fmt::format("the checksum of the fact {} is wrong", key));
    return Bytes(content->begin(), content->end());
  });
}

Result<void> ZoneStore::visit_facts(std::string_view prefix, const FactVisitor& visit) const {
  const std::string stored_prefix = fact_key(prefix);
  std::string next = stored_prefix;
  Damage damage;
  Result<void> outcome;
  for (bool more = true; more && outcome;) {
    Page page;
    more = false;
    outcome = state_->with_database([&]() -> Result<void> {
      std::size_t octets = 0;
      const rocksdb::Status status =
          state_->database->visit_from(next, stored_prefix, [&](std::string_view key, std::string_view value) {
            if (octets >= page_octets) {
              next = key;
              more = true;
              return false;
            }
            octets += key.size() + value.size();
            if (const auto content = unseal(key, value)) {
              page.emplace_back(key.substr(1), Bytes(content->begin(), content->end()));
            } else {
              damage.add(key.substr(1));
            }
            return true;
          });
      if (!status.ok()) return std::unexpected(to_error(status, "cannot read the server's facts"));
      return {};
    });
    for (const auto& [key, value] : page) {
      if (!visit(key, value)) {
        more = false;
        break;
      }
    }
  }
  if (damage.count != 0) {
    log_error("{}: {} facts are damaged and left out, the first is {}", state_->directory, damage.count, damage.first);
  }
  return outcome;
}

}  // namespace understudy
