#include "transfer/catalog_report.h"

#include <fmt/format.h>

#include <array>

#include "base/log.h"

namespace understudy {

std::string changes_text(const CatalogPlan& plan) {
  constexpr std::array<std::pair<MemberChange, std::string_view>, 6> kinds = {{
      {MemberChange::added, "added"},
      {MemberChange::restored, "back with their data"},
      {MemberChange::removed, "removed"},
      {MemberChange::reset, "reset"},
      {MemberChange::moved, "moved from another catalog"},
      {MemberChange::regrouped, "with other groups"},
  }};
  std::string out;
  for (const auto& [kind, text] : kinds) {
    const std::uint64_t count = plan.count(kind);
    if (count != 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, text);
  }
  return out.empty() ? "nothing changes" : out;
}

std::unexpected<Error> refuse_member(const MemberRef& member) {
  return fail(Errc::refused, fmt::format("zone {} is a member of catalog {}: take it out there first",
                                         member.get().name.text(), member.catalog().text()));
}

std::string hold_text(NameView catalog, const CatalogHold& hold, std::uint64_t members) {
  // With the serial, so that nothing is accepted but what was looked at.
  const std::string_view option = hold.all_go() ? "--all-of" : "--serial";
  const std::string accept = fmt::format("understudy catalog accept {}{}", catalog.text(),
                                         hold.serial ? fmt::format(" {} {}", option, hold.serial->value) : "");
  switch (hold.reason) {
    case HoldReason::brake:
      return fmt::format(
          "it would take away {} and reset {} of {} members at once; nothing of it is applied; if it is "
          "meant so: `{}`",
          hold.removed, hold.reset, members, accept);
    case HoldReason::broken:
      return fmt::format("it cannot be used: {}; its {} members stay as they are; repair it at its primary",
                         hold.detail, members);
    case HoldReason::expired:
      return fmt::format("it has expired; its {} members stay as they are; if they shall go: `{}`", members, accept);
    case HoldReason::vanished:
      return fmt::format("it is no longer configured; its {} members stay as they are; if they shall go: `{}`", members,
                         accept);
  }
  return "";
}

void log_changes(NameView catalog, const CatalogContent& content, const CatalogPlan& plan) {
  if (plan.changes.empty()) return;
  log_info("catalog {}: serial {} lists {} members: {}", catalog.text(),
           content.serial() ? std::to_string(content.serial()->value) : "none", content.size(), changes_text(plan));
}

void log_hold(NameView catalog, const CatalogHold& hold, std::uint64_t members) {
  const bool is_update = hold.reason == HoldReason::brake && hold.serial;
  const std::string serial = is_update ? fmt::format("serial {} ", hold.serial->value) : "";
  log_error("catalog {}: {}is held: {}", catalog.text(), serial, hold_text(catalog, hold, members));
}

void log_conflicts(NameView catalog, const CatalogPlan& plan) {
  for (const MemberConflict& conflict : plan.conflicts) {
    if (conflict.owner) {
      log_warning(
          "catalog {}: member {} is ignored, because catalog {} provides it; take it out of one of them, or let "
          "its coo property there name the other",
          catalog.text(), conflict.member.text(), conflict.owner->text());
    } else {
      log_warning(
          "catalog {}: member {} is ignored, because a zone of that name is configured or was added by a "
          "command; take it out of one of them",
          catalog.text(), conflict.member.text());
    }
  }
  if (plan.conflict_count > plan.conflicts.size()) {
    log_warning("catalog {}: {} more members are ignored for such reasons", catalog.text(),
                plan.conflict_count - plan.conflicts.size());
  }
}

void log_displaced(const CatalogPlan& plan) {
  for (const MemberConflict& conflict : plan.conflicts) {
    log_warning("zone {} takes the place of a catalog's member; take it out of the catalog", conflict.member.text());
  }
  if (plan.conflict_count > plan.conflicts.size()) {
    log_warning("{} more zones take the place of catalogs' members", plan.conflict_count - plan.conflicts.size());
  }
}

void log_unserved(const std::vector<Name>& members, std::uint64_t count) {
  if (count == 0) return;
  std::string names;
  for (const Name& member : members) names += (names.empty() ? "" : ", ") + member.text();
  log_error(
      "{} members of catalogs are not served, because there is no template for them: {}{}; give their catalog a "
      "template, or one for their group",
      count, names, count > members.size() ? " and others" : "");
}

}  // namespace understudy
