#include "store/transfer_record.h"

#include <gtest/gtest.h>

#include "store/format.h"
#include "zone/zone_fixture.h"

namespace understudy {
namespace {

using zone_fixture::name;

TransferRecord full_record() {
  return {.id = 12,
          .when_ms = 1'700'000'000'123,
          .zone = name("Example.net."),
          .primary = "hidden1",
          .address = "2001:db8::1@853",
          .transport = "tls",
          .key = "transfer.example.",
          .asked = "AXFR",
          .came = "whole zone",
          .ours = Serial{1},
          .announced = Serial{3},
          .received = Serial{4'000'000'000},
          .messages = 1ULL << 40,
          .records = 2,
          .octets = 3,
          .seconds = 0.125,
          .ok = true,
          .result = "ok",
          .reason = "",
          .exchange = {"sent", "", "came"}};
}

TEST(TransferRecord, ComesBackWhateverIsLeftOut) {
  for (int left_out = 0; left_out < 16; ++left_out) {
    TransferRecord record = full_record();
    if ((left_out & 1) != 0) record.ours.reset();
    if ((left_out & 2) != 0) record.announced.reset();
    if ((left_out & 4) != 0) record.received.reset();
    record.ok = (left_out & 8) != 0;
    if (left_out == 15) record.exchange.clear();
    const Bytes value = encode_transfer(99, record);
    EXPECT_LT(value.size(), weight_of(record));
    const auto back = decode_transfer(transfer_key(record.id), text_of(value));
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ(back->start, 99U);
    EXPECT_EQ(back->record, record);
  }
}

TEST(TransferRecord, EveryFlippedBitAndEveryCutIsFound) {
  const TransferRecord record = full_record();
  const std::string key = transfer_key(record.id);
  const std::string value(text_of(encode_transfer(1, record)));
  EXPECT_FALSE(decode_transfer(transfer_key(13), value));
  for (std::size_t bit = 0; bit < value.size() * 8; ++bit) {
    std::string damaged = value;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(decode_transfer(key, damaged)) << "bit " << bit;
  }
  for (std::size_t size = 0; size + 4 < value.size(); ++size) {
    Bytes cut(view_of(value).begin(), view_of(value).begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(decode_transfer(key, text_of(cut))) << "size " << size;
    seal(key, cut);  // one that was written like that
    EXPECT_FALSE(decode_transfer(key, text_of(cut))) << "sealed size " << size;
  }
}

TEST(TransferRecord, IsBounded) {
  TransferRecord record = full_record();
  bound_texts(record);
  EXPECT_EQ(record, full_record()) << "what is short stays";
  record.exchange.assign(100'000, "");
  record.primary.assign(100'000, 'p');
  bound_texts(record);
  EXPECT_LT(weight_of(record), 2 * max_transfer_octets);
  EXPECT_TRUE(record.exchange.back().ends_with("more messages]"));
}

}  // namespace
}  // namespace understudy
