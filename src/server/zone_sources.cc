#include "server/zone_sources.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <utility>

#include "server/settings.h"

namespace understudy {
namespace {

constexpr char separator = '\x1f';
constexpr std::size_t longest_word = 255;  // of RunTimeZone::template_name

using PolicyPtr = std::shared_ptr<const ZonePolicy>;
using SettingsPtr = std::shared_ptr<const ZonePolicySettings>;

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (c == separator) {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

/// A primary by its name, or an address.
std::optional<PeerConfig> find_peer(const Config& config, const std::string& word) {
  if (const auto found = config.primaries.find(word); found != config.primaries.end()) return found->second;
  const auto address = Endpoint::parse(word, std::uint16_t{53});
  if (!address) return std::nullopt;
  return PeerConfig{.name = address->text(), .endpoints = {*address}};
}

/// The policy that the words stand for; null if there is no such template or primary any more.
PolicyPtr find_policy(const Config& config, const std::vector<std::string>& words) {
  const auto found = config.templates.find(words.front());
  if (found == config.templates.end()) return nullptr;
  if (words.size() == 1) return found->second;
  auto policy = std::make_shared<ZonePolicy>(*found->second);
  policy->primaries.clear();
  for (std::size_t i = 1; i < words.size(); ++i) {
    auto peer = find_peer(config, words[i]);
    if (!peer) return nullptr;
    policy->primaries.push_back(*std::move(peer));
  }
  return policy;
}

/// Finds settings once for all zones that share them.
class Finder {
 public:
  explicit Finder(std::shared_ptr<const Config> config) : config_(std::move(config)) {}

  SettingsPtr find(const std::string& words, const Name* catalog) {
    const std::lock_guard lock(mutex_);
    const auto [known, is_new] = known_.try_emplace({words, catalog == nullptr ? std::string() : catalog->text()});
    if (is_new) known->second = make(words, catalog);
    return known->second;
  }

 private:
  [[nodiscard]] SettingsPtr make(const std::string& words, const Name* catalog) const {
    const PolicyPtr policy = find_policy(*config_, words_of(words));
    if (!policy) return nullptr;
    if (!policy->primaries.empty()) return policy_settings(*policy);
    // Members of a catalog are taken from where it is taken, unless their template says otherwise.
    const CatalogConfig* from = catalog == nullptr ? nullptr : config_->find_catalog(*catalog);
    if (from == nullptr || from->policy->primaries.empty()) return nullptr;
    ZonePolicy with_primaries = *policy;
    with_primaries.primaries = from->policy->primaries;
    return policy_settings(with_primaries);
  }

  const std::shared_ptr<const Config> config_;
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, SettingsPtr> known_;
};

CatalogSettings catalog_settings(const CatalogConfig& from) {
  CatalogSettings out;
  out.rule.catalog = from.zone;
  out.rule.brake = {.percent = from.brake_percent, .at_least = from.brake_count};
  out.rule.purge_after = from.purge_after.count();
  // A member takes some hundred octets; a name and a label of 255 octets each are rare.
  constexpr std::uint64_t usual_octets = 512;
  out.limits.max_members = from.max_members;
  out.limits.max_octets = std::max(out.limits.max_octets, from.max_members * usual_octets);
  out.templates.default_template = from.template_name;
  out.templates.group_templates = from.groups;
  return out;
}

}  // namespace

ZoneSources zone_sources(const std::shared_ptr<const Config>& config) {
  ZoneSources out;
  out.zones = zone_settings(*config);
  for (const CatalogConfig& catalog : config->catalogs) out.catalogs.push_back(catalog_settings(catalog));
  out.from_template = [finder = std::make_shared<Finder>(config)](NameView zone, const std::string& words,
                                                                  const Name* catalog) -> std::optional<ZoneSettings> {
    SettingsPtr policy = finder->find(words, catalog);
    if (!policy) return std::nullopt;
    return ZoneSettings{.name = Name(zone), .file = "", .policy = std::move(policy)};
  };
  return out;
}

Result<std::string> run_time_template(const Config& config, const ZoneTemplate& wanted) {
  std::string words = wanted.template_name.empty() ? "default" : wanted.template_name;
  const auto found = config.templates.find(words);
  if (found == config.templates.end()) {
    return fail(Errc::usage, fmt::format("the configuration has no template {}", words));
  }
  if (wanted.primaries.empty() && found->second->primaries.empty()) {
    return fail(Errc::usage, fmt::format("template {} has no primaries: name some with --primary", words));
  }
  for (const std::string& primary : wanted.primaries) {
    if (!find_peer(config, primary)) {
      return fail(Errc::usage, fmt::format("{} is neither a name under `primaries` nor ADDRESS@PORT", primary));
    }
    words += separator + primary;
  }
  if (words.size() > longest_word) return fail(Errc::usage, "too many primaries: put them into a template");
  return words;
}

MissingSettings missing_settings(const Config& config, const std::string& words) {
  const std::vector<std::string> all = words_of(words);
  if (!config.templates.contains(all.front())) return {"template " + all.front()};
  for (const std::string& primary : all | std::views::drop(1)) {
    if (!find_peer(config, primary)) return {"primary " + primary};
  }
  return {"template " + all.front(), true};
}

}  // namespace understudy
