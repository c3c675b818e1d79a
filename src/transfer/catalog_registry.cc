#include "transfer/catalog_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "transfer/catalog_report.h"

namespace understudy {
namespace {

constexpr std::size_t some = 16;  // conflicts that are named

bool same_octets(ByteView a, ByteView b) {
  return std::ranges::equal(a, b);
}

CatalogContent::Ptr empty_content(NameView catalog) {
  return CatalogContentBuilder(catalog).finish().value();
}

/// Walks two sorted lists side by side: f(index in old or none, index in new or none).
template <typename F>
void walk_both(const CatalogContent& before, const CatalogContent& after, F&& f) {
  std::uint32_t i = 0, j = 0;
  while (i < before.size() || j < after.size()) {
    int order = 0;
    if (i == before.size()) {
      order = 1;
    } else if (j == after.size()) {
      order = -1;
    } else {
      order = compare_keys(before.key(i), after.key(j));
    }
    const auto old_index = order <= 0 ? std::optional(i++) : std::nullopt;
    const auto new_index = order >= 0 ? std::optional(j++) : std::nullopt;
    f(old_index, new_index);
  }
}

}  // namespace

// Plans.

std::uint64_t CatalogPlan::count(MemberChange kind) const {
  return static_cast<std::uint64_t>(std::ranges::count(changes, kind, &Change::kind));
}

void CatalogPlan::for_each_fact(const std::function<void(Fact)>& f) const {
  for (const auto& [kind, member] : changes) {
    switch (kind) {
      case MemberChange::released:
        f({member_fact_key(member.content->key(member.index)), std::nullopt});
        break;
      case MemberChange::removed:
        f(member_fact(member.catalog(), member.get(), at));
        break;
      default:
        f(member_fact(member.catalog(), member.get()));
    }
  }
  for (const Name& name : dropped) f({member_fact_key(name.wire()), std::nullopt});
}

// What is where.

const CatalogRegistry::Catalog* CatalogRegistry::find_catalog(NameView name) const {
  const auto found = std::ranges::find_if(catalogs_, [&](const Catalog& c) { return c.rule.catalog.view() == name; });
  return found == catalogs_.end() ? nullptr : &*found;
}

CatalogRegistry::Catalog* CatalogRegistry::find_catalog(NameView name) {
  return const_cast<Catalog*>(std::as_const(*this).find_catalog(name));
}

/// A catalog is a configured zone itself, so none can be its own member, or another's.
bool CatalogRegistry::is_reserved(NameView name) {
  const Catalog* catalog = find_catalog(name);
  return (catalog != nullptr && catalog->configured) || reserved_(name);
}

CatalogRegistry::Place CatalogRegistry::owner_of(ByteView key, const Catalog* except) {
  for (Catalog& catalog : catalogs_) {
    if (&catalog == except || catalog.owned_count == 0) continue;
    const auto at = catalog.content->find(key);
    if (at && catalog.owned[*at]) return {&catalog, static_cast<std::uint32_t>(*at)};
  }
  return {};
}

CatalogRegistry::Place CatalogRegistry::claimant_of(ByteView key, const Catalog* except) {
  for (Catalog& catalog : catalogs_) {
    if (&catalog == except || !catalog.configured) continue;
    if (const auto at = catalog.content->find(key)) return {&catalog, static_cast<std::uint32_t>(*at)};
  }
  return {};
}

/// Where a member goes by its coo property: to a catalog that lists it and does not send it back.
CatalogRegistry::Place CatalogRegistry::heir_of(const CatalogMember& member, const Catalog* owner) {
  if (member.coo.is_root()) return {};
  Catalog* catalog = find_catalog(member.coo);
  if (catalog == nullptr || catalog == owner || !catalog->configured) return {};
  const auto at = catalog->content->find(member.name.wire());
  if (!at || catalog->content->member(*at).coo == owner->rule.catalog.view()) return {};
  return {catalog, static_cast<std::uint32_t>(*at)};
}

std::uint64_t CatalogRegistry::member_count() const {
  std::uint64_t out = 0;
  for (const Catalog& catalog : catalogs_) out += catalog.owned_count;
  return out;
}

void CatalogRegistry::for_each_member(const std::function<void(const MemberRef&)>& f) const {
  for (const Catalog& catalog : catalogs_) {
    for (std::uint32_t i = 0; i < catalog.content->size(); ++i) {
      if (catalog.owned[i]) f({catalog.content, i});
    }
  }
}

std::optional<MemberRef> CatalogRegistry::find(NameView name) const {
  const Name lower = Name(name).lowered();
  const Place place = const_cast<CatalogRegistry*>(this)->owner_of(lower.wire(), nullptr);
  if (place.catalog == nullptr) return std::nullopt;
  return ref(place);
}

void CatalogRegistry::for_each_fact(const std::function<void(Fact)>& f) const {
  for_each_member([&](const MemberRef& member) { f(member_fact(member.catalog(), member.get())); });
  for (const auto& [name, trashed] : trash_) f(fact_of(name, trashed));
}

bool CatalogRegistry::has_fact(NameView name) const {
  return find(name) || trash_.contains(text_of(name.wire()));
}

std::optional<Fact> CatalogRegistry::fact_of(NameView name) const {
  if (const auto member = find(name)) return member_fact(member->catalog(), member->get());
  const auto trashed = trash_.find(text_of(name.wire()));
  return trashed == trash_.end() ? std::nullopt : std::optional(fact_of(trashed->first, trashed->second));
}

CatalogOwners CatalogRegistry::owners() const {
  CatalogOwners out;
  for (const Catalog& catalog : catalogs_) {
    if (catalog.owned_count != 0) out.catalogs_.push_back({catalog.content, catalog.owned});
  }
  return out;
}

std::optional<Name> CatalogOwners::find(NameView name) const {
  const Name lower = Name(name).lowered();
  for (const auto& [content, owned] : catalogs_) {
    if (const auto at = content->find(lower.wire()); at && owned[*at]) return content->catalog();
  }
  return std::nullopt;
}

std::vector<MemberConflict> CatalogRegistry::some_conflicts(const Catalog& catalog) const {
  std::vector<MemberConflict> out;
  const std::uint64_t wanted = std::min<std::uint64_t>(some, catalog.content->size() - catalog.owned_count);
  for (std::uint32_t i = 0; out.size() < wanted; ++i) {
    if (catalog.owned[i]) continue;
    const Name member = catalog.content->member(i).name;
    const auto owner = find(member);
    out.push_back({member, owner ? std::optional(owner->catalog()) : std::nullopt});
  }
  return out;
}

std::vector<CatalogStatus> CatalogRegistry::catalogs() const {
  std::vector<CatalogStatus> out;
  out.reserve(catalogs_.size());
  for (const Catalog& catalog : catalogs_) {
    out.push_back({.catalog = catalog.rule.catalog,
                   .configured = catalog.configured,
                   .serial = catalog.content->serial(),
                   .members = catalog.owned_count,
                   .conflicts = catalog.content->size() - catalog.owned_count,
                   .some_conflicts = some_conflicts(catalog),
                   .trash = catalog.trash,
                   .hold = catalog.hold});
  }
  return out;
}

std::optional<Serial> CatalogRegistry::serial_of(NameView catalog) const {
  const Catalog* found = find_catalog(catalog);
  return found == nullptr ? std::nullopt : found->content->serial();
}

// At start.

Result<void> CatalogRegistry::restore(std::string_view key, ByteView value) {
  US_ASSIGN(const StoredMember member, read_member_fact(key, value));
  if (member.removed_at != 0) {
    trash_.emplace(text_of(member.name.wire()), Trashed{member.catalog, member.label, member.removed_at});
    return {};
  }
  constexpr CatalogLimits none{.max_members = ~std::uint64_t{0}, .max_octets = ~std::uint64_t{0}};
  auto& builder =
      restoring_.try_emplace(std::string(text_of(member.catalog.wire())), member.catalog, none).first->second;
  return builder.add(member.name, member.label, member.coo, member.groups);
}

std::vector<Fact> CatalogRegistry::restored(WallSeconds now) {
  for (auto& [name, builder] : restoring_) {
    const auto serial = restored_serials_.find(Name(NameView::trusted(view_of(name))));
    if (serial != restored_serials_.end()) builder.set_serial(serial->second);
    const auto content = builder.finish();
    if (!content) continue;  // cannot be: facts have different keys
    Catalog catalog;
    catalog.rule.catalog = (*content)->catalog();
    catalog.configured = false;
    catalog.content = *content;
    catalog.owned.assign((*content)->size(), true);
    catalog.owned_count = (*content)->size();
    catalog.hold =
        CatalogHold{.reason = HoldReason::vanished, .serial = (*content)->serial(), .removed = catalog.owned_count};
    catalogs_.push_back(std::move(catalog));
  }
  restoring_.clear();
  restored_serials_.clear();
  std::vector<Fact> facts;
  for (auto& [name, trashed] : trash_) {
    if (Catalog* catalog = find_catalog(trashed.catalog)) ++catalog->trash;
    if (trashed.removed_at <= now) continue;
    trashed.removed_at = std::max<WallSeconds>(now, 1);
    facts.push_back(fact_of(name, trashed));
  }
  return facts;
}

/// The groups and coo of a former member do not count any more.
Fact CatalogRegistry::fact_of(std::string_view name, const Trashed& trashed) {
  const CatalogMember member{
      .name = NameView::trusted(view_of(name)), .label = trashed.label, .coo = NameView(), .groups = {}};
  return member_fact(trashed.catalog, member, trashed.removed_at);
}

std::vector<Fact> CatalogRegistry::clock_was_set(WallSeconds by) {
  std::vector<Fact> facts;
  facts.reserve(trash_.size());
  for (auto& [name, trashed] : trash_) {
    trashed.removed_at = std::max<WallSeconds>(trashed.removed_at + by, 1);
    facts.push_back(fact_of(name, trashed));
  }
  return facts;
}

void CatalogRegistry::set_catalogs(std::span<const CatalogRule> rules, WallSeconds now) {
  std::vector<Catalog> before = std::exchange(catalogs_, {});
  for (const CatalogRule& rule : rules) {
    if (find_catalog(rule.catalog) != nullptr) continue;
    purge_after_[rule.catalog] = rule.purge_after;
    const auto known = std::ranges::find_if(before, [&](const Catalog& c) { return c.rule.catalog == rule.catalog; });
    Catalog catalog;
    if (known != before.end()) {
      catalog = std::move(*known);
      before.erase(known);
      if (catalog.hold && catalog.hold->reason == HoldReason::vanished) catalog.hold.reset();
    } else {
      catalog.content = empty_content(rule.catalog);
      catalog.trash = static_cast<std::uint64_t>(
          std::ranges::count_if(trash_, [&](const auto& each) { return each.second.catalog == rule.catalog; }));
    }
    catalog.rule = rule;
    catalog.configured = true;
    catalogs_.push_back(std::move(catalog));
  }
  for (Catalog& gone : before) {
    if (gone.owned_count == 0) continue;
    gone.configured = false;
    gone.set_hold({.reason = HoldReason::vanished, .serial = gone.content->serial(), .removed = gone.owned_count}, now);
    catalogs_.push_back(std::move(gone));
  }
}

void CatalogRegistry::Catalog::set_hold(CatalogHold next, WallSeconds now) {
  next.since = hold && hold->since != 0 && hold->reason == next.reason ? hold->since : now;
  hold = std::move(next);
}

// Updates.

struct CatalogRegistry::Merge {
  Catalog& catalog;
  const CatalogContent::Ptr& next;
  CatalogPlan& plan;
  std::vector<bool> owned;  // of next
  std::uint64_t owned_count = 0;

  void own(std::uint32_t index) {
    owned[index] = true;
    ++owned_count;
  }
};

/// What `next` would take away from those who have it now.
CatalogRegistry::Loss CatalogRegistry::loss_of(const Catalog& catalog, const CatalogContent& next) {
  Loss loss;
  walk_both(*catalog.content, next, [&](auto old_index, auto index) {
    if (!old_index) ++loss.added;
    if (!old_index || !catalog.owned[*old_index]) return;
    const CatalogMember before = catalog.content->member(*old_index);
    if (index) {
      if (!same_octets(before.label, next.member(*index).label)) ++loss.reset;
    } else if (heir_of(before, &catalog).catalog == nullptr) {
      ++loss.removed;
    }
  });
  return loss;
}

CatalogPlan CatalogRegistry::update(CatalogContent::Ptr content, WallSeconds now) {
  CatalogPlan plan;
  plan.at = std::max<WallSeconds>(now, 1);
  Catalog* catalog = find_catalog(content->catalog());
  if (catalog == nullptr || !catalog->configured) return plan;
  const CatalogBrake& brake = catalog->rule.brake;
  const Loss loss = loss_of(*catalog, *content);
  const std::uint64_t lost = loss.removed + loss.reset;
  if (lost != 0 && lost >= brake.at_least && lost * 100 > catalog->owned_count * brake.percent) {
    catalog->set_hold({.reason = HoldReason::brake,
                       .content = content,
                       .serial = content->serial(),
                       .added = loss.added,
                       .removed = loss.removed,
                       .reset = loss.reset},
                      now);
    plan.held = true;
    return plan;
  }
  catalog->hold.reset();
  apply(*catalog, std::move(content), plan);
  return plan;
}

void CatalogRegistry::hold(NameView name, HoldReason reason, std::string detail, WallSeconds now) {
  Catalog* catalog = find_catalog(name);
  if (catalog == nullptr) return;
  CatalogHold next{.reason = reason, .detail = std::move(detail)};
  if (reason != HoldReason::broken) {
    next.serial = catalog->content->serial();
    next.removed = catalog->owned_count;
  }
  catalog->set_hold(std::move(next), now);
}

Result<CatalogPlan> CatalogRegistry::accept(NameView name, std::optional<AnnouncedHold> announced, WallSeconds now) {
  Catalog* catalog = find_catalog(name);
  if (catalog == nullptr) return fail(Errc::not_found, fmt::format("there is no catalog {}", name.text()));
  if (!catalog->hold) return fail(Errc::not_found, fmt::format("nothing of catalog {} is held", name.text()));
  if (catalog->hold->reason == HoldReason::broken) {
    return fail(Errc::refused, fmt::format("catalog {} is broken, so there is nothing to apply: {}; repair it at its "
                                           "primary",
                                           name.text(), catalog->hold->detail));
  }
  if (announced && (catalog->hold->serial != announced->serial || catalog->hold->all_go() != announced->all_go)) {
    return fail(Errc::refused,
                fmt::format("{} {} of catalog {} is not what is held: {}",
                            announced->all_go ? "the end of all members of serial" : "serial", announced->serial.value,
                            name.text(), hold_text(name, *catalog->hold, catalog->owned_count)));
  }
  CatalogContent::Ptr content = std::move(catalog->hold->content);
  if (!content) content = empty_content(catalog->rule.catalog);
  catalog->hold.reset();
  CatalogPlan plan;
  plan.at = std::max<WallSeconds>(now, 1);
  apply(*catalog, std::move(content), plan);
  if (!catalog->configured) std::erase_if(catalogs_, [&](const Catalog& c) { return &c == catalog; });
  return plan;
}

void CatalogRegistry::apply(Catalog& catalog, CatalogContent::Ptr next, CatalogPlan& plan) {
  Merge merge{catalog, next, plan, std::vector<bool>(next->size()), 0};
  walk_both(*catalog.content, *next, [&](auto old_index, auto index) {
    const bool had = old_index && catalog.owned[*old_index];
    if (had && index) {
      keep_member(merge, *old_index, *index);
    } else if (had) {
      let_go(merge, *old_index);
    } else if (index) {
      claim(merge, *index, old_index.has_value());
    }
  });
  catalog.owned = std::move(merge.owned);
  catalog.owned_count = merge.owned_count;
  catalog.content = std::move(next);
}

void CatalogRegistry::keep_member(Merge& merge, std::uint32_t old_index, std::uint32_t index) {
  const CatalogMember before = merge.catalog.content->member(old_index);
  const CatalogMember after = merge.next->member(index);
  const bool same_label = same_octets(before.label, after.label);
  if (const Place heir = heir_of(after, &merge.catalog); heir.catalog != nullptr) {
    heir.catalog->owned[heir.index] = true;
    ++heir.catalog->owned_count;
    const bool keeps = same_label && same_octets(after.label, heir.catalog->content->member(heir.index).label);
    merge.plan.changes.push_back({keeps ? MemberChange::moved : MemberChange::reset, ref(heir)});
    return;
  }
  merge.own(index);
  const auto change = [&](MemberChange kind) { merge.plan.changes.push_back({kind, {merge.next, index}}); };
  if (!same_label) {
    change(MemberChange::reset);  // RFC 9432 section 5.4
  } else if (!std::ranges::equal(before.groups, after.groups)) {
    change(MemberChange::regrouped);
  } else if (before.coo != after.coo) {
    change(MemberChange::updated);
  }
}

void CatalogRegistry::claim(Merge& merge, std::uint32_t index, bool known) {
  const CatalogMember member = merge.next->member(index);
  if (is_reserved(member.name)) return add_conflict(merge, index, std::nullopt, known);
  const auto take = [&](MemberChange kind) {
    merge.own(index);
    merge.plan.changes.push_back({kind, {merge.next, index}});
  };
  const Place owner = owner_of(member.name.wire(), &merge.catalog);
  if (owner.catalog != nullptr) {
    const CatalogMember theirs = owner.catalog->content->member(owner.index);
    const bool wanted = theirs.coo == merge.catalog.rule.catalog.view();
    if (!wanted || member.coo == owner.catalog->rule.catalog.view()) {
      return add_conflict(merge, index, owner.catalog->rule.catalog, known);
    }
    owner.catalog->owned[owner.index] = false;
    --owner.catalog->owned_count;
    return take(same_octets(theirs.label, member.label) ? MemberChange::moved : MemberChange::reset);
  }
  const auto trashed = trash_.find(text_of(member.name.wire()));
  if (trashed == trash_.end()) return take(MemberChange::added);
  const bool same =
      trashed->second.catalog == merge.catalog.rule.catalog && same_octets(trashed->second.label, member.label);
  discard_trash(trashed);
  take(same ? MemberChange::restored : MemberChange::reset);
}

void CatalogRegistry::let_go(Merge& merge, std::uint32_t old_index) {
  const MemberRef old{merge.catalog.content, old_index};
  const CatalogMember member = old.get();
  Place next = heir_of(member, &merge.catalog);
  const bool by_coo = next.catalog != nullptr;
  if (!by_coo) next = claimant_of(member.name.wire(), &merge.catalog);
  if (next.catalog == nullptr) {
    trash_.insert_or_assign(
        std::string(text_of(member.name.wire())),
        Trashed{merge.catalog.rule.catalog, Bytes(member.label.begin(), member.label.end()), merge.plan.at});
    ++merge.catalog.trash;
    merge.plan.changes.push_back({MemberChange::removed, old});
    return;
  }
  next.catalog->owned[next.index] = true;
  ++next.catalog->owned_count;
  const bool keeps = by_coo && same_octets(member.label, next.catalog->content->member(next.index).label);
  merge.plan.changes.push_back({keeps ? MemberChange::moved : MemberChange::reset, ref(next)});
}

void CatalogRegistry::add_conflict(Merge& merge, std::uint32_t index, std::optional<Name> owner, bool known) {
  if (known) return;
  ++merge.plan.conflict_count;
  if (merge.plan.conflicts.size() < some)
    merge.plan.conflicts.push_back({merge.next->member(index).name, std::move(owner)});
}

void CatalogRegistry::discard_trash(std::map<std::string, Trashed, std::less<>>::iterator at) {
  if (Catalog* catalog = find_catalog(at->second.catalog)) --catalog->trash;
  trash_.erase(at);
}

CatalogPlan CatalogRegistry::reconsider(std::span<const Name> names, WallSeconds now) {
  CatalogPlan plan;
  plan.at = std::max<WallSeconds>(now, 1);
  for (const Name& each : names) {
    const Name name = each.lowered();
    const Place owner = owner_of(name.wire(), nullptr);
    if (!is_reserved(name)) {
      const Place next = owner.catalog == nullptr ? claimant_of(name.wire(), nullptr) : Place{};
      if (next.catalog == nullptr) continue;
      next.catalog->owned[next.index] = true;
      ++next.catalog->owned_count;
      plan.changes.push_back({MemberChange::added, ref(next)});
      continue;
    }
    if (const auto trashed = trash_.find(text_of(name.wire())); trashed != trash_.end()) {
      discard_trash(trashed);
      plan.dropped.push_back(name);
    }
    if (owner.catalog == nullptr) continue;
    owner.catalog->owned[owner.index] = false;
    --owner.catalog->owned_count;
    plan.changes.push_back({MemberChange::released, ref(owner)});
    ++plan.conflict_count;
    if (plan.conflicts.size() < some) plan.conflicts.push_back({name, std::nullopt});
  }
  return plan;
}

std::vector<Name> CatalogRegistry::due_for_purge(WallSeconds now, std::size_t most, std::string& position) const {
  std::vector<Name> out;
  for (auto at = trash_.upper_bound(position); at != trash_.end() && out.size() < most; ++at) {
    position = at->first;
    const auto found = purge_after_.find(at->second.catalog);
    const WallSeconds keep = found != purge_after_.end() ? found->second : CatalogRule{}.purge_after;
    if (now - at->second.removed_at >= keep) out.emplace_back(NameView::trusted(view_of(at->first)));
  }
  return out;
}

std::set<Name> CatalogRegistry::named_in_trash() const {
  std::set<Name> out;
  for (const auto& [name, trashed] : trash_) out.insert(trashed.catalog);
  return out;
}

void CatalogRegistry::purged(std::span<const Name> names) {
  for (const Name& name : names) {
    if (const auto at = trash_.find(text_of(name.wire())); at != trash_.end()) discard_trash(at);
  }
}

}  // namespace understudy
