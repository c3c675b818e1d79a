// Every metric of the server, declared and read in one place.
#pragma once

#include <vector>

#include "control/server_control.h"
#include "server/workers.h"
#include "transfer/engine.h"

namespace understudy {

/// `zone_metrics`: serial and expiry of each zone too; costs a line per zone.
std::vector<MetricFamily> collect_metrics(const Workers::Totals& totals, const TransferEngine& engine,
                                          double start_seconds, bool zone_metrics);

}  // namespace understudy
