#include "dns/edns.h"

namespace understudy {
namespace {

// RFC 7873 section 4: a client's cookie has 8 octets, a server's 8 to 32 more.
bool is_cookie_size(std::size_t size) {
  return size == 8 || (size >= 16 && size <= 40);
}

}  // namespace

EdnsRequest read_edns_request(ByteView options) {
  EdnsRequest request;
  while (!options.empty()) {
    const std::uint16_t code = load_u16(options.data());
    const ByteView content = options.subspan(4, load_u16(options.data() + 2));
    options = options.subspan(4 + content.size());
    std::uint8_t wish = 0;
    bool fault = false;
    switch (code) {
      case edns_cookie:
        wish = EdnsRequest::cookie;
        if (request.has(EdnsRequest::cookie)) break;
        request.client_cookie = content;
        fault = !is_cookie_size(content.size());
        break;
      case edns_nsid:  // RFC 5001 section 2.2: whatever it holds
        wish = EdnsRequest::nsid;
        break;
      case edns_expire:
        wish = EdnsRequest::expire;
        break;
      case edns_keepalive:  // RFC 7828 section 3.2.1
        wish = EdnsRequest::keepalive;
        fault = !content.empty();
        break;
      case edns_zone_version:  // RFC 9660 section 3.1
        wish = EdnsRequest::zone_version;
        fault = !content.empty();
        break;
      default:
        break;
    }
    if (fault && (request.wishes & wish) == 0) request.faults |= wish;
    request.wishes |= wish;
  }
  return request;
}

std::optional<ByteView> find_edns_option(ByteView options, std::uint16_t code) {
  ByteReader reader(options);
  while (!reader.at_end()) {
    const std::uint16_t found = reader.u16();
    const ByteView content = reader.bytes(reader.u16());
    if (found == code) return content;
  }
  return std::nullopt;
}

void append_edns_option(Bytes& options, std::uint16_t code, ByteView content) {
  append_u16(options, code);
  append_u16(options, static_cast<std::uint16_t>(content.size()));
  append(options, content);
}

void append_extended_error(Bytes& options, ExtendedError code, std::string_view text) {
  append_u16(options, edns_extended_error);
  append_u16(options, static_cast<std::uint16_t>(2 + text.size()));
  append_u16(options, static_cast<std::uint16_t>(code));
  append(options, view_of(text));
}

}  // namespace understudy
