#include "config/identity.h"

#include <fmt/format.h>

#include "base/encoding.h"

namespace understudy::config {
namespace {

constexpr std::size_t most_secrets = 8;  // each is tried for a cookie that none has made

std::string_view trimmed(std::string_view line) {
  line = line.substr(0, line.find('#'));
  const auto first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") + 1 - first);
}

}  // namespace

Result<Bytes> nsid_octets(std::string_view text) {
  Bytes octets;
  if (text.starts_with("0x")) {
    auto decoded = hex_decode(text.substr(2));
    if (!decoded || decoded->empty()) return fail(Errc::bad_value, "expected an even number of digits behind 0x");
    octets = std::move(*decoded);
  } else {
    append(octets, view_of(text));
  }
  if (octets.size() > max_nsid) {
    return fail(Errc::bad_value, fmt::format("expected at most {} octets, not {}", max_nsid, octets.size()));
  }
  return octets;
}

Result<std::vector<Bytes>> parse_cookie_secrets(std::string_view text, std::string_view label) {
  std::vector<Bytes> secrets;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    const auto line = trimmed(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.empty()) continue;
    auto secret = hex_decode(line);
    // The line is not repeated: messages go to logs.
    if (!secret || secret->size() != cookie_secret_octets) {
      return fail(Errc::bad_value,
                  fmt::format("{}:{}: expected a secret of {} hexadecimal digits, such as `openssl rand -hex {}` makes",
                              label, number, 2 * cookie_secret_octets, cookie_secret_octets));
    }
    if (secrets.size() == most_secrets) {
      return fail(Errc::bad_value, fmt::format("{}:{}: expected at most {} secrets", label, number, most_secrets));
    }
    secrets.push_back(std::move(*secret));
  }
  if (secrets.empty()) return fail(Errc::bad_value, fmt::format("{}: expected at least one secret", label));
  return secrets;
}

}  // namespace understudy::config
