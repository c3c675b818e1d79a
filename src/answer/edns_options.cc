#include "answer/edns_options.h"

#include <cstring>

namespace understudy {
namespace {

constexpr std::size_t option_header = 4;
constexpr std::uint8_t soa_serial_version = 0;  // RFC 9660 section 2

void write_header(std::uint8_t* out, std::uint16_t code, std::size_t size) {
  store_u16(out, code);
  store_u16(out + 2, static_cast<std::uint16_t>(size));
}

}  // namespace

void EdnsSettings::write_report_channel(std::uint8_t* out) const {
  const ByteView agent = report_agent.wire();
  write_header(out, edns_report_channel, agent.size());
  std::memcpy(out + option_header, agent.data(), agent.size());
}

std::uint8_t* OptionWriter::start(std::uint16_t code, std::size_t size) {
  if (size_ + option_header + size > room_) return nullptr;
  std::uint8_t* at = &buffer_[size_];
  write_header(at, code, size);
  size_ += option_header + size;
  return at + option_header;
}

CookieVerdict OptionWriter::put_standing(const EdnsRequest& request, const EdnsSettings& settings,
                                         const EdnsClient& client) {
  CookieVerdict verdict = CookieVerdict::none;
  if (request.has(EdnsRequest::cookie) && settings.cookies != nullptr) {
    std::uint8_t cookie[whole_cookie_size];
    verdict = settings.cookies->answer(request.client_cookie, cookie_address(client.address), client.now, cookie);
    if (std::uint8_t* at = start(edns_cookie, sizeof cookie)) std::memcpy(at, cookie, sizeof cookie);
  }
  if (request.has(EdnsRequest::keepalive) && client.keepalive) {
    if (std::uint8_t* at = start(edns_keepalive, 2)) store_u16(at, *client.keepalive);
  }
  if (request.has(EdnsRequest::nsid) && !settings.nsid.empty()) {
    if (std::uint8_t* at = start(edns_nsid, settings.nsid.size())) {
      std::memcpy(at, settings.nsid.data(), settings.nsid.size());
    }
  }
  return verdict;
}

void OptionWriter::put_zone_version(std::size_t labels, Serial serial) {
  std::uint8_t* at = start(edns_zone_version, 6);
  if (at == nullptr) return;
  at[0] = static_cast<std::uint8_t>(labels);
  at[1] = soa_serial_version;
  store_u32(at + 2, serial.value);
}

}  // namespace understudy
