// Members whose stored data are to be discarded because they came under another label (RFC 9432 section 5.4), in turns:
// each zone is without a version only from its own turn on, and nobody waits longer than for one.
//
// The fact of a member stays the old one until its data are gone, so that a crash or a failure leads to the same reset
// again, or to a hold by the brake. If data cannot be removed, the member begins without them all the same; they are
// removed, or replaced by what was taken meanwhile, later. Not thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "transfer/engine.h"
#include "transfer/fact_saver.h"
#include "transfer/stored_zones.h"

namespace understudy {

class MemberReset {
 public:
  using SettingsOf = std::function<std::optional<ZoneSettings>(const MemberRef&)>;

  explicit MemberReset(TransferEngine& engine) : engine_(engine) {}

  void add(NameView member) { due_.insert(Name(member)); }
  /// Whether its data are still to be discarded. If so, it is to be left to its turn: what the engine has or reads of
  /// it may be those data.
  bool is_left_to_turn(NameView member);
  /// Takes out the facts that must not be stored yet; the turns store what is true then.
  void withhold(std::vector<Fact>& facts) const;
  [[nodiscard]] bool is_due() const { return !due_.empty(); }
  [[nodiscard]] bool is_through() const { return due_.empty() && failed_.empty(); }
  /// Resets some of those that are due; whether there are more. `settings_of` says how a member is served, if it is.
  bool turn(const StoredZones& known, const SettingsOf& settings_of, FactSaver& saver);
  /// What failed is due again, unless it is done meanwhile.
  void try_again(const StoredZones& known, FactSaver& saver);
  /// The same, whatever the engine has: it may have read the old data.
  void all_again() { due_.merge(failed_); }

 private:
  TransferEngine& engine_;
  std::set<Name> due_;
  std::set<Name> failed_;  // began without their data, which could not be removed
};

}  // namespace understudy
