#include "dns/edns.h"

namespace understudy {

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
