// Keys and values of the zone database (doc/storage-format.md): plain functions between structures and octets.
//
// Every value ends with a checksum over its key and content, so a value that is damaged, or stands under another
// key than it was written for, is never taken. All numbers are big-endian or varints (LEB128). Stateless.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/name.h"
#include "zone/history.h"
#include "zone/timers.h"

namespace understudy {

/// What stands under a zone's head key: which version is the zone's, and how to know it again.
struct VersionHead {
  Name name;                  // as the version's apex is written, case included
  std::uint64_t version = 0;  // number of the commit: unique in the database, ever increasing
  std::uint32_t serial = 0;
  std::uint64_t records = 0;
  std::uint64_t nodes = 0;
  ZoneTimers timers;  // as of the commit, in case the timers' own value is lost
  std::string source;

  // The base: the last version that was written whole.
  std::uint64_t base = 0;  // number of its commit, which its blocks are keyed by
  bool large = false;      // blocks are in the family of large versions, keyed by number instead of by name
  std::uint32_t blocks = 0;
  std::uint32_t digest = 0;  // CRC-32C over the checksums of all blocks in order
  std::uint64_t stored = 0;  // octets of all blocks
  std::uint64_t octets = 0;  // memory of the base, a hint for its builder

  // Deltas, numbered in the order of their commits: `first` up to `chain` are history in front of the base, `chain` up
  // to `end` lead from the base to the version.
  std::uint64_t history = 0;  // number of the commit that began the history, which deltas are keyed by; 0: none
  std::uint64_t first = 0, chain = 0, end = 0;
  std::uint64_t history_octets = 0, chain_octets = 0;
  std::uint32_t link = 0;  // checksum of the last delta; each one names that of the one before
  HistoryLimits keep;      // what may be kept as history
};

/// In front of a delta's octets.
struct DeltaHeader {
  std::uint32_t link = 0;  // checksum of the delta before; 0: it is the first
  std::uint64_t size = 0;  // octets of the delta
};

// Keys. A name in a key is in lower case and ends with its root label, so no key is the beginning of another name's.
inline constexpr char head_prefix = 'h';
inline constexpr char timers_prefix = 't';
inline constexpr char block_prefix = 'b';
inline constexpr char delta_prefix = 'd';
inline constexpr char fact_prefix = 'f';
inline constexpr char transfer_prefix = 'l';        // the transfer log
inline constexpr char transfer_index_prefix = 'i';  // its records by zone
std::string head_key(NameView zone);
std::string timers_key(NameView zone);
/// A block of a small version: 'b', name, version, number.
std::string block_key(NameView zone, std::uint64_t version, std::uint32_t number);
/// What the keys of all deltas of a history begin with: 'd', name, number of the commit that began it.
std::string history_key(NameView zone, std::uint64_t history);
/// One part of a delta: history_key, number of the delta, number of the part.
std::string delta_key(NameView zone, std::uint64_t history, std::uint64_t number, std::uint32_t part);
/// Where in its history a delta key stands: numbers of delta and part. `key` begins with a history key.
std::pair<std::uint64_t, std::uint32_t> place_of_delta_key(std::string_view key);
std::string fact_key(std::string_view key);
std::string transfer_key(std::uint64_t id);
/// What the index keys of a zone begin with: 'i', name; the record's id follows.
std::string transfer_index_key(NameView zone);
std::string transfer_index_key(NameView zone, std::uint64_t id);
/// The number that such a key ends with.
std::uint64_t last_u64(std::string_view key);
/// A block of a large version, in its own family: version, number.
std::string large_block_key(std::uint64_t version, std::uint32_t number);
/// The version that a key of the family of large versions belongs to; nullopt if it is not such a key.
std::optional<std::uint64_t> version_of_large_key(std::string_view key);
/// Where a head or timers key stands relative to the key of `zone` with the same prefix.
std::strong_ordering compare_key(std::string_view key, NameView zone);
/// The zone that a head, timers or block key belongs to; nullopt if it is not such a key.
std::optional<Name> zone_of_key(std::string_view key);

// Values.
/// Puts the checksum over `key` and `value` behind `value`; returns it.
std::uint32_t seal(std::string_view key, Bytes& value);
/// The content without its checksum, or nullopt if that is wrong. `checksum` gets it if not null.
std::optional<ByteView> unseal(std::string_view key, std::string_view value, std::uint32_t* checksum = nullptr);

Bytes encode_head(std::string_view key, const VersionHead& head);
/// Errc::corrupt.
Result<VersionHead> decode_head(std::string_view key, std::string_view value);
Bytes encode_timers(std::string_view key, const ZoneTimers& timers);
Bytes encode_delta_header(const DeltaHeader& header);
/// Reads a delta's header and moves behind it. Errc::corrupt.
Result<DeltaHeader> decode_delta_header(ByteReader& in);
/// Errc::corrupt.
Result<ZoneTimers> decode_timers(std::string_view key, std::string_view value);

// Numbers.
inline constexpr std::size_t max_varint_size = 10;
void append_u64(Bytes& out, std::uint64_t v);
std::uint64_t read_u64(ByteReader& in);
void append_varint(Bytes& out, std::uint64_t v);
/// Size as a varint, octets.
void append_text(Bytes& out, std::string_view text);
/// The reader fails on a varint of over 64 bits.
std::uint64_t read_varint(ByteReader& in);
std::string read_text(ByteReader& in);

}  // namespace understudy
