// A zone that changes at random: after each step, the records that it should have and the delta that led there.
//
// Regular: its RRsets have one TTL each, and there is one CNAME or DNAME at a name. Odd: several, too; then a delta may
// be refused (zone/working_set.h), and the version is made anew.
#pragma once

#include <algorithm>
#include <vector>

#include "zone/apply.h"
#include "zone/random_records.h"

namespace understudy::zone_fixture {

class RandomHistory {
 public:
  enum class Data : std::uint8_t { regular, odd };
  RandomHistory(std::uint64_t seed, const Name& apex, std::size_t rrsets, Data data = Data::regular)
      : random_(seed), apex_(apex), data_(data) {
    for (Record& r : random_.zone(apex, rrsets)) {
      if (data == Data::odd && random_.once_in(20)) r.ttl += 1 + static_cast<std::uint32_t>(random_.below(100));
      if (data == Data::odd || !has_alias(r)) records_.push_back(std::move(r));
    }
    store_u32(&soa().rdata[soa().rdata.size() - 20], serial_);
  }

  [[nodiscard]] const std::vector<Record>& records() const { return records_; }
  [[nodiscard]] RandomRecords& random() { return random_; }

  /// About so many changes: records that come and go, names that end, TTLs and case that change.
  DeltaPtr step(std::size_t changes) {
    fresh_.assign(records_.size(), false);
    removed_.clear();
    next_soa();
    for (std::size_t i = 0; i < changes; ++i) change();
    ZoneDeltaBuilder delta(apex_);
    for (const Record& r : removed_) delta.remove(r.owner, r.type, r.ttl, r.rdata);
    for (std::size_t i = 0; i < records_.size(); ++i) {
      const Record& r = records_[i];
      if (fresh_[i] && r.type == RRType::SOA && r.owner == apex_) delta.add(r.owner, r.type, r.ttl, r.rdata);
    }
    for (std::size_t i = 0; i < records_.size(); ++i) {
      const Record& r = records_[i];
      if (fresh_[i] && !(r.type == RRType::SOA && r.owner == apex_)) delta.add(r.owner, r.type, r.ttl, r.rdata);
    }
    return delta.finish().value();
  }

 private:
  Record& soa() {
    return *std::ranges::find_if(records_, [&](const Record& r) { return r.type == RRType::SOA && r.owner == apex_; });
  }
  [[nodiscard]] bool is_needed(const Record& r) const {
    return r.owner == apex_ && (r.type == RRType::SOA || r.type == RRType::NS);
  }
  void next_soa() {
    Record r = soa();
    remove(static_cast<std::size_t>(&soa() - records_.data()));
    store_u32(&r.rdata[r.rdata.size() - 20], ++serial_);
    r.ttl = random_.once_in(10) ? 1 + static_cast<std::uint32_t>(random_.below(1000)) : r.ttl;
    put(r);
  }
  void remove(std::size_t at) {
    removed_.push_back(records_[at]);
    records_.erase(records_.begin() + static_cast<std::ptrdiff_t>(at));
    fresh_.erase(fresh_.begin() + static_cast<std::ptrdiff_t>(at));
  }
  void put(Record r) {
    records_.push_back(std::move(r));
    fresh_.push_back(true);
  }
  template <typename F>
  std::vector<Record> remove_all(F&& which) {
    std::vector<Record> gone;
    for (std::size_t i = records_.size(); i-- > 0;) {
      if (fresh_[i] || is_needed(records_[i]) || !which(records_[i])) continue;
      gone.push_back(records_[i]);
      remove(i);
    }
    return gone;
  }
  static Bytes canonical(const Record& r) {
    Bytes out;
    append_canonical_rdata(r.type, r.rdata, out);
    return out;
  }
  /// There is such an alias already.
  [[nodiscard]] bool has_alias(const Record& r) const {
    return (r.type == RRType::CNAME || r.type == RRType::DNAME) &&
           std::ranges::any_of(records_,
                               [&](const Record& known) { return known.type == r.type && known.owner == r.owner; });
  }
  void put_if_new(Record r) {
    if (data_ == Data::regular && has_alias(r)) return;
    const bool keeps_ttl = data_ == Data::odd && random_.once_in(8);
    const Bytes wanted = canonical(r);
    for (const Record& known : records_) {
      if (known.owner != r.owner || known.type != r.type) continue;
      if (canonical(known) == wanted) return;
      if (r.type != RRType::RRSIG && !keeps_ttl) r.ttl = known.ttl;
    }
    put(std::move(r));
  }
  Record any() { return records_[random_.below(records_.size())]; }
  void add_new() {
    const Name owner = random_.once_in(3) ? any().owner : random_.name_below(apex_, 4);
    if (random_.once_in(10)) {
      Record r = record("x 60 NSEC3 1 0 0 - 0123456789abcdefghijklmnopqrstuv A");
      r.owner = owner;
      return put_if_new(r);
    }
    if (random_.once_in(10)) return put_if_new(random_.signature(owner, any().type));
    const RRType type = random_.type();
    if (type == RRType::SOA && owner == apex_) return;
    const auto ttl = 1 + static_cast<std::uint32_t>(random_.below(1000));
    for (std::size_t count = random_.once_in(20) ? random_.below(300) : 1; count > 0; --count) {
      put_if_new({owner, type, RRClass::IN, ttl, random_.rdata(type, apex_)});
    }
  }
  void change() {
    const Record chosen = any();
    const auto in_rrset = [&](const Record& r) { return r.owner == chosen.owner && r.type == chosen.type; };
    switch (random_.below(7)) {
      case 0:
        remove_all([&](const Record& r) { return r == chosen; });
        break;
      case 1:
        remove_all(in_rrset);
        break;
      case 2:
        remove_all([&](const Record& r) { return r.owner == chosen.owner; });
        break;
      case 3: {  // TTL and case
        auto gone = remove_all(in_rrset);
        const auto ttl = 1 + static_cast<std::uint32_t>(random_.below(1000));
        for (Record& r : gone) {
          r.ttl = ttl;
          r.owner = random_.other_case(r.owner);
          if (r.type == RRType::NS || r.type == RRType::CNAME) {
            const Name target = random_.other_case(NameView::trusted(r.rdata));
            r.rdata.assign(target.wire().begin(), target.wire().end());
          }
          put_if_new(r);
        }
        break;
      }
      default:
        add_new();
    }
  }

  RandomRecords random_;
  const Name apex_;
  const Data data_;
  std::uint32_t serial_ = 100;
  std::vector<Record> records_;
  std::vector<bool> fresh_;  // records_[i] came in this step
  std::vector<Record> removed_;
};

/// A version whose memory the next ones share, however small it is.
inline std::shared_ptr<const Zone> build_shared(const std::vector<Record>& input, const Name& apex,
                                                std::size_t slack = std::size_t{1} << 18) {
  ZoneBuilder builder(apex, {.slack = slack, .first_sets = 0});
  add_all(builder, input);
  auto zone = builder.finish();
  EXPECT_TRUE(zone) << zone.error().text();
  return zone ? *zone : nullptr;
}

/// The content in an order of its own, owners in lower case.
inline std::vector<std::string> plain_content(const std::shared_ptr<const Zone>& zone) {
  auto list = content(zone);
  for (Record& r : list) r.owner = r.owner.lowered();
  return sorted_text(list);
}

/// The same content, names, flags and numbers of names below, whatever way they came about.
inline void expect_same(const std::shared_ptr<const Zone>& made, const std::shared_ptr<const Zone>& expected) {
  ASSERT_EQ(plain_content(made), plain_content(expected));
  EXPECT_EQ(made->record_count(), expected->record_count());
  EXPECT_EQ(made->node_count(), expected->node_count());
  EXPECT_EQ(made->serial(), expected->serial());
  EXPECT_EQ(made->soa().ttl, expected->soa().ttl);
  const std::uint64_t apex_hash = name_hash(expected->apex());
  std::uint64_t count = 0;
  made->for_each_node(nullptr, [&](const Node&) { ++count; });
  EXPECT_EQ(count, expected->node_count());
  expected->for_each_node(nullptr, [&](const Node& node) {
    const Node* found = made->find_like(node, node_hash(&node, apex_hash));
    ASSERT_NE(found, nullptr) << expected->owner_of(&node).text();
    EXPECT_EQ(found->flags_only(), node.flags_only()) << expected->owner_of(&node).text();
    EXPECT_EQ(found->children(), node.children()) << expected->owner_of(&node).text();
    EXPECT_EQ(found->rrset_count, node.rrset_count);
    const std::size_t depth = expected->owner_of(&node).view().label_count() - expected->apex_labels();
    const std::uint64_t bit = std::uint64_t{1} << std::min(depth, Zone::most_depth);
    EXPECT_TRUE(made->has_depth(depth));
    EXPECT_TRUE(!node.has(Node::cut) || (made->cut_depths() & bit) != 0);
    EXPECT_TRUE(!node.has(Node::dname) || (made->dname_depths() & bit) != 0);
  });
  EXPECT_EQ(made->denial(), expected->denial());
  const auto denying = [](const Zone& zone) {
    std::vector<Name> out;
    zone.nsec_names().for_each([&](const Node& node) { out.push_back(zone.owner_of(&node).lowered()); });
    zone.nsec3_names().for_each([&](const Node& node) { out.push_back(zone.owner_of(&node).lowered()); });
    return out;
  };
  EXPECT_EQ(denying(*made), denying(*expected));
  const auto negative = [](const Zone& zone) {
    const RRsetView view(zone.apex_node(), RRType::SOA, zone.negative_soa(), zone.apex());
    std::vector<Bytes> out = {{static_cast<std::uint8_t>(view.ttl() >> 8), static_cast<std::uint8_t>(view.ttl())}};
    view.for_each_rdata([&](ByteView rdata) { out.emplace_back(rdata.begin(), rdata.end()); });
    view.for_each_signature([&](std::uint32_t, ByteView rdata) { out.emplace_back(rdata.begin(), rdata.end()); });
    return out;
  };
  EXPECT_EQ(negative(*made), negative(*expected));
}

}  // namespace understudy::zone_fixture
