#include "zone/oddities.h"

#include <fmt/format.h>

#include <array>

namespace understudy {
namespace {

constexpr std::size_t most_oddities = 8;
constexpr std::array oddity_texts = {"more than one CNAME", "more than one DNAME", "SOA below the apex",
                                     "CNAME beside other data"};

}  // namespace

// Bit i: oddity_texts[i] holds for this name.
unsigned oddities_of(const Node& node) {
  unsigned oddities = 0;
  bool others = false;
  for (std::size_t i = 0; i < node.rrset_count; ++i) {
    const std::size_t count = node.chunk_at(i)->record_count();
    const RRType type = node.type_at(i);
    if (count > 1 && type == RRType::CNAME) oddities |= 1;
    if (count > 1 && type == RRType::DNAME) oddities |= 2;
    if (count != 0 && type == RRType::SOA && node.name_size() != 0) oddities |= 4;
    if (count != 0 && type != RRType::CNAME && type != RRType::NSEC) others = true;
  }
  return node.has(Node::cname) && others ? oddities | 8 : oddities;
}

void note_oddities(ZoneBuilder::Report& report, NameView name, unsigned oddities) {
  for (std::size_t i = 0; i < oddity_texts.size(); ++i) {
    if ((oddities >> i & 1) == 0) continue;
    ++report.oddity_count;
    if (report.oddities.size() < most_oddities) {
      report.oddities.push_back(fmt::format("{}: {}", name.text(), oddity_texts[i]));
    }
  }
}

}  // namespace understudy
