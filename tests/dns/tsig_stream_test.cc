// TsigStream: the responses to one signed request (RFC 8945 sections 5.3.1 and 5.4).
#include <gmock/gmock.h>
#include <gnutls/crypto.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "dns/tsig.h"
#include "dns/tsig_fixture.h"

namespace understudy {
namespace {

using namespace tsig_fixture;
using testing::HasSubstr;

/// Both ends of one exchange.
struct Pair {
  explicit Pair(TsigAlgorithm algorithm = TsigAlgorithm::hmac_sha256) : key(shared_key(algorithm)) {
    Bytes request = message();
    mac = sign_request(request, *key, now).value();
    session = session_of(request, now, ring(algorithm));
  }
  [[nodiscard]] TsigStream client() const { return {key, mac}; }
  std::shared_ptr<const TsigKey> key;
  Bytes mac;
  TsigSession session;
};

/// The nth message of a response, unsigned.
Bytes part(unsigned n) {
  Bytes out(512);
  MessageWriter writer(out, out.size());
  writer.set_header(0x1234, Header::qr);
  const std::uint8_t address[4] = {192, 0, 2, static_cast<std::uint8_t>(n)};
  writer.add_record(Section::answer, Name::parse("h.example.").value(), RRType::A, RRClass::IN, 60, address);
  out.resize(writer.size());
  return out;
}

Bytes signed_part(TsigResponseSigner& signer, unsigned n) {
  Bytes out = part(n);
  EXPECT_TRUE(signer.sign(out, now));
  return out;
}

TEST(TsigStream, AnyChangedBitIsNoticed) {
  const Pair pair;
  TsigResponseSigner signer(pair.session);
  const Bytes messages[2] = {signed_part(signer, 0), signed_part(signer, 1)};
  for (std::size_t which : {0, 1}) {
    for (std::size_t i = 2; i < messages[which].size(); ++i) {
      Bytes bad = messages[which];
      bad[i] ^= 1;
      const auto parsed = MessageView::parse(bad);
      if (!parsed) continue;
      TsigStream client = pair.client();
      if (which == 1) ASSERT_TRUE(client.verify(view(messages[0]), now));
      const bool accepted = client.verify(*parsed, now).has_value() && client.finish().has_value();
      EXPECT_FALSE(accepted) << "message " << which << ", octet " << i;
    }
  }
}

TEST(TsigStream, FirstMustBeSigned) {
  const Pair pair;
  TsigStream client = pair.client();
  EXPECT_EQ(verify_error(client, part(0)), Errc::tsig_missing);
}

TEST(TsigStream, UnsignedRefusalIsNamed) {
  const Pair pair;
  TsigStream client = pair.client();
  const Bytes refusal = message(Header::qr | number(Rcode::REFUSED));
  const auto result = client.verify(view(refusal), now);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::tsig_missing);
  EXPECT_THAT(result.error().text(), HasSubstr("REFUSED"));
}

/// Signs `last` as the first signed message after the unsigned `between`, written out from RFC 8945 section 5.3.1:
/// prior MAC, every message since, timers.
Bytes sign_after_gap(const TsigKey& key, ByteView prior_mac, const std::vector<Bytes>& between, const Bytes& last) {
  Bytes digested;
  append_u16(digested, static_cast<std::uint16_t>(prior_mac.size()));
  append(digested, prior_mac);
  for (const Bytes& unsigned_message : between) append(digested, unsigned_message);
  append(digested, last);
  append_u48(digested, now);
  append_u16(digested, tsig_default_fudge);
  Bytes mac(tsig_digest_size(key.algorithm));
  gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.secret.data(), key.secret.size(), digested.data(), digested.size(),
                   mac.data());
  Bytes out = last;
  append(out, key.name.wire());
  append_u16(out, number(RRType::TSIG));
  append_u16(out, number(RRClass::ANY));
  append_u32(out, 0);
  const NameView algorithm = tsig_algorithm_name(key.algorithm);
  append_u16(out, static_cast<std::uint16_t>(algorithm.size() + 16 + mac.size()));
  append(out, algorithm.wire());
  append_u48(out, now);
  append_u16(out, tsig_default_fudge);
  append_u16(out, static_cast<std::uint16_t>(mac.size()));
  append(out, mac);
  append_u16(out, load_u16(&last[0]));
  append_u32(out, 0);  // no error, no other data
  store_u16(&out[10], static_cast<std::uint16_t>(load_u16(&out[10]) + 1));
  return out;
}

/// A response whose first and last messages are signed with `gap` unsigned ones between; one of these may be changed,
/// left out or sent twice on the way.
enum class Tampering : std::uint8_t { none, changed, left_out, repeated };
Result<void> run_with_gap(unsigned gap, Tampering tampering = Tampering::none) {
  const Pair pair;
  TsigResponseSigner signer(pair.session);
  TsigStream client = pair.client();
  const Bytes first = signed_part(signer, 0);
  std::vector<Bytes> between;
  for (unsigned i = 0; i < gap; ++i) between.push_back(part(i + 1));
  const Bytes last = sign_after_gap(*pair.key, find_tsig(view(first)).value()->mac, between, part(250));
  US_TRY(client.verify(view(first), now));
  for (unsigned i = 0; i < gap; ++i) {
    const bool here = i == gap / 2;
    if (here && tampering == Tampering::left_out) continue;
    if (here && tampering == Tampering::changed) between[i].back() ^= 0x80;
    US_TRY(client.verify(view(between[i]), now));
    if (here && tampering == Tampering::repeated) US_TRY(client.verify(view(between[i]), now));
    EXPECT_FALSE(client.finish()) << "an unsigned message cannot be the last";
  }
  US_TRY(client.verify(view(last), now));
  return client.finish();
}

TEST(TsigStream, GapsUpToNinetyNineMessages) {
  for (const unsigned gap : {0U, 1U, 2U, 50U, 99U}) {
    const auto result = run_with_gap(gap);
    EXPECT_TRUE(result) << gap << ": " << result.error().text();
  }
  const auto result = run_with_gap(100);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::tsig_missing);
}

TEST(TsigStream, UnsignedMessagesAreCovered) {
  for (const Tampering tampering : {Tampering::changed, Tampering::left_out, Tampering::repeated}) {
    const auto result = run_with_gap(7, tampering);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::tsig_bad_signature);
  }
}

TEST(TsigStream, SwappedOrRepeatedSignedMessages) {
  const Pair pair;
  TsigResponseSigner signer(pair.session);
  const Bytes a = signed_part(signer, 0), b = signed_part(signer, 1), c = signed_part(signer, 2);
  TsigStream swapped = pair.client();
  ASSERT_TRUE(swapped.verify(view(a), now));
  EXPECT_EQ(verify_error(swapped, c), Errc::tsig_bad_signature);
  TsigStream repeated = pair.client();
  ASSERT_TRUE(repeated.verify(view(a), now));
  EXPECT_EQ(verify_error(repeated, a), Errc::tsig_bad_signature);
  TsigStream headless = pair.client();
  EXPECT_EQ(verify_error(headless, b), Errc::tsig_bad_signature);
}

TEST(TsigStream, ResponseToAnotherRequest) {
  const Pair pair;
  Bytes response = message(Header::qr);
  ASSERT_TRUE(sign_response(response, pair.session, now));
  TsigStream other(pair.key, Bytes(32, 0x55));
  EXPECT_EQ(verify_error(other, response), Errc::tsig_bad_signature);
}

TEST(TsigStream, AnotherKeyOrAlgorithm) {
  const Pair pair;
  for (const TsigKey& key :
       {key_for(TsigAlgorithm::hmac_sha256, "stranger.example."), key_for(TsigAlgorithm::hmac_sha512)}) {
    TsigStream client = pair.client();
    Bytes response = message(Header::qr);
    ASSERT_TRUE(sign_request(response, key, now));
    EXPECT_EQ(verify_error(client, response), Errc::tsig_bad_key);
  }
}

TEST(TsigStream, TimeIsCheckedOnEveryMessage) {
  const Pair pair;
  for (const std::uint64_t at : {now - 301, now + 301}) {
    TsigResponseSigner signer(pair.session);
    const Bytes first = signed_part(signer, 0), second = signed_part(signer, 1);
    TsigStream early = pair.client();
    EXPECT_EQ(verify_error(early, first, at), Errc::tsig_bad_time);
    TsigStream late = pair.client();
    ASSERT_TRUE(late.verify(view(first), now));
    EXPECT_EQ(verify_error(late, second, at), Errc::tsig_bad_time);
  }
}

TEST(TsigStream, TruncatedResponses) {
  const Pair pair;
  Bytes response = message(Header::qr);
  ASSERT_TRUE(sign_response(response, pair.session, now));
  TsigStream half = pair.client();
  EXPECT_TRUE(half.verify(view(with_mac_size(response, 16)), now));
  TsigStream less = pair.client();
  EXPECT_EQ(verify_error(less, with_mac_size(response, 15)), Errc::tsig_bad_truncation);
  TsigStream none = pair.client();
  EXPECT_EQ(verify_error(none, with_mac_size(response, 0)), Errc::tsig_bad_truncation);
  TsigStream more = pair.client();
  EXPECT_EQ(verify_error(more, with_mac_size(response, 33)), Errc::bad_tsig);
}

TEST(TsigStream, PeerErrorsAreNamed) {
  for (const auto& [error, text] : {std::pair{Rcode::BADKEY, "BADKEY"}, {Rcode::BADSIG, "BADSIG"}}) {
    Pair pair;
    pair.session.error = error;
    Bytes response = message(Header::qr | number(Rcode::NOTAUTH));
    ASSERT_TRUE(sign_response(response, pair.session, now));
    TsigStream client = pair.client();
    const auto result = client.verify(view(response), now);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::tsig_peer_error);
    EXPECT_THAT(result.error().text(), HasSubstr(text));
  }
}

TEST(TsigStream, LongTransferOfEveryAlgorithm) {
  for (const auto& exchange : vectors::exchanges) {
    const Pair pair(exchange.algorithm);
    TsigResponseSigner signer(pair.session);
    TsigStream client = pair.client();
    for (unsigned i = 0; i < 300; ++i) {
      const Bytes signed_message = signed_part(signer, i);
      ASSERT_TRUE(client.verify(view(signed_message), now)) << i;
      ASSERT_TRUE(client.finish());
    }
  }
}

}  // namespace
}  // namespace understudy
