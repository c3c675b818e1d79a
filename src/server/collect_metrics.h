// Reads every metric of metric_table.h. Called on the control thread; costs the workers nothing.
#pragma once

#include <span>
#include <vector>

#include "control/server_control.h"
#include "server/workers.h"
#include "transfer/catalog_registry.h"
#include "transfer/engine.h"

namespace understudy {

/// `start_seconds`: when the server started, since 1970. `zone_metrics`: serial and expiry of each zone too, which
/// costs a line per zone. `all_known`: no zone is missing because what is stored of it cannot be read yet.
std::vector<MetricFamily> collect_metrics(const Workers::Totals& totals, const TransferEngine& engine,
                                          std::span<const CatalogStatus> catalogs, double start_seconds,
                                          bool zone_metrics, bool all_known = true);

}  // namespace understudy
