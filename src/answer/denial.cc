#include "answer/denial.h"

#include <algorithm>

#include "zone/denial.h"

namespace understudy {
namespace {

constexpr std::size_t known_names = 1024;                    // 72 KiB a worker
constexpr std::uint64_t nsec_names = 0x5bd1'e995'97f4'a7c1;  // no key of a name under NSEC is one under NSEC3

// The key of the suffix of `name` that begins at `label`.
SortKey key_of(const Zone& zone, const HashedName& name, std::size_t label) {
  SortKey key;
  const std::uint8_t* wire = name.name.wire().data();
  for (std::size_t i = name.labels - zone.apex_labels(); i-- > label;) {
    key.append_label(wire + name.offsets[i] + 1, wire[name.offsets[i]]);
  }
  return key;
}

SortKey wildcard_key(const Zone& zone, const HashedName& name, std::size_t encloser) {
  SortKey key = key_of(zone, name, encloser);
  key.append_label(reinterpret_cast<const std::uint8_t*>("*"), 1);
  return key;
}

SortKey key_of(const Nsec3Hash& hash) {
  return SortKey::of_plain_label(nsec3_label(hash));
}

// Unlike names, salts differ by case.
std::uint64_t hash_of(const Nsec3Params& params) {
  std::uint64_t hash = params.iterations;
  for (const std::uint8_t octet : params.salt) hash = hash_detail::fold(hash ^ (octet + 1U), process_hash_key.b);
  return hash;
}

Name wildcard_below(NameView encloser) {
  static constexpr std::uint8_t asterisk[] = {'*'};
  return Name::prepend(asterisk, encloser).value_or(Name(encloser));
}

}  // namespace

void Proof::add(const Node* node) {
  if (node == nullptr || std::find(nodes.begin(), nodes.begin() + count, node) != nodes.begin() + count) return;
  nodes[count++] = node;
}

Denier::Denier() : known_(known_names) {}

Proof Denier::prove(const Zone& zone, const HashedName& name, const Lookup& found, std::uint16_t most_iterations) {
  Proof proof;
  if (zone.denial() == Zone::Denial::nsec) {
    prove_nsec(zone, name, found, proof);
    return proof;
  }
  proof.type = RRType::NSEC3;
  proof.is_too_costly = zone.nsec3_params().iterations > most_iterations;
  if (!proof.is_too_costly) prove_nsec3(zone, name, found, proof);
  return proof;
}

// RFC 4035 section 3.1.3.
void Denier::prove_nsec(const Zone& zone, const HashedName& name, const Lookup& found, Proof& proof) {
  const OwnerTree names = zone.nsec_names();
  switch (found.found) {
    case Found::referral:
      if (has_nsec(*found.node)) proof.add(found.node);
      return;
    case Found::nodata:
      if (has_nsec(*found.node)) {
        proof.add(found.node);
        if (!found.wildcard) return;
      } else if (found.wildcard) {  // it exists because of what is below it
        proof.add(names.before_or_at(wildcard_key(zone, name, found.label)));
      }
      return proof.add(names.before_or_at(key_of(zone, name, 0)));
    case Found::name_error:
      proof.add(names.before_or_at(key_of(zone, name, 0)));
      return proof.add(names.before_or_at(wildcard_key(zone, name, found.label)));
    case Found::answer:
    case Found::cname:
    case Found::dname:
      return proof.add(names.before_or_at(key_of(zone, name, 0)));
  }
}

// RFC 5155 sections 7.2.2 to 7.2.7.
void Denier::prove_nsec3(const Zone& zone, const HashedName& name, const Lookup& found, Proof& proof) {
  switch (found.found) {
    case Found::referral:
      prove_match(zone, name, found.label, proof);
      return;
    case Found::nodata:
      if (!found.wildcard) return prove_match(zone, name, 0, proof);
      prove_encloser(zone, name, found.label, proof);
      return proof.add(look_up_hash(zone, encloser(zone, name, found.label).wildcard).node);
    case Found::name_error: {
      const std::size_t label = prove_encloser(zone, name, found.label, proof);
      return proof.add(look_up_hash(zone, encloser(zone, name, label).wildcard).node);
    }
    case Found::answer:
    case Found::cname:
    case Found::dname:
      return proof.add(look_up_hash(zone, nsec3_hash(name.suffix(found.label - 1U), zone.nsec3_params())).node);
  }
}

// The record of a name that exists. Where there is none, as for what opt-out leaves out, the closest encloser that can
// be proved.
void Denier::prove_match(const Zone& zone, const HashedName& name, std::size_t label, Proof& proof) {
  const Cover cover = look_up_hash(zone, nsec3_hash(name.suffix(label), zone.nsec3_params()));
  if (cover.is_match) return proof.add(cover.node);
  if (name.labels - zone.apex_labels() > label) prove_encloser(zone, name, label + 1, proof);
}

// The closest encloser at or above the suffix at `label` that has a record, and that the name one label longer has
// none. Returns the encloser's label. What has a record has ancestors that do (RFC 5155 section 7.1), and the apex
// does, so halving finds it: the rows without records that opt-out leaves can be as long as a name.
std::size_t Denier::prove_encloser(const Zone& zone, const HashedName& name, std::size_t label, Proof& proof) {
  const auto look_up_suffix = [&](std::size_t at) {
    return look_up_hash(zone, nsec3_hash(name.suffix(at), zone.nsec3_params()));
  };
  std::size_t proved = name.labels - zone.apex_labels();
  Cover closest = look_up_hash(zone, encloser(zone, name, label).own);
  if (closest.is_match || label == proved) {
    proved = label;
  } else {
    std::size_t unproved = label;
    closest = look_up_suffix(proved);
    while (proved - unproved > 1) {
      const std::size_t middle = proved - (proved - unproved) / 2;
      const Cover there = look_up_suffix(middle);
      (there.is_match ? proved : unproved) = middle;
      if (there.is_match) closest = there;
    }
  }
  if (closest.is_match) proof.add(closest.node);
  if (proved != 0) proof.add(look_up_suffix(proved - 1).node);
  return proved;
}

// What is kept of the suffix at `label`; with NSEC3 its hashes at least.
Denier::Encloser& Denier::encloser(const Zone& zone, const HashedName& name, std::size_t label) {
  const bool is_hashed = zone.denial() == Zone::Denial::nsec3;
  const std::uint64_t key = name.hashes[label] ^ (is_hashed ? hash_of(zone.nsec3_params()) : nsec_names);
  Encloser& place = known_[key >> 32 & (known_names - 1)];
  if (place.key != key) {
    place = {.key = key};
    if (is_hashed) {
      const NameView suffix = name.suffix(label);
      place.own = nsec3_hash(suffix, zone.nsec3_params());
      place.wildcard = nsec3_hash(wildcard_below(suffix), zone.nsec3_params());
    }
  }
  return place;
}

Denier::Cover Denier::look_up_hash(const Zone& zone, const Nsec3Hash& hash) {
  const Node* node = zone.nsec3_names().before_or_at(key_of(hash));
  return {node, node != nullptr && owns(*node, hash)};
}

bool Denier::owns(const Node& node, const Nsec3Hash& hash) {
  const Nsec3Label label = nsec3_label(hash);
  return node.name_size() == label.size() + 1 &&
         equal_without_case(node.relative_name().data() + 1, label.data(), label.size());
}

bool Denier::begin(const Zone& zone, const HashedName& name, const Lookup& found, std::uint16_t most_iterations,
                   ProofSearch& search) {
  search.clear();
  if (found.found != Found::name_error) return false;
  const bool is_hashed = zone.denial() == Zone::Denial::nsec3;
  if (is_hashed && zone.nsec3_params().iterations > most_iterations) return false;
  const Encloser& shared = encloser(zone, name, found.label);
  search.shared_known = shared.version == zone.id();
  if (is_hashed) {
    const OwnerTree names = zone.nsec3_names();
    search.shared_known ? search.add_found(shared.own_node) : search.add(names, key_of(shared.own));
    search.add(names, key_of(nsec3_hash(name.suffix(found.label - 1U), zone.nsec3_params())));
    search.shared_known ? search.add_found(shared.wildcard_node) : search.add(names, key_of(shared.wildcard));
  } else {
    const OwnerTree names = zone.nsec_names();
    search.add(names, key_of(zone, name, 0));
    search.shared_known ? search.add_found(shared.wildcard_node)
                        : search.add(names, wildcard_key(zone, name, found.label));
  }
  return true;
}

bool Denier::advance(ProofSearch& search) {
  for (std::size_t i = 0; i < search.count; ++i) {
    const auto bit = static_cast<std::uint8_t>(1U << i);
    if ((search.pending & bit) == 0 || search.searches[i].step(search.keys[i])) continue;
    search.pending &= static_cast<std::uint8_t>(~bit);
    search.nodes[i] = search.searches[i].node();
    // The owner, and the records that are copied.
    const std::uint8_t* node = search.nodes[i]->bytes();
    for (std::size_t at = 0; at < 256; at += 64) __builtin_prefetch(node + at);
  }
  return search.pending != 0;
}

Proof Denier::end(const Zone& zone, const HashedName& name, const Lookup& found, const ProofSearch& search) {
  Proof proof;
  const bool is_hashed = zone.denial() == Zone::Denial::nsec3;
  if (is_hashed) proof.type = RRType::NSEC3;
  if (!search.shared_known) {
    Encloser& shared = encloser(zone, name, found.label);
    if (is_hashed && !owns(*search.nodes[0], shared.own)) {
      // Enclosers that cannot be proved are rare: from the start, then.
      prove_nsec3(zone, name, found, proof);
      return proof;
    }
    shared.version = zone.id();
    shared.own_node = search.nodes[0];
    shared.wildcard_node = search.nodes[search.count - 1];
  }
  for (std::size_t i = 0; i < search.count; ++i) proof.add(search.nodes[i]);
  return proof;
}

}  // namespace understudy
