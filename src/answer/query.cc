#include "answer/query.h"

#include "dns/edns.h"

namespace understudy {
namespace {

// Labels of the question's name; false if it is not one whole uncompressed name.
bool read_labels(const std::uint8_t* message, std::size_t size, HashedName& name, std::size_t& at) {
  const std::size_t begin = at;
  name.labels = 0;
  while (true) {
    if (at >= size) return false;
    const std::uint8_t length = message[at];
    if (length == 0) break;
    if (length > max_label_size || at - begin + length + 2 > max_name_size) return false;
    name.offsets[name.labels++] = static_cast<std::uint8_t>(at - begin);
    at += length + 1U;
  }
  name.offsets[name.labels] = static_cast<std::uint8_t>(at - begin);
  ++at;
  name.name = NameView::trusted({message + begin, at - begin});
  return true;
}

}  // namespace

bool read_plain_query(ByteView query, PlainQuery& out) {
  const std::uint8_t* message = query.data();
  if (query.size() < header_size + 5) return false;
  // QR clear, opcode QUERY; one question, no answer or authority records. TC, AA, RD, RA, AD, CD are ignored.
  if ((message[2] & 0xf8) != 0 || load_u32(message + 4) != 0x0001'0000 || load_u16(message + 8) != 0) return false;
  const unsigned additional = load_u16(message + 10);
  if (additional > 1) return false;
  std::size_t at = header_size;
  if (!read_labels(message, query.size(), out.name, at) || query.size() - at < 4) return false;
  out.type = static_cast<RRType>(load_u16(message + at));
  if (load_u16(message + at + 2) != number(RRClass::IN) || is_meta_type(out.type) || out.type == RRType::RRSIG)
    return false;
  at += 4;
  out.question_end = static_cast<std::uint16_t>(at);
  out.has_edns = additional == 1;
  out.dnssec_ok = false;
  out.udp_size = 512;
  out.options.wishes = 0;
  if (out.has_edns) {
    const std::uint8_t* opt = message + at;
    if (query.size() - at < opt_header_size || opt[0] != 0 || load_u16(opt + 1) != number(RRType::OPT)) return false;
    if (opt[6] != 0 || query.size() - at - opt_header_size != load_u16(opt + 9)) return false;
    const ByteView options(opt + opt_header_size, load_u16(opt + 9));
    if (!options.empty()) {
      if (!are_whole_options(options)) return false;
      out.options = read_edns_request(options);
      if (out.options.faults != 0) return false;
      if (out.type == RRType::SOA && out.options.has(EdnsRequest::expire)) return false;  // RFC 7314
    }
    out.udp_size = load_u16(opt + 3);
    out.dnssec_ok = (opt[7] & 0x80) != 0;
    at = query.size();
  }
  if (at != query.size()) return false;
  out.name.hash_suffixes();
  return true;
}

}  // namespace understudy
