#include "control/metrics.h"

#include <fmt/format.h>

#include <cmath>

namespace understudy {
namespace {

// The escapes of label values and of help texts, which are the same.
std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value == std::floor(value) && std::abs(value) < 9.1e15) return fmt::format("{}", static_cast<long long>(value));
  return fmt::format("{}", value);
}

std::string full_name(const MetricDeclaration& metric) {
  return std::string(metric.name) + (metric.counter ? "_total" : "");
}

}  // namespace

std::string metric_label(std::string_view name, std::string_view value) {
  return fmt::format("{}=\"{}\"", name, escaped(value));
}

std::string openmetrics_text(std::span<const MetricFamily> families) {
  std::string out;
  for (const auto& family : families) {
    const MetricDeclaration& metric = *family.declaration;
    out += fmt::format("# TYPE {} {}\n", metric.name, metric.counter ? "counter" : "gauge");
    if (!metric.unit.empty()) out += fmt::format("# UNIT {} {}\n", metric.name, metric.unit);
    out += fmt::format("# HELP {} {}\n", metric.name, escaped(metric.help));
    const std::string name = full_name(metric);
    for (const auto& sample : family.samples) {
      out += name;
      if (!sample.labels.empty()) {
        out += '{';
        out += sample.labels;
        out += '}';
      }
      out += ' ';
      out += number_text(sample.value);
      out += '\n';
    }
  }
  out += "# EOF\n";
  return out;
}

std::string metrics_manual(std::span<const MetricDeclaration> declarations) {
  std::string out =
      "# Metrics\n"
      "\n"
      "Generated from the declaration of the metrics. With `http.listen` set, `/metrics` gives them as OpenMetrics "
      "text,\n"
      "which Prometheus and its relatives read. Counters count from the start of the server. Reading them costs the\n"
      "answering threads nothing.\n"
      "\n"
      "`/healthz` is 200 as long as the server works, `/readyz` is 200 once every stored zone is answered,\n"
      "and as long as the storage has all that is known of catalogs and of zones added at run time.\n"
      "\n"
      "Metrics with the label `zone` are there only with `http.zone-metrics: yes`; they cost a line for every zone.\n"
      "\n"
      "| metric | type | labels | |\n"
      "|---|---|---|---|\n";
  for (const auto& metric : declarations) {
    out += fmt::format("| `{}` | {} | {} | {} |\n", full_name(metric), metric.counter ? "counter" : "gauge",
                       metric.labels.empty() ? "" : fmt::format("`{}`", metric.labels), metric.help);
  }
  return out;
}

}  // namespace understudy
