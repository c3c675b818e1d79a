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

#include "base/bytes.h"
#include "base/result.h"
#include "dns/name.h"
#include "zone/timers.h"

namespace understudy {

/// What stands under a zone's head key: which version is the zone's, and how to know it again.
struct VersionHead {
  Name name;                  // as the version's apex is written, case included
  std::uint64_t version = 0;  // number of the commit: unique in the database, ever increasing
  bool large = false;         // blocks are in the family of large versions, keyed by number instead of by name
  std::uint32_t serial = 0;
  std::uint32_t blocks = 0;
  std::uint32_t digest = 0;  // CRC-32C over the checksums of all blocks in order
  std::uint64_t records = 0;
  std::uint64_t nodes = 0;
  std::uint64_t octets = 0;  // memory of the version, a hint for its builder
  ZoneTimers timers;         // as of the commit, in case the timers' own value is lost
  std::string source;
};

// Keys. A name in a key is in lower case and ends with its root label, so no key is the beginning of another name's.
inline constexpr char head_prefix = 'h';
inline constexpr char timers_prefix = 't';
inline constexpr char block_prefix = 'b';
std::string head_key(NameView zone);
std::string timers_key(NameView zone);
/// A block of a small version: 'b', name, version, number.
std::string block_key(NameView zone, std::uint64_t version, std::uint32_t number);
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
/// Errc::corrupt.
Result<ZoneTimers> decode_timers(std::string_view key, std::string_view value);

// Numbers.
inline constexpr std::size_t max_varint_size = 10;
void append_u64(Bytes& out, std::uint64_t v);
std::uint64_t read_u64(ByteReader& in);
void append_varint(Bytes& out, std::uint64_t v);
/// The reader fails on a varint of over 64 bits.
std::uint64_t read_varint(ByteReader& in);

}  // namespace understudy
