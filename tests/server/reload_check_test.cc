#include "server/reload_check.h"

#include <gtest/gtest.h>

#include "server_fixture.h"

namespace understudy {
namespace {

std::vector<std::string> objections(const std::string& templates, const SettingsLoss& loss) {
  const LoadedConfig next = parsed(
      "server: {listen: [127.0.0.1@5300]}\nstorage: {directory: store}\n"
      "primaries: [{name: p, address: 127.0.0.1@1}]\ntemplates: [" +
      templates + "]\n");
  return objections_to(*next.config, std::vector{loss});
}

SettingsLoss members(std::uint64_t count) {
  return {.template_name = "t", .catalog = Name::parse("c.").value(), .count = count, .some = {*Name::parse("x.")}};
}

// Zones that were added at run time: server_test.cc.
TEST(ReloadCheck, TheTemplateOfACatalogThatGoesIsToStayUntilThatIsAccepted) {
  EXPECT_EQ(objections("{name: other}", members(4)).at(0),
            "template t is used by 4 members of catalog c. (x., ...), which stay until it is accepted that the catalog "
            "is gone: keep it until `understudy catalog accept c.`");
}

TEST(ReloadCheck, MembersThatAreTakenFromWhereTheCatalogIsTakenNeedPrimariesOfTheirOwn) {
  EXPECT_EQ(objections("{name: t}", members(1)).at(0),
            "template t has no primaries, and those of the catalog go with it, so 1 member of catalog c. (x.), which "
            "would stay, would have none: give the template some until `understudy catalog accept c.`");
}

}  // namespace
}  // namespace understudy
