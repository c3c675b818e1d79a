// Interprets the response messages of a zone transfer (RFC 5936): bytes in, events out. No I/O, no clock.
//
//   START --SOA--> BODY --other records--> BODY --the same SOA--> DONE
//
// Records may come in any order. What is accepted besides, and what is checked: transfer_reader.h. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>

#include "xfr/transfer_reader.h"

namespace understudy {

class AxfrReader final : public TransferReader {
 public:
  AxfrReader(TransferRequest request, TransferLimits limits, ZoneUpdateSink& sink);
  /// `probed`: see TransferRequest.
  AxfrReader(NameView zone, std::uint16_t id, TransferLimits limits, std::optional<Serial> probed,
             std::optional<TsigStream> tsig, ZoneUpdateSink& sink);

  [[nodiscard]] Error closed_early() const override;

 private:
  enum class State : std::uint8_t { start, body, done };
  Result<void> take(NameView owner, const RecordView& record) override;
  [[nodiscard]] bool is_complete() const override { return state_ == State::done; }

  ZoneUpdateSink& sink_;
  State state_ = State::start;
};

}  // namespace understudy
