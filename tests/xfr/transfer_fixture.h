// What the transfer tests share: messages written as text, and a sink that keeps what it is given.
#pragma once

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "dns/message.h"
#include "dns/rdata.h"
#include "dns/record.h"
#include "dns/tsig.h"
#include "xfr/zone_update.h"

namespace understudy::transfer_fixture {

inline constexpr std::uint16_t test_id = 0x1234;

inline Name name(std::string_view text) {
  return Name::parse(text).value();
}

/// "OWNER TTL CLASS TYPE RDATA", names absolute.
inline Record record(const std::string& text) {
  std::istringstream in(text);
  std::string owner, ttl, klass, type, rdata;
  in >> owner >> ttl >> klass >> type;
  std::getline(in >> std::ws, rdata);
  Record out;
  out.owner = name(owner);
  out.ttl = static_cast<std::uint32_t>(std::stoul(ttl));
  out.klass = class_from_text(klass).value();
  out.type = type_from_text(type).value();
  out.rdata = parse_rdata(out.type, rdata, NameView()).value();
  return out;
}

/// One message; the parts that a test wants to be odd are public.
struct TestMessage {
  std::uint16_t id = test_id;
  std::uint16_t flags = Header::qr | Header::aa;
  bool has_question = true;
  std::string question = "example.";
  RRType type = RRType::AXFR;
  RRClass klass = RRClass::IN;
  std::vector<std::string> answers, authority, additional;
  bool opt = false;
  std::uint8_t extended_rcode = 0;

  [[nodiscard]] Bytes bytes() const {
    Bytes out(max_message_size);
    MessageWriter writer(out, out.size());
    writer.set_header(id, flags);
    if (has_question) EXPECT_TRUE(writer.add_question(name(question), type, klass));
    const auto add = [&](Section section, const std::vector<std::string>& lines) {
      for (const std::string& line : lines) {
        const Record r = record(line);
        EXPECT_TRUE(writer.add_record(section, r.owner, r.type, r.klass, r.ttl, r.rdata)) << line;
      }
    };
    add(Section::answer, answers);
    add(Section::authority, authority);
    add(Section::additional, additional);
    if (opt) EXPECT_TRUE(writer.add_opt(1232, static_cast<Rcode>(extended_rcode << 4), false, {}));
    out.resize(writer.size());
    return out;
  }
};

/// Keeps every record as text. Records outside example. are out of zone; one seen before is a duplicate.
class RecordingSink final : public ZoneUpdateSink {
 public:
  Result<Taken> add(NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) override {
    if (!owner.is_at_or_below(name("example."))) return Taken::out_of_zone;
    EXPECT_TRUE(check_rdata(type, rdata));
    const Record r{.owner = owner, .type = type, .ttl = ttl, .rdata = Bytes(rdata.begin(), rdata.end())};
    const std::string text = r.text();
    for (const std::string& known : records) {
      if (known == text) return Taken::duplicate;
    }
    records.push_back(text);
    return Taken::added;
  }
  std::vector<std::string> records;
};

}  // namespace understudy::transfer_fixture
