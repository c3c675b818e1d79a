// Whether a real message is what the plain composer says.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "answer/plain_composer.h"
#include "dns/edns.h"
#include "dns/rdata.h"

namespace understudy::plain {
namespace {

// One record, for comparison without case where case does not matter.
using Key = std::tuple<Section, Bytes, RRType, std::uint32_t, Bytes>;

Key key_of(Section section, const Record& r) {
  const Name owner = r.owner.lowered();
  return {section, Bytes(owner.wire().begin(), owner.wire().end()), r.type, r.ttl, canonical(r.type, r.rdata)};
}

std::string key_text(const Key& key) {
  Record r;
  r.owner = NameView::trusted(std::get<1>(key));
  r.type = std::get<2>(key);
  r.ttl = std::get<3>(key);
  r.rdata = std::get<4>(key);
  const char* const sections[] = {"answer", "authority", "additional"};
  return fmt::format("{}: {}", sections[static_cast<int>(std::get<0>(key))], r.text());
}

std::size_t uncompressed_size(const Part& part) {
  std::size_t size = 0;
  for (const Record& r : part.records) size += r.owner.size() + 10 + r.rdata.size();
  return size;
}

std::size_t size_limit(const MessageView& query, bool tcp, const Settings& settings) {
  if (tcp) return max_message_size;
  if (!query.edns()) return 512;
  return std::clamp<std::size_t>(query.edns()->udp_size, 512, settings.udp_max_size);
}

std::string check_head(const Response& expected, const Header& asked, const Header& got) {
  if (got.id != asked.id) return "another id";
  if (!got.is_response() || got.opcode() != asked.opcode()) return "QR or opcode";
  if ((got.flags & Header::rd) != (asked.flags & Header::rd)) return "RD is not copied";
  if ((got.flags & (Header::ra | Header::z | Header::ad | Header::cd)) != 0) return "a flag that is not ours to set";
  if (((got.flags & Header::aa) != 0) != expected.authoritative) return "AA";
  return {};
}

// Cookie and NSID, as asked for.
std::string check_identity(const Response& expected, const Edns& asked, const Edns& got, const Settings& settings) {
  const bool reads_options = expected.rcode != Rcode::BADVERS;
  const auto cookie = asked.option(edns_cookie), answer = got.option(edns_cookie);
  const bool malformed = expected.rcode == Rcode::FORMERR && !answer;
  if (malformed) return {};
  if ((cookie && reads_options) != answer.has_value()) return "COOKIE is there, or is not";
  if (answer && (answer->size() != 24 || !std::equal(cookie->begin(), cookie->begin() + 8, answer->begin()))) {
    return "another client's cookie";
  }
  const auto nsid = got.option(edns_nsid);
  if ((asked.option(edns_nsid) && reads_options) != nsid.has_value()) return "NSID is there, or is not";
  return nsid && text_of(*nsid) != settings.nsid ? "another NSID" : "";
}

std::string check_edns(const Response& expected, const MessageView& asked, const MessageView& got,
                       const Settings& settings) {
  if (got.edns().has_value() != asked.edns().has_value()) return "OPT is there, or is not, against the query";
  if (!got.edns()) return {};
  if (got.edns()->version != 0) return "EDNS version";
  if (got.edns()->udp_size != settings.udp_max_size) return "EDNS size";
  if (got.edns()->z_flags != (asked.edns()->dnssec_ok ? 0x8000 : 0)) return "EDNS flags";
  const auto error = got.edns()->option(15);
  if (error.has_value() != expected.extended_error.has_value()) return "extended error is there, or is not";
  if (error && (error->size() < 2 || load_u16(error->data()) != *expected.extended_error)) return "extended error code";
  const auto version = got.edns()->option(edns_zone_version);
  const bool wants_version = asked.edns()->option(edns_zone_version) && expected.rcode != Rcode::BADVERS;
  if (version.has_value() != (wants_version && expected.zone_version)) return "zone version is there, or is not";
  if (version && !std::ranges::equal(*version, *expected.zone_version)) return "zone version";
  return check_identity(expected, *asked.edns(), *got.edns(), settings);
}

// Takes the parts that are there out of `records`; says what is wrong with what is not.
std::string check_parts(const Response& expected, std::multiset<Key>& records, std::size_t room, bool& truncated,
                        bool& chain_is_cut) {
  bool stopped = false;
  for (const Part& part : expected.parts) {
    std::size_t present = 0;
    for (const Record& r : part.records) {
      const auto at = records.find(key_of(part.section, r));
      if (at == records.end()) continue;
      records.erase(at);
      ++present;
    }
    const std::string what = part.owner.text() + " " + type_text(part.type);
    if (present != 0 && present != part.records.size()) return "a part of " + what;
    if (present != 0 && stopped) return what + " behind what does not fit";
    if (present != 0 || stopped) continue;
    if (uncompressed_size(part) <= room) return what + " is missing";
    truncated = truncated || part.required;
    stopped = part.last;
    chain_is_cut = chain_is_cut || (part.last && part.section == Section::answer);
  }
  return {};
}

}  // namespace

std::string check_response(const Response& expected, ByteView query, ByteView message, bool tcp,
                           const Settings& settings) {
  if (expected.silent) return message.empty() ? "" : "an answer to what must not be answered";
  const auto got = MessageView::parse(message);
  if (!got) return "unreadable: " + got.error().text();
  // Who is told to ask by TCP may not have got to the negative whose proof costs too much, which is SERVFAIL there.
  const bool costs_too_much = expected.extended_error == static_cast<std::uint16_t>(ExtendedError::nsec3_iterations);
  if (!tcp && costs_too_much && (got->header().flags & Header::tc) != 0) return {};
  const Header asked_header = *Header::read(query);
  if (std::string wrong = check_head(expected, asked_header, got->header()); !wrong.empty()) return wrong;
  const std::string wrong_rcode =
      got->rcode() == expected.rcode
          ? ""
          : fmt::format("{} instead of {}", rcode_text(got->rcode()), rcode_text(expected.rcode));
  if (expected.header_only) return message.size() == header_size ? wrong_rcode : "more than a header";
  const auto asked = MessageView::parse(query);
  const auto& question = got->question();
  if (question.has_value() != asked->question().has_value()) return "question is there, or is not";
  if (question && (!question->name.view().identical(asked->question()->name) ||
                   question->type != asked->question()->type || question->klass != asked->question()->klass)) {
    return "another question";
  }
  if (std::string wrong = check_edns(expected, *asked, *got, settings); !wrong.empty()) return wrong;
  const std::size_t limit = size_limit(*asked, tcp, settings);
  if (message.size() > limit) return fmt::format("{} octets where {} are allowed", message.size(), limit);

  std::multiset<Key> records;
  bool readable = true;
  got->for_each_record([&](const RecordView& r) {
    if (r.type == RRType::OPT) return true;
    const auto rdata = r.rdata();
    readable = readable && rdata && r.klass == RRClass::IN;
    if (rdata) records.insert(key_of(r.section, {r.owner(), r.type, r.klass, r.ttl, *rdata}));
    return true;
  });
  if (!readable) return "RDATA that cannot be read, or another class";
  bool truncated = false, chain_is_cut = false;
  const std::size_t room = limit - message.size();
  if (std::string wrong = check_parts(expected, records, room, truncated, chain_is_cut); !wrong.empty()) return wrong;
  // Who does not get to the end of a chain cannot know the last name's response code.
  if (!wrong_rcode.empty() && !(chain_is_cut && got->rcode() == Rcode::NOERROR)) return wrong_rcode;
  if (!records.empty()) return "too much: " + key_text(*records.begin());
  if (truncated != ((got->header().flags & Header::tc) != 0)) return truncated ? "TC is missing" : "TC for nothing";
  return {};
}

}  // namespace understudy::plain
