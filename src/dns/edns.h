// EDNS option codes and extended errors (RFC 6891, RFC 8914).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace understudy {

inline constexpr std::uint16_t edns_nsid = 3, edns_client_subnet = 8, edns_expire = 9, edns_cookie = 10,
                               edns_keepalive = 11, edns_padding = 12, edns_extended_error = 15,
                               edns_report_channel = 18, edns_zone_version = 19;

/// Octets of an OPT record without options: root owner, type, size, extended rcode, version, flags, length.
inline constexpr std::size_t opt_header_size = 11;

/// RFC 8914 section 4.
enum class ExtendedError : std::uint16_t {
  other = 0,
  stale_answer = 3,
  not_ready = 14,
  prohibited = 18,
  not_authoritative = 20,
  not_supported = 21,
  no_reachable_authority = 22,
  network_error = 23,
  invalid_data = 24,
  nsec3_iterations = 27,
};

/// Whether the content of an OPT record consists of options that are not cut off (RFC 6891 section 6.1.2).
inline bool are_whole_options(ByteView options) {
  while (!options.empty()) {
    if (options.size() < 4) return false;
    const std::size_t size = 4 + std::size_t{load_u16(options.data() + 2)};
    if (options.size() < size) return false;
    options = options.subspan(size);
  }
  return true;
}

/// What the options of a query ask for, of those that a server answers. All others are ignored (RFC 6891
/// section 6.1.2), client subnet (RFC 7871) and padding among them. Of an option that comes twice the first counts.
struct EdnsRequest {
  enum Wish : std::uint8_t { nsid = 1, expire = 2, cookie = 4, keepalive = 8, zone_version = 16 };
  std::uint8_t wishes = 0;
  std::uint8_t faults = 0;  // wishes whose content their RFC does not allow
  ByteView client_cookie;   // content of COOKIE, if that is a wish: 8 or 16 to 40 octets, if it has no fault

  [[nodiscard]] bool has(Wish wish) const { return (wishes & wish) != 0; }
};
/// `options` are whole.
EdnsRequest read_edns_request(ByteView options);

/// The content of the first option with this code in `options`, which are whole.
std::optional<ByteView> find_edns_option(ByteView options, std::uint16_t code);

/// Appends one option: code, length, content.
void append_edns_option(Bytes& options, std::uint16_t code, ByteView content);
/// Appends an extended error option with optional text.
void append_extended_error(Bytes& options, ExtendedError code, std::string_view text = {});

}  // namespace understudy
