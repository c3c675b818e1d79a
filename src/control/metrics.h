// Metrics as OpenMetrics text (https://prometheus.io/docs/specs/om/open_metrics_spec/).
#pragma once

#include <span>
#include <string>

#include "control/server_control.h"

namespace understudy {

/// Content-Type of openmetrics_text().
inline constexpr std::string_view openmetrics_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";

std::string openmetrics_text(std::span<const MetricFamily> families);
/// A label value with its special characters escaped.
std::string escape_label(std::string_view value);

}  // namespace understudy
