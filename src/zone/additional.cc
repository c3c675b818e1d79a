#include "zone/additional.h"

#include <array>

#include "dns/name.h"

namespace understudy {
namespace {

std::optional<AdditionalName> at(std::size_t offset) {
  return AdditionalName{.offset = offset};
}

// RFC 9460 section 2.5: of an alias, "." says that there is no service.
std::optional<AdditionalName> service_target(ByteView rdata) {
  const bool is_alias = load_u16(rdata.data()) == 0;
  if (rdata[2] != 0) return at(2);
  return is_alias ? std::nullopt : std::optional(AdditionalName{.is_owner = true, .offset = 2});
}

// RFC 3404 section 4.3: the replacement is a host with flag A, the owner of SRV records with S.
std::optional<AdditionalName> replacement(ByteView rdata) {
  std::size_t offset = 4;  // order and preference
  const std::size_t flags = offset + 1;
  const bool is_one = rdata[offset] == 1;
  for (int strings = 0; strings < 3; ++strings) offset += rdata[offset] + 1U;
  const std::uint8_t flag = is_one ? rdata[flags] | 0x20 : 0;
  return flag == 'a' || flag == 's' ? at(offset) : std::nullopt;
}

}  // namespace

std::optional<AdditionalName> additional_name(RRType type, ByteView rdata) {
  switch (type) {
    case RRType::NS:
      return at(0);
    case RRType::MX:
      return at(2);
    case RRType::SRV:
      return at(6);
    case RRType::SVCB:
    case RRType::HTTPS:
      return service_target(rdata);
    case RRType::NAPTR:
      return replacement(rdata);
    default:
      return std::nullopt;
  }
}

std::span<const RRType> additional_types(RRType type) {
  static constexpr std::array svcb = {RRType::A, RRType::AAAA, RRType::SVCB};
  static constexpr std::array https = {RRType::A, RRType::AAAA, RRType::HTTPS};
  static constexpr std::array naptr = {RRType::A, RRType::AAAA, RRType::SRV};
  switch (type) {
    case RRType::NS:
    case RRType::MX:
    case RRType::SRV:
      return std::span(svcb).first(2);
    case RRType::SVCB:
      return svcb;
    case RRType::HTTPS:
      return https;
    case RRType::NAPTR:
      return naptr;
    default:
      return {};
  }
}

}  // namespace understudy
