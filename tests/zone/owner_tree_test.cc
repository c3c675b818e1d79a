#include "zone/owner_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

#include "zone/delta_fixture.h"
#include "zone/zone_fixture.h"

namespace understudy {
namespace {

using namespace zone_fixture;

SortKey key_of(const Name& owner, const Name& apex) {
  return SortKey(owner.wire().first(owner.size() - apex.size()));
}

TEST(SortKeyTest, OrdersAsRfc4034Section61) {
  // The example of the section, in its order.
  const Name apex = name("example.");
  const std::vector<Name> names = {apex,
                                   name("a.example."),
                                   name("yljkjljk.a.example."),
                                   name("Z.a.example."),
                                   name("zABC.a.EXAMPLE."),
                                   name("z.example."),
                                   name("\\001.z.example."),
                                   name("*.z.example."),
                                   name("\\200.z.example.")};
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (std::size_t j = 0; j < names.size(); ++j) {
      EXPECT_EQ(key_of(names[i], apex) <=> key_of(names[j], apex), i <=> j) << names[i].text() << names[j].text();
    }
  }
}

TEST(SortKeyTest, SmallOctetsAndLongNames) {
  const Name apex = name(".");
  const std::vector<Name> names = {name("a."),       name("\\000.a."), name("\\000\\000.a."), name("\\000\\001.a."),
                                   name("\\001.a."), name("\\002.a."), name("a\\000."),       name("a\\001."),
                                   name("aa.")};
  for (std::size_t i = 1; i < names.size(); ++i) {
    EXPECT_LT(key_of(names[i - 1], apex), key_of(names[i], apex)) << names[i].text();
  }
  Bytes longest;
  for (int i = 0; i < 127; ++i) append(longest, Bytes{1, 0});
  longest.push_back(0);
  EXPECT_EQ(key_of(NameView::trusted(longest), apex).octets().size(), 127U * 3);
}

// Whole words of labels give what octet by octet gives.
TEST(SortKeyTest, LabelsOfEverySize) {
  std::mt19937 random(4);
  for (int round = 0; round < 20'000; ++round) {
    const std::size_t labels = 1 + random() % 3;
    SortKey key;
    Bytes expected;
    for (std::size_t l = 0; l < labels; ++l) {
      Bytes label(1 + random() % 63);  // exactly as long as it says, so that a sanitizer sees what is read beyond
      const bool plain = random() % 2 == 0;
      for (auto& octet : label)
        octet = static_cast<std::uint8_t>(plain ? 'A' + random() % 60 : random() % 128 * (random() % 8 ? 1 : 0));
      key.append_label(label.data(), label.size());
      for (const std::uint8_t octet : label) {
        if (octet <= 1) expected.push_back(1);
        expected.push_back(static_cast<std::uint8_t>(octet <= 1                     ? octet + 1
                                                     : octet >= 'A' && octet <= 'Z' ? octet + 32
                                                                                    : octet));
      }
      expected.push_back(0);
    }
    ASSERT_EQ(Bytes(key.octets().begin(), key.octets().end()), expected);
  }
  std::array<std::uint8_t, 32> label;
  for (auto& octet : label) octet = static_cast<std::uint8_t>('a' + random() % 26);
  SortKey appended;
  appended.append_label(label.data(), label.size());
  EXPECT_EQ(SortKey::of_plain_label(label), appended);
}

// Pages in a vector; what is dropped is counted.
class Pages final : public PageMemory {
 public:
  Pages() { memory_.resize(8); }
  std::uint32_t allocate(std::size_t octets) override {
    if (most_ == 0) return 0;
    --most_;
    const std::size_t at = memory_.size();
    memory_.resize(at + octets);
    live_[static_cast<std::uint32_t>(at / 8)] = octets;
    return static_cast<std::uint32_t>(at / 8);
  }
  void drop(std::uint32_t ref, std::size_t octets) override {
    EXPECT_EQ(live_[ref], octets);
    live_.erase(ref);
  }
  [[nodiscard]] std::uint8_t* base() const override { return const_cast<std::uint8_t*>(memory_.data()); }
  std::uint32_t add_node(ByteView relative) {
    const std::size_t size = round_up8(sizeof(Node) + relative.size());
    const std::size_t at = memory_.size();
    memory_.resize(at + size);
    auto* node = reinterpret_cast<Node*>(&memory_[at]);
    node->size_and_name = static_cast<std::uint32_t>(size / 8 << 8 | relative.size());
    std::copy(relative.begin(), relative.end(), &memory_[at] + sizeof(Node));
    return static_cast<std::uint32_t>(at / 8);
  }
  [[nodiscard]] std::size_t live_pages() const { return live_.size(); }
  void limit(std::size_t most) { most_ = most; }

 private:
  std::vector<std::uint8_t> memory_;
  std::map<std::uint32_t, std::size_t> live_;
  std::size_t most_ = ~std::size_t{0};
};

Bytes random_name(std::mt19937_64& random) {
  static constexpr std::uint8_t letters[] = {0, 1, 2, 'A', 'a', 'b', 'z', '*', 255};
  Bytes out;
  const std::size_t labels = 1 + random() % 3;
  for (std::size_t i = 0; i < labels; ++i) {
    const std::size_t size = random() % 8 == 0 ? 12 + random() % 20 : 1 + random() % 3;
    out.push_back(static_cast<std::uint8_t>(size));
    for (std::size_t j = 0; j < size; ++j) out.push_back(size > 11 && j < 11 ? 'x' : letters[random() % 9]);
  }
  return out;
}

std::size_t pages_of(const OwnerTree& tree, const OwnerPage& page) {
  std::size_t count = 1;
  for (const std::uint32_t ref : page.refs()) {
    if (page.level != 0) count += pages_of(tree, tree.page(ref));
  }
  return count;
}

void expect_tree(const Pages& pages, std::uint32_t root, const std::map<Bytes, std::uint32_t>& model,
                 std::mt19937_64& random) {
  const OwnerTree tree(pages.base(), root);
  std::vector<const Node*> seen;
  tree.for_each([&](const Node& node) { seen.push_back(&node); });
  ASSERT_EQ(seen.size(), model.size());
  std::size_t i = 0;
  for (const auto& [key, ref] : model) ASSERT_EQ(seen[i++], &tree.node(ref));
  EXPECT_EQ(pages.live_pages(), root == 0 ? 0 : pages_of(tree, tree.page(root)));
  for (int n = 0; n < 50; ++n) {
    const SortKey wanted{random_name(random)};
    const Bytes octets(wanted.octets().begin(), wanted.octets().end());
    auto at = model.upper_bound(octets);
    const Node* expected =
        model.empty() ? nullptr : &tree.node(at == model.begin() ? model.rbegin()->second : std::prev(at)->second);
    ASSERT_EQ(tree.before_or_at(wanted), expected);
  }
}

TEST(OwnerTreeTest, RandomTreesAgainstAMap) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    Pages pages;
    std::map<Bytes, std::uint32_t> model;
    const auto add = [&](std::uint32_t& ref) {
      const Bytes relative = random_name(random);
      const SortKey key(relative);
      const Bytes octets(key.octets().begin(), key.octets().end());
      if (model.contains(octets)) return false;
      model[octets] = ref = pages.add_node(relative);
      return true;
    };
    std::vector<std::uint32_t> nodes;
    const std::size_t begin = seed % 5 == 0 ? 0 : random() % (seed % 3 == 0 ? 6000 : 100);
    for (std::size_t i = 0; i < begin; ++i) {
      if (std::uint32_t ref = 0; add(ref)) nodes.push_back(ref);
    }
    OwnerTreeWriter writer(pages);
    std::uint32_t root = writer.build(nodes).value();
    expect_tree(pages, root, model, random);
    for (int step = 0; step < 12; ++step) {
      std::vector<OwnerTreeWriter::Change> changes;
      const std::map<Bytes, std::uint32_t> before = model;
      const std::size_t share = 1 + random() % 40;
      const bool shrinks = step % 4 == 3;
      for (const auto& [key, ref] : before) {
        if (random() % share != 0) continue;
        OwnerTreeWriter::Change change{ref, 0};
        if (!shrinks && random() % 2 == 0) {
          const ByteView relative = OwnerTree(pages.base(), 0).node(ref).relative_name();
          change.after = model[key] = pages.add_node(Bytes(relative.begin(), relative.end()));
        } else {
          model.erase(key);
        }
        changes.push_back(change);
      }
      for (std::size_t i = shrinks ? 0 : random() % 200; i > 0; --i) {
        if (std::uint32_t ref = 0; add(ref)) changes.push_back({0, ref});
      }
      std::ranges::shuffle(changes, random);
      root = writer.edit(root, changes).value();
      expect_tree(pages, root, model, random);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(OwnerTreeTest, EmptiedPageByPage) {
  std::mt19937_64 random(7);
  Pages pages;
  std::map<Bytes, std::uint32_t> model;
  std::vector<std::uint32_t> nodes;
  for (unsigned i = 0; i < 5000; ++i) {
    const std::string label = "host" + std::to_string(100000 + i);
    Bytes relative{static_cast<std::uint8_t>(label.size())};
    append(relative, view_of(label));
    nodes.push_back(pages.add_node(relative));
    const SortKey key(relative);
    model[Bytes(key.octets().begin(), key.octets().end())] = nodes.back();
  }
  OwnerTreeWriter writer(pages);
  std::uint32_t root = writer.build(nodes).value();
  // All but each fortieth name goes: pages that are left nearly empty are joined.
  for (auto at = model.begin(); at != model.end();) {
    if (at->second % 40 == 0) {
      ++at;
      continue;
    }
    const OwnerTreeWriter::Change change{at->second, 0};
    root = writer.edit(root, {&change, 1}).value();
    at = model.erase(at);
  }
  expect_tree(pages, root, model, random);
  EXPECT_LT(pages.live_pages(), 5000U / 40 / 4);
  while (!model.empty()) {
    const OwnerTreeWriter::Change change{model.begin()->second, 0};
    root = writer.edit(root, {&change, 1}).value();
    model.erase(model.begin());
  }
  EXPECT_EQ(root, 0U);
  EXPECT_EQ(pages.live_pages(), 0U);
}

TEST(OwnerTreeTest, WithoutRoom) {
  Pages pages;
  std::vector<std::uint32_t> nodes;
  for (std::uint8_t i = 0; i < 200; ++i) nodes.push_back(pages.add_node(Bytes{1, i}));
  OwnerTreeWriter writer(pages);
  pages.limit(3);
  EXPECT_EQ(writer.build(nodes), std::nullopt);
}

// The trees of versions.

std::vector<std::string> names_of(const Zone& zone, const OwnerTree& tree) {
  std::vector<std::string> out;
  tree.for_each([&](const Node& node) { out.push_back(zone.owner_of(&node).text()); });
  return out;
}

const std::string hashed = "1 0 1 ab 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A";

TEST(OwnerTreeTest, ChainsOfAVersion) {
  const std::string nsec = "@ NSEC b.example. NS SOA\nb A 192.0.2.1\nb NSEC example. A\nc A 192.0.2.3\n";
  const auto plain = shared_zone(nsec);
  EXPECT_EQ(plain->denial(), Zone::Denial::nsec);
  EXPECT_EQ(names_of(*plain, plain->nsec_names()), (std::vector<std::string>{"example.", "b.example."}));
  const auto none = shared_zone("b A 192.0.2.1\nb NSEC example. A\n");
  EXPECT_EQ(none->denial(), Zone::Denial::none) << "no record of the apex begins a chain";

  const Name apex = name("example.");
  const Bytes salt = {0xab};
  const Nsec3Params params{1, 0, 1, salt};
  const Nsec3Label label = nsec3_label(nsec3_hash(apex, params));
  const std::string owner(label.begin(), label.end());
  const std::string chain = owner + " NSEC3 " + hashed + "\nzz NSEC3 1 0 2 ab 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A\n";
  const auto zone = shared_zone("@ NSEC3PARAM 1 0 7 -\n@ NSEC3PARAM 1 0 1 ab\n" + chain + nsec);
  EXPECT_EQ(zone->denial(), Zone::Denial::nsec3) << "the first parameters have no chain";
  EXPECT_EQ(zone->nsec3_params().iterations, 1);
  EXPECT_EQ(names_of(*zone, zone->nsec3_names()), std::vector<std::string>{owner + ".example."});
  EXPECT_EQ(zone->nsec_names().empty(), false);

  // The parameters go: the other chain counts.
  const DeltaPtr gone = delta(1, "@ NSEC3PARAM 1 0 1 ab\n", "");
  const auto next = apply_deltas(zone, {&gone, 1});
  ASSERT_TRUE(next);
  EXPECT_EQ((*next)->denial(), Zone::Denial::nsec);
  const DeltaPtr back = delta(2, "", "@ NSEC3PARAM 1 0 1 ab\n");
  const auto again = apply_deltas(*next, {&back, 1});
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->denial(), Zone::Denial::nsec3);
  EXPECT_EQ(names_of(**again, (*again)->nsec3_names()), std::vector<std::string>{owner + ".example."});
}

// A chain of hundreds of names that changes again and again leads to the tree that building leads to.
TEST(OwnerTreeTest, AChainThroughManyChanges) {
  const Nsec3Params params{1, 0, 0, {}};
  const auto owner_of = [&](const std::string& host) {
    const Nsec3Label label = nsec3_label(nsec3_hash(name(host.empty() ? "example." : host + ".example."), params));
    return std::string(label.begin(), label.end());
  };
  const auto record = [&](const std::string& host, char last) {
    return owner_of(host) + " NSEC3 1 0 0 - " + std::string(31, '0') + last + " A\n";
  };
  const std::string begin = "@ NSEC3PARAM 1 0 0 -\n" + record("", '0');
  std::string text = begin;
  std::map<std::string, char> hosts;
  for (int i = 0; i < 600; ++i) hosts["h" + std::to_string(i)] = '0';
  for (const auto& [host, last] : hosts) text += record(host, last);
  std::shared_ptr<const Zone> zone = shared_zone(text);
  std::mt19937_64 random(11);
  for (unsigned serial = 1; serial < 40; ++serial) {
    std::string removed, added;
    const std::size_t share = serial % 10 == 0 ? 2 : 30;
    for (auto at = hosts.begin(); at != hosts.end();) {
      auto& [host, last] = *at;
      if (random() % share != 0) {
        ++at;
        continue;
      }
      removed += record(host, last);
      if (random() % 2 == 0) {
        at = hosts.erase(at);
        continue;
      }
      added += record(host, last = last == '0' ? 'v' : '0');  // its node is another one then
      ++at;
    }
    for (std::size_t i = random() % 40; i > 0; --i) {
      const std::string host = "n" + std::to_string(random() % 100'000);
      if (hosts.try_emplace(host, '0').second) added += record(host, '0');
    }
    const DeltaPtr step = delta(serial, removed, added);
    const auto next = apply_deltas(zone, {&step, 1});
    ASSERT_TRUE(next) << next.error().text();
    zone = *next;
    ASSERT_NE(zone->shared(), nullptr);
    std::vector<std::string> expected{owner_of("") + ".example."};
    for (const auto& [host, last] : hosts) expected.push_back(owner_of(host) + ".example.");
    std::ranges::sort(expected);
    ASSERT_EQ(zone->denial(), Zone::Denial::nsec3);
    ASSERT_EQ(names_of(*zone, zone->nsec3_names()), expected) << serial;
    zone->nsec3_names().for_each([&](const Node& node) {
      const Name at = zone->owner_of(&node);
      ASSERT_EQ(&node, zone->find(HashedName(at))) << "the tree refers to the node that the table does";
    });
  }
}

}  // namespace
}  // namespace understudy
