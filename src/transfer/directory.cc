#include "transfer/directory.h"

#include <algorithm>
#include <iterator>

namespace understudy {
namespace {

using AgentPtr = Directory::AgentPtr;

constexpr std::size_t max_piece = 512;

bool before(NameView a, NameView b) {
  return a.compare(b) < 0;
}
NameView name_of(const AgentPtr& agent) {
  return agent->name();
}

}  // namespace

Directory::Directory(std::span<const AgentPtr> agents) {
  add_pieces(agents);
}

/// As few pieces as possible, of about the same size.
void Directory::add_pieces(std::span<const AgentPtr> agents) {
  const std::size_t count = (agents.size() + max_piece - 1) / max_piece;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = agents.size() * i / count, end = agents.size() * (i + 1) / count;
    add_piece(std::make_shared<const Piece>(agents.begin() + static_cast<std::ptrdiff_t>(begin),
                                            agents.begin() + static_cast<std::ptrdiff_t>(end)));
  }
}

void Directory::add_piece(std::shared_ptr<const Piece> piece) {
  starts_.push_back(starts_.back() + piece->size());
  pieces_.push_back(std::move(piece));
}

std::size_t Directory::piece_of(NameView name) const {
  const auto behind =
      std::ranges::upper_bound(pieces_, name, before, [](const auto& piece) { return name_of(piece->front()); });
  const auto index = static_cast<std::size_t>(behind - pieces_.begin());
  return index == 0 ? 0 : index - 1;
}

std::shared_ptr<const Directory> Directory::with(std::span<const AgentPtr> added,
                                                 std::span<const AgentPtr> removed) const {
  auto out = std::make_shared<Directory>();
  if (pieces_.empty()) {
    out->add_pieces(added);
    return out;
  }
  out->pieces_.reserve(pieces_.size() + 2);
  out->starts_.reserve(pieces_.size() + 3);
  std::size_t next = 0;  // piece
  while (!added.empty() || !removed.empty()) {
    const bool add_first = removed.empty() || (!added.empty() && before(name_of(added[0]), name_of(removed[0])));
    const std::size_t touched = piece_of(name_of(add_first ? added[0] : removed[0]));
    while (next < touched) out->add_piece(pieces_[next++]);
    // What belongs to this piece: all that comes before the next one's first.
    const auto take = [&](std::span<const AgentPtr>& agents) {
      std::size_t count = agents.size();
      if (touched + 1 < pieces_.size()) {
        const NameView end = name_of(pieces_[touched + 1]->front());
        count = static_cast<std::size_t>(std::ranges::lower_bound(agents, end, before, name_of) - agents.begin());
      }
      const auto part = agents.first(count);
      agents = agents.subspan(count);
      return part;
    };
    const auto comes = take(added), goes = take(removed);
    Piece stays, merged;
    const auto by_name = [](const AgentPtr& a, const AgentPtr& b) { return before(name_of(a), name_of(b)); };
    std::ranges::set_difference(*pieces_[touched], goes, std::back_inserter(stays), by_name);
    std::ranges::merge(stays, comes, std::back_inserter(merged), by_name);
    out->add_pieces(merged);
    ++next;
  }
  while (next < pieces_.size()) out->add_piece(pieces_[next++]);
  return out;
}

std::span<const AgentPtr> Directory::slice(std::size_t index, std::size_t limit) const {
  if (index >= size()) return {};
  const auto behind = std::ranges::upper_bound(starts_, index);
  const auto piece = static_cast<std::size_t>(behind - starts_.begin()) - 1;
  const auto rest = std::span(*pieces_[piece]).subspan(index - starts_[piece]);
  return rest.first(std::min(limit, rest.size()));
}

std::size_t Directory::lower_bound(NameView name) const {
  if (pieces_.empty()) return 0;
  const std::size_t piece = piece_of(name);
  const auto found = std::ranges::lower_bound(*pieces_[piece], name, before, name_of);
  return starts_[piece] + static_cast<std::size_t>(found - pieces_[piece]->begin());
}

AgentPtr Directory::find(NameView name) const {
  const auto found = slice(lower_bound(name), 1);
  if (found.empty() || !name_of(found[0]).equals(name)) return nullptr;
  return found[0];
}

}  // namespace understudy
