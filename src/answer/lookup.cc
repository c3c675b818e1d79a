#include "answer/lookup.h"

namespace understudy {
namespace {

// NSEC3 owners are not names of the zone (RFC 5155 section 7.2.8).
const Node* find_name(const Zone& zone, const HashedName& name, std::size_t label) {
  const Node* node = zone.find(name, label);
  return node != nullptr && node->has(Node::nsec3_only) ? nullptr : node;
}

// The topmost zone cut or DNAME above or at `label`: what lies below it is not this zone's to answer. Cost: one probe
// a label, only for names known to be occluded.
Lookup find_occluder(const Zone& zone, const HashedName& name, std::size_t label) {
  for (std::size_t i = name.labels - zone.apex_labels() + 1; i-- > label;) {
    const Node* node = find_name(zone, name, i);
    if (node == nullptr) continue;
    const auto at = static_cast<std::uint8_t>(i);
    if (node->has(Node::cut)) return {Found::referral, false, at, node, node->rrset_chunk(RRType::NS)};
    if (node->has(Node::dname) && i != 0) return {Found::dname, false, at, node, node->rrset_chunk(RRType::DNAME)};
  }
  return {};
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
    if (encloser->has(Node::cut | Node::below_cut | Node::dname | Node::below_dname)) {
      return find_occluder(zone, name, label);
    }
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

Lookup look_up(const Zone& zone, const HashedName& name, RRType type) {
  const Node* node = find_name(zone, name, 0);
  if (node == nullptr) return missing_name(zone, name, type);
  if (node->has(Node::below_cut | Node::below_dname)) return find_occluder(zone, name, 0);
  // DS belongs to the parent's side of the cut (RFC 4035 section 3.1.4.1).
  if (node->has(Node::cut) && type != RRType::DS) {
    return {Found::referral, false, 0, node, node->rrset_chunk(RRType::NS)};
  }
  return at_node(node, 0, false, type);
}

}  // namespace understudy
