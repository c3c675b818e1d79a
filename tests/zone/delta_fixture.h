// Differences written as text.
#pragma once

#include <string>

#include "zone/apply.h"
#include "zone/random_history.h"

namespace understudy::zone_fixture {

inline const Name& apex() {
  static const Name made = name("example.");
  return made;
}

inline std::string soa(unsigned serial) {
  return "@ 3600 IN SOA ns.example. admin.example. " + std::to_string(serial) + " 7200 3600 1209600 300\n";
}

// From serial `from` to the next one; the SOAs are added.
inline DeltaPtr delta(unsigned from, const std::string& removed, const std::string& added) {
  ZoneDeltaBuilder out(apex());
  for (const Record& r : records(soa(from) + removed)) out.remove(r.owner, r.type, r.ttl, r.rdata);
  for (const Record& r : records(soa(from + 1) + added)) out.add(r.owner, r.type, r.ttl, r.rdata);
  return out.finish().value();
}

/// Serial 1; its memory is shared by the versions after it.
inline std::shared_ptr<const Zone> shared_zone(const std::string& text) {
  return build_shared(records(soa(1) + "@ 3600 NS ns.example.\n" + text), apex());
}

}  // namespace understudy::zone_fixture
