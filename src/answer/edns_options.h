// The EDNS options of an answer: what a query asked for and the server gives (NSID, cookie, keepalive, version of the
// zone), and the reporting channel, which nobody asks for. Both ways to answer write them here. Nothing is allocated.
//
//   OptionWriter options(settings, request, client);
//   options.put_standing(room);           cookie, keepalive, NSID: what does not depend on the zone
//   options.put_zone_version(zone, ...);
//   ... the answer, for which options.size() octets are kept free ...
//   settings.report_channel               behind it, where there is room
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "answer/cookies.h"
#include "base/bytes.h"
#include "dns/edns.h"
#include "dns/name.h"
#include "dns/serial.h"

struct sockaddr;

namespace understudy {

struct EdnsSettings {
  static constexpr std::size_t max_nsid = 128;

  Bytes nsid;                                    // what NSID says (RFC 5001); empty: nothing
  std::shared_ptr<const CookieSecrets> cookies;  // null: COOKIE is an option like any unknown one
  // By UDP: BADCOOKIE for who sends one that is not good or only a client's; and TC for who sends none.
  bool cookies_required = false, none_to_tcp = false;
  Name report_agent;  // RFC 9567: where to report errors to; the root: nowhere

  /// Octets of the option that says `report_agent`, 0 for none.
  [[nodiscard]] std::size_t report_channel_size() const { return report_agent.is_root() ? 0 : 4 + report_agent.size(); }
  /// Whether it goes along with an answer about `name`: errors of reports are not to be reported.
  [[nodiscard]] bool reports(NameView name) const {
    return !report_agent.is_root() && !name.is_at_or_below(report_agent);
  }
  /// Writes that option.
  void write_report_channel(std::uint8_t* out) const;
};

/// Who asks.
struct EdnsClient {
  const sockaddr* address = nullptr;
  std::uint32_t now = 0;                   // seconds since 1970 modulo 2^32
  std::optional<std::uint16_t> keepalive;  // TCP: how long the connection may be idle, in tenths of a second; UDP: none
};

/// Whether an option has content that its RFC forbids: FORMERR. Keepalive by UDP is ignored (RFC 7828 section 3.3.1),
/// and so is COOKIE where cookies are off.
inline bool is_malformed(const EdnsRequest& request, const EdnsSettings& settings, bool is_tcp) {
  if (request.faults == 0) [[likely]]
    return false;
  const unsigned minded = EdnsRequest::zone_version | (is_tcp ? EdnsRequest::keepalive : 0U) |
                          (settings.cookies != nullptr ? EdnsRequest::cookie : 0U);
  return (request.faults & minded) != 0;
}

/// Whether a query by UDP is not answered for what its cookie is.
inline bool demands_cookie(const EdnsSettings& settings, CookieVerdict shown) {
  if (!settings.cookies_required || shown == CookieVerdict::good) return false;
  return shown != CookieVerdict::none || settings.none_to_tcp;
}

class OptionWriter {
 public:
  /// `room`: the most octets to write.
  explicit OptionWriter(std::size_t room) : room_(room < buffer_.size() ? room : buffer_.size()) {}

  /// Cookie, keepalive and NSID as asked for, each where it still fits. Says how good the client's cookie is.
  CookieVerdict put_standing(const EdnsRequest& request, const EdnsSettings& settings, const EdnsClient& client);
  /// RFC 9660: the serial of the zone that has the last `labels` labels of the question's name.
  void put_zone_version(std::size_t labels, Serial serial);

  [[nodiscard]] ByteView options() const { return {buffer_.data(), size_}; }

 private:
  /// Where the content goes, null if it does not fit.
  std::uint8_t* start(std::uint16_t code, std::size_t size);

  std::array<std::uint8_t, 4 * 4 + whole_cookie_size + 2 + 6 + EdnsSettings::max_nsid> buffer_;
  std::size_t size_ = 0;
  std::size_t room_;
};

}  // namespace understudy
