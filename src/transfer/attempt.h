// What one attempt to learn something from a primary was about and how it ended: the facts of its log line.
//
// Every attempt ends in one line: zone, primary, transport, key, what was asked, what came, and on failure the reason
// with what to do about it. None has an answer of several primaries' that was not needed, as another one's was taken.
// Plain values; the functions are thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "dns/serial.h"
#include "store/transfer_log.h"
#include "transfer/exchange_trace.h"
#include "transfer/settings.h"
#include "xfr/axfr_reader.h"
#include "zone/builder.h"

namespace understudy {

struct Attempt {
  Name zone;
  PeerSettings peer;
  std::string_view asked = "SOA";            // or AXFR, IXFR
  std::string_view transport = "UDP";        // of the last message
  std::optional<Serial> ours;                // before
  std::optional<Serial> announced;           // by the primary's SOA answer
  std::optional<Serial> received;            // in the transfer
  std::optional<std::uint32_t> expire_left;  // the primary's EXPIRE option (RFC 7314), seconds
  std::string_view came;                     // in words, after a success: "differences", "whole zone"
  TransferCounts counts;                     // of the transfer
  double seconds = 0;
  double waited = 0;  // seconds, in vain or for answers, in the exchanges with this primary before the present one
  ExchangeTrace trace;
};

/// The zone came and is served: information.
void log_transferred(const Attempt& attempt);
/// The primary has our serial: for debugging.
void log_current(const Attempt& attempt);
/// The primary has an older serial than we: a warning the first time, then for debugging.
void log_behind(const Attempt& attempt, bool first_time);
void log_failed(const Attempt& attempt, const Error& error);
/// The differences were of no use, and the whole zone is asked for: information.
void log_no_differences(const Attempt& attempt, const Error& error);
/// This server ended it: information. `why` is a sentence.
void log_given_up(const Attempt& attempt, std::string_view why);
/// The primary was spared the transfer, for a reason that it gave a line of its own: information if it has something
/// newer, else for debugging, as this may be so for every zone there is.
void log_not_asked(const Attempt& attempt, std::string_view why);
/// One warning for all records that were dropped and all oddities that were kept.
void log_oddities(const Attempt& attempt, const ZoneBuilder::Report& report);
/// A warning if `now` has more NSEC3 iterations than are computed for answers, and `before` (null: there was none) had
/// not (RFC 9276 section 3.2).
void log_iterations(const Zone* before, const Zone& now, std::uint16_t most);
/// What was dropped and what was kept although it is odd; empty if nothing was.
std::string oddities_text(const TransferCounts& counts, const ZoneBuilder::Report& report);

/// The same facts for the log of transfers that is kept. `error`: why it failed; null: it did not. `when_ms`: its end.
TransferRecord record_of(const Attempt& attempt, std::int64_t when_ms, const Error* error);

/// What an operator can do about it; empty where there is nothing sensible to say.
std::string_view advice_text(Errc code);

}  // namespace understudy
