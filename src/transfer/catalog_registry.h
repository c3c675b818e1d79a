// Which catalog provides which member zone: lists of members come in, plans of what changes go out.
//
//              listed, nobody else has it                  no longer listed, and nobody else lists it
//   unknown -----------------------------> member --------------------------------------------------> trash
//                                           ^  |  unique label changed: reset                           |
//                                           |  +--coo names another catalog that lists it: moved        |
//                                           +---------------listed again----------------------------+  | purge_after
//                                                                                                   +--+--> forgotten
//
// A name has one owner: a zone that is reserved (configured, or added at run time) before any catalog, and of several
// catalogs the one that had it first, unless that one's coo property names the other (RFC 9432 sections 4.3.1, 5.2).
// Whoever lists a name in vain is a conflict, and gets it when the owner lets go. An update that takes away too much at
// once is held until accept() (the brake), and a catalog that is broken, expired or gone keeps its last good list.
//
// No I/O and no clock. Every plan must be carried out and its facts be stored (for_each_fact); restore() takes them at
// the next start. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "transfer/catalog.h"
#include "transfer/catalog_facts.h"

namespace understudy {

/// An update that takes away at least `at_least` members and more than `percent` % of them is held.
struct CatalogBrake {
  std::uint32_t percent = 10;
  std::uint32_t at_least = 10;
};

/// What the registry must know of a catalog.
struct CatalogRule {
  Name catalog;
  CatalogBrake brake;
  WallSeconds purge_after = 7 * 86400;
};

/// A member of one version of a list; keeps the list.
struct MemberRef {
  CatalogContent::Ptr content;
  std::uint32_t index = 0;

  [[nodiscard]] CatalogMember get() const { return content->member(index); }
  [[nodiscard]] const Name& catalog() const { return content->catalog(); }
};

enum class MemberChange : std::uint8_t {
  added,      // is served from now on; stored data of that name, if any, are good
  restored,   // the same, out of the trash
  reset,      // its stored data are forgotten and taken anew; it may be served already, or not
  moved,      // belongs to another catalog now, which may mean other primaries; its data are kept
  regrouped,  // its groups changed, and so perhaps its template
  updated,    // nothing but what is stored about it
  removed,    // is no longer served; its data are kept until it is purged
  released,   // a reserved zone took its place: nothing to do but to store it
};
inline constexpr std::size_t member_change_kinds = 8;

enum class HoldReason : std::uint8_t { brake, broken, expired, vanished };

/// Why a catalog's present state is not applied.
struct CatalogHold {
  HoldReason reason = HoldReason::brake;
  std::string detail;            // in words, for broken and too large ones
  CatalogContent::Ptr content;   // what accept() would apply; null: nothing, or no members at all
  std::optional<Serial> serial;  // of the content; of the list in force where all its members would go, if it is known
  WallSeconds since = 0;
  std::uint64_t added = 0;    // members it would bring
  std::uint64_t removed = 0;  // members it would take away
  std::uint64_t reset = 0;    // and those whose data it would discard

  /// accept() takes all members away.
  [[nodiscard]] bool all_go() const { return reason == HoldReason::expired || reason == HoldReason::vanished; }
};

/// What somebody was told of a hold and wants to accept: an update, or that all members of the list in force go. Lists
/// of both kinds may have the same serial, so that alone does not say which.
struct AnnouncedHold {
  Serial serial;
  bool all_go = false;
};

struct MemberConflict {
  Name member;
  std::optional<Name> owner;  // the catalog that has it; none: a reserved zone
};

struct CatalogPlan {
  struct Change {
    MemberChange kind;
    MemberRef member;
  };
  /// Each name at most once.
  std::vector<Change> changes;
  /// Names whose facts are to be deleted without anything else: a reserved zone took them out of the trash.
  std::vector<Name> dropped;
  /// Conflicts that were not there before; at most 16 of `conflict_count`.
  std::vector<MemberConflict> conflicts;
  std::uint64_t conflict_count = 0;
  bool held = false;  // the catalog is held now, and nothing was changed
  WallSeconds at = 0;

  [[nodiscard]] std::uint64_t count(MemberChange kind) const;
  /// Calls f(Fact) with every fact that changes.
  void for_each_fact(const std::function<void(Fact)>& f) const;
};

/// What is known of a catalog.
struct CatalogStatus {
  Name catalog;
  bool configured = true;
  std::optional<Serial> serial;                // of the list that is in force
  std::uint64_t members = 0;                   // that it provides
  std::uint64_t conflicts = 0;                 // that it lists in vain
  std::vector<MemberConflict> some_conflicts;  // at most 16
  std::uint64_t trash = 0;
  std::optional<CatalogHold> hold;
};

/// Who provided what at one time. Immutable and may be shared by threads; shares the lists, and costs a bit a member.
class CatalogOwners {
 public:
  /// The catalog that provides the zone, if one does.
  [[nodiscard]] std::optional<Name> find(NameView name) const;

 private:
  friend class CatalogRegistry;
  struct Owned {
    CatalogContent::Ptr content;
    std::vector<bool> owned;
  };
  std::vector<Owned> catalogs_;
};

class CatalogRegistry {
 public:
  using Reserved = std::function<bool(NameView)>;
  /// `reserved`: whether a zone that is no member has this name. Called during every function below that makes plans.
  explicit CatalogRegistry(Reserved reserved) : reserved_(std::move(reserved)) {}

  // At start.
  /// Takes one fact; Errc::corrupt. Not after restored().
  Result<void> restore(std::string_view key, ByteView value);
  /// How long the trash of a catalog is kept if it is not configured any more.
  void restore_purge_after(NameView catalog, WallSeconds purge_after) { purge_after_[Name(catalog)] = purge_after; }
  /// Which list was in force, of a catalog whose members were in it. Before restored().
  void restore_serial(NameView catalog, Serial serial) { restored_serials_[Name(catalog)] = serial; }
  /// All facts were given. What was removed later than `now`, because the clock has been set back meanwhile, counts as
  /// removed now: the facts that say so.
  std::vector<Fact> restored(WallSeconds now);

  /// Replaces the set of catalogs, in order. One that is gone keeps its members, held as vanished, until accept().
  void set_catalogs(std::span<const CatalogRule> rules, WallSeconds now);
  /// A new good list. Not for a catalog that is not configured: nothing happens then.
  CatalogPlan update(CatalogContent::Ptr content, WallSeconds now);
  /// The catalog cannot be read, or has expired: its last list stays in force.
  void hold(NameView catalog, HoldReason reason, std::string detail, WallSeconds now);
  /// Applies what is held; a catalog that has expired or vanished loses all its members. `announced`:
  /// CatalogHold::serial and all_go() of what is meant; none: whatever is held. Errc::not_found (unknown, or nothing is
  /// held), refused (it is broken, so that there is nothing to apply, or something else is held).
  Result<CatalogPlan> accept(NameView catalog, std::optional<AnnouncedHold> announced, WallSeconds now);
  /// These names became reserved, or ceased to be.
  CatalogPlan reconsider(std::span<const Name> names, WallSeconds now);
  /// Up to `most` names that were in the trash long enough, from behind `position` on, which is moved to the last one:
  /// their data are to be forgotten and their facts deleted. Then purged() takes them out of the trash.
  std::vector<Name> due_for_purge(WallSeconds now, std::size_t most, std::string& position) const;
  void purged(std::span<const Name> names);
  /// Catalogs that had what is in the trash.
  [[nodiscard]] std::set<Name> named_in_trash() const;

  /// The clock was set forward (or back) by so many seconds: what is in the trash stays there as long as it would have.
  /// The facts that say so.
  std::vector<Fact> clock_was_set(WallSeconds by);

  [[nodiscard]] std::vector<CatalogStatus> catalogs() const;
  /// Of the list in force, if that is known.
  [[nodiscard]] std::optional<Serial> serial_of(NameView catalog) const;
  [[nodiscard]] std::uint64_t member_count() const;
  /// Every member that a catalog provides, grouped by catalog.
  void for_each_member(const std::function<void(const MemberRef&)>& f) const;
  [[nodiscard]] std::optional<MemberRef> find(NameView name) const;
  [[nodiscard]] CatalogOwners owners() const;

  /// Every fact there is, for a store that has lost them; whether one of them is about this name (in lower case).
  void for_each_fact(const std::function<void(Fact)>& f) const;
  [[nodiscard]] bool has_fact(NameView name) const;
  [[nodiscard]] std::optional<Fact> fact_of(NameView name) const;

 private:
  struct Catalog {
    CatalogRule rule;
    bool configured = true;
    CatalogContent::Ptr content;  // the list in force; never null
    std::vector<bool> owned;      // which of its members it provides
    std::uint64_t owned_count = 0;
    std::uint64_t trash = 0;
    std::optional<CatalogHold> hold;

    /// A hold that goes on keeps its time.
    void set_hold(CatalogHold next, WallSeconds now);
  };
  struct Trashed {
    Name catalog;
    Bytes label;
    WallSeconds removed_at = 0;
  };
  static Fact fact_of(std::string_view name, const Trashed& trashed);
  struct Place {
    Catalog* catalog = nullptr;
    std::uint32_t index = 0;
  };
  struct Loss {
    std::uint64_t added = 0, removed = 0, reset = 0;
  };
  struct Merge;

  [[nodiscard]] Catalog* find_catalog(NameView name);
  [[nodiscard]] const Catalog* find_catalog(NameView name) const;
  [[nodiscard]] Place owner_of(ByteView key, const Catalog* except);
  [[nodiscard]] Place claimant_of(ByteView key, const Catalog* except);
  [[nodiscard]] Place heir_of(const CatalogMember& member, const Catalog* owner);
  [[nodiscard]] Loss loss_of(const Catalog& catalog, const CatalogContent& next);
  void apply(Catalog& catalog, CatalogContent::Ptr next, CatalogPlan& plan);
  void keep_member(Merge& merge, std::uint32_t old_index, std::uint32_t index);
  void claim(Merge& merge, std::uint32_t index, bool known);
  void let_go(Merge& merge, std::uint32_t old_index);
  void add_conflict(Merge& merge, std::uint32_t index, std::optional<Name> owner, bool known);
  [[nodiscard]] bool is_reserved(NameView name);
  [[nodiscard]] MemberRef ref(Place place) const { return {place.catalog->content, place.index}; }
  [[nodiscard]] std::vector<MemberConflict> some_conflicts(const Catalog& catalog) const;
  void discard_trash(std::map<std::string, Trashed, std::less<>>::iterator at);

  Reserved reserved_;
  std::vector<Catalog> catalogs_;                           // configured ones in order, then those that vanished
  std::map<std::string, Trashed, std::less<>> trash_;       // by the name's octets in lower case
  std::map<Name, WallSeconds> purge_after_;                 // of catalogs that are, or were, configured
  std::map<std::string, CatalogContentBuilder> restoring_;  // by the catalog's name
  std::map<Name, Serial> restored_serials_;                 // until restored()
};

}  // namespace understudy
