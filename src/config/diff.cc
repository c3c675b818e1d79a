#include "config/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "config/schema.h"

namespace understudy {
namespace {

void compare_section(std::string_view key, const void* before, const void* after, std::vector<OptionChange>& changes) {
  const auto& part = config::section(key);
  for (const auto& option : part.options) {
    const auto old_value = option.binding.load(before);
    const auto new_value = option.binding.load(after);
    if (old_value == new_value) continue;
    changes.push_back({part.path_of(option), config::value_text(option, old_value),
                       config::value_text(option, new_value), !option.reloadable});
  }
}

/// Both maps are sorted by name.
template <typename Map, typename Same, typename Text>
NameChanges compare_names(const Map& before, const Map& after, Same same, Text text) {
  NameChanges changes;
  for (const auto& [name, value] : before) {
    const auto other = after.find(name);
    if (other == after.end()) {
      changes.removed.push_back(text(name));
    } else if (!same(value, other->second)) {
      changes.changed.push_back(text(name));
    }
  }
  for (const auto& [name, value] : after) {
    if (!before.contains(name)) changes.added.push_back(text(name));
  }
  return changes;
}

std::map<Name, const CatalogConfig*> catalogs_by_name(const Config& config) {
  std::map<Name, const CatalogConfig*> all;
  for (const auto& catalog : config.catalogs) all.emplace(catalog.zone, &catalog);
  return all;
}

/// Compares zones; each pair of policies only once, however many zones share it.
class ZoneComparison {
 public:
  ZoneChange compare(const ZoneConfig& before, const ZoneConfig& after) {
    const bool same_file = before.from_file() == after.from_file() && (!before.file || *before.file == *after.file);
    const auto [known, is_new] = policies_.try_emplace({before.policy.get(), after.policy.get()});
    if (is_new) known->second = compare_policies(*before.policy, *after.policy);
    return {&before, &after, !same_file, known->second.primaries, known->second.others};
  }

 private:
  struct Changed {
    bool primaries = false, others = false;
  };
  static Changed compare_policies(const ZonePolicy& before, ZonePolicy after) {
    Changed changed;
    changed.primaries = before.primaries != after.primaries;
    after.primaries = before.primaries;
    after.template_name = before.template_name;
    changed.others = before != after;
    return changed;
  }

  std::map<std::pair<const ZonePolicy*, const ZonePolicy*>, Changed> policies_;
};

void compare_zones(ConfigDiff& diff) {
  ZoneComparison comparison;
  auto before = diff.before->zones.begin();
  auto after = diff.after->zones.begin();
  const auto before_end = diff.before->zones.end();
  const auto after_end = diff.after->zones.end();
  while (before != before_end || after != after_end) {
    const auto order = before == before_end ? std::strong_ordering::greater
                       : after == after_end ? std::strong_ordering::less
                                            : before->name().compare(after->name());
    if (order < 0) {
      diff.zones_removed.push_back(&*before++);
    } else if (order > 0) {
      diff.zones_added.push_back(&*after++);
    } else {
      const auto change = comparison.compare(*before++, *after++);
      if (change.file_changed || change.primaries_changed || change.other_changed) diff.zones_changed.push_back(change);
    }
  }
}

/// Lines up to a number, and a count of the others.
class Lines {
 public:
  explicit Lines(std::size_t most) : most_(most) {}
  void add(std::string line) {
    if (lines_.size() < most_) {
      lines_.push_back(std::move(line));
    } else {
      ++more_;
    }
  }
  void add_names(std::string_view what, const NameChanges& changes) {
    for (const auto& name : changes.added) add(fmt::format("{} {} is added", what, name));
    for (const auto& name : changes.removed) add(fmt::format("{} {} is removed", what, name));
    for (const auto& name : changes.changed) add(fmt::format("{} {} is changed", what, name));
  }
  std::vector<std::string> take() {
    if (more_ != 0) lines_.push_back(fmt::format("and {} more", more_));
    return std::move(lines_);
  }

 private:
  std::size_t most_;
  std::size_t more_ = 0;
  std::vector<std::string> lines_;
};

// The settings that differ, by name; with their values where these show the difference, which those of keys do not.
void describe_settings(const ZonePolicy& before, const ZonePolicy& after, std::vector<std::string>& what) {
  for (const auto& option : config::section("zones").policy) {
    if (option.key == "primaries") continue;
    const auto old_value = option.binding.load(&before);
    const auto new_value = option.binding.load(&after);
    if (old_value == new_value) continue;
    const auto old_text = config::value_text(option, old_value), new_text = config::value_text(option, new_value);
    what.push_back(old_text == new_text ? std::string(option.key)
                                        : fmt::format("{} {} -> {}", option.key, old_text.empty() ? "none" : old_text,
                                                      new_text.empty() ? "none" : new_text));
  }
}

std::string describe(const ZoneChange& change) {
  std::vector<std::string> what;
  if (change.file_changed) {
    what.emplace_back(change.after->from_file() == change.before->from_file() ? "another file"
                      : change.after->from_file()                             ? "from a file instead of primaries"
                                                                              : "from primaries instead of a file");
  }
  if (change.primaries_changed && !change.file_changed) what.emplace_back("other primaries");
  if (change.other_changed) describe_settings(*change.before->policy, *change.after->policy, what);
  return fmt::format("zone {} is changed: {}", change.after->name().text(), fmt::join(what, ", "));
}

}  // namespace

std::string OptionChange::text() const {
  return fmt::format("{}: {} -> {}{}", path, before.empty() ? "not set" : before, after.empty() ? "not set" : after,
                     needs_restart ? " (needs a restart)" : "");
}

bool ConfigDiff::empty() const {
  return options.empty() && keys.empty() && primaries.empty() && templates.empty() && catalogs.empty() &&
         zones_added.empty() && zones_removed.empty() && zones_changed.empty();
}

bool ConfigDiff::needs_restart() const {
  return std::ranges::any_of(options, &OptionChange::needs_restart);
}

std::vector<std::string> ConfigDiff::lines(std::size_t most) const {
  Lines out(most);
  for (const auto& option : options) out.add(option.text());
  out.add_names("key", keys);
  out.add_names("primary", primaries);
  out.add_names("template", templates);
  out.add_names("catalog", catalogs);
  for (const auto* zone : zones_added) out.add(fmt::format("zone {} is added", zone->name().text()));
  for (const auto* zone : zones_removed) out.add(fmt::format("zone {} is removed", zone->name().text()));
  for (const auto& change : zones_changed) out.add(describe(change));
  return out.take();
}

ConfigDiff diff_configs(std::shared_ptr<const Config> before, std::shared_ptr<const Config> after) {
  ConfigDiff diff{.before = std::move(before), .after = std::move(after)};
  const auto& a = *diff.before;
  const auto& b = *diff.after;
  compare_section("server", &a.server, &b.server, diff.options);
  if (a.server.cookie_secret_file == b.server.cookie_secret_file &&
      a.server.cookie_secrets != b.server.cookie_secrets) {
    diff.options.push_back({"server.cookie-secret-file", "the secrets in it", "others", false});
  }
  compare_section("storage", &a.storage, &b.storage, diff.options);
  compare_section("control", &a.control, &b.control, diff.options);
  compare_section("http", &a.http, &b.http, diff.options);
  compare_section("transfer", &a.transfer, &b.transfer, diff.options);
  const auto same_name = [](const std::string& name) { return name; };
  diff.keys = compare_names(
      a.keys, b.keys, [](const auto& x, const auto& y) { return same_key(*x, *y); },
      [](const Name& name) { return name.text(); });
  diff.primaries = compare_names(a.primaries, b.primaries, std::equal_to<>{}, same_name);
  diff.templates =
      compare_names(a.templates, b.templates, [](const auto& x, const auto& y) { return *x == *y; }, same_name);
  // The settings of a catalog's own zone are compared among the zones.
  const auto same_catalog = [](const CatalogConfig* x, const CatalogConfig* y) {
    auto own = *x;
    own.policy = y->policy;
    return own == *y;
  };
  diff.catalogs = compare_names(catalogs_by_name(a), catalogs_by_name(b), same_catalog,
                                [](const Name& name) { return name.text(); });
  compare_zones(diff);
  return diff;
}

}  // namespace understudy
