#include "server/reload_check.h"

#include <fmt/format.h>

#include "control/cli.h"
#include "server/zone_sources.h"

namespace understudy {
namespace {

std::string names_text(const SettingsLoss& loss) {
  std::string out;
  for (const Name& name : loss.some) out += (out.empty() ? "" : ", ") + name.text();
  return loss.count > loss.some.size() ? out + ", ..." : out;
}

std::string objection(const Config& next, const SettingsLoss& loss) {
  const MissingSettings missing = missing_settings(next, loss.template_name);
  if (!loss.catalog) {
    const std::string zones = fmt::format(
        "{} added at run time ({})",
        loss.count == 1 ? "a zone that was" : fmt::format("{} zones that were", loss.count), names_text(loss));
    if (missing.is_primaries) {
      return fmt::format(
          "{} has no primaries any more, and is used by {}: give it some, or remove them first with "
          "`understudy zone remove`",
          missing.what, zones);
    }
    return fmt::format("{} is used by {}: add it again, or remove them first with `understudy zone remove`",
                       missing.what, zones);
  }
  const std::string catalog = loss.catalog->text();
  const std::string members =
      fmt::format("{} of catalog {} ({})", count_text(loss.count, "member"), catalog, names_text(loss));
  if (missing.is_primaries) {
    return fmt::format(
        "{} has no primaries, and those of the catalog go with it, so {}, which would stay, would have "
        "none: give the template some until `understudy catalog accept {}`",
        missing.what, members, catalog);
  }
  return fmt::format(
      "{} is used by {}, which stay until it is accepted that the catalog is gone: keep it until "
      "`understudy catalog accept {}`",
      missing.what, members, catalog);
}

}  // namespace

std::vector<std::string> objections_to(const Config& next, std::span<const SettingsLoss> lost) {
  std::vector<std::string> out;
  out.reserve(lost.size());
  for (const SettingsLoss& each : lost) out.push_back(objection(next, each));
  return out;
}

}  // namespace understudy
