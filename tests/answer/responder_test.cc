#include "answer/responder.h"

#include <gtest/gtest.h>

#include <set>

#include "answer/answer_fixture.h"
#include "answer/plain_composer.h"
#include "answer/random_zone.h"
#include "base/encoding.h"

namespace understudy {
namespace {

using namespace answer_fixture;

std::string zone_text(const std::vector<Record>& records) {
  std::string out;
  for (const Record& r : records) out += r.text() + "\n";
  return out;
}

// One server over several random zones, and the plain one over the same records.
class Differential {
 public:
  explicit Differential(std::uint64_t seed) : random_(seed) {
    server_.environment.give_identity();
    add("example.", 14);
    add("other.", 8);
    if (random_.once_in(2)) add("b.example.", 6);
    if (random_.once_in(4)) add(".", 5);
    if (random_.once_in(4)) add_unavailable("c.example.", plain::Zone::State::not_loaded);
    if (random_.once_in(4)) add_unavailable("a.other.", plain::Zone::State::expired);
  }

  // Asks both ways over both transports; returns what is wrong.
  std::string ask() {
    plain::Settings settings;
    settings.follows_aliases = random_.once_in(2);
    settings.minimal_responses = random_.once_in(4);
    server_.environment.mutable_settings().follows_aliases = settings.follows_aliases;
    server_.environment.mutable_settings().minimal_responses = settings.minimal_responses;
    const Query question = random_.question();
    const Bytes query = question.bytes();
    for (const bool fast : {true, false}) {
      server_.set_fast_path(fast);
      for (const Transport transport : {Transport::udp, Transport::tcp}) {
        const bool tcp = transport == Transport::tcp;
        const auto expected = plain::answer(zones_, query, tcp, settings);
        if (!expected) return "not modelled";
        const Bytes response = server_.ask(query, transport);
        const std::string wrong = plain::check_response(*expected, query, response, tcp, settings);
        if (!wrong.empty()) {
          return wrong + (settings.follows_aliases ? " (follows aliases)" : "") +
                 (settings.minimal_responses ? " (minimal)" : "") + (fast ? " (fast path" : " (slow path") +
                 (tcp ? ", tcp)" : ", udp)") + "\nquery: " + joined(message_lines(query)) +
                 "answer: " + joined(message_lines(response)) + text_;
        }
      }
    }
    return {};
  }
  [[nodiscard]] std::uint64_t slow() const { return server_.counters.slow; }

 private:
  void add(const std::string& apex, std::size_t names) {
    const auto records = random_.zone(apex, names);
    server_.environment.add_zone(apex, records);
    zones_.emplace_back(name(apex), records);
    text_ += "zone " + apex + "\n" + zone_text(records);
  }
  void add_unavailable(const std::string& apex, plain::Zone::State state) {
    ZoneSlot& slot = server_.environment.add_slot(apex);
    if (state == plain::Zone::State::expired) slot.set_expired();
    zones_.emplace_back(name(apex), std::vector<Record>(), state);
    text_ += "zone " + apex + " without data\n";
  }

  RandomZones random_;
  TestServer server_;
  std::vector<plain::Zone> zones_;
  std::string text_;
};

TEST(ResponderTest, AnswersAsThePlainComposer) {
  std::uint64_t asked = 0, slow = 0;
  const char* const only = std::getenv("DIFFERENTIAL_SEED");
  const std::uint64_t first = only == nullptr ? 1 : std::stoull(only);
  for (std::uint64_t seed = first; seed < first + (only == nullptr ? 120 : 1); ++seed) {
    Differential differential(seed);
    for (int i = 0; i < 200; ++i) {
      const std::string wrong = differential.ask();
      ASSERT_TRUE(wrong.empty()) << "seed " << seed << ", question " << i << ": " << wrong;
      asked += 2;
    }
    slow += differential.slow() - 400;  // half of the rounds go the slow way on purpose
  }
  // The fast path must have answered most of what it was given, or the comparison is of one thing with itself.
  EXPECT_LT(slow, asked / 2);
}

TEST(ResponderTest, BatchesOfEverySize) {
  TestServer server;
  std::string text = zone_fixture::apex_text();
  for (int i = 0; i < 100; ++i) text += "h" + std::to_string(i) + " A 10.0.0." + std::to_string(i) + "\n";
  server.environment.add_zone("example.", text);
  for (const std::size_t size : {0U, 1U, 2U, 31U, 32U, 33U, 64U, 100U}) {
    std::vector<Bytes> queries, alone, responses(size, Bytes(2048));
    std::vector<Datagram> batch(size);
    for (std::size_t i = 0; i < size; ++i) {
      // Every kind that leaves a batch at another stage: plain, missing, unreadable, a response, not ours.
      const std::string host = "h" + std::to_string(i) + ".example.";
      Query query{.qname = i % 5 == 4 ? "elsewhere." : i % 5 == 1 ? "gone." + host : host};
      if (i % 5 == 3) query.flags = Header::qr;
      queries.push_back(query.bytes());
      if (i % 5 == 2) queries.back().pop_back();
      alone.push_back(server.udp(queries.back()));
    }
    for (std::size_t i = 0; i < size; ++i) {
      batch[i].query = queries[i].data();
      batch[i].query_size = static_cast<std::uint32_t>(queries[i].size());
      batch[i].response = responses[i].data();
      batch[i].response_capacity = 2048;
    }
    server.responder().answer_batch(batch);
    for (std::size_t i = 0; i < size; ++i) {
      responses[i].resize(batch[i].response_size);
      EXPECT_EQ(responses[i], alone[i]) << i << " of " << size;
    }
  }
}

// Denials of signed zones are searched for side by side: each answer is what it is alone.
TEST(ResponderTest, BatchesOfDenials) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    RandomZones random(seed);
    TestServer server;
    for (const char* apex : {"example.", "other.", "b.example."}) {
      server.environment.add_zone(apex, random.zone(apex, 12));
    }
    std::vector<Bytes> queries, alone, responses(100, Bytes(2048));
    std::vector<Datagram> batch(100);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      Query question = random.question();
      question.edns = true;
      question.dnssec_ok = i % 4 != 0;
      queries.push_back(question.bytes());
      alone.push_back(server.udp(queries.back()));
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      batch[i].query = queries[i].data();
      batch[i].query_size = static_cast<std::uint32_t>(queries[i].size());
      batch[i].response = responses[i].data();
      batch[i].response_capacity = 2048;
    }
    server.responder().answer_batch(batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      responses[i].resize(batch[i].response_size);
      ASSERT_EQ(responses[i], alone[i]) << joined(message_lines(queries[i]));
    }
  }
}

// What is kept of a denial is of one version: a server that has answered from others answers like a fresh one.
TEST(ResponderTest, DenialsOfEachVersion) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    RandomZones random(seed);
    TestServer changing;
    ZoneSlot& slot = changing.environment.add_slot("example.");
    for (int version = 0; version < 6; ++version) {
      const auto zone = zone_fixture::build(random.zone("example.", 12), "example.");
      slot.publish(zone);
      TestServer fresh;
      fresh.environment.add_slot("example.").publish(zone);
      for (int i = 0; i < 40; ++i) {
        Query question = random.question();
        question.edns = question.dnssec_ok = true;
        const Bytes query = question.bytes();
        ASSERT_EQ(changing.udp(query), fresh.udp(query)) << joined(message_lines(query));
      }
      qsbr_drain();
    }
  }
}

// Hashes that are kept are those of the salt in use, whose letters are no letters.
TEST(ResponderTest, SaltsThatDifferByCase) {
  const auto zone = [](const std::string& salt) {
    const Bytes octets(salt.begin(), salt.end());
    const Nsec3Params params{nsec3_sha1, 0, 0, octets};
    const std::string hex = hex_encode(octets);
    std::string text = zone_fixture::apex_text() + "@ NSEC3PARAM 1 0 0 " + hex + "\na A 192.0.2.1\nb A 192.0.2.2\n";
    for (const char* owner : {"example.", "a.example.", "b.example."}) {
      const Nsec3Label label = nsec3_label(nsec3_hash(name(owner), params));
      text += std::string(label.begin(), label.end()) + " NSEC3 1 0 0 " + hex + " " + std::string(32, '0') + " A\n";
    }
    return zone_fixture::build(zone_fixture::records(text, "example."), "example.");
  };
  TestServer rolls;
  ZoneSlot& slot = rolls.environment.add_slot("example.");
  std::set<Bytes> answers;
  for (const char* salt : {"AB", "ab", "Ab"}) {
    slot.publish(zone(salt));
    TestServer fresh;
    fresh.environment.add_slot("example.").publish(zone(salt));
    const Bytes query = Query{.qname = "nx.example.", .edns = true, .dnssec_ok = true}.bytes();
    EXPECT_EQ(rolls.udp(query), fresh.udp(query)) << salt;
    answers.insert(rolls.udp(query));
  }
  EXPECT_EQ(answers.size(), 3U);
}

// More name servers than pointers reach: their glue is there, or TC says that it is not, also for the cut itself.
TEST(ResponderTest, GlueOfACutWithVeryManyServers) {
  TestServer server;
  std::string text = zone_fixture::apex_text();
  const std::string long_label(60, 'x');
  for (int i = 0; i < 250; ++i) {
    const std::string host = "h" + std::to_string(i) + "." + long_label + "." + long_label + ".cut";
    text += "cut NS " + host + "\n";
    if (i >= 240) text += host + " A 10.0.0." + std::to_string(i) + "\n";
  }
  server.environment.add_zone("example.", text);
  for (const bool fast : {true, false}) {
    server.set_fast_path(fast);
    for (const char* qname : {"cut.example.", "x.cut.example."}) {
      const Bytes query = Query{.qname = qname}.bytes();
      const Bytes response = server.ask(query, Transport::tcp);
      const Header header = Header::read(response).value();
      EXPECT_TRUE(header.arcount == 10 || (header.flags & Header::tc) != 0)
          << qname << (fast ? " fast " : " slow ") << header.arcount;
    }
  }
}

TEST(ResponderTest, AnswersFromTheVersionPublishedLast) {
  TestServer server;
  ZoneSlot& slot = server.environment.add_zone("example.", zone_fixture::apex_text() + "www A 192.0.2.1\n");
  const Query query{.qname = "www.example."};
  EXPECT_NE(server.udp_text(query).find("192.0.2.1"), std::string::npos);
  slot.publish(zone_fixture::build(zone_fixture::apex_text() + "www A 192.0.2.2\n"));
  EXPECT_NE(server.udp_text(query).find("192.0.2.2"), std::string::npos);
  slot.set_expired();
  EXPECT_TRUE(server.udp_text(query).starts_with("SERVFAIL"));
  slot.publish(slot.current());
  EXPECT_NE(server.udp_text(query).find("192.0.2.2"), std::string::npos) << "confirmed again";
  qsbr_drain();
}

TEST(ResponderTest, NeverMoreThanConfigured) {
  TestServer server;
  std::string text = zone_fixture::apex_text();
  for (int i = 0; i < 50; ++i) text += "many A 10.0.0." + std::to_string(i) + "\n";
  server.environment.add_zone("example.", text);
  const Query query{.qname = "many.example.", .edns = true, .udp_size = 65535};
  for (const std::uint16_t most : {std::uint16_t{512}, std::uint16_t{800}, std::uint16_t{1400}}) {
    server.environment.mutable_settings().udp_max_size = most;
    for (const bool fast : {true, false}) {
      server.set_fast_path(fast);
      const Bytes response = server.udp(query.bytes());
      EXPECT_LE(response.size(), most);
      const auto message = MessageView::parse(response);
      ASSERT_TRUE(message);
      EXPECT_EQ(message->edns()->udp_size, most);
      EXPECT_EQ((message->header().flags & Header::tc) != 0, most < 850);
    }
  }
}

// A referral whose name servers lie behind the reach of compression pointers still brings its glue.
TEST(ResponderTest, GlueBehindTheReachOfPointers) {
  TestServer server;
  std::string text = zone_fixture::apex_text();
  const std::string label(60, 'n');
  for (int i = 0; i < 250; ++i) {
    const std::string host = label + "." + label.substr(3) + std::to_string(100 + i) + ".cut";
    text += "cut NS " + host + "\n";
    if (i >= 240) text += host + " A 192.0.2.1\n";
  }
  server.environment.add_zone("example.", text);
  for (const bool fast : {true, false}) {
    server.set_fast_path(fast);
    const Bytes response = server.tcp(Query{.qname = "x.y.cut.example."}.bytes());
    const auto message = MessageView::parse(response);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->header().nscount, 250);
    EXPECT_EQ(message->header().arcount, 10) << (fast ? "fast path" : "slow path");
  }
}

}  // namespace
}  // namespace understudy
