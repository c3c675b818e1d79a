// What comes with the answer to an IXFR: EDNS and signatures.
#include "xfr/ixfr_fixture.h"

namespace understudy {
namespace {

using namespace ixfr_fixture;

// --- EDNS

Bytes with_expire(const TestMessage& message, const Bytes& content) {
  Bytes out = message.bytes();
  Bytes options;
  append_edns_option(options, edns_expire, content);
  append(out, Bytes{0, 0, 41, 4, 208, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(options.size())});
  append(out, options);
  store_u16(&out[10], static_cast<std::uint16_t>(load_u16(&out[10]) + 1));
  return out;
}

TEST(IxfrReader, ExpireOfTheSender) {
  const auto messages = messages_of({{soa(2), soa(1)}, {soa(2), soa(2)}});
  const Outcome first = run({with_expire(messages[0], {0, 1, 0, 5}), messages[1].bytes()});
  ASSERT_TRUE(first.last);
  EXPECT_EQ(first.expire, 65541U);
  EXPECT_EQ(run({messages[0].bytes(), messages[1].bytes()}).expire, std::nullopt);
  EXPECT_EQ(run({with_expire(messages[0], {0, 1, 0}), messages[1].bytes()}).expire, std::nullopt);
  EXPECT_EQ(run({with_expire(messages_of({{soa(1)}})[0], {0, 0, 0, 0})}).expire, 0U) << "also if we are current";
}

TEST(IxfrReader, ServersThatDoNotKnowEdns) {
  for (const std::uint16_t rcode : {std::uint16_t{1}, std::uint16_t{4}}) {
    auto messages = messages_of({{}});
    messages[0].flags |= rcode;
    messages[0].has_question = false;
    const std::vector<Bytes> bytes = bytes_of(messages);
    for (const Via via : {Via::stream, Via::datagram}) {
      expect_error(run(bytes, {.via = via, .edns = WithEdns::expire}), Errc::edns_refused,
                   rcode == 1 ? "FORMERR" : "NOTIMP", "asked with EDNS");
      expect_error(run(bytes, {.via = via}), Errc::rcode, rcode == 1 ? "FORMERR" : "NOTIMP", "asked without");
    }
  }
  auto messages = messages_of({{}});
  messages[0].opt = true;
  messages[0].extended_rcode = 1;
  expect_error(run(bytes_of(messages), {.edns = WithEdns::expire}), Errc::edns_refused, "BADVERS", "another version");
  messages = messages_of({{}});
  messages[0].flags |= 5;
  expect_error(run(bytes_of(messages), {.edns = WithEdns::expire}), Errc::rcode, "REFUSED", "it says no");
}

// --- Signed transfers

class SignedIxfr : public testing::Test {
 protected:
  SignedIxfr() {
    keys_.add(TsigKey{name("key."), TsigAlgorithm::hmac_sha256, Bytes(32, 0x11)});
    key_ = keys_.find(name("key."));
    begin();
  }
  /// Another request, whose answers are signed for it alone.
  void begin() {
    Bytes request = ixfr_query(name("example."), test_id, Serial{rounds_++});
    mac_ = sign_request(request, *key_, now).value();
    signer_.emplace(verify_request(MessageView::parse(request).value(), keys_, now).value().value());
  }
  Bytes signed_message(const TestMessage& message) {
    Bytes bytes = message.bytes();
    EXPECT_TRUE(signer_->sign(bytes, now));
    return bytes;
  }
  Outcome run_signed(const std::vector<Bytes>& messages, Via via = Via::stream) {
    return run(messages, {.via = via, .tsig = TsigStream(key_, mac_)});
  }

  TsigKeyring keys_;
  std::shared_ptr<const TsigKey> key_;
  std::uint32_t rounds_ = 0;
  Bytes mac_;
  std::optional<TsigResponseSigner> signer_;
  const std::vector<TestMessage> messages_ = messages_of({{soa(2), soa(1), a}, {soa(2), b}, {soa(2)}});
};

TEST_F(SignedIxfr, EveryMessageSigned) {
  std::vector<Bytes> bytes;
  for (const TestMessage& message : messages_) bytes.push_back(signed_message(message));
  const Outcome outcome = run_signed(bytes);
  ASSERT_TRUE(outcome.last) << outcome.last.error().text();
  EXPECT_THAT(outcome.deltas, ElementsAre("1 > 2", "-" + a, "+" + b));
}

TEST_F(SignedIxfr, Datagram) {
  const Outcome outcome = run_signed({signed_message(messages_of({{soa(1)}})[0])}, Via::datagram);
  ASSERT_TRUE(outcome.last) << outcome.last.error().text();
  EXPECT_EQ(outcome.answer, Answer::current);
  expect_error(run_signed({messages_of({{soa(1)}})[0].bytes()}, Via::datagram), Errc::tsig_missing, "no TSIG",
               "unsigned");
}

// RFC 8945 section 5.3.1: up to 99 between two signed ones, whose signature covers them.
TEST_F(SignedIxfr, GapsBetweenSignatures) {
  for (const std::size_t gap : {0U, 1U, 99U, 100U}) {
    for (const bool changed : {false, true}) {
      begin();
      std::vector<Lines> parts = {{soa(2), soa(1)}};
      for (std::size_t i = 0; i < gap; ++i) parts.push_back({"x.example. 60 IN TXT \"" + std::to_string(i) + "\""});
      parts.push_back({soa(2), soa(2)});
      std::vector<Bytes> bytes = bytes_of(messages_of(parts));
      ASSERT_TRUE(signer_->sign(bytes.front(), now));
      // One message of all of them has the same digest, as they are digested one behind the other.
      Bytes all;
      for (std::size_t i = 1; i < bytes.size(); ++i) append(all, bytes[i]);
      const std::size_t before = all.size();
      ASSERT_TRUE(signer_->sign(all, now));
      append(bytes.back(), ByteView(all).subspan(before));
      store_u16(&bytes.back()[10], 1);
      if (changed && gap != 0) bytes[1].back() ^= 1;
      const Outcome outcome = run_signed(bytes);
      if (gap > 99) {
        expect_error(outcome, Errc::tsig_missing, "100 messages in a row without TSIG", "too many");
      } else if (changed && gap != 0) {
        expect_error(outcome, Errc::tsig_bad_signature, "key.", "an unsigned message changed");
      } else {
        ASSERT_TRUE(outcome.last) << gap << ": " << outcome.last.error().text();
        EXPECT_EQ(outcome.deltas.size(), 1 + gap);
      }
    }
  }
}

TEST_F(SignedIxfr, MissingWrongLateReplayedMisplaced) {
  const auto sign_all = [&] {
    begin();
    std::vector<Bytes> bytes;
    for (const TestMessage& message : messages_) bytes.push_back(signed_message(message));
    return bytes;
  };
  std::vector<Bytes> bytes = sign_all();
  bytes[0] = messages_[0].bytes();
  expect_error(run_signed(bytes), Errc::tsig_missing, "the first message has no TSIG", "missing at the start");

  bytes = sign_all();
  bytes[2] = messages_[2].bytes();
  expect_error(run_signed(bytes), Errc::tsig_missing, "the last message has no TSIG", "missing at the end");

  bytes = sign_all();
  bytes[1][messages_[1].bytes().size() - 1] ^= 1;
  expect_error(run_signed(bytes), Errc::tsig_bad_signature, "key.", "changed under way");

  bytes = sign_all();
  std::swap(bytes[1], bytes[2]);
  expect_error(run_signed(bytes), Errc::tsig_bad_signature, "key.", "on the wrong message");

  bytes = sign_all();
  bytes[1] = bytes[0];
  expect_error(run_signed(bytes), Errc::tsig_bad_signature, "key.", "replayed within the transfer");

  const std::vector<Bytes> before = sign_all();
  begin();
  expect_error(run_signed(before), Errc::tsig_bad_signature, "key.", "replayed from an earlier request");

  TsigKeyring others;
  others.add(TsigKey{name("other."), TsigAlgorithm::hmac_sha256, Bytes(32, 0x11)});
  Bytes request = ixfr_query(name("example."), test_id, Serial{1});
  ASSERT_TRUE(sign_request(request, *others.find(name("other.")), now));
  TsigResponseSigner other(verify_request(MessageView::parse(request).value(), others, now).value().value());
  Bytes foreign = messages_[0].bytes();
  ASSERT_TRUE(other.sign(foreign, now));
  expect_error(run_signed({foreign}), Errc::tsig_bad_key, "other.", "another key");

  bytes = sign_all();
  Setting setting{.tsig = TsigStream(key_, mac_)};
  RecordingSink sink;
  IxfrReader late = reader(setting, sink);
  ASSERT_TRUE(late.feed(bytes[0], now + 300));
  const auto result = late.feed(bytes[1], now + 301);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::tsig_bad_time);
}

}  // namespace
}  // namespace understudy
