// One line of the transfer log, and its octets on disk (doc/storage-format.md, "Transfer log"). Stateless.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/name.h"
#include "dns/serial.h"

namespace understudy {

/// One attempt to take a zone from a primary.
struct TransferRecord {
  std::uint64_t id = 0;      // given by append(); later records have higher ones
  std::int64_t when_ms = 0;  // milliseconds since 1970 UTC
  Name zone;
  std::string primary, address, transport, key;  // names and words as configured; empty: none
  std::string asked;                             // "SOA", "IXFR", "AXFR"
  std::string came;                              // "differences", "whole zone", "current", ...
  std::optional<Serial> ours, announced, received;
  std::uint64_t messages = 0, records = 0, octets = 0;
  double seconds = 0;
  bool ok = false;
  std::string result;                 // "ok" or the name of the Errc
  std::string reason;                 // in words, with what to do about it
  std::vector<std::string> exchange;  // message by message what was sent and what came back; kept for failures

  friend bool operator==(const TransferRecord&, const TransferRecord&) = default;
};

/// Cuts texts and the exchange so that no record takes much over `max_transfer_octets`; what went is said there.
void bound_texts(TransferRecord& record);
inline constexpr std::size_t max_transfer_octets = 64 * 1024;

/// About the octets that the record takes, in memory and stored.
std::size_t weight_of(const TransferRecord& record);

/// The value under transfer_key(record.id). `start`: octets of all records before it.
Bytes encode_transfer(std::uint64_t start, const TransferRecord& record);
struct StoredTransfer {
  std::uint64_t start = 0;
  TransferRecord record;
};
/// Errc::corrupt.
Result<StoredTransfer> decode_transfer(std::string_view key, std::string_view value);

}  // namespace understudy
