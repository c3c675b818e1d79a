// Metrics as OpenMetrics text (https://prometheus.io/docs/specs/om/open_metrics_spec/), and the page about them.
// Pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "control/server_control.h"

namespace understudy {

/// Content-Type of openmetrics_text().
inline constexpr std::string_view openmetrics_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";

std::string openmetrics_text(std::span<const MetricFamily> families);
/// `name="value"`, the value escaped.
std::string metric_label(std::string_view name, std::string_view value);

/// doc/manual/metrics.md: every metric with its type, labels and meaning.
std::string metrics_manual(std::span<const MetricDeclaration> declarations);

}  // namespace understudy
