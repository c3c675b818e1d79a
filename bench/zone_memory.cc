// Octets a name and a record of zones of several kinds, and how long they take to build, for doc/scaling.md.
//
//   scripts/build release zone_memory && build/release/bin/zone_memory NAMES [KIND...]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "bench_zones.h"
#include "zone/memory_pages.h"

namespace {

using namespace understudy;
using namespace understudy::bench;

// A delegation as top-level domains have them: two name servers of a hoster, a DS for one in twenty, glue for one in
// ten. There is a hoster for every ten names; their sizes follow Zipf's law, so that the largest has a name of 17 to 24
// (of one to 160 million) and most have one or two.
void add_sparse_delegation(ZoneBuilder& builder, std::uint32_t i, std::uint32_t names) {
  const double drawn = static_cast<double>(i * 0x9e37'79b9U) / 4294967296.0;
  const double hosters = std::max(1.0, names / 10.0);
  const std::string hoster =
      ".hoster" + std::to_string(static_cast<std::uint32_t>(std::pow(hosters, drawn))) + ".elsewhere.";
  for (const char* server : {"ns1", "ns2"}) {
    (void)builder.add(delegation(i), RRType::NS, ttl, name(server + hoster).wire());
  }
  if (i % 20 == 0) (void)builder.add(delegation(i), RRType::DS, ttl, Bytes(36, 7));
  if (i % 10 == 1) (void)builder.add(name("ns1.dom" + std::to_string(i) + ".bench."), RRType::A, ttl, Bytes(4, 9));
}

std::shared_ptr<const Zone> make(std::string_view kind, std::uint32_t names) {
  if (kind == "nsec") return signed_zone(RRType::NSEC, names);
  if (kind == "nsec3") return signed_zone(RRType::NSEC3, names);
  ZoneBuilder builder = begin_zone();
  for (std::uint32_t i = 0; i < names; ++i) {
    if (kind == "hosts") add_host(builder, i);
    if (kind == "delegations") add_sparse_delegation(builder, i, names);
  }
  return builder.finish().value();
}

void tell(std::string_view kind, std::uint32_t names) {
  const auto begin = std::chrono::steady_clock::now();
  const auto zone = make(kind, names);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  const auto octets = static_cast<double>(zone->memory_size());
  std::printf("| %.*s | %u | %lu | %lu | %.1f | %.1f | %.1f | %.2f |\n", static_cast<int>(kind.size()), kind.data(),
              names, zone->record_count(), zone->memory_size() >> 20, octets / names,
              octets / static_cast<double>(zone->record_count()), seconds.count(),
              static_cast<double>(huge_page_octets()) / octets);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  const long names = count > 1 ? std::atol(arguments[1]) : 0;
  if (names < 1 || names > 200'000'000) {
    std::fputs("usage: zone_memory NAMES [hosts|delegations|nsec|nsec3 ...]\n", stderr);
    return 2;
  }
  std::puts("| kind | names | records | MiB | octets a name | octets a record | s to build | on pages of 2 MiB |");
  std::puts("|---|---|---|---|---|---|---|---|");
  std::vector<std::string_view> kinds(arguments + 2, arguments + count);
  if (count == 2) kinds = {"hosts", "delegations", "nsec", "nsec3"};
  for (const std::string_view kind : kinds) tell(kind, static_cast<std::uint32_t>(names));
  return 0;
}
