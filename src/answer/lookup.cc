#include "answer/lookup.h"

#include <bit>

namespace understudy {
namespace {

// NSEC3 owners are not names of the zone (RFC 5155 section 7.2.8).
const Node* find_name(const Zone& zone, const HashedName& name, std::size_t label) {
  const Node* node = zone.find(name, label);
  return node != nullptr && node->has(Node::nsec3_only) ? nullptr : node;
}

// Calls f(node, label) for the names strictly above `name` at `depths` (labels below the apex; see Zone::cut_depths()),
// the topmost first, until it returns true. One probe a depth: few zones have cuts or DNAMEs at more than one.
template <typename F>
bool any_above(const Zone& zone, const HashedName& name, std::uint64_t depths, F&& f) {
  const std::size_t own = name.labels - zone.apex_labels();
  if (own < Zone::most_depth) depths &= (std::uint64_t{1} << own) - 1;
  for (; depths != 0; depths &= depths - 1) {
    const auto first = static_cast<std::size_t>(std::countr_zero(depths));
    const std::size_t end = first < Zone::most_depth ? first + 1 : own;  // the last bit is for all that are deeper
    for (std::size_t depth = first; depth < end; ++depth) {
      const std::size_t label = own - depth;
      const Node* node = zone.find(name, label);
      if (node != nullptr && f(*node, label)) return true;
    }
  }
  return false;
}

// The topmost zone cut or DNAME above the name: what lies below it is not this zone's to answer.
bool find_occluder(const Zone& zone, const HashedName& name, Lookup& found) {
  return any_above(zone, name, zone.cut_depths() | zone.dname_depths(), [&](const Node& node, std::size_t label) {
    const auto at = static_cast<std::uint8_t>(label);
    if (node.has(Node::cut)) {
      found = {Found::referral, false, at, &node, node.rrset_chunk(RRType::NS)};
    } else if (node.has(Node::dname)) {
      found = {Found::dname, false, at, &node, node.rrset_chunk(RRType::DNAME)};
    } else {
      return false;
    }
    return true;
  });
}

bool has_signatures(const Node& node) {
  for (std::size_t i = 0; i < node.rrset_count; ++i) {
    if (node.chunk_at(i)->signature_count() != 0) return true;
  }
  return false;
}

Lookup at_node(const Node* node, std::size_t label, bool wildcard, RRType type) {
  Lookup result{Found::nodata, wildcard, static_cast<std::uint8_t>(label), node, nullptr};
  if (type == RRType::ANY) {
    if (node->rrset_count != 0) result.found = Found::answer;
    return result;
  }
  if (const Chunk* chunk = node->rrset_chunk(type)) {
    result.found = Found::answer;
    result.chunk = chunk;
  } else if (type == RRType::RRSIG && has_signatures(*node)) {
    result.found = Found::answer;
  } else if (node->has(Node::cname)) {
    result.found = Found::cname;
    result.chunk = node->rrset_chunk(RRType::CNAME);
  }
  return result;
}

Lookup missing_name(const Zone& zone, const HashedName& name, RRType type) {
  const std::size_t depth = name.labels - zone.apex_labels();
  for (std::size_t label = 1; label <= depth; ++label) {
    if (!zone.has_depth(depth - label)) continue;
    const Node* encloser = find_name(zone, name, label);
    if (encloser == nullptr) continue;
    const auto at = static_cast<std::uint8_t>(label);
    if (encloser->has(Node::wildcard_child)) {
      const Node* wildcard = zone.find_wildcard(name, label);
      if (wildcard != nullptr && !wildcard->has(Node::nsec3_only)) {
        // NS at a wildcard has no meaning (RFC 4592 section 4.2): the name exists, and that is all.
        if (wildcard->has(Node::cut) && type != RRType::DS) return {Found::nodata, true, at, wildcard, nullptr};
        return at_node(wildcard, label, true, type);
      }
    }
    return {Found::name_error, false, at, nullptr, nullptr};
  }
  return {};  // not reached: the apex exists
}

}  // namespace

bool is_below_cut(const Zone& zone, const HashedName& name) {
  return any_above(zone, name, zone.cut_depths(), [](const Node& node, std::size_t) { return node.has(Node::cut); });
}

bool is_below_dname(const Zone& zone, const HashedName& name) {
  return any_above(zone, name, zone.dname_depths(),
                   [](const Node& node, std::size_t) { return node.has(Node::dname); });
}

// RFC 1034 section 4.3.2 walks down from the apex: a zone cut or DNAME above the name decides before the name itself.
Lookup look_up(const Zone& zone, const HashedName& name, RRType type) {
  if ((zone.cut_depths() | zone.dname_depths()) != 0) {
    if (Lookup above; find_occluder(zone, name, above)) return above;
  }
  const Node* node = find_name(zone, name, 0);
  if (node == nullptr) return missing_name(zone, name, type);
  // DS belongs to the parent's side of the cut (RFC 4035 section 3.1.4.1).
  if (node->has(Node::cut) && type != RRType::DS) {
    return {Found::referral, false, 0, node, node->rrset_chunk(RRType::NS)};
  }
  return at_node(node, 0, false, type);
}

}  // namespace understudy
