#include "dns/record.h"

#include <fmt/format.h>

#include "dns/rdata.h"

namespace understudy {
namespace {

/// RFC 3597 section 5, for RDATA that does not fit its type.
std::string opaque_text(ByteView rdata) {
  std::string out = fmt::format("\\# {}", rdata.size());
  if (!rdata.empty()) out += ' ';
  for (const std::uint8_t octet : rdata) out += fmt::format("{:02x}", octet);
  return out;
}

}  // namespace

std::string Record::text() const {
  const std::string data = check_rdata(type, rdata) ? rdata_text(type, rdata) : opaque_text(rdata);
  return fmt::format("{} {} {} {} {}", owner.text(), ttl, class_text(klass), type_text(type), data);
}

}  // namespace understudy
