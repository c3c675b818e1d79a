// Queries: whatever octets come, both ways to answer them say what the plain composer says, over UDP and TCP, and what
// they say can be read.
#include <cstddef>
#include <cstdint>

#include "answering_side.h"
#include "dns/zonefile.h"

namespace {

using namespace understudy;

constexpr const char* example_text = R"(
$TTL 3600
@ SOA ns admin 1 7200 3600 1209600 300
@ RRSIG SOA 8 1 3600 20300101000000 20200101000000 1 example. AAAA
@ NS ns
@ NS ns.elsewhere.
@ MX 10 mail
ns A 192.0.2.1
ns AAAA 2001:db8::1
ns RRSIG A 8 2 3600 20300101000000 20200101000000 1 example. BBBB
mail A 192.0.2.2
www CNAME ns
two CNAME www
loop CNAME pool
pool CNAME loop
far CNAME www.other.
near CNAME x.sub
wild MX 1 x.wild
*.wild A 192.0.2.3
*.wild MX 5 mail
*.cwild CNAME www
a.*.ent TXT "x"
a.b.c TXT "y"
cut NS ns.cut
cut NS ns.sibling
cut DS 1 8 2 00
cut RRSIG DS 8 2 3600 20300101000000 20200101000000 1 example. CCCC
ns.cut A 192.0.2.4
deep.cut A 192.0.2.5
sibling NS ns.sibling
ns.sibling AAAA 2001:db8::2
d DNAME other.
x.d TXT "occluded"
dd DNAME d
g DNAME x.g
srv SRV 1 1 1 mail
h4sh NSEC3 1 0 0 - 0123456789abcdefghijklmnopqrstuv A
odd CNAME www
odd TXT "beside"
big TXT "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big TXT "1123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big TXT "2123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big TXT "3123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
big TXT "4123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
tobig CNAME big
unknown TYPE65280 \# 2 0102
)";
constexpr const char* other_text =
    "$TTL 60\n@ SOA . . 1 1 1 1 1\n@ NS ns\nns A 192.0.2.9\nwww A 192.0.2.10\n* TXT \"w\"\n";
constexpr const char* sub_text = "$TTL 60\n@ SOA . . 1 1 1 1 1\n@ NS ns.example.\nx A 192.0.2.11\n@ DS 2 8 2 00\n";

constexpr const char* nsec_text = R"(
$TTL 60
@ SOA ns admin 1 7200 3600 1209600 300
@ NS ns
@ NSEC ns.b.a NS SOA NSEC
ns.b.a A 192.0.2.1
ns.b.a NSEC cut A NSEC
cut NS ns.cut
cut NSEC safe NS NSEC
ns.cut A 192.0.2.2
safe NS ns.cut
safe DS 1 8 2 00
safe NSEC *.w NS DS NSEC
*.w A 192.0.2.3
*.w NSEC @ A NSEC
to CNAME gone
)";
// With opt-out, and without records for the names on the way to `cut` (RFC 5155 section 7.1).
constexpr const char* nsec3_text = R"(
$TTL 60
@ SOA ns admin 1 7200 3600 1209600 300
@ NS ns
@ NSEC3PARAM 1 0 1 aabb
ns A 192.0.2.1
a.b.c A 192.0.2.2
*.w A 192.0.2.3
safe NS ns
safe DS 1 8 2 00
h A 192.0.2.4
cut.l.k.j.i.h.g.f.e.d.h NS ns
3chqu8oojo9ps2a9bojj3knpjpv4lh0j NSEC3 1 1 1 aabb 3erfdjk3rl80sjihed8uig8s4b5qdfkn NS DS
3erfdjk3rl80sjihed8uig8s4b5qdfkn NSEC3 1 1 1 aabb 5ku65k52ijgutpt75itgohoil4d2dlgd NS SOA NSEC3PARAM
5ku65k52ijgutpt75itgohoil4d2dlgd NSEC3 1 1 1 aabb 5p9i629qnt3fn4mfu5tvme4s67j16nsk A
5p9i629qnt3fn4mfu5tvme4s67j16nsk NSEC3 1 1 1 aabb 66sac9v0ottol50qhu4o2j6lnsr17q0g
66sac9v0ottol50qhu4o2j6lnsr17q0g NSEC3 1 1 1 aabb 78dgnhlta5dtn9j89ji6pfjtmidr50pj A
78dgnhlta5dtn9j89ji6pfjtmidr50pj NSEC3 1 1 1 aabb d1d2kr5rj7i9stlveclkgkm176hg16vk A
d1d2kr5rj7i9stlveclkgkm176hg16vk NSEC3 1 1 1 aabb fi8a9msnihcd4trbhq1gvcirhnp3o1q1 A
fi8a9msnihcd4trbhq1gvcirhnp3o1q1 NSEC3 1 1 1 aabb ubb39dknjbu4o5stj4303epo1of76qb1
ubb39dknjbu4o5stj4303epo1of76qb1 NSEC3 1 1 1 aabb 3chqu8oojo9ps2a9bojj3knpjpv4lh0j
)";

void add(fuzzing::AnsweringSide& side, const char* apex_text, const char* text) {
  const Name apex = Name::parse(apex_text).value();
  std::vector<Record> records;
  ZoneBuilder builder(apex);
  const auto read = read_zone_text(
      text, apex_text, apex, [&](NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) -> Result<void> {
        records.push_back({owner, type, RRClass::IN, ttl, Bytes(rdata.begin(), rdata.end())});
        if (auto added = builder.add(owner, type, ttl, rdata); !added) return std::unexpected(added.error());
        return {};
      });
  auto zone = builder.finish();
  if (!read || !zone) fuzzing::give_up("the zone at hand does not load");
  side.add(apex, records, *zone);
}

fuzzing::AnsweringSide& side() {
  static auto* const made = [] {
    auto* fresh = new fuzzing::AnsweringSide;
    add(*fresh, "example.", example_text);
    add(*fresh, "other.", other_text);
    add(*fresh, "sub.example.", sub_text);
    add(*fresh, "nsec.", nsec_text);
    add(*fresh, "nsec3.", nsec3_text);
    fresh->add_without_data(Name::parse("waiting.").value(), plain::Zone::State::not_loaded);
    fresh->add_without_data(Name::parse("gone.example.").value(), plain::Zone::State::expired);
    return fresh;
  }();
  return *made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > max_message_size) return 0;
  side().ask({data, size});
  return 0;
}
