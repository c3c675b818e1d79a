// What the server says of itself and how it knows its clients again: the words of `server.nsid`, `server.identity` and
// `server.version`, and files with the secrets of cookies. Pure, thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace understudy::config {

inline constexpr std::size_t max_nsid = 128, max_chaos_text = 255, cookie_secret_octets = 16;

/// The octets that NSID says: text as it stands, or hexadecimal behind `0x`. Errc::bad_value if they are too many or
/// not hexadecimal.
Result<Bytes> nsid_octets(std::string_view text);

/// One secret of 32 hexadecimal digits a line, the first the one that cookies are made with; `#` begins a comment.
/// Errc::bad_value names the line.
Result<std::vector<Bytes>> parse_cookie_secrets(std::string_view text, std::string_view label);

}  // namespace understudy::config
