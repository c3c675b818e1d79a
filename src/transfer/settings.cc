#include "transfer/settings.h"

namespace understudy {
namespace {

bool same_key(const TsigKey* a, const TsigKey* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return a->name == b->name && a->algorithm == b->algorithm && a->secret == b->secret;
}

}  // namespace

bool operator==(const PeerSettings& a, const PeerSettings& b) {
  return a.name == b.name && a.address == b.address && a.source == b.source && a.ixfr == b.ixfr &&
         a.ixfr_over_udp == b.ixfr_over_udp && same_key(a.key.get(), b.key.get());
}

}  // namespace understudy
