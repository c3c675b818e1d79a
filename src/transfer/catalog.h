// What a catalog zone says (RFC 9432, version 2): which member zones there are, as one immutable sorted list.
//
// read_catalog() reads a version of a zone; CatalogContentBuilder makes the same list out of what was stored. A list
// costs 8 octets per member and the octets of its name, its label and the catalog it shall go to; groups are shared.
// Names are in lower case. Nothing here does I/O. A content is immutable and may be shared by threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/name.h"
#include "dns/serial.h"
#include "zone/zone.h"

namespace understudy {

struct CatalogLimits {
  std::uint64_t max_members = 2'000'000;
  std::uint64_t max_octets = std::uint64_t{1} << 30;  // of the list; 4 GiB at the most
};

/// One member. Refers into the content.
struct CatalogMember {
  NameView name;                        // lower case
  ByteView label;                       // the unique label of its node, lower case (RFC 9432 section 4.1)
  NameView coo;                         // the catalog it may go to (section 4.3.1); the root: none
  std::span<const std::string> groups;  // sorted (section 4.3.2)
};

class CatalogContent {
 public:
  using Ptr = std::shared_ptr<const CatalogContent>;

  [[nodiscard]] const Name& catalog() const { return catalog_; }
  /// Of the version it was read from; none if it was put together from stored facts.
  [[nodiscard]] std::optional<Serial> serial() const { return serial_; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  /// Members are sorted by the octets of their names, lower case: not the canonical order, but a quick one.
  [[nodiscard]] CatalogMember member(std::size_t index) const;
  /// The octets that the order goes by.
  [[nodiscard]] ByteView key(std::size_t index) const;
  /// `key`: a name's octets in lower case.
  [[nodiscard]] std::optional<std::size_t> find(ByteView key) const;
  /// Octets of memory.
  [[nodiscard]] std::uint64_t memory_size() const;

 private:
  friend class CatalogContentBuilder;
  struct Entry {
    std::uint32_t at;      // of the name in octets_; label (with its length) and coo follow
    std::uint32_t groups;  // index
  };

  Name catalog_;
  std::optional<Serial> serial_;
  Bytes octets_;
  std::vector<Entry> entries_;
  std::vector<std::vector<std::string>> groups_{1};  // the first is empty
};

/// Orders octets as the list does.
int compare_keys(ByteView a, ByteView b);

/// Collects members in any order. Not thread-safe.
class CatalogContentBuilder {
 public:
  explicit CatalogContentBuilder(NameView catalog, CatalogLimits limits = {});

  void set_serial(Serial serial) { content_->serial_ = serial; }
  /// `label` of 1..63 octets; `coo` the root if there is none. Errc::record_limit.
  Result<void> add(NameView name, ByteView label, NameView coo, std::vector<std::string> groups);
  /// Errc::bad_catalog if a member was added twice. The builder is empty afterwards.
  Result<CatalogContent::Ptr> finish();

 private:
  std::uint32_t groups_index(std::vector<std::string> groups);

  std::shared_ptr<CatalogContent> content_;
  CatalogLimits limits_;
  std::map<std::vector<std::string>, std::uint32_t> known_groups_;
  std::uint64_t group_octets_ = 0;
};

/// Reads a version of a catalog zone. Errc::bad_catalog says which rule it breaks (RFC 9432 section 5.1: it must not be
/// processed then); record_limit. What it does not know, custom properties among it, is ignored.
Result<CatalogContent::Ptr> read_catalog(const std::shared_ptr<const Zone>& zone, CatalogLimits limits = {});

}  // namespace understudy
