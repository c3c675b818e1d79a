// Produces the messages of an outgoing AXFR (RFC 5936 section 2.2) of one version, also as the answer to an IXFR that
// cannot be served by differences. Keeps the version alive, so a zone that changes meanwhile does not matter. Not
// thread-safe.
#pragma once

#include <memory>

#include "xfr/transfer_writer.h"
#include "zone/zone.h"

namespace understudy {

class AxfrWriter final : public TransferWriter {
 public:
  AxfrWriter(std::shared_ptr<const Zone> zone, TransferReply reply, const Clock& clock);
};

}  // namespace understudy
