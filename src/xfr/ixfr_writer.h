// What is sent to a client that asks by IXFR (RFC 1995): which differences, and their messages.
//
//   the SOA of the last version; of each difference the SOA that goes, what goes, the SOA that comes, what comes;
//   the SOA of the last version
//
// Keeps the deltas alive. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dns/serial.h"
#include "xfr/transfer_writer.h"
#include "zone/delta.h"
#include "zone/history.h"
#include "zone/zone.h"

namespace understudy {

using Differences = std::vector<std::shared_ptr<const ZoneDelta>>;

/// The differences that lead from `theirs` to `zone`; none if they are not known (`history` may be null, or of another
/// version) or take more room than the zone, which is then to be sent whole. Several are made one where that is
/// shorter (RFC 1995 section 6) and they have no more than `condense_octets` together, as it takes time.
Differences choose_differences(const Zone& zone, const ZoneHistory* history, Serial theirs,
                               std::uint64_t condense_octets);

/// The records of an answer by differences, of which there must be one at least.
std::unique_ptr<RecordSource> difference_records(Differences differences);

class IxfrWriter final : public TransferWriter {
 public:
  IxfrWriter(Differences differences, TransferReply reply, const Clock& clock)
      : TransferWriter(difference_records(std::move(differences)), std::move(reply), clock) {}
};

}  // namespace understudy
