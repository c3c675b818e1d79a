// What of a version denies names: which names own NSEC records, and which belong to the chain of NSEC3 records in use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "dns/nsec3.h"
#include "zone/layout.h"

namespace understudy {

struct HashedName;

/// More iterations than this no zone may have (RFC 5155 section 10.3): nobody computes such hashes.
inline constexpr std::uint16_t most_nsec3_iterations = 2500;

/// The NSEC3PARAM record that names the chain to answer with: the first of an algorithm and flags that are known
/// (RFC 5155 section 4.1.2) for which the apex has an NSEC3 record, or cannot be looked for because of its iterations;
/// counted from 0. `find` finds nodes by name.
std::optional<std::size_t> choose_nsec3_chain(const Node& apex_node, NameView apex,
                                              const std::function<const Node*(const HashedName&)>& find);
/// The parameters in that record of the apex; they refer into the node.
Nsec3Params nsec3_params_at(const Node& apex_node, std::size_t index);

inline bool has_nsec(const Node& node) {
  return node.rrset_chunk(RRType::NSEC) != nullptr;
}
/// The node owns an NSEC3 record of this chain.
bool is_in_chain(const Node& node, const Nsec3Params& chain);

}  // namespace understudy
