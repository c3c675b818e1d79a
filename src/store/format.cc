#include "store/format.h"

#include <algorithm>

#include "store/crc32c.h"

namespace understudy {

namespace {

// First octet of heads, timers and deltas; a later format gets another. Heads of format 1 know no deltas.
constexpr std::uint8_t format_number = 1;
constexpr std::uint8_t head_format_number = 2;
constexpr std::size_t checksum_size = 4;

std::string name_key(char prefix, NameView zone) {
  constexpr std::size_t numbers = 20;  // of the longest keys
  std::string key;
  key.reserve(1 + zone.size() + numbers);
  key += prefix;
  for (const std::uint8_t octet : zone.wire()) key += static_cast<char>(ascii_lower(octet));
  return key;
}

void append_number(std::string& key, std::uint64_t value, unsigned octets) {
  while (octets-- > 0) key += static_cast<char>(value >> (8 * octets));
}

// Of timers.
constexpr std::uint8_t timers_expired = 1;
constexpr std::uint8_t timers_behind = 2;

void append_timers(Bytes& out, const ZoneTimers& timers) {
  append_u64(out, static_cast<std::uint64_t>(timers.confirmed_at));
  append_u64(out, static_cast<std::uint64_t>(timers.checked_at));
  append_u64(out, static_cast<std::uint64_t>(timers.refresh_at));
  append_u64(out, static_cast<std::uint64_t>(timers.expire_at));
  const bool is_behind = timers.behind_since != 0;
  append_u8(out, static_cast<std::uint8_t>((timers.expired ? timers_expired : 0) | (is_behind ? timers_behind : 0)));
  if (is_behind) append_u64(out, static_cast<std::uint64_t>(timers.behind_since));
}

ZoneTimers read_timers(ByteReader& in) {
  ZoneTimers timers;
  timers.confirmed_at = static_cast<WallSeconds>(read_u64(in));
  timers.checked_at = static_cast<WallSeconds>(read_u64(in));
  timers.refresh_at = static_cast<WallSeconds>(read_u64(in));
  timers.expire_at = static_cast<WallSeconds>(read_u64(in));
  const std::uint8_t flags = in.u8();
  timers.expired = (flags & timers_expired) != 0;
  if ((flags & timers_behind) != 0) timers.behind_since = static_cast<WallSeconds>(read_u64(in));
  return timers;
}

}  // namespace

void append_u64(Bytes& out, std::uint64_t v) {
  append_u32(out, static_cast<std::uint32_t>(v >> 32));
  append_u32(out, static_cast<std::uint32_t>(v));
}

std::uint64_t read_u64(ByteReader& in) {
  const std::uint64_t high = in.u32();
  return high << 32 | in.u32();
}

void append_varint(Bytes& out, std::uint64_t v) {
  for (; v >= 0x80; v >>= 7) out.push_back(static_cast<std::uint8_t>(v | 0x80));
  out.push_back(static_cast<std::uint8_t>(v));
}

std::uint64_t read_varint(ByteReader& in) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint8_t octet = in.u8();
    if (shift == 63 && octet > 1) break;
    value |= std::uint64_t{octet & 0x7fU} << shift;
    if ((octet & 0x80) == 0) return value;
  }
  in.fail();
  return 0;
}

void append_text(Bytes& out, std::string_view text) {
  append_varint(out, text.size());
  append(out, view_of(text));
}

std::string read_text(ByteReader& in) {
  return std::string(text_of(in.bytes(read_varint(in))));
}

std::string head_key(NameView zone) {
  return name_key(head_prefix, zone);
}
std::string timers_key(NameView zone) {
  return name_key(timers_prefix, zone);
}

std::string block_key(NameView zone, std::uint64_t version, std::uint32_t number) {
  std::string key = name_key(block_prefix, zone);
  append_number(key, version, 8);
  append_number(key, number, 4);
  return key;
}

std::string history_key(NameView zone, std::uint64_t history) {
  std::string key = name_key(delta_prefix, zone);
  append_number(key, history, 8);
  return key;
}

std::string delta_key(NameView zone, std::uint64_t history, std::uint64_t number, std::uint32_t part) {
  std::string key = history_key(zone, history);
  append_number(key, number, 8);
  append_number(key, part, 4);
  return key;
}

std::pair<std::uint64_t, std::uint32_t> place_of_delta_key(std::string_view key) {
  if (key.size() < 12) return {~std::uint64_t{0}, 0};
  ByteReader in(view_of(key), key.size() - 12);
  const std::uint64_t number = read_u64(in);
  return {number, in.u32()};
}

std::string fact_key(std::string_view key) {
  return fact_prefix + std::string(key);
}

std::string transfer_key(std::uint64_t id) {
  std::string key(1, transfer_prefix);
  append_number(key, id, 8);
  return key;
}

std::string transfer_index_key(NameView zone) {
  return name_key(transfer_index_prefix, zone);
}

std::string transfer_index_key(NameView zone, std::uint64_t id) {
  std::string key = transfer_index_key(zone);
  append_number(key, id, 8);
  return key;
}

std::uint64_t last_u64(std::string_view key) {
  if (key.size() < 8) return 0;
  ByteReader in(view_of(key), key.size() - 8);
  return read_u64(in);
}

std::string large_block_key(std::uint64_t version, std::uint32_t number) {
  std::string key;
  append_number(key, version, 8);
  append_number(key, number, 4);
  return key;
}

std::optional<std::uint64_t> version_of_large_key(std::string_view key) {
  if (key.size() != 12) return std::nullopt;
  ByteReader in(view_of(key));
  return read_u64(in);
}

std::strong_ordering compare_key(std::string_view key, NameView zone) {
  const ByteView mine = view_of(key.substr(1));
  const ByteView other = zone.wire();
  const std::size_t n = std::min(mine.size(), other.size());
  for (std::size_t i = 0; i < n; ++i) {
    const auto order = mine[i] <=> ascii_lower(other[i]);
    if (order != 0) return order;
  }
  return mine.size() <=> other.size();
}

std::optional<Name> zone_of_key(std::string_view key) {
  if (key.empty() || (key[0] != head_prefix && key[0] != timers_prefix && key[0] != block_prefix)) return std::nullopt;
  ByteReader in(view_of(key), 1);
  auto name = NameView::read(in);
  if (!name || in.remaining() != (key[0] == block_prefix ? 12U : 0U)) return std::nullopt;
  return Name(*name);
}

std::uint32_t seal(std::string_view key, Bytes& value) {
  const std::uint32_t checksum = crc32c(crc32c(0, view_of(key)), value);
  append_u32(value, checksum);
  return checksum;
}

std::optional<ByteView> unseal(std::string_view key, std::string_view value, std::uint32_t* checksum) {
  if (value.size() < checksum_size) return std::nullopt;
  const ByteView all = view_of(value);
  const ByteView content = all.first(all.size() - checksum_size);
  const std::uint32_t stored = load_u32(all.data() + content.size());
  if (crc32c(crc32c(0, view_of(key)), content) != stored) return std::nullopt;
  if (checksum != nullptr) *checksum = stored;
  return content;
}

Bytes encode_head(std::string_view key, const VersionHead& head) {
  Bytes out;
  append_u8(out, head_format_number);
  append_u8(out, head.large ? 1 : 0);
  append_u64(out, head.version);
  append_u32(out, head.serial);
  append_u32(out, head.blocks);
  append_u32(out, head.digest);
  append_varint(out, head.records);
  append_varint(out, head.nodes);
  append_varint(out, head.octets);
  append_timers(out, head.timers);
  append(out, head.name.wire());
  append_text(out, head.source);
  append_u64(out, head.base);
  append_varint(out, head.stored);
  append_u64(out, head.history);
  append_varint(out, head.first);
  append_varint(out, head.chain - head.first);
  append_varint(out, head.end - head.chain);
  append_varint(out, head.history_octets);
  append_varint(out, head.chain_octets);
  append_u32(out, head.link);
  append_u32(out, head.keep.versions);
  append_varint(out, head.keep.octets);
  seal(key, out);
  return out;
}

namespace {

Result<void> read_deltas(ByteReader& in, VersionHead& head) {
  head.base = read_u64(in);
  head.stored = read_varint(in);
  head.history = read_u64(in);
  head.first = read_varint(in);
  const std::uint64_t before_base = read_varint(in);
  const std::uint64_t behind_base = read_varint(in);
  head.chain = head.first + before_base;
  head.end = head.chain + behind_base;
  head.history_octets = read_varint(in);
  head.chain_octets = read_varint(in);
  head.link = in.u32();
  head.keep.versions = in.u32();
  head.keep.octets = read_varint(in);
  if (head.chain < head.first || head.end < head.chain || (head.history == 0 && head.end != head.first)) {
    return fail(Errc::corrupt, "the version's head contradicts itself");
  }
  return {};
}

}  // namespace

Result<VersionHead> decode_head(std::string_view key, std::string_view value) {
  const auto content = unseal(key, value);
  if (!content) return fail(Errc::corrupt, "the checksum of the version's head is wrong");
  ByteReader in(*content);
  const std::uint8_t format = in.u8();
  if (format != format_number && format != head_format_number) {
    return fail(Errc::corrupt, "written by a version of this server with another format");
  }
  VersionHead head;
  head.large = in.u8() != 0;
  head.version = read_u64(in);
  head.serial = in.u32();
  head.blocks = in.u32();
  head.digest = in.u32();
  head.records = read_varint(in);
  head.nodes = read_varint(in);
  head.octets = read_varint(in);
  head.timers = read_timers(in);
  const auto name = NameView::read(in);
  if (!name || compare_key(key, *name) != 0) return fail(Errc::corrupt, "the version's head belongs to another zone");
  head.name = Name(*name);
  head.source = read_text(in);
  if (format == format_number) {
    head.base = head.version;
    head.stored = head.octets / 2;  // about what it is
  } else {
    US_TRY(read_deltas(in, head));
  }
  if (!in.ok() || !in.at_end()) return fail(Errc::corrupt, "the version's head is incomplete");
  return head;
}

Bytes encode_delta_header(const DeltaHeader& header) {
  Bytes out;
  append_u8(out, format_number);
  append_u32(out, header.link);
  append_varint(out, header.size);
  return out;
}

Result<DeltaHeader> decode_delta_header(ByteReader& in) {
  if (in.u8() != format_number) return fail(Errc::corrupt, "a delta has another format");
  DeltaHeader header;
  header.link = in.u32();
  header.size = read_varint(in);
  if (!in.ok()) return fail(Errc::corrupt, "a delta is incomplete");
  return header;
}

Bytes encode_timers(std::string_view key, const ZoneTimers& timers) {
  Bytes out;
  append_u8(out, format_number);
  append_timers(out, timers);
  seal(key, out);
  return out;
}

Result<ZoneTimers> decode_timers(std::string_view key, std::string_view value) {
  const auto content = unseal(key, value);
  if (!content) return fail(Errc::corrupt, "the checksum of the timers is wrong");
  ByteReader in(*content);
  if (in.u8() != format_number) return fail(Errc::corrupt, "written by a version of this server with another format");
  const ZoneTimers timers = read_timers(in);
  if (!in.ok() || !in.at_end()) return fail(Errc::corrupt, "the timers are incomplete");
  return timers;
}

}  // namespace understudy
