// Keeps a catalog zone of our own (RFC 9432, version 2): lists zones that we serve, for our secondaries.
//
// Every member has a number of its own, never used again, from which its unique label is made: a label stays the same
// across restarts, and a zone that goes and comes back has another, so that consumers reset it. Labels of two producers
// differ, because each has a random part. A change becomes a new serial (the time, or one more if that is not newer), a
// delta and the facts to store; the facts must be durable before the version is published.
// No I/O and no clock. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "dns/name.h"
#include "dns/serial.h"
#include "store/zone_store.h"
#include "zone/delta.h"
#include "zone/zone.h"

namespace understudy {

struct ProducedMember {
  Name name;
  std::string group;  // at most 255 octets; empty: none
};

class CatalogProducer {
 public:
  /// `random`: drawn by the caller; counts only until facts are restored. Errc::name_too_long if the catalog's name
  /// leaves no room for members.
  static Result<CatalogProducer> make(NameView catalog, std::uint64_t random);

  /// Facts of this producer begin with it.
  [[nodiscard]] const std::string& fact_prefix() const { return prefix_; }
  /// Takes one fact, at start. Errc::corrupt.
  Result<void> restore(std::string_view key, ByteView value);

  struct Update {
    std::shared_ptr<const ZoneDelta> delta;  // null for the first version
    std::vector<Fact> facts;
  };
  /// Removes, then adds or changes groups. nullopt: nothing changes. Errc::bad_value (a group over 255 octets).
  Result<std::optional<Update>> change(std::span<const ProducedMember> set, std::span<const Name> removed,
                                       WallSeconds now);
  /// Makes `members` all there are. Those in `removed` as well get new labels.
  Result<std::optional<Update>> replace(std::span<const ProducedMember> members, std::span<const Name> removed,
                                        WallSeconds now);

  /// The zone as it is now. The first one is built; those that follow share memory with the one before, so that a
  /// change costs what it changes: nobody else may make versions of them. Errc::not_found before the first update.
  [[nodiscard]] Result<std::shared_ptr<const Zone>> version();
  [[nodiscard]] std::optional<Serial> serial() const { return serial_; }
  [[nodiscard]] std::size_t size() const { return members_.size(); }
  /// Every fact there is, for a store that has lost them; whether there is one with this key. The first one is the
  /// producer's own. Nothing before the first update.
  void for_each_fact(const std::function<void(Fact)>& f) const;
  [[nodiscard]] bool has_fact(std::string_view key) const;
  /// The unique label of a member; empty if it is none.
  [[nodiscard]] std::string label_of(NameView member) const;

 private:
  struct Member {
    std::uint64_t id = 0;
    std::string group;
  };
  using Members = std::map<std::string, Member, std::less<>>;  // by the name's octets in lower case

  CatalogProducer(NameView catalog, std::uint64_t random);
  [[nodiscard]] std::string label(std::uint64_t id) const;
  [[nodiscard]] Bytes soa(Serial serial) const;
  [[nodiscard]] Fact header_fact() const;
  [[nodiscard]] Fact member_fact(const std::string& name, const Member& member) const;
  /// Calls add(owner, type, rdata) with a member's records.
  template <typename Add>
  void records_of(const std::string& name, const Member& member, Add&& add) const;
  void next_serial(WallSeconds now);
  [[nodiscard]] Result<std::shared_ptr<const Zone>> build() const;

  Name catalog_, zones_;  // "zones" below the catalog
  std::string prefix_;
  std::uint64_t random_;
  std::uint64_t next_id_ = 1;
  std::optional<Serial> serial_;
  Members members_;
  std::shared_ptr<const Zone> version_;                   // as it was when it was asked for last; null: never
  std::vector<std::shared_ptr<const ZoneDelta>> deltas_;  // since then
};

}  // namespace understudy
