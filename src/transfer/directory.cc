#include "transfer/directory.h"

#include <algorithm>

namespace understudy {

std::size_t Directory::lower_bound(NameView name) const {
  const auto found = std::ranges::lower_bound(
      agents_, name, [](NameView a, NameView b) { return a.compare(b) < 0; },
      [](const AgentPtr& agent) { return agent->name().view(); });
  return static_cast<std::size_t>(found - agents_.begin());
}

Directory::AgentPtr Directory::find(NameView name) const {
  const std::size_t at = lower_bound(name);
  if (at == agents_.size() || !agents_[at]->name().view().equals(name)) return nullptr;
  return agents_[at];
}

}  // namespace understudy
