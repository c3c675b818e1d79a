#include "config/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/bytes.h"
#include "dns/name.h"

namespace understudy::config {
namespace {

constexpr std::size_t longest_compared = 64;  // bounds the work that a hostile text causes
constexpr std::size_t most_candidates = 1'000;

/// Insertions, deletions, replacements and swaps of neighbours that make one text of the other, without case.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return ascii_lower(static_cast<std::uint8_t>(c)); };
  std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  std::iota(above.begin(), above.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

}  // namespace

void Diagnostics::insert(std::vector<Entry>& entries, Entry entry) {
  const auto behind = std::ranges::upper_bound(entries, entry.at, {}, &Entry::at);
  entries.insert(behind, std::move(entry));
}

void Diagnostics::error(Position at, Errc code, std::string text) {
  if (errors_.size() == max_errors) {
    overflow_ = true;
    return;
  }
  insert(errors_, {at, code, std::move(text)});
}

void Diagnostics::warn(Position at, std::string text) {
  if (warnings_.size() < max_warnings) insert(warnings_, {at, Errc::bad_value, std::move(text)});
}

std::string Diagnostics::line_of(const Entry& entry) const {
  if (entry.at.line == 0) return fmt::format("{}: {}", label_, entry.text);
  return fmt::format("{}:{}:{}: {}", label_, entry.at.line, entry.at.column, entry.text);
}

Error Diagnostics::take_error() {
  std::string text;
  for (const auto& entry : errors_) {
    if (!text.empty()) text += '\n';
    text += line_of(entry);
  }
  if (overflow_)
    text += fmt::format("\n{}: there are more than {} mistakes, these are the first found", label_, max_errors);
  return {errors_.front().code, std::move(text)};
}

std::vector<std::string> Diagnostics::take_warnings() {
  std::vector<std::string> lines;
  lines.reserve(warnings_.size());
  for (const auto& entry : warnings_) lines.push_back(line_of(entry));
  return lines;
}

std::string_view nearest(std::string_view text, const std::vector<std::string_view>& candidates) {
  if (text.empty() || text.size() > longest_compared) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, (text.size() + 2) / 3) + 1;
  for (std::size_t i = 0; i < std::min(candidates.size(), most_candidates); ++i) {
    if (candidates[i].size() > longest_compared) continue;
    const auto distance = edit_distance(text, candidates[i]);
    // A short word is not a slip of one that shares nothing with it.
    if (distance < best_distance && distance < std::max(text.size(), candidates[i].size())) {
      best_distance = distance;
      best = candidates[i];
    }
  }
  return best;
}

}  // namespace understudy::config
