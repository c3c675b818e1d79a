#include "control/metrics.h"

#include <gtest/gtest.h>

#include <limits>

namespace understudy {
namespace {

constexpr MetricDeclaration zones{"us_zones", false, "", "state", "Zones, by state."};
constexpr MetricDeclaration received{"us_received_bytes", true, "bytes", "", "Octets received."};

std::string one_value(double value) {
  const MetricFamily families[] = {{&zones, {{{}, value}}}};
  const std::string text = openmetrics_text(families);
  const auto at = text.find("\nus_zones ") + 10;
  return text.substr(at, text.find('\n', at) - at);
}

TEST(Metrics, NothingIsStillAnExposition) {
  EXPECT_EQ(openmetrics_text({}), "# EOF\n");
}

TEST(Metrics, CountersEndInTotalAndUnitsAreSaid) {
  const MetricFamily families[] = {
      {&received, {{{}, 12}}},
      {&zones, {{metric_label("state", "ok"), 3}, {metric_label("state", "failing"), 0}}},
  };
  EXPECT_EQ(openmetrics_text(families),
            "# TYPE us_received_bytes counter\n"
            "# UNIT us_received_bytes bytes\n"
            "# HELP us_received_bytes Octets received.\n"
            "us_received_bytes_total 12\n"
            "# TYPE us_zones gauge\n"
            "# HELP us_zones Zones, by state.\n"
            "us_zones{state=\"ok\"} 3\n"
            "us_zones{state=\"failing\"} 0\n"
            "# EOF\n");
}

TEST(Metrics, FamilyWithoutSamplesIsAllowed) {
  const MetricFamily families[] = {{&zones, {}}};
  EXPECT_EQ(openmetrics_text(families), "# TYPE us_zones gauge\n# HELP us_zones Zones, by state.\n# EOF\n");
}

TEST(Metrics, LabelValuesAreEscaped) {
  EXPECT_EQ(metric_label("zone", R"(a\.b"c.)"), R"(zone="a\\.b\"c.")");
  EXPECT_EQ(metric_label("zone", "a\nb"), R"(zone="a\nb")");
  EXPECT_EQ(metric_label("zone", ""), R"(zone="")");
}

TEST(Metrics, HelpIsEscaped) {
  constexpr MetricDeclaration odd{"odd", false, "", "", "a \"quoted\" back\\slash\nand line"};
  const MetricFamily families[] = {{&odd, {}}};
  EXPECT_NE(openmetrics_text(families).find("# HELP odd a \\\"quoted\\\" back\\\\slash\\nand line\n"),
            std::string::npos);
}

TEST(Metrics, NumbersAreExact) {
  EXPECT_EQ(one_value(0), "0");
  EXPECT_EQ(one_value(-3), "-3");
  EXPECT_EQ(one_value(4'294'967'295.0), "4294967295");
  EXPECT_EQ(one_value(9'007'199'254'740'991.0), "9007199254740991");
  EXPECT_EQ(one_value(1795354335.187), "1795354335.187");
  EXPECT_EQ(std::stod(one_value(1e300)), 1e300);
  EXPECT_EQ(one_value(std::numeric_limits<double>::infinity()), "+Inf");
  EXPECT_EQ(one_value(-std::numeric_limits<double>::infinity()), "-Inf");
  EXPECT_EQ(one_value(std::numeric_limits<double>::quiet_NaN()), "NaN");
}

TEST(Metrics, ManualHasALineForEach) {
  const MetricDeclaration declarations[] = {received, zones};
  const std::string manual = metrics_manual(declarations);
  EXPECT_NE(manual.find("\n| `us_received_bytes_total` | counter |  | Octets received. |\n"
                        "| `us_zones` | gauge | `state` | Zones, by state. |\n"),
            std::string::npos)
      << manual;
}

}  // namespace
}  // namespace understudy
