#include "transfer/fact_saver.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace understudy {

void FactSaver::save(std::vector<Fact> facts) {
  if (facts.empty()) return;
  try_again();
  std::size_t at = 0;
  Result<void> saved;
  while (unsaved_.empty() && saved && at < facts.size()) {
    const std::size_t count = std::min(batch, facts.size() - at);
    saved = store_.put_facts(std::span(facts).subspan(at, count));
    if (saved) at += count;
  }
  if (!saved) {
    log_error(
        "catalogs: what changed could not be stored: {}; it is tried again, and a restart meanwhile would find the "
        "state before",
        saved.error().text());
  }
  for (; at < facts.size(); ++at) unsaved_.insert_or_assign(std::move(facts[at].key), std::move(facts[at].value));
}

Result<void> FactSaver::put_now(std::span<const Fact> facts) {
  US_TRY(store_.put_facts(facts));
  for (const Fact& fact : facts) unsaved_.erase(fact.key);
  return {};
}

void FactSaver::try_again() {
  while (!unsaved_.empty()) {
    std::vector<Fact> facts;
    for (const auto& [key, value] : unsaved_) {
      facts.push_back({key, value});
      if (facts.size() == batch) break;
    }
    if (!store_.put_facts(facts)) return;
    for (const Fact& fact : facts) unsaved_.erase(fact.key);
  }
}

}  // namespace understudy
