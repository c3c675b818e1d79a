// Which NSEC or NSEC3 records prove that something is not there (RFC 4035 section 3.1.3, RFC 5155 section 7.2). What
// the zone has is sent; nothing is made up where a chain has holes.
//
// An NSEC proof takes a search in the names with NSEC records for the name and, for a name error, one for the wildcard.
// An NSEC3 proof takes a hash and a search for the closest encloser, for the next closer name and for the wildcard.
// What many questions share is kept: hashes of closest enclosers and of wildcards below them, and what was found for
// them in this version of the zone. So most name errors take one search, and one hash.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "answer/lookup.h"
#include "dns/nsec3.h"
#include "zone/zone.h"

namespace understudy {

/// Nodes whose NSEC (or NSEC3) RRsets go into the authority section, in this order, each once.
struct Proof {
  RRType type = RRType::NSEC;
  bool is_too_costly = false;  // over the limit of iterations: nothing can be proved
  std::uint8_t count = 0;
  std::array<const Node*, 4> nodes;

  void add(const Node* node);
};

/// The searches of one proof, carried out step by step beside those of others.
struct ProofSearch {
  static constexpr std::size_t most = 3;
  std::uint8_t count = 0;
  std::uint8_t pending = 0;   // bit i: search i is not at its end
  bool shared_known = false;  // what other questions share was known before
  const Node* nodes[most];    // what was found
  SortKey keys[most];
  OwnerSearch searches[most];

  void clear() {
    count = pending = 0;
    shared_known = false;
  }
  void add(const OwnerTree& names, const SortKey& key) {
    keys[count] = key;
    searches[count] = OwnerSearch(names);
    pending |= static_cast<std::uint8_t>(1U << count++);
  }
  void add_found(const Node* node) { nodes[count++] = node; }
};

/// One object per worker.
class Denier {
 public:
  Denier();

  // The same in steps, for name errors, the denials that attacks ask for: begin() and advance() ask the processor for
  // what the next step reads. Only where needs_proof() says so.
  /// False if prove() is to be called instead.
  bool begin(const Zone& zone, const HashedName& name, const Lookup& found, std::uint16_t most_iterations,
             ProofSearch& search);
  /// False once all searches have ended; what they found has been asked for.
  static bool advance(ProofSearch& search);
  Proof end(const Zone& zone, const HashedName& name, const Lookup& found, const ProofSearch& search);

  /// What `zone` has to prove the negative in what it `found` for `name`: a name error, no data, no closer match than a
  /// wildcard, no DS at a zone cut. Only where needs_proof() says so. `most_iterations`: of NSEC3.
  Proof prove(const Zone& zone, const HashedName& name, const Lookup& found, std::uint16_t most_iterations);

  /// Whether there may be anything to prove.
  static bool needs_proof(const Zone& zone, const Lookup& found) {
    if (zone.denial() == Zone::Denial::none) return false;
    switch (found.found) {
      case Found::name_error:
      case Found::nodata:
        return true;
      case Found::answer:
      case Found::cname:
        return found.wildcard;
      case Found::referral:
        return found.node->rrset_chunk(RRType::DS) == nullptr;
      case Found::dname:
        return false;
    }
    return false;
  }

 private:
  struct Encloser {
    std::uint64_t key = 0;      // hash of the name and, with NSEC3, of the parameters; of nothing as yet: 0
    Nsec3Hash own, wildcard;    // with NSEC3: of the name, of "*" below it
    std::uint64_t version = 0;  // Zone::id() of that of the nodes; 0: not looked for
    const Node* own_node;       // with NSEC3: the one that matches the name
    const Node* wildcard_node;  // the one that covers "*" below it
  };
  struct Cover {
    const Node* node = nullptr;  // whose hash is the one looked for, or the last before it
    bool is_match = false;
  };

  static void prove_nsec(const Zone& zone, const HashedName& name, const Lookup& found, Proof& proof);
  void prove_nsec3(const Zone& zone, const HashedName& name, const Lookup& found, Proof& proof);
  void prove_match(const Zone& zone, const HashedName& name, std::size_t label, Proof& proof);
  std::size_t prove_encloser(const Zone& zone, const HashedName& name, std::size_t label, Proof& proof);
  Encloser& encloser(const Zone& zone, const HashedName& name, std::size_t label);
  static Cover look_up_hash(const Zone& zone, const Nsec3Hash& hash);
  static bool owns(const Node& node, const Nsec3Hash& hash);

  std::vector<Encloser> known_;  // place by key
};

}  // namespace understudy
