#include "store/transfer_record.h"

#include <fmt/format.h>

#include <bit>

#include "store/format.h"

namespace understudy {

namespace {

constexpr std::uint8_t format_number = 1;
constexpr std::size_t max_text = 4096;
constexpr std::size_t fixed_octets = 200;  // of a record, beside its texts
constexpr std::string_view cut_mark = " [cut]";

// Bits of the octet that says which of the optional fields follow.
constexpr std::uint8_t has_ours = 1, has_announced = 2, has_received = 4, was_ok = 8;

void cut(std::string& text) {
  if (text.size() <= max_text) return;
  text.resize(max_text - cut_mark.size());
  text += cut_mark;
}

template <typename Record, typename F>
void for_each_text(Record& record, F&& f) {
  for (auto* text : {&record.primary, &record.address, &record.transport, &record.key, &record.asked, &record.came,
                     &record.result, &record.reason}) {
    f(*text);
  }
}

}  // namespace

void bound_texts(TransferRecord& record) {
  for_each_text(record, cut);
  std::size_t octets = 0, kept = 0;
  for (; kept < record.exchange.size(); ++kept) {
    cut(record.exchange[kept]);
    octets += record.exchange[kept].size() + 8;
    if (octets > max_transfer_octets) break;
  }
  if (kept == record.exchange.size()) return;
  const std::size_t left_out = record.exchange.size() - kept;
  record.exchange.resize(kept);
  record.exchange.push_back(fmt::format("[{} more messages]", left_out));
}

std::size_t weight_of(const TransferRecord& record) {
  std::size_t octets = fixed_octets + record.zone.wire().size();
  for_each_text(record, [&](const std::string& text) { octets += text.size(); });
  for (const std::string& line : record.exchange) octets += line.size() + 8;
  return octets;
}

Bytes encode_transfer(std::uint64_t start, const TransferRecord& record) {
  Bytes out;
  append_u8(out, format_number);
  append_u8(out, static_cast<std::uint8_t>((record.ours ? has_ours : 0) | (record.announced ? has_announced : 0) |
                                           (record.received ? has_received : 0) | (record.ok ? was_ok : 0)));
  append_u64(out, start);
  append_u64(out, static_cast<std::uint64_t>(record.when_ms));
  append(out, record.zone.wire());
  for (const auto& serial : {record.ours, record.announced, record.received}) {
    if (serial) append_u32(out, serial->value);
  }
  append_varint(out, record.messages);
  append_varint(out, record.records);
  append_varint(out, record.octets);
  append_u64(out, std::bit_cast<std::uint64_t>(record.seconds));
  for_each_text(record, [&](const std::string& text) { append_text(out, text); });
  append_varint(out, record.exchange.size());
  for (const std::string& line : record.exchange) append_text(out, line);
  seal(transfer_key(record.id), out);
  return out;
}

Result<StoredTransfer> decode_transfer(std::string_view key, std::string_view value) {
  const auto content = unseal(key, value);
  if (!content) return fail(Errc::corrupt, "the checksum of a transfer's record is wrong");
  ByteReader in(*content);
  if (in.u8() != format_number) return fail(Errc::corrupt, "a transfer's record has another format");
  StoredTransfer stored;
  TransferRecord& record = stored.record;
  const std::uint8_t flags = in.u8();
  record.id = last_u64(key);
  record.ok = (flags & was_ok) != 0;
  stored.start = read_u64(in);
  record.when_ms = static_cast<std::int64_t>(read_u64(in));
  const auto zone = NameView::read(in);
  if (!zone) return fail(Errc::corrupt, "a transfer's record names no zone");
  record.zone = Name(*zone);
  const auto serial = [&](std::uint8_t flag) {
    return (flags & flag) != 0 ? std::optional(Serial{in.u32()}) : std::nullopt;
  };
  record.ours = serial(has_ours);
  record.announced = serial(has_announced);
  record.received = serial(has_received);
  record.messages = read_varint(in);
  record.records = read_varint(in);
  record.octets = read_varint(in);
  record.seconds = std::bit_cast<double>(read_u64(in));
  for_each_text(record, [&](std::string& text) { text = read_text(in); });
  // A line takes an octet at the least, so a wrong number of them ends with the reader.
  for (std::uint64_t lines = read_varint(in); lines > 0 && in.ok(); --lines) record.exchange.push_back(read_text(in));
  if (!in.ok() || !in.at_end()) return fail(Errc::corrupt, "a transfer's record is incomplete");
  return stored;
}

}  // namespace understudy
