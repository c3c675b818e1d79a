// What the readers of transfers (AxfrReader, IxfrReader) share: every message is checked as a whole before anything of
// it is taken (header, signature, response code, question, limits), then its answers go one by one to take().
//
// Accepted: any grouping of records, messages without a record (padding, RFC 9103) up to 100 in a row, a question in
// every message or only in the first, any AA, RA, AD, CD and Z bits. Ignored: authority and additional records but OPT
// and TSIG. Any error ends the transfer; the caller throws away what it built. No I/O, no clock. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/message.h"
#include "dns/name.h"
#include "dns/serial.h"
#include "dns/tsig.h"
#include "xfr/soa_query.h"
#include "xfr/zone_update.h"

namespace understudy {

struct TransferLimits {
  std::uint64_t max_records = 50'000'000;
  std::uint64_t max_octets = std::uint64_t{8}
                             << 30;  // of messages received; of memory, too, where they are made a version or deltas
  std::uint32_t max_differences = 10'000;  // of one IXFR answer
};

/// Counts of one transfer, for its log line.
struct TransferCounts {
  std::uint64_t messages = 0;
  std::uint64_t records = 0;      // as received, every SOA included
  std::uint64_t octets = 0;       // of messages, without length prefixes
  std::uint64_t out_of_zone = 0;  // dropped
  std::uint64_t wrong_class = 0;  // dropped
  std::uint64_t duplicates = 0;   // dropped (those found while building)
};

/// What was asked for, and how.
struct TransferRequest {
  Name zone;
  std::uint16_t id = 0;
  RRType type = RRType::AXFR;
  Via via = Via::stream;
  WithEdns edns = WithEdns::no;
  /// The serial that the primary told in an answer before, if any: an older one is refused (Errc::serial_backwards).
  /// Not what a NOTIFY claims, which anyone may have sent.
  std::optional<Serial> probed;
  std::optional<TsigStream> tsig;
};

class TransferReader {
 public:
  virtual ~TransferReader() = default;
  TransferReader(const TransferReader&) = delete;
  TransferReader& operator=(const TransferReader&) = delete;

  enum class Progress : std::uint8_t { more, done };
  /// Takes the next message (without length prefix). `now` in seconds since 1970 UTC, for TSIG. A datagram with
  /// another id is passed over (more). Errc::edns_refused: ask again without EDNS.
  Result<Progress> feed(ByteView message, std::uint64_t now);
  /// The connection ended: an error that says why what came is not a whole transfer.
  [[nodiscard]] virtual Error closed_early() const = 0;

  [[nodiscard]] const TransferCounts& counts() const { return counts_; }
  /// The serial of the opening SOA; valid once that has come.
  [[nodiscard]] Serial serial() const { return serial_; }
  /// How long the sender itself may still serve the zone, seconds (RFC 7314 section 3), if it said so.
  [[nodiscard]] std::optional<std::uint32_t> expire() const { return expire_; }

 protected:
  TransferReader(TransferRequest request, TransferLimits limits);

  /// Takes one answer record of a message that has passed all checks; of class IN, but for the first one.
  virtual Result<void> take(NameView owner, const RecordView& record) = 0;
  /// After the last record of a message.
  virtual Result<void> message_ends() { return {}; }
  /// Whether the transfer is complete.
  [[nodiscard]] virtual bool is_complete() const = 0;
  /// A truncated (TC) message came: an error unless that has a meaning here.
  virtual Result<void> take_truncated();

  [[nodiscard]] NameView zone() const { return request_.zone; }
  [[nodiscard]] const TransferRequest& request() const { return request_; }
  [[nodiscard]] const TransferLimits& limits() const { return limits_; }
  [[nodiscard]] bool is_apex_soa(NameView owner, const RecordView& record) const {
    return record.type == RRType::SOA && owner.equals(request_.zone);
  }
  /// Checked and without compression; in the message itself if it can have none there. Valid until the next call.
  Result<ByteView> rdata_of(NameView owner, const RecordView& record);
  /// The same for what is to go into a zone: no meta type.
  Result<ByteView> zone_rdata_of(NameView owner, const RecordView& record);
  /// The first record of the transfer: an SOA of the zone, not older than the one announced. Keeps its serial and
  /// canonical form; gives its RDATA.
  Result<ByteView> take_opening(NameView owner, const RecordView& record);
  [[nodiscard]] bool is_opening_soa(ByteView soa_rdata) const;
  Result<void> add_to(ZoneUpdateSink& sink, NameView owner, RRType type, std::uint32_t ttl, ByteView rdata);
  /// A record of a whole zone, behind the opening SOA. True if it is the closing one.
  Result<bool> take_of_whole(ZoneUpdateSink& sink, NameView owner, const RecordView& record);
  /// "N records in M messages"
  [[nodiscard]] std::string what_came() const;

  TransferCounts counts_;

 private:
  Result<void> check_envelope(const MessageView& message, std::uint64_t now);
  Result<void> take_answers(const MessageView& message);

  TransferRequest request_;
  const TransferLimits limits_;
  Serial serial_;
  std::optional<std::uint32_t> expire_;
  unsigned empty_run_ = 0;  // messages without a record since the last one with
  Bytes opening_soa_;       // RDATA in canonical form
  Bytes rdata_;             // reused for every record
};

/// "www.example. A"
std::string record_text(NameView owner, RRType type);
/// The same error, with the record that it is about in front.
std::unexpected<Error> at_record(NameView owner, RRType type, Error error);

}  // namespace understudy
