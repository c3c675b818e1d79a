// Interprets the response messages of a zone transfer (RFC 5936): bytes in, events out. No I/O, no clock.
//
//   START --SOA--> BODY --other records--> BODY --the same SOA--> DONE
//
// Accepted: any order and grouping of records, messages without a record (padding, RFC 9103) up to 100 in a
// row, any AA, RA, AD, CD and Z bits. Ignored: authority records, additional records. Any error ends the transfer; the
// caller throws away what it built. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/message.h"
#include "dns/name.h"
#include "dns/serial.h"
#include "dns/tsig.h"
#include "xfr/zone_update.h"

namespace understudy {

struct TransferLimits {
  std::uint64_t max_records = 50'000'000;
  std::uint64_t max_octets = std::uint64_t{8}
                             << 30;  // of messages received; of memory, too, where they are made a version
};

/// Counts of one transfer, for its log line.
struct TransferCounts {
  std::uint64_t messages = 0;
  std::uint64_t records = 0;      // as received, both SOAs included
  std::uint64_t octets = 0;       // of messages, without length prefixes
  std::uint64_t out_of_zone = 0;  // dropped
  std::uint64_t wrong_class = 0;  // dropped
  std::uint64_t duplicates = 0;   // dropped (those found while building)
};

class AxfrReader {
 public:
  /// `probed`: the serial that the primary announced before, if any: an older one is refused (Errc::serial_backwards).
  AxfrReader(NameView zone, std::uint16_t id, TransferLimits limits, std::optional<Serial> probed,
             std::optional<TsigStream> tsig, ZoneUpdateSink& sink);

  enum class Progress : std::uint8_t { more, done };
  /// Takes the next message (without length prefix). `now` in seconds since 1970 UTC, for TSIG.
  Result<Progress> feed(ByteView message, std::uint64_t now);
  /// The connection ended: an error that says why what came is not a whole transfer.
  [[nodiscard]] Error closed_early() const;

  [[nodiscard]] const TransferCounts& counts() const { return counts_; }
  /// Valid once the opening SOA has come.
  [[nodiscard]] Serial serial() const { return serial_; }

 private:
  enum class State : std::uint8_t { start, body, done };
  Result<void> check_envelope(const MessageView& message, std::uint64_t now);
  Result<void> take(const RecordView& record);
  Result<void> take_opening(NameView owner, const RecordView& record);
  Result<void> take_closing(NameView owner, const RecordView& record);
  Result<ByteView> rdata_of(const RecordView& record);
  Result<void> add(NameView owner, const RecordView& record);

  const Name zone_;
  const std::uint16_t id_;
  const TransferLimits limits_;
  const std::optional<Serial> probed_;
  std::optional<TsigStream> tsig_;
  ZoneUpdateSink& sink_;
  State state_ = State::start;
  Serial serial_;
  unsigned empty_run_ = 0;  // messages without a record since the last one with
  Bytes opening_soa_;       // RDATA in canonical form
  Bytes rdata_;             // reused for every record
  TransferCounts counts_;
};

}  // namespace understudy
