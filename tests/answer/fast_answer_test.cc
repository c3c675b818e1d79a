#include "answer/fast_answer.h"

#include <gtest/gtest.h>

#include "answer/answer_fixture.h"

namespace understudy {
namespace {

using namespace answer_fixture;

// The fast path alone, over one zone.
class FastAnswerTest : public testing::Test {
 protected:
  void serve(const std::string& text) {
    zone_ = zone_fixture::build(zone_fixture::apex_text() + text);
    ASSERT_NE(zone_, nullptr);
    auto slot = std::make_shared<ZoneSlot>(name("example."), std::make_shared<const ZoneAccess>());
    slot->publish(zone_);
    slots_ = {slot};
    table_ = std::make_unique<ZoneTable>(slots_);
  }
  // The octets of the answer; empty if the query is left to SlowAnswer.
  Bytes ask(const Query& query, std::size_t limit = 1232) {
    const Bytes message = query.bytes();
    PlainQuery plain;
    EXPECT_TRUE(read_plain_query(message, plain));
    Bytes response(limit);
    const Lookup found = look_up(*zone_, plain.name, plain.type);
    const bool proves = plain.dnssec_ok && Denier::needs_proof(*zone_, found);
    const Proof proof = proves ? denier_.prove(*zone_, plain.name, found, 150) : Proof{};
    response.resize(fast_answer(*table_, *zone_, found, proof, {}, message, plain, response.data(), limit,
                                AnswerSettings{}, {}, truncated_));
    return response;
  }
  std::string text(const Query& query, std::size_t limit = 1232) {
    const Bytes response = ask(query, limit);
    return response.empty() ? "slow" : joined(message_lines(response));
  }
  [[nodiscard]] const Chunk& chunk(std::string_view owner, RRType type) const {
    const Name at = name(owner);
    const HashedName hashed(at);
    return *zone_->find(hashed)->chunk(type);
  }

  std::shared_ptr<const Zone> zone_;
  std::vector<std::shared_ptr<ZoneSlot>> slots_;
  std::unique_ptr<ZoneTable> table_;
  Denier denier_;
  bool truncated_ = false;
};

TEST_F(FastAnswerTest, CopiesTheQuestionAsAsked) {
  serve("www A 192.0.2.1\n");
  const Bytes response = ask({.qname = "wWw.ExAmPlE.", .flags = Header::rd | Header::cd});
  const auto message = MessageView::parse(response);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->header().id, 0x4d2);
  EXPECT_EQ(message->header().flags, Header::qr | Header::aa | Header::rd);
  EXPECT_EQ(message->question()->name.text(), "wWw.ExAmPlE.");
  EXPECT_EQ(response.size(), header_size + 17 + 16) << "the owner is a pointer to the question";
}

TEST_F(FastAnswerTest, NamesInRdataKeepTheirCase) {
  serve("www CNAME Target.Of.EXAMPLE.\nTarget.Of MX 10 Mail.Elsewhere.\nmx MX 1 MiXeD.Example.\n");
  EXPECT_NE(text({.qname = "mx.example.", .type = RRType::MX}).find("MX 1 MiXeD.Example."), std::string::npos);
  EXPECT_NE(text({.qname = "www.example.", .type = RRType::CNAME}).find("CNAME Target.Of.EXAMPLE."), std::string::npos);
}

TEST_F(FastAnswerTest, LeavesToOthersWhatNeedsComposing) {
  std::string many;
  for (int i = 0; i < 300; ++i) many += "many A 10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256) + "\n";
  serve(
      "d DNAME elsewhere.\none CNAME two\ntwo CNAME three\nthree A 192.0.2.1\n*.wild CNAME three\nout CNAME www.out.\n"
      "double CNAME three\ndouble CNAME two\ntomx CNAME mx\nmx MX 10 three\nmailmany MX 10 many\n" +
      many);
  for (const char* qname : {"x.d", "one", "x.wild", "double", "many"}) {
    EXPECT_EQ(text({.qname = std::string(qname) + ".example."}), "slow") << qname;
  }
  EXPECT_EQ(text({.qname = "tomx.example.", .type = RRType::MX}), "slow");
  EXPECT_EQ(text({.qname = "mailmany.example.", .type = RRType::MX}), "slow")
      << "an additional RRset too large to copy";
  EXPECT_NE(text({.qname = "two.example."}), "slow") << "one alias is copied";
  EXPECT_NE(text({.qname = "out.example."}), "slow") << "so is one that leads away";
}

TEST_F(FastAnswerTest, AliasIntoACloserZoneIsNotItsOwn) {
  serve("www CNAME a.sub\na.sub A 192.0.2.1\n");
  EXPECT_NE(text({.qname = "www.example."}), "slow");
  slots_.push_back(std::make_shared<ZoneSlot>(name("sub.example."), std::make_shared<const ZoneAccess>()));
  table_ = std::make_unique<ZoneTable>(slots_);
  EXPECT_EQ(text({.qname = "www.example."}), "slow");
}

TEST_F(FastAnswerTest, FitsToTheOctet) {
  serve("www A 192.0.2.1\nwww A 192.0.2.2\n");
  const Query query{.qname = "www.example.", .edns = true};
  const std::size_t exact = ask(query).size();
  EXPECT_EQ(ask(query, exact).size(), exact);
  EXPECT_FALSE(truncated_);
  const Bytes shorter = ask(query, exact - 1);
  EXPECT_TRUE(truncated_);
  const auto message = MessageView::parse(shorter);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->header().ancount, 0);
  EXPECT_TRUE(message->edns()) << "the OPT is always there";
}

// Every pointer of a chunk that is copied elsewhere, under another owner.
TEST_F(FastAnswerTest, ChunksMove) {
  serve(
      "*.w NS a.long.label.below.*.w\n*.w2 MX 10 m.in.example.\n*.w2 MX 20 n.m.in.example.\n*.w2 MX 30 x.w2\n"
      "cut NS ns.in.cut\ncut NS other.in.cut\n");
  const std::string moved = text({.qname = "quite.a.long.name.w2.example.", .type = RRType::MX});
  EXPECT_NE(moved.find("answer: quite.a.long.name.w2.example. 3600 IN MX 10 m.in.example."), std::string::npos);
  EXPECT_NE(moved.find("IN MX 20 n.m.in.example."), std::string::npos);
  EXPECT_NE(moved.find("IN MX 30 x.w2.example."), std::string::npos);
  const std::string referral = text({.qname = "a.b.c.cut.example."});
  EXPECT_NE(referral.find("authority: cut.example. 3600 IN NS ns.in.cut.example."), std::string::npos);
  EXPECT_NE(referral.find("authority: cut.example. 3600 IN NS other.in.cut.example."), std::string::npos);
}

TEST_F(FastAnswerTest, CopyChunkRefusesWhatItCannotPlace) {
  std::string text = "ext A 10.0.0.0\n";
  for (int i = 0; i < 300; ++i) text += "ext A 10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256) + "\n";
  for (int i = 0; i < 200; ++i) text += "big MX " + std::to_string(i) + " m" + std::to_string(i) + ".big\n";
  serve(text);
  Bytes message(max_message_size);
  EXPECT_FALSE(copy_chunk(message.data(), chunk("ext.example.", RRType::A), {100, 0xc00c, 0, 14, false}));
  const Chunk& big = chunk("big.example.", RRType::MX);
  ASSERT_GT(big.patch_count_, 100);
  const std::size_t owner_size = name("big.example.").size();
  const std::size_t home = answer_offset(owner_size);
  EXPECT_TRUE(copy_chunk(message.data(), big, {home, 0xc00c, 0, owner_size, false}));
  EXPECT_TRUE(copy_chunk(message.data(), big, {home + 100, 0xc00c, 0, owner_size, false}));
  EXPECT_FALSE(copy_chunk(message.data(), big, {0x4000 - 100, 0xc00c, 0, owner_size, false}))
      << "pointers reach 16383 octets";
}

TEST_F(FastAnswerTest, NotesThatOnlySignaturesAreThere) {
  serve("www A 192.0.2.1\nwww RRSIG TXT 8 2 3600 20300101000000 20200101000000 1 example. AAAA\n");
  const std::string answer = text({.qname = "www.example.", .type = RRType::TXT, .edns = true, .dnssec_ok = true});
  EXPECT_TRUE(answer.starts_with("NOERROR aa\n")) << answer;
  EXPECT_EQ(answer.find("answer:"), std::string::npos) << answer;
}

}  // namespace
}  // namespace understudy
