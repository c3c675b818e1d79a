#include "transfer/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "base/out_of_memory.h"

namespace understudy {
namespace {

constexpr std::uint64_t addressable = 0xffff'ffff;

void append_lower(Bytes& out, ByteView octets) {
  for (const std::uint8_t c : octets) out.push_back(ascii_lower(c));
}

NameView name_at(const std::uint8_t* at) {
  std::size_t size = 0;
  while (at[size] != 0) size += at[size] + 1U;
  return NameView::trusted({at, size + 1});
}

}  // namespace

// The list.

int compare_keys(ByteView a, ByteView b) {
  const int order = std::memcmp(a.data(), b.data(), std::min(a.size(), b.size()));
  if (order != 0) return order;
  return a.size() < b.size() ? -1 : static_cast<int>(a.size() > b.size());
}

CatalogMember CatalogContent::member(std::size_t index) const {
  const Entry& entry = entries_[index];
  CatalogMember out;
  out.name = name_at(octets_.data() + entry.at);
  const std::uint8_t* label = octets_.data() + entry.at + out.name.size();
  out.label = {label + 1, *label};
  out.coo = name_at(label + 1 + *label);
  out.groups = groups_[entry.groups];
  return out;
}

ByteView CatalogContent::key(std::size_t index) const {
  return name_at(octets_.data() + entries_[index].at).wire();
}

std::optional<std::size_t> CatalogContent::find(ByteView key) const {
  std::size_t low = 0, high = entries_.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (compare_keys(this->key(middle), key) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == entries_.size() || compare_keys(this->key(low), key) != 0) return std::nullopt;
  return low;
}

std::uint64_t CatalogContent::memory_size() const {
  std::uint64_t out = sizeof(*this) + octets_.capacity() + entries_.capacity() * sizeof(Entry);
  for (const auto& set : groups_) {
    out += sizeof(set);
    for (const std::string& group : set) out += sizeof(group) + group.capacity();
  }
  return out;
}

CatalogContentBuilder::CatalogContentBuilder(NameView catalog, CatalogLimits limits)
    : content_(std::make_shared<CatalogContent>()), limits_(limits) {
  limits_.max_octets = std::min(limits_.max_octets, addressable);
  content_->catalog_ = Name(catalog).lowered();
}

std::uint32_t CatalogContentBuilder::groups_index(std::vector<std::string> groups) {
  std::ranges::sort(groups);
  const auto same = std::ranges::unique(groups);
  groups.erase(same.begin(), same.end());
  if (groups.empty()) return 0;
  const auto known = known_groups_.find(groups);
  if (known != known_groups_.end()) return known->second;
  for (const std::string& group : groups) group_octets_ += 2 * (sizeof(group) + group.size());
  const auto index = static_cast<std::uint32_t>(content_->groups_.size());
  content_->groups_.push_back(groups);
  known_groups_.emplace(std::move(groups), index);
  return index;
}

Result<void> CatalogContentBuilder::add(NameView name, ByteView label, NameView coo, std::vector<std::string> groups) {
  CatalogContent& content = *content_;
  if (content.entries_.size() >= limits_.max_members) {
    return fail(Errc::record_limit, fmt::format("over {} members", limits_.max_members));
  }
  const std::uint32_t group = groups_index(std::move(groups));
  const std::uint64_t more = name.size() + 1 + label.size() + coo.size() + sizeof(CatalogContent::Entry);
  const std::uint64_t used =
      content.octets_.size() + content.entries_.size() * sizeof(CatalogContent::Entry) + group_octets_;
  if (used + more > limits_.max_octets) {
    return fail(Errc::record_limit, fmt::format("the list of members takes over {} MiB", limits_.max_octets >> 20));
  }
  content.entries_.push_back({static_cast<std::uint32_t>(content.octets_.size()), group});
  append_lower(content.octets_, name.wire());
  append_u8(content.octets_, static_cast<std::uint8_t>(label.size()));
  append_lower(content.octets_, label);
  append_lower(content.octets_, coo.wire());
  return {};
}

Result<CatalogContent::Ptr> CatalogContentBuilder::finish() {
  const auto done = std::exchange(content_, std::make_shared<CatalogContent>());
  content_->catalog_ = done->catalog_;
  known_groups_.clear();
  group_octets_ = 0;
  done->octets_.shrink_to_fit();
  done->entries_.shrink_to_fit();
  const std::uint8_t* octets = done->octets_.data();
  std::ranges::sort(done->entries_, [octets](const auto& a, const auto& b) {
    return compare_keys(name_at(octets + a.at).wire(), name_at(octets + b.at).wire()) < 0;
  });
  for (std::size_t i = 1; i < done->size(); ++i) {
    if (compare_keys(done->key(i - 1), done->key(i)) != 0) continue;
    return fail(Errc::bad_catalog, fmt::format("member {} is listed more than once", done->member(i).name.text()));
  }
  return done;
}

// The zone.

namespace {

/// One use: reads one version.
class CatalogReader {
 public:
  CatalogReader(const std::shared_ptr<const Zone>& zone, CatalogLimits limits)
      : zone_(zone), builder_(zone->apex(), limits), has_properties_(zone->has_depth(3)) {}

  Result<CatalogContent::Ptr> read() {
    US_TRY(check_version());
    builder_.set_serial(zone_->serial());
    US_ASSIGN(zones_, Name::prepend(view_of("zones"), zone_->apex()));
    ZoneCursor cursor(zone_);
    while (cursor.next()) {
      const RRsetView rrset = cursor.rrset();
      if (rrset.type() != RRType::PTR || rrset.size() == 0) continue;
      if (cursor.owner().view().label_count() != zone_->apex_labels() + 2) continue;
      if (!cursor.owner().view().parent().equals(zones_)) continue;
      US_TRY(add_member(cursor.owner(), rrset));
    }
    return builder_.finish();
  }

 private:
  /// RFC 9432 section 4.2.1.
  Result<void> check_version() {
    const auto owner = Name::prepend(view_of("version"), zone_->apex());
    const auto rrset = owner ? find(*owner, RRType::TXT) : std::nullopt;
    if (!rrset) return fail(Errc::bad_catalog, "there is no TXT record \"version\": it is no catalog zone");
    if (rrset->size() != 1) {
      return fail(Errc::bad_catalog, fmt::format("\"version\" has {} TXT records instead of one", rrset->size()));
    }
    constexpr std::uint8_t two[] = {1, '2'};
    bool right = false;
    rrset->for_each_rdata([&](ByteView rdata) { right = std::ranges::equal(rdata, two); });
    if (!right) return fail(Errc::bad_catalog, "its version is not \"2\", the only one that is supported");
    return {};
  }

  Result<void> add_member(const Name& node, const RRsetView& rrset) {
    if (rrset.size() != 1) {
      return fail(Errc::bad_catalog, fmt::format("{} has {} PTR records instead of one", node.text(), rrset.size()));
    }
    Name coo;
    std::vector<std::string> groups;
    if (has_properties_) {
      US_TRY(read_coo(node, coo));
      read_groups(node, groups);
    }
    Result<void> added;
    rrset.for_each_rdata([&](ByteView rdata) {
      added = builder_.add(NameView::trusted(rdata), node.view().first_label(), coo, std::move(groups));
    });
    return added;
  }

  /// RFC 9432 section 4.3.1.
  Result<void> read_coo(const Name& node, Name& coo) {
    const auto owner = Name::prepend(view_of("coo"), node);
    const auto rrset = owner ? find(*owner, RRType::PTR) : std::nullopt;
    if (!rrset) return {};
    if (rrset->size() != 1) {
      return fail(Errc::bad_catalog, fmt::format("{} has {} PTR records instead of one", owner->text(), rrset->size()));
    }
    rrset->for_each_rdata([&](ByteView rdata) { coo = NameView::trusted(rdata); });
    return {};
  }

  /// RFC 9432 section 4.3.2. A value is a record of one string; nobody can have configured another.
  void read_groups(const Name& node, std::vector<std::string>& groups) {
    const auto owner = Name::prepend(view_of("group"), node);
    const auto rrset = owner ? find(*owner, RRType::TXT) : std::nullopt;
    if (!rrset) return;
    rrset->for_each_rdata([&](ByteView rdata) {
      if (rdata.size() < 2 || rdata.size() != rdata[0] + 1U) return;
      groups.emplace_back(text_of(rdata.subspan(1)));
    });
  }

  [[nodiscard]] std::optional<RRsetView> find(NameView owner, RRType type) const {
    const HashedName hashed(owner);
    const Node* node = zone_->find(hashed);
    auto rrset = node != nullptr ? zone_->rrset(node, type) : std::nullopt;
    return rrset && rrset->size() != 0 ? rrset : std::nullopt;
  }

  const std::shared_ptr<const Zone>& zone_;
  CatalogContentBuilder builder_;
  const bool has_properties_;
  Name zones_;
};

}  // namespace

Result<CatalogContent::Ptr> read_catalog(const std::shared_ptr<const Zone>& zone, CatalogLimits limits) {
  try {
    return CatalogReader(zone, limits).read();
  } catch (const std::bad_alloc&) {
    return out_of_memory("the list of members of a catalog", zone->memory_size());
  }
}

}  // namespace understudy
