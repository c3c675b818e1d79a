#include "transfer/signed_request.h"

#include <gtest/gtest.h>

#include <set>

#include "dns/message.h"
#include "xfr/soa_query.h"

namespace understudy {
namespace {

const Name zone = *Name::parse("example.");

Result<SignedRequest> make(const std::shared_ptr<const TsigKey>& key) {
  return make_signed_request(key, ManualClock(), [](std::uint16_t id) { return soa_query(zone, id); });
}

TEST(SignedRequest, HasAnIdThatIsHardToGuess) {
  std::set<std::uint16_t> ids;
  for (int i = 0; i < 200; ++i) {
    const auto request = make(nullptr);
    EXPECT_EQ(MessageView::parse(request->message)->header().id, request->id);
    ids.insert(request->id);
  }
  EXPECT_GT(ids.size(), 150U);
}

TEST(SignedRequest, IsSignedWithTheKeyIfThereIsOne) {
  auto key = std::make_shared<TsigKey>();
  key->name = *Name::parse("transfer.example.");
  key->secret = Bytes(32, 1);
  const auto request = make(key);
  EXPECT_TRUE(MessageView::parse(request->message)->tsig_offset());
  EXPECT_FALSE(request->mac.empty());
  EXPECT_TRUE(request->fresh_stream(key));
  const auto plain = make(nullptr);
  EXPECT_FALSE(MessageView::parse(plain->message)->tsig_offset());
  EXPECT_FALSE(plain->fresh_stream(nullptr));
}

}  // namespace
}  // namespace understudy
