#include "zone/denial.h"

#include <cstring>

#include "zone/zone.h"

namespace understudy {
namespace {

constexpr std::size_t most_tried = 8;  // chains; a zone has one, or two while it goes over to another

// NSEC3 and NSEC3PARAM hold no names, so their records lie in a chunk as they are.
template <typename F>
void for_each_params(const Node& node, RRType type, F&& f) {
  if (const Chunk* chunk = node.rrset_chunk(type)) {
    RRsetView(&node, type, chunk, {}).for_each_rdata([&](ByteView rdata) { f(nsec3_params(rdata)); });
  }
}

Name hashed_owner(NameView name, NameView apex, const Nsec3Params& params) {
  const Nsec3Label label = nsec3_label(nsec3_hash(name, params));
  return Name::prepend(label, apex).value_or(Name());  // the root where the zone's name is too long for NSEC3
}

}  // namespace

std::optional<std::size_t> choose_nsec3_chain(const Node& apex_node, NameView apex,
                                              const std::function<const Node*(const HashedName&)>& find) {
  std::optional<std::size_t> chosen;
  std::size_t index = 0;
  for_each_params(apex_node, RRType::NSEC3PARAM, [&](const Nsec3Params& params) {
    const std::size_t at = index++;
    if (chosen || at >= most_tried || params.algorithm != nsec3_sha1 || params.flags != 0) return;
    if (params.iterations > most_nsec3_iterations) {
      chosen = at;
      return;
    }
    const Name owner = hashed_owner(apex, apex, params);
    if (owner.is_root()) return;
    const Node* node = find(HashedName(owner));
    if (node != nullptr && is_in_chain(*node, params)) chosen = at;
  });
  return chosen;
}

Nsec3Params nsec3_params_at(const Node& apex_node, std::size_t index) {
  Nsec3Params found;
  for_each_params(apex_node, RRType::NSEC3PARAM, [&](const Nsec3Params& params) {
    if (index-- == 0) found = params;
  });
  return found;
}

bool is_in_chain(const Node& node, const Nsec3Params& chain) {
  bool found = false;
  for_each_params(node, RRType::NSEC3,
                  [&](const Nsec3Params& params) { found = found || params.is_same_chain(chain); });
  return found;
}

}  // namespace understudy
