// Which agents there are: an immutable list in canonical order, replaced as a whole when zones come or go.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "dns/name.h"
#include "transfer/zone_agent.h"

namespace understudy {

class Directory {
 public:
  using AgentPtr = std::shared_ptr<ZoneAgent>;

  Directory() = default;
  /// `agents` in canonical order of their names, each once.
  explicit Directory(std::vector<AgentPtr> agents) : agents_(std::move(agents)) {}

  [[nodiscard]] const std::vector<AgentPtr>& agents() const { return agents_; }
  /// Index of the first agent whose name is not before `name`.
  [[nodiscard]] std::size_t lower_bound(NameView name) const;
  [[nodiscard]] AgentPtr find(NameView name) const;

 private:
  std::vector<AgentPtr> agents_;
};

}  // namespace understudy
