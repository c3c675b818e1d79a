// What the tests of IxfrReader share: answers written as text, and what was read of them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "dns/edns.h"
#include "xfr/ixfr_reader.h"
#include "xfr/transfer_fixture.h"

namespace understudy::ixfr_fixture {

using namespace transfer_fixture;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Answer = IxfrReader::Answer;
using Progress = IxfrReader::Progress;
using Lines = std::vector<std::string>;

inline constexpr std::uint64_t now = 1'700'000'000;

inline std::string soa(std::uint32_t serial, const char* refresh = "3600") {
  return "example. 3600 IN SOA ns1.example. host.example. " + std::to_string(serial) + " " + refresh + " 600 86400 300";
}
inline const std::string ns = "example. 3600 IN NS ns1.example.";
inline const std::string a = "ns1.example. 3600 IN A 192.0.2.1";
inline const std::string b = "b.example. 3600 IN A 192.0.2.2";
inline const std::string c = "c.example. 3600 IN TXT \"c\"";

struct Setting {
  std::uint32_t ours = 1;
  Via via = Via::stream;
  WithEdns edns = WithEdns::no;
  TransferLimits limits;
  std::optional<std::uint32_t> probed;
  RecordingSink* sink = nullptr;
  std::optional<TsigStream> tsig;
};

inline IxfrReader reader(Setting& setting, ZoneUpdateSink& sink) {
  std::optional<Serial> probed;
  if (setting.probed) probed = Serial{*setting.probed};
  return {TransferRequest{.zone = name("example."),
                          .id = test_id,
                          .type = RRType::IXFR,
                          .via = setting.via,
                          .edns = setting.edns,
                          .probed = probed,
                          .tsig = std::move(setting.tsig)},
          Serial{setting.ours}, setting.limits, sink};
}

/// "1 > 2", then "-RECORD" and "+RECORD" without the two SOA records, for each difference.
inline Lines texts(const std::vector<std::shared_ptr<const ZoneDelta>>& deltas) {
  Lines out;
  for (const auto& delta : deltas) {
    out.push_back(std::to_string(delta->from().value) + " > " + std::to_string(delta->to().value));
    bool first = true;
    const auto add = [&](const char* sign, const DeltaRecord& r) {
      const Record whole{r.owner, r.type, RRClass::IN, r.ttl, Bytes(r.rdata.begin(), r.rdata.end())};
      if (first) {
        EXPECT_EQ(whole.type, RRType::SOA);
      } else {
        out.push_back(sign + whole.text());
      }
      first = false;
    };
    delta->for_each_removed([&](const DeltaRecord& r) { add("-", r); });
    first = true;
    delta->for_each_added([&](const DeltaRecord& r) { add("+", r); });
  }
  return out;
}

struct Outcome {
  Result<Progress> last = Progress::more;
  Answer answer = Answer::undecided;
  Serial serial;
  Lines deltas, whole;
  TransferCounts counts;
  std::optional<std::uint32_t> expire;
  Error closed{Errc::internal, ""};
};

inline Outcome run(const std::vector<Bytes>& messages, Setting setting = {}) {
  RecordingSink sink;
  IxfrReader in = reader(setting, sink);
  Outcome out;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    out.last = in.feed(messages[i], now);
    if (!out.last) break;
    EXPECT_EQ(*out.last == Progress::done && i + 1 < messages.size(), false) << "done before the last message";
  }
  out.answer = in.answer();
  out.serial = in.serial();
  out.deltas = texts(in.take_deltas());
  out.whole = sink.records;
  out.counts = in.counts();
  out.expire = in.expire();
  out.closed = in.closed_early();
  return out;
}

inline std::vector<TestMessage> messages_of(const std::vector<Lines>& answers) {
  std::vector<TestMessage> messages;
  for (const auto& lines : answers) {
    messages.emplace_back();
    messages.back().type = RRType::IXFR;
    messages.back().answers = lines;
    messages.back().has_question = messages.size() == 1;
  }
  return messages;
}

inline std::vector<Bytes> bytes_of(const std::vector<TestMessage>& messages) {
  std::vector<Bytes> out;
  for (const TestMessage& message : messages) out.push_back(message.bytes());
  return out;
}

inline Outcome run(const std::vector<Lines>& answers, Setting setting = {}) {
  return run(bytes_of(messages_of(answers)), std::move(setting));
}

inline Lines lower(Lines lines) {
  for (std::string& line : lines) {
    for (char& each : line) each = static_cast<char>(ascii_lower(static_cast<std::uint8_t>(each)));
  }
  return lines;
}

/// One record a message.
inline std::vector<Lines> apart(const Lines& lines) {
  std::vector<Lines> out;
  for (const std::string& line : lines) out.push_back({line});
  return out;
}

inline void expect_error(const Outcome& outcome, Errc code, std::string_view words, std::string_view what) {
  ASSERT_FALSE(outcome.last) << what;
  EXPECT_EQ(outcome.last.error().code, code) << what << ": " << outcome.last.error().text();
  EXPECT_THAT(outcome.last.error().text(), HasSubstr(std::string(words))) << what;
}

}  // namespace understudy::ixfr_fixture
