#include "transfer/member_reset.h"

#include <string_view>
#include <utility>

#include "base/log.h"

namespace understudy {
namespace {

constexpr std::size_t turn_size = 256;

}  // namespace

bool MemberReset::is_left_to_turn(NameView member) {
  const Name name(member);
  if (auto node = failed_.extract(name)) due_.insert(std::move(node));
  return due_.contains(name);
}

void MemberReset::withhold(std::vector<Fact>& facts) const {
  if (due_.empty() && failed_.empty()) return;
  std::erase_if(facts, [&](const Fact& fact) {
    if (!fact.value || !fact.key.starts_with(member_fact_prefix)) return false;
    const Name name = NameView::trusted(view_of(std::string_view(fact.key).substr(member_fact_prefix.size())));
    return due_.contains(name) || failed_.contains(name);
  });
}

bool MemberReset::turn(const StoredZones& known, const SettingsOf& settings_of, FactSaver& saver) {
  std::vector<ZoneSettings> set;
  std::vector<Name> names;
  auto end = due_.begin();
  for (; end != due_.end() && names.size() < turn_size; ++end) {
    if (known.inventory.is_reserved(*end)) continue;  // who took the name has the data
    names.push_back(*end);
    if (const auto member = known.registry.find(*end)) {
      if (auto settings = settings_of(*member)) set.push_back(*std::move(settings));
    }
  }
  if (!names.empty()) {
    if (const Result<void> forgotten = engine_.reset_zones(std::move(set), names); forgotten) {
      std::vector<Fact> facts;
      for (const Name& name : names) {
        if (auto fact = known.registry.fact_of(name)) facts.push_back(*std::move(fact));
      }
      saver.save(std::move(facts));
    } else {
      failed_.insert(names.begin(), names.end());
      if (forgotten.error().code != Errc::cancelled) {
        log_error(
            "catalogs: the data of {} members that came under another label, among them {}, could not be discarded: "
            "{}; they are not served from them but taken anew, and it is tried again in a minute",
            names.size(), names.front().text(), forgotten.error().text());
      }
    }
  }
  due_.erase(due_.begin(), end);
  return !due_.empty();
}

void MemberReset::try_again(const StoredZones& known, FactSaver& saver) {
  std::vector<Fact> facts;
  for (const Name& name : std::exchange(failed_, {})) {
    if (!known.registry.find(name) || !engine_.version(name)) {
      due_.insert(name);
    } else if (auto fact = known.registry.fact_of(name)) {  // what it took has replaced them
      facts.push_back(*std::move(fact));
    }
  }
  saver.save(std::move(facts));
}

}  // namespace understudy
