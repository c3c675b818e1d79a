// LOC in text (RFC 1876 section 3): degrees, altitude and three precisions, both ways.

#include <fmt/format.h>

#include <array>
#include <cstdlib>

#include "dns/rdata_parse.h"
#include "dns/rdata_text.h"

namespace understudy {
namespace {

constexpr std::uint32_t equator = 0x8000'0000U;  // the wire value of 0 degrees
constexpr std::uint32_t degree = 3'600'000;      // thousandths of a second of arc
constexpr std::int64_t sea_level = 10'000'000;   // centimetres above the lowest altitude

constexpr std::uint64_t power_of_ten(unsigned exponent) {
  std::uint64_t value = 1;
  for (; exponent > 0; --exponent) value *= 10;
  return value;
}

bool print_angle(std::uint32_t wire, std::uint32_t limit, std::string_view letters, std::string& out) {
  const bool positive = wire >= equator;
  const std::uint32_t size = positive ? wire - equator : equator - wire;
  if (size > limit * degree) return false;
  fmt::format_to(std::back_inserter(out), "{} {} {}.{:03} {} ", size / degree, size / 60'000 % 60, size / 1000 % 60,
                 size % 1000, letters[positive ? 0 : 1]);
  return true;
}

/// One octet: a digit and a power of ten, of centimetres. Zero with a power has no text form of its own.
bool print_precision(std::uint8_t wire, std::string& out) {
  const unsigned digit = wire >> 4;
  const unsigned exponent = wire & 15;
  if (digit > 9 || exponent > 9 || (digit == 0 && exponent != 0)) return false;
  const std::uint64_t centimetres = digit * power_of_ten(exponent);
  fmt::format_to(std::back_inserter(out), " {}.{:02}m", centimetres / 100, centimetres % 100);
  return true;
}

/// "12", "-12.5", "12.345" with up to `places` decimals, times 10^places; nullopt if it is anything else.
std::optional<std::int64_t> parse_decimals(std::string_view text, unsigned places) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t dot = std::min(text.find('.'), text.size());
  const auto whole = parse_decimal(text.substr(0, dot), 0xffff'ffffU);
  if (!whole) return std::nullopt;
  std::int64_t value = *whole;
  std::string_view fraction = text.substr(std::min(dot + 1, text.size()));
  if (fraction.size() > places || (dot != text.size() && fraction.empty())) return std::nullopt;
  for (unsigned i = 0; i < places; ++i) {
    const char digit = i < fraction.size() ? fraction[i] : '0';
    if (digit < '0' || digit > '9') return std::nullopt;
    value = value * 10 + (digit - '0');
  }
  return negative ? -value : value;
}

std::optional<std::int64_t> parse_metres(std::string_view text) {
  if (text.ends_with('m')) text.remove_suffix(1);
  return parse_decimals(text, 2);
}

/// The largest representable value that is not above `centimetres`.
std::uint8_t pack_precision(std::uint64_t centimetres) {
  unsigned exponent = 0;
  while (centimetres > 9) {
    centimetres /= 10;
    ++exponent;
  }
  return static_cast<std::uint8_t>(centimetres << 4 | exponent);
}

}  // namespace

bool print_loc(ByteReader& r, std::string& out) {
  const std::uint8_t version = r.u8();
  const std::array<std::uint8_t, 3> precisions{r.u8(), r.u8(), r.u8()};
  const std::uint32_t latitude = r.u32();
  const std::uint32_t longitude = r.u32();
  const std::int64_t altitude = std::int64_t{r.u32()} - sea_level;
  if (!r.ok() || version != 0) return false;
  if (!print_angle(latitude, 90, "NS", out) || !print_angle(longitude, 180, "EW", out)) return false;
  const std::int64_t height = std::abs(altitude);
  fmt::format_to(std::back_inserter(out), "{}{}.{:02}m", altitude < 0 ? "-" : "", height / 100, height % 100);
  for (const std::uint8_t precision : precisions) {
    if (!print_precision(precision, out)) return false;
  }
  return true;
}

/// d1 [m1 [s1]] {"N"|"S"} and the same with {"E"|"W"}.
bool RdataParser::loc_angle(std::uint32_t degrees, std::string_view letters, std::uint32_t& wire) {
  const std::string direction = fmt::format("{} or {}", letters[0], letters[1]);
  std::uint32_t value = 0;
  if (!decimal(degrees, value, fmt::format("degrees of 0 to {}", degrees))) return false;
  std::int64_t total = std::int64_t{value} * degree;
  const auto at_direction = [&] {
    return !at_end() && token().size == 1 && letters.contains(static_cast<char>(*token().start & ~0x20));
  };
  if (!at_direction()) {
    if (!decimal(59, value, "minutes of 0 to 59, or " + direction)) return false;
    total += std::int64_t{value} * 60'000;
  }
  if (!at_direction()) {
    const auto seconds = at_end() ? std::nullopt : parse_decimals(token().text(), 3);
    if (!seconds || *seconds < 0 || *seconds >= 60'000) return mistake("seconds of 0 to 59.999, or " + direction);
    total += *seconds;
    ++position_;
  }
  if (!at_direction()) return mistake(direction);
  if (total > std::int64_t{degrees} * degree) return mistake(fmt::format("at most {} degrees before this", degrees));
  const bool positive = (*token().start & ~0x20) == letters[0];
  wire = positive ? equator + static_cast<std::uint32_t>(total) : equator - static_cast<std::uint32_t>(total);
  ++position_;
  return true;
}

bool RdataParser::loc() {
  std::uint32_t latitude = 0;
  std::uint32_t longitude = 0;
  if (!loc_angle(90, "NS", latitude) || !loc_angle(180, "EW", longitude)) return false;
  const auto altitude = at_end() ? std::nullopt : parse_metres(token().text());
  if (!altitude || *altitude < -sea_level || *altitude + sea_level > 0xffff'ffffLL) {
    return mistake("an altitude in metres of -100000.00 to 42849672.95");
  }
  ++position_;
  // RFC 1876 section 3: size 1 m, horizontal precision 10 km, vertical precision 10 m unless given.
  std::array<std::uint8_t, 3> precisions{0x12, 0x16, 0x13};
  for (std::size_t i = 0; i < precisions.size() && !at_end(); ++i, ++position_) {
    const auto centimetres = parse_metres(token().text());
    if (!centimetres || *centimetres < 0 || *centimetres > 9'000'000'000) {
      return mistake("a size or precision in metres of 0 to 90000000.00");
    }
    precisions[i] = pack_precision(static_cast<std::uint64_t>(*centimetres));
  }
  append_u8(out_, 0);
  append(out_, precisions);
  append_u32(out_, latitude);
  append_u32(out_, longitude);
  append_u32(out_, static_cast<std::uint32_t>(*altitude + sea_level));
  return true;
}

}  // namespace understudy
