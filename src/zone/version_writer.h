// Writes the version that a working set leads to into the memory that its base shares, copy on write. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "zone/apex.h"
#include "zone/arena.h"
#include "zone/block_encoder.h"
#include "zone/table_editor.h"
#include "zone/working_set.h"
#include "zone/zone.h"

namespace understudy {

class VersionWriter {
 public:
  /// `base` is the newest of the versions that share its memory, `set` its own, as all deltas left it. Both must
  /// outlive this. `max_octets`: what the shared memory may grow to.
  VersionWriter(const Zone& base, const WorkingSet& set, std::uint64_t max_octets);

  /// The next version; null if there is no room for it in the shared memory. Errc::no_apex_soa, no_apex_ns,
  /// record_limit. Throws std::bad_alloc. Nothing has changed then.
  Result<std::shared_ptr<const Zone>> write();

 private:
  // A name that is written anew, comes or goes.
  struct Edit {
    NameView name;
    std::uint64_t hash = 0;
    const Node* before = nullptr;
    std::optional<std::size_t> touched;  // its records change: place in the working set
    std::uint32_t children = 0;
    bool wildcard_child = false;
    bool exists = false;
  };
  using EditsByDepth = std::vector<std::vector<std::size_t>>;

  void plan();
  std::size_t edit_of(NameView name, EditsByDepth& by_depth);
  void decide(std::size_t edit, EditsByDepth& by_depth);
  [[nodiscard]] bool has_records(const Edit& edit) const;
  Result<bool> carry_out(const Edit& edit);
  Result<std::size_t> compose(const Edit& edit);
  Result<std::size_t> encode(const Edit& edit);
  const Chunk* known_set();
  void copy(const Edit& edit);
  void note_denial(const Node* before, const Node* after);
  bool write_trees();
  std::uint32_t write_negative_soa(const Node& apex_node, const ApexFacts& facts);
  Result<std::shared_ptr<const Zone>> assemble();
  [[nodiscard]] const Node* made() const { return reinterpret_cast<const Node*>(scratch_.data()); }

  const Zone& base_;
  const WorkingSet& set_;
  ArenaUpdate update_;
  TableEditor table_;
  BlockEncoder encoder_;
  std::vector<Name> names_;  // of touched names, which edits refer to
  std::vector<Edit> edits_;
  std::unordered_multimap<std::uint64_t, std::size_t> by_hash_;
  std::vector<StagedRecord> records_;
  std::vector<OwnerTreeWriter::Change> nsec_, nsec3_;
  Bytes scratch_;  // the block being made
  std::shared_ptr<Zone> zone_;
  std::uint32_t apex_ref_ = 0;
};

}  // namespace understudy
