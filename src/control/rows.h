// Lines of a response of the control socket (doc/control-protocol.md). Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "control/server_control.h"

namespace understudy {

std::string row_line(const ZoneRow& zone, WallSeconds now);
std::string row_line(const StoredRow& zone);
std::string row_line(const HistoryRow& version);
std::string row_line(const DifferenceLine& line);
std::string row_line(const TransferRow& transfer);
std::string row_line(const TransferDetail& transfer);
std::string row_line(const CatalogRow& catalog);
std::string row_line(const ComparisonPoints& points);

std::string text_line(std::string_view text);
/// The outcome for one of several zones.
std::string zone_text_line(const Name& zone, std::string_view text);
std::string zone_error_line(const Name& zone, std::string_view error);
/// `next`: where a listing that was cut short goes on, as JSON.
std::string last_line(std::uint64_t failed = 0, std::string_view error = {}, std::string_view next = {});
std::string json_text(std::string_view text);

}  // namespace understudy
