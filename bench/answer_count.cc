// Answers batches of one kind of query and nothing else, for scripts/check-instructions to count what that costs.
//
//   answer_count KIND BATCHES      KIND: host, host-do, missing, referral, nsec, nsec3
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "bench_zones.h"

namespace {

using namespace understudy;
using namespace understudy::bench;

constexpr std::uint32_t names = 2'000;

struct Case {
  std::shared_ptr<const Zone> zone;
  std::vector<Bytes> queries;
};

std::shared_ptr<const Zone> plain_zone() {
  ZoneBuilder builder = begin_zone();
  for (std::uint32_t i = 0; i < names; ++i) {
    add_host(builder, i);
    add_delegation(builder, i);
  }
  return builder.finish().value();
}

Name missing(std::uint32_t i) {
  return name("missing" + std::to_string(i) + ".bench.");
}

bool make(std::string_view kind, Case& made) {
  if (kind == "nsec" || kind == "nsec3") {
    made.zone = signed_zone(kind == "nsec" ? RRType::NSEC : RRType::NSEC3, names);
  } else {
    made.zone = plain_zone();
  }
  for (std::uint32_t i = 0; i < 1024; ++i) {
    if (kind == "host") {
      made.queries.push_back(query(host(i), RRType::A));
    } else if (kind == "host-do") {
      made.queries.push_back(query(host(i), RRType::AAAA, AskEdns::dnssec_ok));
    } else if (kind == "missing") {
      made.queries.push_back(query(missing(i), RRType::A));
    } else if (kind == "referral") {
      made.queries.push_back(query(name("www.dom" + std::to_string(i) + ".bench."), RRType::A));
    } else if (kind == "nsec" || kind == "nsec3") {
      made.queries.push_back(query(missing(i), RRType::A, AskEdns::dnssec_ok));
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  Case made;
  if (count != 3 || !make(arguments[1], made)) {
    std::fputs("usage: answer_count host|host-do|missing|referral|nsec|nsec3 BATCHES\n", stderr);
    return 2;
  }
  Environment environment({made.zone});
  AnswerCounters counters;
  Responder responder(environment, counters);
  Batches batches(std::move(made.queries));
  for (long i = std::atol(arguments[2]); i > 0; --i) {
    responder.answer_batch(batches.next());
  }
  // What left the fast path, or was not answered as meant, would make the figure another one.
  return counters.slow == 0 ? 0 : 1;
}
