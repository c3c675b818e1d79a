#include "control/metrics.h"

#include <fmt/format.h>

#include <cmath>

namespace understudy {
namespace {

std::string number_text(double value) {
  if (value == std::floor(value) && std::abs(value) < 9e15) return fmt::format("{}", static_cast<long long>(value));
  return fmt::format("{}", value);
}

}  // namespace

std::string escape_label(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string openmetrics_text(std::span<const MetricFamily> families) {
  std::string out;
  for (const auto& family : families) {
    out += fmt::format("# TYPE {} {}\n", family.name, family.counter ? "counter" : "gauge");
    if (!family.unit.empty()) out += fmt::format("# UNIT {} {}\n", family.name, family.unit);
    out += fmt::format("# HELP {} {}\n", family.name, family.help);
    for (const auto& sample : family.samples) {
      out += family.name;
      if (family.counter) out += "_total";
      if (!sample.labels.empty()) out += fmt::format("{{{}}}", sample.labels);
      out += ' ';
      out += number_text(sample.value);
      out += '\n';
    }
  }
  out += "# EOF\n";
  return out;
}

}  // namespace understudy
