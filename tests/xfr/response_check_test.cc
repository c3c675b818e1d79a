#include "xfr/response_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "dns/edns.h"
#include "xfr/transfer_fixture.h"

namespace understudy {
namespace {

using namespace transfer_fixture;
using testing::HasSubstr;

TEST(ResponseCheck, HeaderFieldsInOrder) {
  const Header good{.id = 5, .flags = Header::qr};
  EXPECT_TRUE(check_response_header(good, 5, Opcode::QUERY));
  EXPECT_EQ(check_response_header(good, 6, Opcode::QUERY).error().code, Errc::wrong_id);
  EXPECT_EQ(check_response_header({.id = 5, .flags = Header::aa}, 5, Opcode::QUERY).error().code, Errc::not_a_response);
  const auto opcode = check_response_header(good, 5, Opcode::NOTIFY);
  ASSERT_FALSE(opcode);
  EXPECT_EQ(opcode.error().code, Errc::wrong_opcode);
  EXPECT_THAT(opcode.error().text(), HasSubstr("QUERY"));
}

TEST(ResponseCheck, QuestionWithoutCase) {
  TestMessage message;
  message.question = "EXAMPLE.";
  const Bytes bytes = message.bytes();
  const MessageView view = MessageView::parse(bytes).value();
  EXPECT_TRUE(check_question(view, name("example."), RRType::AXFR));
  EXPECT_FALSE(check_question(view, name("example."), RRType::IXFR));
  EXPECT_FALSE(check_question(view, name("sub.example."), RRType::AXFR));
}

TEST(ResponseCheck, EveryResponseCodeButNoErrorIsNamed) {
  for (std::uint16_t code = 0; code < 16; ++code) {
    TestMessage message;
    message.flags = Header::qr | code;
    const Bytes bytes = message.bytes();
    const auto result = check_rcode(MessageView::parse(bytes).value());
    ASSERT_EQ(result.has_value(), code == 0) << code;
    if (code != 0) EXPECT_THAT(result.error().text(), HasSubstr(rcode_text(static_cast<Rcode>(code))));
  }
}

TEST(ResponseCheck, TheTextOfAPeerIsBounded) {
  TestMessage message;
  message.flags = Header::qr | 5;
  Bytes bytes = message.bytes(), options;
  append_extended_error(options, ExtendedError::other, std::string(60000, '\x1b'));
  append(bytes, Bytes{0, 0, 41, 4, 208, 0, 0, 0, 0});
  append_u16(bytes, static_cast<std::uint16_t>(options.size()));
  append(bytes, options);
  store_u16(&bytes[10], 1);
  const auto result = check_rcode(MessageView::parse(bytes).value());
  ASSERT_FALSE(result);
  EXPECT_LT(result.error().text().size(), 250U);
  EXPECT_EQ(result.error().text().find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace understudy
