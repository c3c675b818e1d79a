// Zones: arbitrary records in an arbitrary order become a version that has what went in, and answers as the plain
// composer does from the same records.
//
// Input: a run of records, each an octet of owner labels (two bits each, from the left; see `labels`), an octet that
// selects the type, one for the TTL, one for the size of the RDATA, and the RDATA. RDATA that does not fit its type
// becomes an opaque type's. An owner octet of 0xff asks a question instead: name octet, type octet, flags octet.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "answering_side.h"
#include "dns/rdata.h"
#include "small_zone.h"

namespace {

using namespace understudy;
using namespace fuzzing::small_zone;

constexpr std::size_t most_records = 300;
struct Asked {
  std::uint8_t name, type, flags;
};

struct Input {
  std::vector<Record> records;
  std::vector<Asked> questions;
};

Input read_input(ByteView data) {
  Input out;
  ByteReader in(data);
  while (in.remaining() >= 4 && out.records.size() + out.questions.size() < most_records) {
    const std::uint8_t owner = in.u8(), type = in.u8(), third = in.u8();
    if (owner == 0xff) {
      out.questions.push_back({in.u8(), type, third});
      continue;
    }
    const std::size_t size = std::min<std::size_t>(in.u8(), in.remaining());
    const ByteView rdata = in.bytes(size);
    out.records.push_back({name_of(owner), fitting_type(type, rdata), RRClass::IN, std::uint32_t{third} * 60,
                           Bytes(rdata.begin(), rdata.end())});
  }
  return out;
}

// Every record that the version should have, once.
std::vector<std::string> expected_content(const plain::Zone& zone) {
  std::vector<std::string> out;
  for (const auto& [owner, node] : zone.nodes()) {
    const Name shown = owner.lowered();
    for (const auto& [type, rrset] : node) {
      for (const Bytes& rdata : rrset.data) out.push_back(Record{shown, type, RRClass::IN, rrset.ttl, rdata}.text());
      for (const auto& [ttl, rdata] : rrset.signatures) {
        out.push_back(Record{shown, RRType::RRSIG, RRClass::IN, ttl, rdata}.text());
      }
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool can_be_served(const plain::Zone& zone) {
  const plain::RRset* soa = zone.find(zone.apex(), RRType::SOA);
  return soa != nullptr && soa->data.size() == 1 && zone.has(zone.apex(), RRType::NS);
}

Bytes message(const Asked& q) {
  Bytes out(600);
  MessageWriter writer(out, out.size());
  writer.set_header(1, 0);
  // Meta types have their own answers, which the query target asks for.
  const RRType type = types[q.type % types.size()];
  writer.add_question(name_of(q.name), type, RRClass::IN);
  if ((q.flags & 1) != 0) {
    writer.add_opt(static_cast<std::uint16_t>(512 + (q.flags >> 2) * 16), Rcode::NOERROR, (q.flags & 2) != 0, {});
  }
  out.resize(writer.size());
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Input input = read_input({data + 1, size - 1});
  if ((data[0] & 1) != 0) add_apex(input.records);
  const plain::Zone model(apex(), input.records);
  ZoneBuilder builder(apex(), {.first_sets = 0});
  for (const Record& r : input.records) {
    const auto added = builder.add(r.owner, r.type, r.ttl, r.rdata);
    if (!added) fuzzing::give_up(added.error().text());
  }
  const auto zone = builder.finish();
  if (zone.has_value() != can_be_served(model))
    fuzzing::give_up(zone ? "a zone without SOA or NS" : zone.error().text());
  if (!zone) return 0;
  const auto lines = content(*zone);
  if (lines != expected_content(model)) fuzzing::give_up("the version has other records than went in");
  if (lines.size() != (*zone)->record_count()) fuzzing::give_up("record_count()");
  fuzzing::AnsweringSide side;
  side.add(apex(), input.records, *zone);
  for (const Asked& q : input.questions) side.ask(message(q));
  return 0;
}
