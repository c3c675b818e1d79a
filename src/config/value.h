// Numbers with units as people write them, and back. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace understudy::config {

/// Decimal digits only.
std::optional<std::uint64_t> parse_number(std::string_view text);
/// "10" (seconds), "500ms", "30s", "5m", "1h", "2d", "1w", in milliseconds. nullopt also if that does not fit.
std::optional<std::uint64_t> parse_duration(std::string_view text);
/// "4096" (octets), "64KiB", "512MiB", "8GiB", "1TiB", in octets.
std::optional<std::uint64_t> parse_size(std::string_view text);
/// true, yes, on, false, no, off.
std::optional<bool> parse_boolean(std::string_view text);

/// The shortest exact form that the parser above reads.
std::string duration_text(std::uint64_t milliseconds);
std::string size_text(std::uint64_t octets);

}  // namespace understudy::config
