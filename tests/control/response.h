// Responses out of text, for tests.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dns/message.h"
#include "dns/record.h"
#include "dns/zonefile.h"

namespace understudy::control_fixture {

inline Name name(std::string_view text) {
  return Name::parse(text).value();
}

/// One line of a zone file.
inline Record record(std::string_view line) {
  Record out;
  const auto read = read_zone_text(line, "test", name("example."),
                                   [&](NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) -> Result<void> {
                                     out = {owner, type, RRClass::IN, ttl, Bytes(rdata.begin(), rdata.end())};
                                     return {};
                                   });
  EXPECT_TRUE(read) << read.error().text() << "\n" << line;
  return out;
}

struct Response {
  std::vector<std::pair<Section, std::string>> records;
  Rcode rcode = Rcode::NOERROR;
  bool authoritative = true;
  std::string name = "www.example.";
  RRType type = RRType::A;

  [[nodiscard]] Bytes bytes() const {
    Bytes out(max_message_size);
    MessageWriter writer(out, out.size());
    writer.set_header(1, static_cast<std::uint16_t>(Header::qr | (authoritative ? Header::aa : 0) | number(rcode)));
    writer.add_question(control_fixture::name(name), type, RRClass::IN);
    for (const auto& [section, text] : records) {
      const Record r = record(text);
      EXPECT_TRUE(writer.add_record(section, r.owner, r.type, r.klass, r.ttl, r.rdata));
    }
    out.resize(writer.size());
    return out;
  }
};

/// A signature that nobody verifies, of a record that is no expansion.
inline std::string signature_of(std::string_view line) {
  const Record of = record(line);
  const NameView owner = of.owner;
  return owner.text() + " 300 IN RRSIG " + type_text(of.type) + " 8 " +
         std::to_string(owner.label_count() - (owner.is_wildcard() ? 1 : 0)) +
         " 300 20300101000000 20200101000000 1 example. AAAA";
}

}  // namespace understudy::control_fixture
