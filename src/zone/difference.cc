// difference(), condense() and inverse() of zone/apply.h: deltas from versions, and deltas from deltas.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <unordered_map>

#include "base/out_of_memory.h"
#include "zone/apply.h"
#include "zone/duplicates.h"
#include "zone/staging.h"

namespace understudy {
namespace {

// Records of one type at one name, on one side, in an order of their own: by data, then TTL.
class SortedRecords {
 public:
  struct Record {
    ByteView rdata;
    std::uint32_t ttl = 0;
  };

  void assign(const Node* node, RRType type, NameView apex, bool signatures) {
    staged_.clear();
    records_.clear();
    const Chunk* chunk = node == nullptr ? nullptr : node->chunk(type);
    if (chunk == nullptr) return;
    const RRsetView rrset(node, type, chunk, apex);
    if (signatures) {
      rrset.for_each_signature([&](std::uint32_t ttl, ByteView rdata) { staged_.add(type, ttl, rdata); });
    } else if (rrset.size() != 0) {
      const std::uint32_t ttl = rrset.ttl();
      rrset.for_each_rdata([&](ByteView rdata) { staged_.add(type, ttl, rdata); });
    }
    for (const auto& item : staged_.items) {
      records_.push_back({ByteView(staged_.octets).subspan(item.offset, item.size), item.ttl});
    }
    std::ranges::sort(records_, before);
  }
  [[nodiscard]] const std::vector<Record>& records() const { return records_; }

  static bool before(const Record& a, const Record& b) {
    if (!std::ranges::equal(a.rdata, b.rdata)) return std::ranges::lexicographical_compare(a.rdata, b.rdata);
    return a.ttl < b.ttl;
  }

 private:
  Staging staged_;
  std::vector<Record> records_;
};

class Comparison {
 public:
  Comparison(const Zone& before, const Zone& after, std::uint64_t max_octets)
      : before_(before), after_(after), apex_(before.apex()), most_(max_octets), delta_(apex_) {}

  Result<DeltaPtr> run() {
    const Node* was = before_.apex_node();
    const Node* is = after_.apex_node();
    put_soa(*was, [&](std::uint32_t ttl, ByteView rdata) { delta_.remove(apex_, RRType::SOA, ttl, rdata); });
    put_soa(*is, [&](std::uint32_t ttl, ByteView rdata) { delta_.add(apex_, RRType::SOA, ttl, rdata); });
    for_each_pair(before_, after_, [&](const Node* node, const Node* other) { compare(node, other); });
    for_each_pair(after_, before_, [&](const Node* node, const Node* other) {
      if (other == nullptr) compare(nullptr, node);  // names that are in both have been compared
    });
    if (!fits()) return fail(Errc::byte_limit, fmt::format("the difference takes over {} octets", most_));
    return delta_.finish();
  }

 private:
  [[nodiscard]] bool fits() const { return delta_.size() <= most_; }

  // Calls f for every name of `of` and its node in `in`, or null. A few wait between being hashed and being looked for,
  // so that their buckets and blocks have come by then.
  template <typename F>
  void for_each_pair(const Zone& of, const Zone& in, F&& f) {
    struct Waiting {
      const Node* node;
      std::uint64_t hash;
    };
    constexpr std::size_t most = 16;
    std::array<Waiting, most> waiting;
    std::size_t count = 0;
    const std::uint64_t apex_hash = name_hash(apex_);
    const auto look = [&](const Waiting& w) {
      if (fits()) f(w.node, in.find_like(*w.node, w.hash));
    };
    of.for_each_node(&in, [&](const Node& node) {
      Waiting& place = waiting[count % most];
      if (count >= most) look(place);
      place = {&node, node_hash(&node, apex_hash)};
      in.prefetch(place.hash);
      if (count >= most / 2) in.prefetch_node(waiting[(count - most / 2) % most].hash);
      ++count;
    });
    for (std::size_t i = count - std::min(count, most); i < count; ++i) look(waiting[i % most]);
  }

  template <typename F>
  void put_soa(const Node& apex_node, F&& f) const {
    const RRsetView soa(&apex_node, RRType::SOA, apex_node.chunk(RRType::SOA), apex_);
    const std::uint32_t ttl = soa.ttl();
    soa.for_each_rdata([&](ByteView rdata) { f(ttl, rdata); });
  }

  // One of the nodes may be null.
  void compare(const Node* was, const Node* is) {
    if (was == is) return;
    const bool alike = was != nullptr && is != nullptr && std::ranges::equal(was->relative_name(), is->relative_name());
    if (alike && same_block(*was, *is)) return;
    owner_ = node_owner(was != nullptr ? was : is, apex_);
    const std::size_t left = was == nullptr ? 0 : was->rrset_count;
    const std::size_t right = is == nullptr ? 0 : is->rrset_count;
    for (std::size_t i = 0, k = 0; i < left || k < right;) {
      const unsigned a = i < left ? number(was->type_at(i)) : 0x10000U;
      const unsigned b = k < right ? number(is->type_at(k)) : 0x10000U;
      const bool same = alike && a == b && same_chunk(*was, *was->chunk_at(i), *is, *is->chunk_at(k));
      if (!same) compare_type(was, is, static_cast<RRType>(std::min(a, b)));
      i += a <= b ? 1U : 0U;
      k += b <= a ? 1U : 0U;
    }
  }

  // Links that look alike may lead to sets that are not.
  static bool same_block(const Node& a, const Node& b) {
    return a.block_size() == b.block_size() && std::memcmp(&a, &b, a.block_size()) == 0 && a.linked_set() == nullptr;
  }

  // Encoded against the same name, the same octets are the same records.
  static bool same_chunk(const Node& was, const Chunk& a, const Node& is, const Chunk& b) {
    return was.owns(&a) == is.owns(&b) && a.size() == b.size() && std::memcmp(&a, &b, a.size()) == 0;
  }

  void compare_type(const Node* was, const Node* is, RRType type) {
    const bool is_soa = type == RRType::SOA && owner_.size() == apex_.size();
    for (const bool signatures : {false, true}) {
      if (is_soa && !signatures) continue;  // in front of all others
      left_.assign(was, type, apex_, signatures);
      right_.assign(is, type, apex_, signatures);
      put(signatures ? RRType::RRSIG : type);
    }
  }

  // What only one side has.
  void put(RRType type) {
    auto left = left_.records().begin();
    auto right = right_.records().begin();
    while (left != left_.records().end() || right != right_.records().end()) {
      if (right == right_.records().end() || (left != left_.records().end() && SortedRecords::before(*left, *right))) {
        delta_.remove(owner_, type, left->ttl, left->rdata);
        ++left;
      } else if (left == left_.records().end() || SortedRecords::before(*right, *left)) {
        delta_.add(owner_, type, right->ttl, right->rdata);
        ++right;
      } else {
        ++left;
        ++right;
      }
    }
  }

  const Zone& before_;
  const Zone& after_;
  const NameView apex_;
  const std::uint64_t most_;
  ZoneDeltaBuilder delta_;
  Name owner_;
  SortedRecords left_, right_;
};

// What several deltas do to each record, in the end.
class NetChanges {
 public:
  // False if a record comes that is there, or goes that is not.
  bool remove(const DeltaRecord& record) {
    Change& change = change_of(record, true);
    if (!change.there) return false;
    change.there = false;
    return true;
  }
  bool add(const DeltaRecord& record) {
    Change& change = change_of(record, false);
    if (change.there) return false;
    change.there = true;
    change.last = record;
    return true;
  }
  void put(ZoneDeltaBuilder& out) const {
    for (const Change& c : changes_) {
      const bool same =
          c.there && c.was_there && c.first.ttl == c.last.ttl && std::ranges::equal(c.first.rdata, c.last.rdata);
      if (same) continue;
      if (c.was_there) out.remove(c.first.owner, c.first.type, c.first.ttl, c.first.rdata);
      if (c.there) out.add(c.last.owner, c.last.type, c.last.ttl, c.last.rdata);
    }
  }

 private:
  struct Change {
    DeltaRecord first, last;  // as it was removed first, and added last
    bool was_there, there;
  };

  // If it is the record's first change, it was there if it goes.
  Change& change_of(const DeltaRecord& record, bool was_there) {
    const std::uint64_t hash = name_hash(record.owner) ^ rdata_hash(record.type, record.rdata);
    const auto [first, end] = by_hash_.equal_range(hash);
    for (auto at = first; at != end; ++at) {
      Change& known = changes_[at->second];
      const bool same = known.first.type == record.type && known.first.owner.equals(record.owner) &&
                        same_rdata({record.type, 0, known.first.rdata}, {record.type, 0, record.rdata});
      if (same) return known;
    }
    by_hash_.emplace(hash, changes_.size());
    return changes_.emplace_back(Change{record, record, was_there, was_there});
  }

  std::vector<Change> changes_;
  std::unordered_multimap<std::uint64_t, std::size_t> by_hash_;
};

// The SOA that a delta's records of one kind begin with.
DeltaRecord opening(ZoneDelta::Cursor cursor) {
  cursor.next();
  return cursor.current();
}

bool is_apex_soa(const DeltaRecord& record, NameView apex) {
  return record.type == RRType::SOA && record.owner.size() == apex.size();
}

bool take(NetChanges& changes, const ZoneDelta& delta, NameView apex) {
  bool fits = true;
  delta.for_each_removed([&](const DeltaRecord& record) {
    if (!is_apex_soa(record, apex)) fits = changes.remove(record);
    return fits;
  });
  if (!fits) return false;
  delta.for_each_added([&](const DeltaRecord& record) {
    if (!is_apex_soa(record, apex)) fits = changes.add(record);
    return fits;
  });
  return fits;
}

}  // namespace

Result<DeltaPtr> difference(const std::shared_ptr<const Zone>& before, const std::shared_ptr<const Zone>& after,
                            std::uint64_t max_octets) {
  try {
    return Comparison(*before, *after, max_octets).run();
  } catch (const std::bad_alloc&) {
    return out_of_memory("two versions to be compared", before->memory_size() + after->memory_size());
  }
}

Result<DeltaPtr> condense(NameView apex, std::span<const DeltaPtr> deltas) {
  if (deltas.empty()) return fail(Errc::bad_delta, "there are none");
  NetChanges changes;
  for (std::size_t i = 0; i < deltas.size(); ++i) {
    if ((i != 0 && deltas[i]->from() != deltas[i - 1]->to()) || !take(changes, *deltas[i], apex)) {
      return fail(Errc::bad_delta, fmt::format("that from serial {} does not follow", deltas[i]->from().value));
    }
  }
  ZoneDeltaBuilder out(apex);
  const DeltaRecord first = opening(deltas.front()->removed()), last = opening(deltas.back()->added());
  out.remove(first.owner, first.type, first.ttl, first.rdata);
  out.add(last.owner, last.type, last.ttl, last.rdata);
  changes.put(out);
  return out.finish();
}

DeltaPtr inverse(NameView apex, const ZoneDelta& delta) {
  ZoneDeltaBuilder out(apex);
  delta.for_each_added([&](const DeltaRecord& r) { out.remove(r.owner, r.type, r.ttl, r.rdata); });
  delta.for_each_removed([&](const DeltaRecord& r) { out.add(r.owner, r.type, r.ttl, r.rdata); });
  return *out.finish();  // both kinds begin with a SOA
}

}  // namespace understudy
