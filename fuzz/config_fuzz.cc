// layers: config
// Configurations: any text gives a Config whose references hold, or an Error that names the file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "config/diff.h"
#include "config/parser.h"

using understudy::Config;
using understudy::text_of;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const std::shared_ptr<const Config>& config) {
  require(config->templates.contains("default"));
  for (const auto& zone : config->zones) {
    require(config->find_zone(zone.name()) == &zone);
    require(zone.policy != nullptr);
    require((zone.from_file() || zone.is_produced()) == zone.policy->primaries.empty());
    require(zone.policy->refresh_min <= zone.policy->refresh_max);
  }
  for (const auto& [name, primary] : config->primaries) {
    require(primary.name == name && !primary.endpoints.empty());
    for (const auto& endpoint : primary.endpoints) require(endpoint.port != 0);
    require(!primary.key || config->find_key(primary.key->name) == primary.key);
  }
  for (const auto& catalog : config->catalogs) {
    require(config->find_catalog(catalog.zone) == &catalog && catalog.members != nullptr);
    require(config->find_zone(catalog.zone) != nullptr);
  }
  require(diff_configs(config, config).empty());
  const auto added = diff_configs(std::make_shared<const Config>(), config);
  require(added.zones_added.size() == config->zones.size() && added.zones_removed.empty());
  require(added.lines(5).size() <= 6);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = text_of({data, size});
  const auto loaded = understudy::parse_config(text, "file", "/directory");
  if (loaded) {
    check(loaded->config);
  } else {
    require(loaded.error().detail.starts_with("file:"));
  }
  const auto zone = understudy::parse_zone(text, loaded ? *loaded->config : Config{});
  require(zone ? zone->policy != nullptr : zone.error().detail.starts_with("zone:"));
  return 0;
}
