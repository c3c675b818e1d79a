#include "answer/responder.h"

#include <gtest/gtest.h>

#include "answer/answer_fixture.h"
#include "answer/plain_composer.h"
#include "answer/random_zone.h"

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
    add("example.", 14);
    add("other.", 8);
    if (random_.once_in(2)) add("b.example.", 6);
    if (random_.once_in(4)) add(".", 5);
    if (random_.once_in(4)) add_unavailable("c.example.", plain::Zone::State::not_loaded);
    if (random_.once_in(4)) add_unavailable("a.other.", plain::Zone::State::expired);
  }

  // Asks both ways over both transports; returns what is wrong.
  std::string ask() {
    const Query question = random_.question();
    const Bytes query = question.bytes();
    const auto expected = plain::answer(zones_, query);
    if (!expected) return "not modelled";
    for (const bool fast : {true, false}) {
      server_.set_fast_path(fast);
      for (const Transport transport : {Transport::udp, Transport::tcp}) {
        const bool tcp = transport == Transport::tcp;
        const Bytes response = server_.ask(query, transport);
        const std::string wrong = plain::check_response(*expected, query, response, tcp);
        if (!wrong.empty()) {
          return wrong + (fast ? " (fast path" : " (slow path") + (tcp ? ", tcp)" : ", udp)") +
                 "\nquery: " + joined(message_lines(query)) + "answer: " + joined(message_lines(response)) + text_;
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

}  // namespace
}  // namespace understudy
