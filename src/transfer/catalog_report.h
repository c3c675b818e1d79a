// What the log says about catalogs: one line for each thing, bounded, with what to do about it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "transfer/catalog_registry.h"

namespace understudy {

/// "3 added, 1 removed"; "nothing changes" if so.
std::string changes_text(const CatalogPlan& plan);
/// Why a member cannot be added by a command: Errc::refused.
std::unexpected<Error> refuse_member(const MemberRef& member);
/// Why it is held and how to have it applied, without the catalog's name.
std::string hold_text(NameView catalog, const CatalogHold& hold, std::uint64_t members);

void log_changes(NameView catalog, const CatalogContent& content, const CatalogPlan& plan);
void log_hold(NameView catalog, const CatalogHold& hold, std::uint64_t members);
void log_conflicts(NameView catalog, const CatalogPlan& plan);
/// Members whose place a zone takes that is configured or was added by a command.
void log_displaced(const CatalogPlan& plan);
/// Members for which there is no template: some of `count`.
void log_unserved(const std::vector<Name>& members, std::uint64_t count);

}  // namespace understudy
