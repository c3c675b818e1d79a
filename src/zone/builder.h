// Makes a zone version out of records that come in any order, in one pass and in the version's own memory.
//
// Records of one owner that come together (as every primary sends them) are encoded straight into the new version;
// records of an owner seen before wait and are merged by finish(), or before if they become many: beside the version
// itself and 20 MiB, a build takes at most half as much again. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/name.h"
#include "dns/type.h"
#include "zone/zone.h"

namespace understudy {

class ZonePart;

/// What the builder did with a record.
enum class AddOutcome : std::uint8_t { added, duplicate, out_of_zone };

struct BuilderHints {
  std::uint64_t nodes = 0;                       // expected owner names, e.g. of the version before; 0 = unknown
  std::uint64_t octets = 0;                      // expected memory
  std::uint64_t max_octets = ~std::uint64_t{0};  // memory that the version may take
  std::size_t slack = 0;                         // room for changes behind a small version; a large one has it anyway
  std::size_t first_sets = 1000;                 // delegations that come before it is worth to share name-server sets
};

class ZoneBuilder {
 public:
  explicit ZoneBuilder(NameView apex, BuilderHints hints = {});
  ~ZoneBuilder();
  ZoneBuilder(ZoneBuilder&&) noexcept;
  ZoneBuilder& operator=(ZoneBuilder&&) noexcept;

  /// Takes one record of class IN; `rdata` uncompressed and checked, not a meta type. Duplicates (same owner, type,
  /// RDATA) are found at once or by finish(); both are counted. Errc::record_limit if one name has over 64 MiB of data
  /// or memory runs out, byte_limit if the version gets larger than allowed; nothing can be done with the builder after
  /// an error.
  Result<AddOutcome> add(NameView owner, RRType type, std::uint32_t ttl, ByteView rdata);

  /// Takes the names of a part that was encoded for this apex; what may have come of them before is merged as by add().
  /// Errors as of add().
  Result<void> add_part(const ZonePart& part);

  /// Octets of memory in use so far.
  [[nodiscard]] std::uint64_t memory_size() const;

  struct Report {
    std::uint64_t duplicates = 0;
    std::uint64_t out_of_zone = 0;
    std::vector<std::string> oddities;  // kept, but worth a warning: "NAME: CNAME beside other data", at most 8
    std::uint64_t oddity_count = 0;
  };

  /// Does for so many names what finish() would do, after the last record; true: finish() has only the rest to do,
  /// which reads the names once more and copies their table. For who takes turns with others.
  Result<bool> prepare(std::size_t names);
  /// The finished version: Errc::no_apex_soa (also more than one SOA at the apex), no_apex_ns, record_limit and
  /// byte_limit as for add(). The builder is empty afterwards.
  Result<std::shared_ptr<const Zone>> finish();
  [[nodiscard]] const Report& report() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace understudy
