#include "dns/tsig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "dns/tsig_fixture.h"
#include "dns/tsig_vectors.h"

namespace understudy {
namespace {

using namespace tsig_fixture;
using testing::HasSubstr;

// --- Algorithms and keys

TEST(TsigAlgorithms, NamesGoBothWays) {
  const std::pair<std::string_view, std::size_t> all[] = {{"hmac-md5", 16},    {"hmac-sha1", 20},
                                                          {"hmac-sha224", 28}, {"hmac-sha256", 32},
                                                          {"hmac-sha384", 48}, {"hmac-sha512", 64}};
  for (const auto& [text, digest] : all) {
    const auto algorithm = tsig_algorithm_from_text(text);
    ASSERT_TRUE(algorithm) << text;
    EXPECT_EQ(tsig_algorithm_text(*algorithm), text);
    EXPECT_EQ(tsig_digest_size(*algorithm), digest);
    EXPECT_EQ(tsig_algorithm_from_text(tsig_algorithm_name(*algorithm).text()), algorithm);
  }
  EXPECT_EQ(tsig_algorithm_from_text("HMAC-SHA256."), TsigAlgorithm::hmac_sha256);
  EXPECT_EQ(tsig_algorithm_from_text("HMAC-MD5.SIG-ALG.REG.INT"), TsigAlgorithm::hmac_md5);
  EXPECT_EQ(tsig_algorithm_name(TsigAlgorithm::hmac_md5).text(), "hmac-md5.sig-alg.reg.int.");
  EXPECT_EQ(tsig_algorithm_name(TsigAlgorithm::hmac_sha512).text(), "hmac-sha512.");
  EXPECT_FALSE(tsig_algorithm_from_text("gss-tsig"));
  EXPECT_FALSE(tsig_algorithm_from_text(""));
}

TEST(TsigKeyring, FindsWithoutCase) {
  const TsigKeyring keys = ring();
  ASSERT_NE(keys.find(Name::parse("TRANSFER.example.").value()), nullptr);
  EXPECT_EQ(keys.find(Name::parse("other.example.").value()), nullptr);
}

// --- The independent implementation's messages

TEST(TsigVectors, WeSignAsTheyDo) {
  for (const auto& exchange : vectors::exchanges) {
    Bytes request = message();
    const TsigKey key = key_for(exchange.algorithm, "Transfer.Example.");
    const auto mac = sign_request(request, key, now);
    ASSERT_TRUE(mac);
    // Case of the algorithm's name is free (RFC 8945 section 4.3.3: digested in lower case), so the MACs are compared.
    const Bytes theirs = unhex(exchange.request);
    const TsigRecord expected = find_tsig(view(theirs)).value().value();
    EXPECT_EQ(hex_encode(*mac), hex_encode(expected.mac));
    EXPECT_EQ(request.size(), theirs.size());
    if (exchange.algorithm != TsigAlgorithm::hmac_md5) EXPECT_EQ(hex_encode(request), exchange.request);
  }
}

TEST(TsigVectors, WeAcceptTheirRequestsAndSignTheSameResponse) {
  for (const auto& exchange : vectors::exchanges) {
    const Bytes request = unhex(exchange.request);
    const TsigSession session = session_of(request, now, ring(exchange.algorithm));
    EXPECT_EQ(session.error, Rcode::NOERROR);
    ASSERT_NE(session.key, nullptr);

    const Bytes theirs = unhex(exchange.response);
    const MessageView parsed = view(theirs);
    Bytes ours(theirs.begin(), theirs.begin() + static_cast<std::ptrdiff_t>(*parsed.tsig_offset()));
    store_u16(&ours[10], 0);
    const std::size_t before = ours.size();
    ASSERT_TRUE(sign_response(ours, session, now));
    EXPECT_EQ(hex_encode(ours), exchange.response);
    EXPECT_EQ(ours.size() - before, tsig_size(session));
  }
}

TEST(TsigVectors, WeAcceptTheirResponses) {
  for (const auto& exchange : vectors::exchanges) {
    const Bytes request = unhex(exchange.request);
    const TsigRecord tsig = find_tsig(view(request)).value().value();
    TsigStream stream(shared_key(exchange.algorithm), Bytes(tsig.mac.begin(), tsig.mac.end()));
    const Bytes response = unhex(exchange.response);
    const auto result = stream.verify(view(response), now);
    EXPECT_TRUE(result) << result.error().text();
    EXPECT_TRUE(stream.finish());
  }
}

Bytes vector_request_mac() {
  Bytes request = message();
  return sign_request(request, key_for(TsigAlgorithm::hmac_sha256, "Transfer.Example."), now).value();
}

TEST(TsigVectors, MultipleMessagesEachSigned) {
  TsigStream stream(shared_key(), vector_request_mac());
  for (const char* text : vectors::every_message_signed) {
    const Bytes octets = unhex(text);
    const auto result = stream.verify(view(octets), now);
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_TRUE(stream.finish());
  }
}

TEST(TsigVectors, MultipleMessagesWithGap) {
  TsigStream stream(shared_key(), vector_request_mac());
  bool last_signed = false;
  for (const char* text : vectors::signed_with_gap) {
    const Bytes octets = unhex(text);
    const auto result = stream.verify(view(octets), now);
    ASSERT_TRUE(result) << result.error().text();
    last_signed = view(octets).tsig_offset().has_value();
    EXPECT_EQ(stream.finish().has_value(), last_signed);
  }
  EXPECT_TRUE(last_signed);
}

TEST(TsigVectors, OurSignerMakesTheSameStream) {
  const Bytes request = unhex(vectors::exchanges[3].request);
  ASSERT_EQ(vectors::exchanges[3].algorithm, TsigAlgorithm::hmac_sha256);
  TsigResponseSigner signer(session_of(request));
  for (const char* text : vectors::every_message_signed) {
    const Bytes theirs = unhex(text);
    Bytes ours(theirs.begin(), theirs.begin() + static_cast<std::ptrdiff_t>(*view(theirs).tsig_offset()));
    store_u16(&ours[10], 0);
    ASSERT_TRUE(signer.sign(ours, now));
    EXPECT_EQ(hex_encode(ours), text);
  }
}

TEST(TsigVectors, BadTimeResponse) {
  const Bytes theirs = unhex(vectors::bad_time_response);
  TsigStream stream(shared_key(), vector_request_mac());
  const auto result = stream.verify(view(theirs), now);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::tsig_peer_error);
  EXPECT_THAT(result.error().text(), HasSubstr("BADTIME"));
  EXPECT_THAT(result.error().text(), HasSubstr("1000 s ahead"));

  const TsigSession session = session_of(unhex(vectors::exchanges[3].request), now + 1000);
  EXPECT_EQ(session.error, Rcode::BADTIME);
  Bytes ours(theirs.begin(), theirs.begin() + static_cast<std::ptrdiff_t>(*view(theirs).tsig_offset()));
  store_u16(&ours[10], 0);
  ASSERT_TRUE(sign_response(ours, session, now + 1000));
  EXPECT_EQ(hex_encode(ours), vectors::bad_time_response);
}

// --- Requests, RFC 8945 section 5.2

TEST(TsigRequest, UnsignedHasNoSession) {
  const Bytes request = message();
  const auto result = verify_request(view(request), ring(), now);
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->has_value());
}

TEST(TsigRequest, AnyChangedBitIsNoticed) {
  const Bytes good = signed_request();
  const std::size_t tsig_at = *view(good).tsig_offset();
  for (std::size_t i = 2; i < good.size(); ++i) {  // the id is replaced by the original id, which is covered
    Bytes bad = good;
    bad[i] ^= 1;
    const auto parsed = MessageView::parse(bad);
    if (!parsed) continue;
    const auto result = verify_request(*parsed, ring(), now);
    if (i < tsig_at && result && !result->has_value()) {
      ADD_FAILURE() << "octet " << i << " hides the signature";
    } else if (result && result->has_value()) {
      EXPECT_NE((*result)->error, Rcode::NOERROR) << "octet " << i;
    }
  }
}

TEST(TsigRequest, NamesAreComparedAndDigestedWithoutCase) {
  const TsigKey key = key_for(TsigAlgorithm::hmac_sha256);
  const Bytes good = signed_request(key);
  Bytes shouted = good;
  const std::size_t at = *view(good).tsig_offset();
  const std::size_t rdata_at = at + key.name.size() + 10;
  const auto upper = [&](std::size_t from, std::size_t size) {
    for (std::size_t i = from; i < from + size; ++i) {
      if (shouted[i] >= 'a' && shouted[i] <= 'z') shouted[i] = static_cast<std::uint8_t>(shouted[i] - 32);
    }
  };
  upper(at, key.name.size());
  upper(rdata_at, tsig_algorithm_name(key.algorithm).size());
  ASSERT_NE(shouted, good);
  EXPECT_EQ(session_of(shouted).error, Rcode::NOERROR);
}

TEST(TsigRequest, OriginalIdStandsInForAChangedId) {
  Bytes forwarded = signed_request();
  store_u16(&forwarded[0], 0x4321);
  const TsigSession session = session_of(forwarded);
  EXPECT_EQ(session.error, Rcode::NOERROR);
  Bytes response = message(Header::qr);
  store_u16(&response[0], 0x4321);
  ASSERT_TRUE(sign_response(response, session, now));
  EXPECT_EQ(find_tsig(view(response)).value()->original_id, 0x1234);
  store_u16(&response[0], 0x1234);  // as the forwarder does
  TsigStream stream(shared_key(), session.request_mac);
  EXPECT_TRUE(stream.verify(view(response), now));
}

TEST(TsigRequest, UnknownKeyOrAlgorithmIsBadKeyAndAnsweredUnsigned) {
  for (const TsigKey& key :
       {key_for(TsigAlgorithm::hmac_sha256, "stranger.example."), key_for(TsigAlgorithm::hmac_sha1)}) {
    const TsigSession session = session_of(signed_request(key));
    EXPECT_EQ(session.error, Rcode::BADKEY);
    EXPECT_EQ(session.key, nullptr);
    Bytes response = message(Header::qr);
    const std::size_t before = response.size();
    ASSERT_TRUE(sign_response(response, session, now));
    EXPECT_EQ(response.size() - before, tsig_size(session));
    const TsigRecord tsig = find_tsig(view(response)).value().value();
    EXPECT_EQ(tsig.error, Rcode::BADKEY);
    EXPECT_TRUE(tsig.mac.empty());
    EXPECT_EQ(tsig.key_name, key.name);
    EXPECT_TRUE(tsig.algorithm.view().equals(tsig_algorithm_name(key.algorithm)));
  }
}

TEST(TsigRequest, WrongSecretIsBadSigAndAnsweredUnsigned) {
  TsigKey other = key_for(TsigAlgorithm::hmac_sha256);
  other.secret.push_back('!');
  const TsigSession session = session_of(signed_request(other), now + 5000);
  EXPECT_EQ(session.error, Rcode::BADSIG) << "the MAC is checked before the time";
  Bytes response = message(Header::qr);
  ASSERT_TRUE(sign_response(response, session, now));
  const TsigRecord tsig = find_tsig(view(response)).value().value();
  EXPECT_EQ(tsig.error, Rcode::BADSIG);
  EXPECT_TRUE(tsig.mac.empty());
}

TEST(TsigRequest, TimeWindowIsFudgeOnBothSides) {
  const Bytes request = signed_request();
  EXPECT_EQ(session_of(request, now - 300).error, Rcode::NOERROR);
  EXPECT_EQ(session_of(request, now + 300).error, Rcode::NOERROR);
  EXPECT_EQ(session_of(request, now - 301).error, Rcode::BADTIME);
  EXPECT_EQ(session_of(request, now + 301).error, Rcode::BADTIME);
}

TEST(TsigRequest, TimesBehindThirtyTwoBits) {
  const std::uint64_t late = 0x1'0000'0010;  // the year 2106
  const Bytes request = signed_request(key_for(TsigAlgorithm::hmac_sha256), late - 32);
  EXPECT_EQ(session_of(request, late).error, Rcode::NOERROR);
  EXPECT_EQ(session_of(request, 16).error, Rcode::BADTIME);
  const Bytes last = signed_request(key_for(TsigAlgorithm::hmac_sha256), 0xffff'ffff'ffff);
  EXPECT_EQ(session_of(last, 0xffff'ffff'ffff).error, Rcode::NOERROR);
  EXPECT_EQ(session_of(last, 0).error, Rcode::BADTIME);
}

TEST(TsigRequest, BadTimeIsSignedWithTheClientsTimeAndCarriesOurs) {
  const Bytes request = signed_request();
  const TsigSession session = session_of(request, now + 1000);
  ASSERT_EQ(session.error, Rcode::BADTIME);
  Bytes response = message(Header::qr);
  const std::size_t before = response.size();
  ASSERT_TRUE(sign_response(response, session, now + 1000));
  EXPECT_EQ(response.size() - before, tsig_size(session));
  const TsigRecord tsig = find_tsig(view(response)).value().value();
  EXPECT_EQ(tsig.time_signed, now);
  EXPECT_EQ(tsig.fudge, 300);
  EXPECT_EQ(tsig.mac.size(), 32U);
  ASSERT_EQ(tsig.other.size(), 6U);
  EXPECT_EQ(load_u48(tsig.other.data()), now + 1000);
}

TEST(TsigRequest, MacLengthRules) {
  struct Case {
    TsigAlgorithm algorithm;
    std::size_t shortest;
  };
  // RFC 8945 section 5.2.2.1: the larger of 10 octets and half the digest.
  for (const Case& c : {Case{TsigAlgorithm::hmac_md5, 10}, Case{TsigAlgorithm::hmac_sha1, 10},
                        Case{TsigAlgorithm::hmac_sha224, 14}, Case{TsigAlgorithm::hmac_sha256, 16},
                        Case{TsigAlgorithm::hmac_sha384, 24}, Case{TsigAlgorithm::hmac_sha512, 32}}) {
    const Bytes request = signed_request(key_for(c.algorithm));
    const std::size_t digest = tsig_digest_size(c.algorithm);
    for (std::size_t size = 0; size <= digest + 2; ++size) {
      const Bytes cut = with_mac_size(request, size);
      const auto result = verify_request(view(cut), ring(c.algorithm), now);
      if (size >= c.shortest && size <= digest) {
        ASSERT_TRUE(result) << size;
        EXPECT_EQ((*result)->error, Rcode::NOERROR) << size;
        EXPECT_EQ((*result)->request_mac.size(), size);
      } else {
        ASSERT_FALSE(result) << size;
        EXPECT_EQ(result.error().code, Errc::bad_tsig);
      }
    }
  }
}

TEST(TsigRequest, TruncatedRequestMacIsWhatTheResponseCovers) {
  const Bytes request = with_mac_size(signed_request(), 20);
  const TsigSession session = session_of(request);
  ASSERT_EQ(session.error, Rcode::NOERROR);
  Bytes response = message(Header::qr);
  ASSERT_TRUE(sign_response(response, session, now));
  TsigStream right(shared_key(), session.request_mac);
  EXPECT_TRUE(right.verify(view(response), now));
  Bytes whole = message();
  TsigStream wrong(shared_key(), sign_request(whole, *shared_key(), now).value());
  EXPECT_EQ(verify_error(wrong, response), Errc::tsig_bad_signature);
}

/// The offset of the TSIG record's fields: owner, then those of RDATA.
struct Places {
  std::size_t owner, type, klass, ttl, rdlength, algorithm, other_size;
};
Places places(const Bytes& request) {
  const MessageView parsed = view(request);
  const TsigRecord tsig = find_tsig(parsed).value().value();
  const std::size_t owner = *parsed.tsig_offset();
  const std::size_t type = owner + tsig.key_name.size();
  return {owner, type, type + 2, type + 4, type + 8, type + 10, request.size() - 2};
}

TEST(TsigRequest, MalformedRecords) {
  const Bytes good = signed_request();
  const Places at = places(good);
  const auto expect_bad = [&](const Bytes& bad, const char* what) {
    const auto parsed = MessageView::parse(bad);
    ASSERT_TRUE(parsed) << what;
    const auto result = verify_request(*parsed, ring(), now);
    ASSERT_FALSE(result) << what;
    EXPECT_EQ(result.error().code, Errc::bad_tsig) << what;
  };
  Bytes bad = good;
  store_u16(&bad[at.klass], number(RRClass::IN));
  expect_bad(bad, "class IN");
  bad = good;
  store_u32(&bad[at.ttl], 1);
  expect_bad(bad, "TTL 1");
  bad = good;
  bad[at.algorithm] = 0xc0;  // a pointer: the algorithm's name is never compressed
  bad[at.algorithm + 1] = 12;
  expect_bad(bad, "compressed algorithm");
  bad = good;
  store_u16(&bad[at.other_size], 6);
  expect_bad(bad, "other data beyond the end");
  bad = good;
  bad.push_back(0);
  store_u16(&bad[at.rdlength], static_cast<std::uint16_t>(load_u16(&good[at.rdlength]) + 1));
  expect_bad(bad, "an octet left over");
  bad = good;
  store_u16(&bad[at.other_size - 2], number(Rcode::BADTIME));
  expect_bad(bad, "a request with an error");
  for (std::size_t size = 0; size + at.algorithm < good.size(); ++size) {
    bad.assign(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(at.algorithm + size));
    store_u16(&bad[at.rdlength], static_cast<std::uint16_t>(size));
    expect_bad(bad, "RDATA cut off");
  }
}

TEST(TsigRequest, MustBeLastAndOnlyOne) {
  Bytes twice = signed_request();
  ASSERT_TRUE(sign_request(twice, key_for(TsigAlgorithm::hmac_sha256), now));
  const auto parsed = MessageView::parse(twice);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, Errc::bad_tsig);
}

TEST(TsigRequest, NoRoom) {
  Bytes full(max_message_size - 20);
  const auto result = sign_request(full, key_for(TsigAlgorithm::hmac_sha256), now);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::no_space);
  Bytes counted = message();
  store_u16(&counted[10], 0xffff);
  EXPECT_FALSE(sign_request(counted, key_for(TsigAlgorithm::hmac_sha256), now));
}

TEST(TsigRequest, EmptySecretWorks) {
  TsigKey key = key_for(TsigAlgorithm::hmac_sha256);
  key.secret.clear();
  TsigKeyring keys;
  keys.add(key);
  EXPECT_EQ(session_of(signed_request(key), now, keys).error, Rcode::NOERROR);
}

}  // namespace
}  // namespace understudy
