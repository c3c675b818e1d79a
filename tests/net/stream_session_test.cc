#include "net/stream_session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "stream_handlers.h"

namespace understudy {
namespace {

/// A peer that takes `room` octets and then no more until it gets more room.
class MeteredSink final : public StreamSink {
 public:
  std::optional<std::size_t> write(ByteView octets) override {
    ++writes;
    if (broken) return std::nullopt;
    const std::size_t n = std::min(room, octets.size());
    append(taken, octets.first(n));
    room -= n;
    return n;
  }
  std::size_t room = SIZE_MAX;
  bool broken = false;
  int writes = 0;
  Bytes taken;
};

class StreamSessionTest : public testing::Test {
 protected:
  StreamSession::Context context() { return {handler, scratch, sink, &peer}; }

  /// Offers input as long as it is wanted; returns how much was taken.
  std::size_t feed(ByteView octets, std::size_t piece = SIZE_MAX) {
    std::size_t done = 0;
    while (done < octets.size() && session.wants_input()) {
      const MutableBytes room = session.input_room(scratch);
      const std::size_t n = std::min({piece, room.size(), octets.size() - done});
      std::copy_n(octets.begin() + static_cast<std::ptrdiff_t>(done), n, room.begin());
      auto c = context();
      session.received(c, n);
      queries += c.queries;
      done += n;
      while (session.wants_turn()) take_turn();
    }
    return done;
  }
  void take_turn() {
    auto c = context();
    session.take_turn(c);
    EXPECT_LE(c.queries, StreamSessionLimits{}.max_per_turn);
    queries += c.queries;
  }
  bool pump() {
    auto c = context();
    const bool drained = session.writable(c);
    queries += c.queries;
    return drained;
  }
  void pump_all() {
    while ((session.wants_output() || session.wants_turn()) && !session.is_finished()) {
      if (session.wants_turn()) take_turn();
      if (session.wants_output()) pump();
    }
  }
  std::vector<Bytes> answers() const {
    std::vector<Bytes> out;
    ByteReader reader(sink.taken);
    while (!reader.at_end()) {
      const std::uint16_t size = reader.u16();
      const ByteView m = reader.bytes(size);
      EXPECT_TRUE(reader.ok());
      out.emplace_back(m.begin(), m.end());
    }
    return out;
  }

  ScriptedHandler handler;
  StreamScratch scratch;
  MeteredSink sink;
  sockaddr peer{};
  StreamSession session{StreamSessionLimits{}};
  std::uint64_t queries = 0;
};

Bytes stream_of(const std::vector<Bytes>& messages) {
  Bytes out;
  for (const Bytes& m : messages) append(out, framed(m));
  return out;
}

TEST_F(StreamSessionTest, AnswersWhatOneReadBroughtWithOneWrite) {
  std::vector<Bytes> sent;
  for (std::uint16_t i = 0; i < 50; ++i) sent.push_back(query(i, 'e', 0, 12U + i));
  const Bytes stream = stream_of(sent);
  EXPECT_EQ(feed(stream), stream.size());
  EXPECT_EQ(sink.taken, stream);
  EXPECT_EQ(sink.writes, 1);
  EXPECT_FALSE(session.wants_output());
}

TEST_F(StreamSessionTest, PutsQueriesTogetherFromAnyPieces) {
  const std::vector<Bytes> sent = {query(1), query(2, 'e', 0, 65535), query(3, 'e', 0, 12), query(4, 'e', 0, 40000)};
  const Bytes stream = stream_of(sent);
  for (const std::size_t piece : {1U, 2U, 3U, 33U, 1000U, 65536U, 65537U, 65538U}) {
    session.~StreamSession();
    new (&session) StreamSession(StreamSessionLimits{});
    sink.taken.clear();
    ASSERT_EQ(feed(stream, piece), stream.size());
    EXPECT_EQ(sink.taken, stream) << piece;
  }
}

// However many queries come at once: a turn answers so many, and the rest in order afterwards.
TEST_F(StreamSessionTest, ATurnOfQueriesIsBounded) {
  std::vector<Bytes> asked;
  for (std::uint16_t i = 0; i < 400; ++i) asked.push_back(query(i));
  const Bytes octets = stream_of(asked);
  const MutableBytes room = session.input_room(scratch);
  ASSERT_GE(room.size(), octets.size());
  std::ranges::copy(octets, room.begin());
  auto c = context();
  session.received(c, octets.size());
  EXPECT_EQ(c.queries, 128U);
  EXPECT_FALSE(session.wants_input()) << "before the rest is answered";
  EXPECT_TRUE(session.wants_turn());
  EXPECT_FALSE(session.wants_output());
  session.received_end();
  EXPECT_FALSE(session.is_finished());
  int turns = 1;
  for (; session.wants_turn(); ++turns) take_turn();
  EXPECT_EQ(turns, 4);
  EXPECT_EQ(answers(), asked);
  EXPECT_TRUE(session.is_finished());
}

TEST_F(StreamSessionTest, ATurnOfLargeAnswersIsBounded) {
  std::vector<Bytes> asked;
  for (std::uint16_t i = 0; i < 20; ++i) asked.push_back(query(i, 'b'));
  const Bytes octets = stream_of(asked);
  std::ranges::copy(octets, session.input_room(scratch).begin());
  auto c = context();
  session.received(c, octets.size());
  EXPECT_EQ(c.queries, 5U) << "60,000 octets each";
  EXPECT_TRUE(session.wants_turn());
}

TEST_F(StreamSessionTest, GivesNoAnswerWhereThereIsNone) {
  feed(stream_of({query(1, 'x'), query(2), query(3, 'x')}));
  const auto got = answers();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(id_of(got[0]), 2);
}

TEST_F(StreamSessionTest, StopsReadingWhenThePeerTakesNothing) {
  sink.room = 0;
  std::vector<Bytes> sent;
  for (std::uint16_t i = 0; i < 1000; ++i) sent.push_back(query(i));
  const Bytes stream = stream_of(sent);
  const std::size_t taken = feed(stream, 340);
  EXPECT_EQ(queries, 100U);  // max_queued
  EXPECT_LT(taken, stream.size());
  EXPECT_FALSE(session.wants_input());
  EXPECT_FALSE(session.is_finished());
  // Once it reads, it gets every answer, in order.
  sink.room = SIZE_MAX;
  pump_all();
  EXPECT_TRUE(session.wants_input());
  EXPECT_EQ(feed(ByteView(stream).subspan(taken)), stream.size() - taken);
  EXPECT_EQ(sink.taken, stream);
}

TEST_F(StreamSessionTest, BoundsTheOctetsThatWait) {
  sink.room = 0;
  std::vector<Bytes> sent;
  for (std::uint16_t i = 0; i < 90; ++i) sent.push_back(query(i, 'b'));
  feed(stream_of(sent));
  EXPECT_LE(queries, 3U);
  EXPECT_FALSE(session.wants_input());
  sink.room = SIZE_MAX;
  pump_all();
  EXPECT_EQ(answers().size(), 90U);
}

TEST_F(StreamSessionTest, SendsALongResponseInTurnWithLaterAnswers) {
  feed(framed(query(1, 't', 50)));
  EXPECT_TRUE(session.wants_output());
  EXPECT_TRUE(session.wants_input());
  pump();
  const std::size_t before = answers().size();
  EXPECT_GT(before, 0U);
  EXPECT_LT(before, 10U);
  feed(framed(query(2)));
  EXPECT_EQ(id_of(answers().back()), 2);
  pump_all();
  std::uint16_t number = 0;
  for (const Bytes& m : answers()) {
    if (id_of(m) != 1) continue;
    EXPECT_EQ(load_u16(&m[2]), number++);
  }
  EXPECT_EQ(number, 50);
  EXPECT_EQ(ScriptedHandler::sources, 0);
}

TEST_F(StreamSessionTest, AnswersWhileALongResponseIsHeldUp) {
  feed(framed(query(1, 't', 50)));
  sink.room = 30000;
  EXPECT_TRUE(pump());  // part of what it assembled waits now
  EXPECT_FALSE(pump());
  feed(framed(query(2)));
  sink.room = SIZE_MAX;
  pump();
  const auto got = answers();
  const auto at = std::ranges::find(got, 2, id_of);
  ASSERT_NE(at, got.end());
  EXPECT_LT(at - got.begin(), 8);  // behind what waited before it, not behind the whole transfer
  pump_all();
  EXPECT_EQ(answers().size(), 51U);
}

TEST_F(StreamSessionTest, SeveralLongResponsesTakeTurns) {
  feed(stream_of({query(1, 't', 5), query(2, 't', 5), query(3, 't', 5)}));
  pump_all();
  const auto got = answers();
  ASSERT_EQ(got.size(), 15U);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(id_of(got[i]), i % 3 + 1);
}

TEST_F(StreamSessionTest, BoundsTheLongResponses) {
  std::vector<Bytes> sent;
  for (std::uint16_t i = 0; i < 20; ++i) sent.push_back(query(i, 't', 3));
  feed(stream_of(sent));
  EXPECT_EQ(ScriptedHandler::sources, 8);
  EXPECT_FALSE(session.wants_input());
  pump_all();
  EXPECT_EQ(answers().size(), 60U);
  EXPECT_TRUE(session.wants_input());
}

TEST_F(StreamSessionTest, ATurnOfTinyMessagesIsBounded) {
  feed(framed(query(1, 's', 60000)));
  pump();
  EXPECT_LE(answers().size(), 64U);
}

TEST_F(StreamSessionTest, EndsWhenALongResponseFails) {
  feed(stream_of({query(1, 'f', 2), query(2)}));
  pump_all();
  EXPECT_TRUE(session.is_finished());
  EXPECT_FALSE(session.wants_input());
  for (const Bytes& m : answers()) EXPECT_TRUE(id_of(m) == 2 || load_u16(&m[2]) < 2);
}

TEST_F(StreamSessionTest, ThePeerMayStopSendingAndStillGetsItsAnswers) {
  sink.room = 100;
  feed(stream_of({query(1), query(2, 't', 10), query(3), query(4, 'b')}));
  session.received_end();
  EXPECT_FALSE(session.is_finished());
  EXPECT_FALSE(session.wants_input());
  sink.room = SIZE_MAX;
  pump_all();
  EXPECT_TRUE(session.is_finished());
  EXPECT_EQ(answers().size(), 13U);
}

TEST_F(StreamSessionTest, HeldUpQueriesAreAnsweredAfterTheEndToo) {
  sink.room = 0;
  std::vector<Bytes> sent;
  for (std::uint16_t i = 0; i < 450; ++i) sent.push_back(query(i));
  const std::size_t taken = feed(stream_of(sent));
  session.received_end();
  EXPECT_FALSE(session.is_finished());
  sink.room = SIZE_MAX;
  pump_all();
  EXPECT_TRUE(session.is_finished());
  EXPECT_EQ(answers().size(), taken / 34);
  EXPECT_EQ(taken, 450U * 34);
}

TEST_F(StreamSessionTest, AnUnfinishedQueryAtTheEndIsForgotten) {
  feed(Bytes{0, 40, 1, 2, 3});
  EXPECT_FALSE(session.is_finished());
  session.received_end();
  EXPECT_TRUE(session.is_finished());
}

TEST_F(StreamSessionTest, EndsAtAMessageThatIsNoDns) {
  Bytes stream = stream_of({query(1)});
  append(stream, Bytes{0, 3, 1, 2, 3});
  append(stream, framed(query(2)));
  feed(stream);
  EXPECT_TRUE(session.is_finished());
  ASSERT_EQ(answers().size(), 1U);  // what came before it is answered
}

TEST_F(StreamSessionTest, EndsWhenTheSinkBreaks) {
  sink.broken = true;
  feed(framed(query(1)));
  EXPECT_TRUE(session.is_finished());
}

// Random pieces in, random room for the answers: every query gets its answers whole, and single answers keep their
// order.
TEST_F(StreamSessionTest, RandomWalk) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    std::mt19937 random(seed);
    const auto up_to = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n)(random); };
    session.~StreamSession();
    new (&session) StreamSession(StreamSessionLimits{.max_queued = 1 + up_to(20), .max_sources = 1 + up_to(3)});
    sink.taken.clear();
    std::vector<Bytes> sent;
    std::size_t expected = 0;
    for (std::uint16_t i = 0; i < 200; ++i) {
      const char kind = "eeeeebxt"[up_to(7)];
      sent.push_back(query(i, kind, static_cast<std::uint16_t>(up_to(4)), 12 + up_to(300)));
      expected += kind == 't' ? load_u16(&sent.back()[3]) : kind == 'x' ? 0 : 1;
    }
    const Bytes stream = stream_of(sent);
    std::size_t done = 0;
    sink.room = 0;
    while (done < stream.size() || session.wants_output()) {
      ASSERT_FALSE(session.is_finished());
      const std::size_t piece = 1 + up_to(3000);
      done += feed(ByteView(stream).subspan(done, std::min(piece, stream.size() - done)));
      sink.room = up_to(1) == 0 ? 0 : up_to(100000);
      if (session.wants_output()) pump();
    }
    session.received_end();
    EXPECT_TRUE(session.is_finished());
    const auto got = answers();
    EXPECT_EQ(got.size(), expected) << seed;
    int last = -1;
    for (const Bytes& m : got) {
      if (sent[id_of(m)][2] != 'e') continue;
      EXPECT_GT(id_of(m), last);
      last = id_of(m);
    }
  }
}

}  // namespace
}  // namespace understudy
