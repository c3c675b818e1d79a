// Which agents there are: an immutable list in canonical order. When zones come or go another takes its place, which
// shares the pieces that did not change.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
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
  explicit Directory(std::span<const AgentPtr> agents);

  /// This list with some more and without others; both in canonical order, what is removed is in the list, what is
  /// added is not.
  [[nodiscard]] std::shared_ptr<const Directory> with(std::span<const AgentPtr> added,
                                                      std::span<const AgentPtr> removed) const;

  [[nodiscard]] std::size_t size() const { return starts_.back(); }
  /// The agents from `index` on: at least one if there is any, at most `limit`, as many as lie together.
  [[nodiscard]] std::span<const AgentPtr> slice(std::size_t index, std::size_t limit) const;
  /// Index of the first agent whose name is not before `name`.
  [[nodiscard]] std::size_t lower_bound(NameView name) const;
  [[nodiscard]] AgentPtr find(NameView name) const;
  template <typename F>
  void for_each(F&& f) const {
    for (const auto& piece : pieces_) {
      for (const AgentPtr& agent : *piece) f(agent);
    }
  }

 private:
  using Piece = std::vector<AgentPtr>;  // never empty
  void add_pieces(std::span<const AgentPtr> agents);
  void add_piece(std::shared_ptr<const Piece> piece);
  /// Index of the piece that has the name or would have it.
  [[nodiscard]] std::size_t piece_of(NameView name) const;

  std::vector<std::shared_ptr<const Piece>> pieces_;
  std::vector<std::size_t> starts_{0};  // index of each piece's first agent, and of the end
};

}  // namespace understudy
