#include "xfr/soa_query.h"

#include <array>

#include "dns/edns.h"
#include "dns/rdata.h"
#include "xfr/response_check.h"

namespace understudy {
namespace {

constexpr std::size_t max_query_size = 2048;  // the question and an SOA with two names of 255 octets fit
constexpr std::uint16_t our_udp_size = 1232;  // what an answer may have without being cut into fragments

using Room = std::array<std::uint8_t, max_query_size>;

Bytes finished(const Room& room, const MessageWriter& writer) {
  return {room.begin(), room.begin() + static_cast<std::ptrdiff_t>(writer.size())};
}

/// RFC 7314 section 2: an EXPIRE option without content is the question for it.
void add_edns(MessageWriter& writer, WithEdns edns) {
  if (edns == WithEdns::no) return;
  Bytes options;
  append_edns_option(options, edns_expire, {});
  writer.add_opt(our_udp_size, Rcode::NOERROR, false, options);
}

Bytes query(NameView zone, std::uint16_t id, RRType type, WithEdns edns) {
  Room buffer;
  MessageWriter writer(buffer, buffer.size());
  writer.set_header(id, opcode_bits(Opcode::QUERY));
  writer.add_question(zone, type, RRClass::IN);
  add_edns(writer, edns);
  return finished(buffer, writer);
}

/// The SOA of `zone` among the answers (RFC 1034 section 4.3.5).
Result<Serial> answered_serial(const MessageView& message, NameView zone) {
  Result<Serial> serial = fail(Errc::not_authoritative, "there is no SOA for " + zone.text() + " in the answer");
  message.for_each_record([&](const RecordView& record) {
    if (record.section != Section::answer) return false;
    if (record.type != RRType::SOA || record.klass != RRClass::IN || !record.owner().view().equals(zone)) return true;
    const Result<Bytes> rdata = record.rdata();
    serial = rdata ? Result<Serial>(Serial{soa_view(*rdata).serial}) : std::unexpected(rdata.error());
    return false;
  });
  return serial;
}

}  // namespace

Bytes soa_query(NameView zone, std::uint16_t id, WithEdns edns) {
  return query(zone, id, RRType::SOA, edns);
}

Bytes axfr_query(NameView zone, std::uint16_t id, WithEdns edns) {
  return query(zone, id, RRType::AXFR, edns);
}

Bytes ixfr_query(NameView zone, std::uint16_t id, Serial ours, WithEdns edns) {
  Room buffer;
  MessageWriter writer(buffer, buffer.size());
  writer.set_header(id, opcode_bits(Opcode::QUERY));
  writer.add_question(zone, RRType::IXFR, RRClass::IN);
  Bytes soa(2 + 5 * 4);  // root for both names, then serial, refresh, retry, expire, minimum
  store_u32(&soa[2], ours.value);
  writer.add_record(Section::authority, zone, RRType::SOA, RRClass::IN, 0, soa);
  add_edns(writer, edns);
  return finished(buffer, writer);
}

bool is_foreign(ByteView message, std::uint16_t id, Via via) {
  const auto header = Header::read(message);
  return via == Via::datagram && (!header || header->id != id);
}

std::optional<std::uint32_t> expire_option(const MessageView& response) {
  if (!response.edns()) return std::nullopt;
  const auto option = response.edns()->option(edns_expire);
  if (!option || option->size() != 4) return std::nullopt;
  return load_u32(option->data());
}

Result<void> check_edns_understood(const MessageView& response, WithEdns asked) {
  const Rcode rcode = response.rcode();
  if (asked == WithEdns::no || (rcode != Rcode::FORMERR && rcode != Rcode::NOTIMP && rcode != Rcode::BADVERS)) {
    return {};
  }
  return fail(Errc::edns_refused, rcode_text(rcode));
}

Bytes notify_query(NameView zone, std::uint16_t id, std::uint32_t soa_ttl, ByteView soa_rdata) {
  Room buffer;
  MessageWriter writer(buffer, buffer.size());
  writer.set_header(id, opcode_bits(Opcode::NOTIFY) | Header::aa);
  writer.add_question(zone, RRType::SOA, RRClass::IN);
  if (!soa_rdata.empty()) writer.add_record(Section::answer, zone, RRType::SOA, RRClass::IN, soa_ttl, soa_rdata);
  return finished(buffer, writer);
}

Result<SoaAnswer> read_soa_answer(ByteView message, NameView zone, std::uint16_t id, Via via, TsigStream* tsig,
                                  std::uint64_t now, WithEdns edns) {
  if (is_foreign(message, id, via)) return SoaAnswer{};
  US_ASSIGN(const MessageView view, MessageView::parse(message));
  US_TRY(check_response_header(view.header(), id, Opcode::QUERY));
  if ((view.header().flags & Header::tc) != 0) {
    // Before the signature: where it does not fit there may be none, and asking again over TCP does no harm.
    if (via == Via::datagram) return SoaAnswer{.kind = SoaAnswer::Kind::retry_over_tcp};
    return fail(Errc::bad_header, "truncated (TC) on a stream");
  }
  US_TRY(check_edns_understood(view, edns));
  if (tsig != nullptr) {
    US_TRY(tsig->verify(view, now));
    US_TRY(tsig->finish());
  }
  US_TRY(check_rcode(view));
  US_TRY(check_question(view, zone, RRType::SOA));
  if ((view.header().flags & Header::aa) == 0) {
    return fail(Errc::not_authoritative,
                "it answers without AA; does it still serve " + zone.text() + " as an authority?");
  }
  US_ASSIGN(const Serial serial, answered_serial(view, zone));
  return SoaAnswer{.kind = SoaAnswer::Kind::serial, .serial = serial, .expire = expire_option(view)};
}

Result<NotifyAnswer> read_notify_answer(ByteView message, NameView zone, std::uint16_t id, Via via, TsigStream* tsig,
                                        std::uint64_t now) {
  if (is_foreign(message, id, via)) return NotifyAnswer::ignored;
  US_ASSIGN(const MessageView view, MessageView::parse(message));
  US_TRY(check_response_header(view.header(), id, Opcode::NOTIFY));
  if (tsig != nullptr) {
    US_TRY(tsig->verify(view, now));
    US_TRY(tsig->finish());
  }
  US_TRY(check_rcode(view));
  US_TRY(check_question(view, zone, RRType::SOA));
  return NotifyAnswer::acknowledged;
}

}  // namespace understudy
