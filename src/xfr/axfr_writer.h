// Produces the messages of an outgoing AXFR (RFC 5936 section 2.2) of one version: well packed, compressed, signed.
// Keeps the version alive, so a zone that changes meanwhile does not matter. Not thread-safe.
#pragma once

#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/datagram.h"
#include "dns/message.h"
#include "dns/tsig.h"
#include "zone/zone.h"

namespace understudy {

class AxfrWriter final : public ResponseSource {
 public:
  /// `question` as asked (its case is echoed). `clock` gives the time for TSIG. `udp_size`: if the query had an OPT,
  /// what the one of the first message offers.
  AxfrWriter(std::shared_ptr<const Zone> zone, Header request, Question question, std::optional<std::uint16_t> udp_size,
             std::optional<TsigSession> tsig, const Clock& clock);
  Step next(Bytes& out) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace understudy
