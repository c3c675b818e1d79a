// RDATA of every type: text to wire to text, malformed wire, names, canonical form, compressed names in messages.
#include "dns/rdata.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <set>
#include <vector>

#include "base/encoding.h"
#include "dns/rdata_table.h"

namespace understudy {
namespace {

Name name(std::string_view text) {
  return Name::parse(text).value();
}
Bytes octets(std::string_view hex) {
  return hex_decode(hex).value();
}

/// "MX" and text, with origin example.
Result<Bytes> parse(std::string_view type, std::string_view text) {
  return parse_rdata(type_from_text(type).value(), text, name("example."));
}
std::string print(std::string_view type, const Bytes& rdata) {
  return rdata_text(type_from_text(type).value(), rdata);
}

/// A line of rdata_samples.txt.
struct RdataSample {
  std::string type, text, wire, printed;
};

std::vector<RdataSample> read_samples() {
  std::vector<RdataSample> samples;
  std::ifstream file(TEST_DATA_DIR "/dns/rdata_samples.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    RdataSample sample;
    const std::size_t blank = line.find(' ');
    const std::size_t bar = line.find(" | ");
    const std::size_t second_bar = std::min(line.find(" | ", bar + 3), line.size());
    sample.type = line.substr(0, blank);
    sample.text = line.substr(blank + 1, bar - blank - 1);
    sample.wire = line.substr(bar + 3, second_bar - bar - 3);
    if (sample.wire == "-") sample.wire.clear();
    sample.printed = second_bar == line.size() ? sample.text : line.substr(second_bar + 3);
    samples.push_back(sample);
  }
  return samples;
}

const std::vector<RdataSample>& samples() {
  static const std::vector<RdataSample> list = read_samples();
  return list;
}

TEST(Rdata, EveryTypeFromTextToWireToText) {
  ASSERT_GT(samples().size(), 100U);
  for (const RdataSample& sample : samples()) {
    SCOPED_TRACE(sample.type + " " + sample.text);
    const auto rdata = parse(sample.type, sample.text);
    ASSERT_TRUE(rdata) << rdata.error().text();
    EXPECT_EQ(hex_encode(*rdata), sample.wire);
    EXPECT_TRUE(check_rdata(*type_from_text(sample.type), *rdata));
    EXPECT_EQ(print(sample.type, *rdata), sample.printed);
    EXPECT_EQ(parse(sample.type, print(sample.type, *rdata)), *rdata);
  }
}

TEST(Rdata, EveryTypeAlsoInTheFormOfUnknownTypes) {
  for (const RdataSample& sample : samples()) {
    const Bytes rdata = parse(sample.type, sample.text).value();
    EXPECT_EQ(parse(sample.type, "\\# " + std::to_string(rdata.size()) + " " + hex_encode(rdata)), rdata)
        << sample.type;
  }
}

TEST(Rdata, EveryRowOfTheTableHasASample) {
  std::set<RRType> sampled;
  for (const RdataSample& sample : samples()) sampled.insert(*type_from_text(sample.type));
  for (const RdataLayout& layout : all_layouts()) {
    EXPECT_TRUE(sampled.contains(layout.type)) << type_text(layout.type);
    EXPECT_EQ(find_layout(layout.type), &layout);
  }
}

/// Whatever passes the check must print, and the print must stand for the same octets.
void expect_refused_or_kept(RRType type, const Bytes& rdata) {
  if (!check_rdata(type, rdata)) return;
  const std::string text = rdata_text(type, rdata);
  const auto again = parse_rdata(type, text, name("example."));
  ASSERT_TRUE(again) << type_text(type) << " " << text << ": " << again.error().text();
  EXPECT_EQ(hex_encode(*again), hex_encode(rdata)) << type_text(type) << " " << text;
  Bytes canonical;
  append_canonical_rdata(type, rdata, canonical);
  EXPECT_EQ(canonical.size(), rdata.size());
  for (const RdataName& found : rdata_names(type, rdata)) {
    ByteReader r(rdata, found.offset);
    const auto read = NameView::read(r);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->size(), found.size);
  }
}

TEST(Rdata, EveryTruncationIsRefusedOrKeptWhole) {
  for (const RdataSample& sample : samples()) {
    const RRType type = *type_from_text(sample.type);
    const Bytes rdata = parse(sample.type, sample.text).value();
    for (std::size_t size = 0; size < rdata.size(); ++size) {
      // A copy of its own, so that a read behind the end is seen.
      const Bytes cut(rdata.begin(), rdata.begin() + static_cast<std::ptrdiff_t>(size));
      expect_refused_or_kept(type, cut);
      (void)rdata_text(type, cut);  // unchecked data must be safe too
    }
    Bytes longer = rdata;
    longer.push_back(0);
    expect_refused_or_kept(type, longer);
  }
}

TEST(Rdata, EveryChangedOctetIsRefusedOrKeptWhole) {
  std::mt19937 random(7);
  for (const RdataSample& sample : samples()) {
    const RRType type = *type_from_text(sample.type);
    const Bytes rdata = parse(sample.type, sample.text).value();
    for (std::size_t i = 0; i < rdata.size(); ++i) {
      for (const unsigned value : {0U, 1U, 0x3fU, 0xc0U, 0xffU, rdata[i] + 1U, rdata[i] ^ 0x80U, unsigned(random())}) {
        Bytes changed = rdata;
        changed[i] = static_cast<std::uint8_t>(value);
        expect_refused_or_kept(type, changed);
        (void)rdata_text(type, changed);
      }
    }
  }
}

struct Malformed {
  const char* type;
  const char* hex;
};

TEST(Rdata, MalformedWireIsRefused) {
  constexpr Malformed cases[] = {
      {"A", ""},
      {"A", "c00002"},
      {"A", "c000020100"},
      {"AAAA", "20010db8"},
      {"AAAA", "20010db800000000000000000000000101"},
      {"NS", ""},
      {"NS", "0161"},
      {"NS", "01610000"},
      {"NS", "c000"},
      {"NS", "40"},
      {"CNAME", "0261"},
      {"PTR", "3f"},
      {"DNAME", "c00c"},
      {"MD", ""},
      {"MF", "00ff"},
      {"MB", "80"},
      {"MG", "01"},
      {"MR", "0100"},
      {"MINFO", "00"},
      {"NSAP-PTR", ""},
      {"SOA", "0000"},
      {"SOA", "0000000000010000000200000003000000040000"},
      {"SOA",
       "000000000001000000020000000300000004000000050"
       "0"},
      {"MX", "000a"},
      {"MX", "00"},
      {"MX", "000a0000"},
      {"HINFO", "0161"},
      {"HINFO",
       "01610161"
       "00"},
      {"HINFO", "0361"},
      {"TXT", ""},
      {"TXT", "05616263"},
      {"TXT", "0161ff"},
      {"SPF", ""},
      {"NINFO", "02"},
      {"AVC", ""},
      {"RESINFO", ""},
      {"WALLET", "0900"},
      {"RP", "00"},
      {"RP", "000000"},
      {"AFSDB", "0001"},
      {"X25", ""},
      {"X25", "0431"},
      {"X25", "000000"},
      {"ISDN", ""},
      {"ISDN",
       "0131"
       "0132"
       "00"},
      {"ISDN",
       "0131"
       "ff"},
      {"RT", "0001"},
      {"NSAP", ""},
      {"SIG", "0001050200000e10"},
      {"KEY", "000003"},
      {"PX", "000000"},
      {"GPOS", "01310131"},
      {"LOC", ""},
      {"LOC", "0012161389"},
      {"LOC",
       "00121613"
       "80000000"
       "80000000"
       "0098968000"},
      {"NXT", "00"},
      {"SRV", "000000000000"},
      {"SRV", "00000000"},
      {"NAPTR",
       "00000000"
       "0161"
       "0162"},
      {"NAPTR",
       "00000000"
       "01610162016300"
       "00"},
      {"KX", "0001c000"},
      {"CERT", "00010000"},
      {"APL", "000118"},
      {"APL", "00011804c00002"},
      {"DS", "000102"},
      {"SSHFP", "01"},
      {"IPSECKEY", "0a"},
      {"IPSECKEY", "0a0102c00002"},
      {"IPSECKEY", "0a020220010db8"},
      {"IPSECKEY", "0a030201"},
      {"RRSIG", "0001050200000e10000000000000000000"},
      {"RRSIG", "0001050200000e1000000000000000000001c00c"},
      {"NSEC", ""},
      {"NSEC", "000001"},
      {"NSEC", "00000240"},
      {"NSEC",
       "000021"
       "00"},
      {"NSEC",
       "000021"
       "000000000000000000000000000000000000000000000000000000000000000001"},
      {"DNSKEY", "010003"},
      {"DHCID", ""},
      {"NSEC3", "010000"},
      {"NSEC3", "0100000a04aabb"},
      {"NSEC3",
       "0100000a00"
       "14aabb"},
      {"NSEC3",
       "0100000a00"
       "01aa"
       "0005"},
      {"NSEC3PARAM", "0100000a"},
      {"NSEC3PARAM", "0100000a0000"},
      {"NSEC3PARAM", "0100000a04aabbcc"},
      {"TLSA", "0301"},
      {"SMIMEA", "03"},
      {"HIP", "100200"},
      {"HIP", "01020001aa"},
      {"HIP",
       "01020001aabb"
       "0161"},
      {"RKEY", "0000"},
      {"TALINK", "00"},
      {"CDS", "0000"},
      {"CDNSKEY", "00"},
      {"OPENPGPKEY", ""},
      {"CSYNC", "0000000100"},
      {"CSYNC", "00000001000000"},
      {"ZONEMD", "0000000101"},
      {"SVCB", "0001"},
      {"SVCB",
       "000100"
       "0001"},
      {"SVCB",
       "000100"
       "00010003"
       "0268"},
      {"HTTPS", "0001c00c"},
      {"HTTPS",
       "000100"
       "000400"},
      {"DSYNC", "003b01"},
      {"NID", "000a00144fff"},
      {"L32", "000a0a0102"},
      {"L64", "000a20010db8114010"},
      {"LP", "000a"},
      {"EUI48", "00005e0053"},
      {"EUI64", "00005eef1000002a00"},
      {"URI", "000a00"},
      {"CAA", "00"},
      {"CAA", "0005697373"},
      {"AMTRELAY", "0a"},
      {"AMTRELAY", "0a01cb0071"},
      {"AMTRELAY", "0a0000"},
      {"AMTRELAY", "0a8301"},
      {"TA", "0001"},
      {"DLV", "000102"},
  };
  for (const Malformed& c : cases) {
    const RRType type = *type_from_text(c.type);
    const Bytes rdata = octets(c.hex);
    EXPECT_FALSE(check_rdata(type, rdata)) << c.type << " " << c.hex;
    ByteReader reader(rdata);
    Bytes out;
    EXPECT_FALSE(read_rdata(type, reader, static_cast<std::uint16_t>(rdata.size()), out)) << c.type << " " << c.hex;
    EXPECT_TRUE(out.empty());
    EXPECT_EQ(rdata_text(type, rdata), "\\# " + std::to_string(rdata.size()) + (rdata.empty() ? "" : " ") + c.hex);
  }
  // Every type with a layout has its own malformed case.
  std::set<RRType> seen;
  for (const Malformed& c : cases) seen.insert(*type_from_text(c.type));
  for (const RdataLayout& layout : all_layouts()) EXPECT_TRUE(seen.contains(layout.type)) << type_text(layout.type);
}

TEST(Rdata, OddButDecodableWireIsKept) {
  constexpr Malformed cases[] = {
      {"NSEC",
       "00"
       "0000"},  // an empty window
      {"NSEC",
       "00"
       "010140"
       "000140"},  // windows out of order
      {"NSEC",
       "00"
       "00024000"},  // a trailing zero octet
      {"SVCB",
       "000100"
       "00030002"
       "01bb"
       "00010003"
       "026832"},  // keys out of order
      {"SVCB",
       "000100"
       "00030002"
       "01bb"
       "00030002"
       "01bb"},  // a key twice
      {"SVCB",
       "000100"
       "00030001"
       "01"},  // a port of one octet
      {"SVCB",
       "000100"
       "00000002"
       "0004"},  // a mandatory key that is missing
      {"HTTPS",
       "000100"
       "00010002"
       "0568"},  // a protocol list that overruns
      {"CAA",
       "00"
       "00"
       "61"},  // no tag
      {"CAA",
       "00"
       "012d"
       "61"},         // a tag with a hyphen
      {"LOC", "01"},  // another version
      {"LOC",
       "00ff1613"
       "80000000"
       "80000000"
       "00989680"},  // a size over 9e9
      {"LOC",
       "00121613"
       "ffffffff"
       "80000000"
       "00989680"},  // 149 degrees north
      {"APL",
       "0009"
       "18"
       "03"
       "c00002"},  // another family
      {"APL",
       "0001"
       "ff"
       "03"
       "c00002"},  // a prefix over 32
      {"APL",
       "0001"
       "18"
       "04"
       "c0000200"},  // trailing zero octets
      {"IPSECKEY",
       "0a0902"
       "c0000201"},  // another gateway type
      {"AMTRELAY",
       "0a7f"
       "c0000201"},  // another relay type
      {"DS",
       "000102"
       "03"},                  // no digest
      {"DNSKEY", "01000308"},  // no key
      {"HIP",
       "0002"
       "0000"},  // neither tag nor key
      {"NSEC3",
       "0100000a00"
       "00"},  // no next hash
      {"X25", "00"},
      {"NULL", ""},
      {"NULL", "0102"},
      {"WKS", "01"},
  };
  for (const Malformed& c : cases) {
    const Bytes rdata = octets(c.hex);
    EXPECT_TRUE(check_rdata(*type_from_text(c.type), rdata)) << c.type << " " << c.hex;
    expect_refused_or_kept(*type_from_text(c.type), rdata);
  }
}

// RFC 4034 section 6.2 as corrected by RFC 6840 section 5.1.
TEST(Rdata, CanonicalFormLowersTheNamesOfTheListedTypesOnly) {
  const std::set<std::string> lowered = {"NS",  "MD",    "MF", "CNAME", "SOA",   "MB",   "MG",  "MR",
                                         "PTR", "MINFO", "MX", "RP",    "AFSDB", "RT",   "SIG", "PX",
                                         "NXT", "NAPTR", "KX", "SRV",   "DNAME", "RRSIG"};
  std::size_t with_names = 0;
  for (const RdataSample& sample : samples()) {
    const RRType type = *type_from_text(sample.type);
    const Bytes rdata = parse(sample.type, sample.text).value();
    Bytes canonical;
    append_canonical_rdata(type, rdata, canonical);
    const auto names = rdata_names(type, rdata);
    Bytes expected = rdata;
    if (lowered.contains(sample.type)) {
      EXPECT_GT(names.count, 0);
      for (const RdataName& n : names) {
        for (std::size_t i = n.offset; i < std::size_t{n.offset} + n.size; ++i) expected[i] = ascii_lower(expected[i]);
      }
    }
    EXPECT_EQ(hex_encode(canonical), hex_encode(expected)) << sample.type << " " << sample.text;
    with_names += names.count > 0;
  }
  EXPECT_GT(with_names, 30U);

  Bytes out;
  append_canonical_rdata(RRType::MX, parse("MX", "10 MAIL.Example.").value(), out);
  EXPECT_EQ(rdata_text(RRType::MX, out), "10 mail.example.");
  out.clear();
  append_canonical_rdata(RRType::NSEC, parse("NSEC", "Host.Example. A").value(), out);
  EXPECT_EQ(rdata_text(RRType::NSEC, out), "Host.Example. A");
  out.clear();
  append_canonical_rdata(RRType::HINFO, parse("HINFO", "PC Unix").value(), out);
  EXPECT_EQ(rdata_text(RRType::HINFO, out), "\"PC\" \"Unix\"");
}

TEST(Rdata, NamesAreFoundWithTheirUse) {
  const auto mx = parse("MX", "10 a.b.").value();
  const auto names = rdata_names(RRType::MX, mx);
  ASSERT_EQ(names.count, 1);
  EXPECT_EQ(names.names[0].offset, 2);
  EXPECT_EQ(names.names[0].size, 5);
  EXPECT_EQ(names.names[0].use, NameUse::compressible);
  EXPECT_TRUE(names.names[0].lowercased);

  const auto soa = rdata_names(RRType::SOA, parse("SOA", "a. b.c. 1 2 3 4 5").value());
  ASSERT_EQ(soa.count, 2);
  EXPECT_EQ(soa.names[1].offset, 3);
  EXPECT_EQ(soa.names[1].size, 5);

  const auto srv = rdata_names(RRType::SRV, parse("SRV", "1 2 3 a.").value());
  EXPECT_EQ(srv.names[0].use, NameUse::plain);
  const auto https = rdata_names(RRType::HTTPS, parse("HTTPS", "1 a. port=1").value());
  ASSERT_EQ(https.count, 1);
  EXPECT_FALSE(https.names[0].lowercased);
  EXPECT_EQ(rdata_names(RRType::HIP, parse("HIP", "2 aabb AQID a. b. c.").value()).count, 2);
  EXPECT_EQ(rdata_names(RRType::IPSECKEY, parse("IPSECKEY", "1 3 2 A. AQID").value()).count, 1);
  EXPECT_EQ(rdata_names(RRType::A, parse("A", "192.0.2.1").value()).count, 0);
  EXPECT_EQ(rdata_names(RRType{65280}, octets("0161")).count, 0);
}

TEST(Rdata, SoaFields) {
  const auto rdata = parse("SOA", "ns. Admin.x. 2023010101 1 2 3 4").value();
  const SoaView soa = soa_view(rdata);
  EXPECT_EQ(soa.mname.text(), "ns.");
  EXPECT_EQ(soa.rname.text(), "Admin.x.");
  EXPECT_EQ(soa.serial, 2023010101U);
  EXPECT_EQ(soa.refresh, 1U);
  EXPECT_EQ(soa.retry, 2U);
  EXPECT_EQ(soa.expire, 3U);
  EXPECT_EQ(soa.minimum, 4U);
}

/// A "message" of the name "Example." at offset 12, then the RDATA.
Result<Bytes> read_behind_name(std::string_view type, std::string_view hex, std::size_t declared_less = 0) {
  Bytes message(12);
  append(message, name("Example.").wire());
  const Bytes rdata = octets(hex);
  append(message, rdata);
  ByteReader reader(message, 21);
  Bytes out;
  auto result =
      read_rdata(*type_from_text(type), reader, static_cast<std::uint16_t>(rdata.size() - declared_less), out);
  if (!result) return std::unexpected(result.error());
  EXPECT_EQ(reader.position(), message.size() - declared_less);
  return out;
}

TEST(Rdata, CompressedNamesInMessages) {
  EXPECT_EQ(print("MX", read_behind_name("MX",
                                         "000a"
                                         "046d61696cc00c")
                            .value()),
            "10 mail.Example.");
  EXPECT_EQ(print("SOA", read_behind_name("SOA",
                                          "c00c"
                                          "c00c"
                                          "0000000100000002000000030000000400000005")
                             .value()),
            "Example. Example. 1 2 3 4 5");
  for (const char* type : {"NS", "CNAME", "PTR", "MD", "MF", "MB", "MG", "MR"}) {
    EXPECT_EQ(print(type, read_behind_name(type, "c00c").value()), "Example.") << type;
  }
  // RFC 3597 section 4: understood in these, though never sent.
  EXPECT_EQ(print("SRV", read_behind_name("SRV", "000100020003c00c").value()), "1 2 3 Example.");
  EXPECT_EQ(print("RP", read_behind_name("RP", "c00cc00c").value()), "Example. Example.");
  EXPECT_EQ(print("NAPTR", read_behind_name("NAPTR", "00010002000000c00c").value()), "1 2 \"\" \"\" \"\" Example.");
  for (const char* type : {"AFSDB", "RT"}) EXPECT_TRUE(read_behind_name(type, "0001c00c")) << type;
  // Never in these.
  EXPECT_FALSE(read_behind_name("DNAME", "c00c"));
  EXPECT_FALSE(read_behind_name("KX", "0001c00c"));
  EXPECT_FALSE(read_behind_name("NSEC", "c00c000140"));
  EXPECT_FALSE(read_behind_name("SVCB", "0001c00c"));
  EXPECT_TRUE(read_behind_name("TYPE65280", "c00c")) << "opaque";
  for (const RdataLayout& layout : all_layouts()) {
    EXPECT_EQ(may_have_compressed_names(layout.type), layout.expands_names);
  }
  EXPECT_TRUE(may_have_compressed_names(RRType::MX));
  EXPECT_FALSE(may_have_compressed_names(RRType::A));
  EXPECT_FALSE(may_have_compressed_names(RRType::RRSIG));
  EXPECT_FALSE(may_have_compressed_names(RRType{65280}));
}

TEST(Rdata, NamesInMessagesStayInsideTheirRdata) {
  EXPECT_FALSE(read_behind_name("MX",
                                "000a"
                                "046d61696cc00c",
                                1))
      << "the pointer is half outside";
  EXPECT_FALSE(read_behind_name("NS",
                                "0461626364"
                                "00",
                                1))
      << "the root label is outside";
  EXPECT_FALSE(read_behind_name("NS", "c00c00")) << "an octet is left over";
  EXPECT_FALSE(read_behind_name("NS", "c015")) << "a pointer to itself";
  EXPECT_FALSE(read_behind_name("NS", "c0ff")) << "a pointer forward";
  EXPECT_FALSE(read_behind_name("NS", "")) << "nothing";
  EXPECT_FALSE(read_behind_name("SOA", "c00cc00c00000001")) << "no timers";
  Bytes out;
  ByteReader reader(ByteView{});
  EXPECT_FALSE(read_rdata(RRType::A, reader, 4, out));
}

TEST(Rdata, CaseOfNamesIsKept) {
  EXPECT_EQ(print("NS", parse("NS", "WwW.eXample.").value()), "WwW.eXample.");
  EXPECT_EQ(print("IPSECKEY", parse("IPSECKEY", "1 3 2 GaTe.Example. AQID").value()), "1 3 2 GaTe.Example. AQID");
}

}  // namespace
}  // namespace understudy
