#include "store/state.h"
#include "store/zone_store.h"

namespace understudy {

Result<StoredPage> ZoneStore::page(const std::optional<Name>& from, std::size_t most) const {
  return state_->with_database([&]() -> Result<StoredPage> {
    StoredPage page;
    const std::string prefix(1, head_prefix);
    std::size_t examined = 0;
    const rocksdb::Status status = state_->database->visit_from(
        from ? head_key(*from) : prefix, prefix, [&](std::string_view key, std::string_view value) {
          if (examined++ == most) {
            page.next = zone_of_key(key);
            return false;
          }
          auto head = decode_head(key, value);
          if (!head || state_->lost_zone(head->name)) return true;
          const std::uint64_t octets = head->stored + head->chain_octets + head->history_octets;
          page.zones.push_back({stored_zone(*std::move(head)), octets});
          return true;
        });
    if (!status.ok()) return std::unexpected(to_error(status, "cannot read which zones are stored"));
    return page;
  });
}

}  // namespace understudy
