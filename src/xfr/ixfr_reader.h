// Interprets the response to an IXFR query (RFC 1995 section 4): bytes in, deltas or events out. No I/O, no clock.
//
//   START --SOA, not newer than ours--> DONE (current)
//   START --newer SOA--> OPENED --SOA of our serial--> REMOVING --newer SOA--> ADDING --the same SOA again--> REMOVING
//                                                                              ADDING --the opening SOA--> DONE
//                        OPENED --anything else--> WHOLE --the opening SOA--> DONE
//
// Checked: the first difference begins at our serial, each of the others where the one before ended, every one
// advances (RFC 1982) and none beyond the end, the last one ends with the opening SOA: Errc::bad_delta otherwise.
// Whether what a difference removes is there is for who applies it (zone/apply.h). By UDP one datagram must hold
// everything; if it does not (NSD sends a part without TC), the same is to be asked by TCP. What is accepted besides,
// and what is checked of messages: transfer_reader.h. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "xfr/transfer_reader.h"
#include "zone/delta.h"

namespace understudy {

class IxfrReader final : public TransferReader {
 public:
  /// `ours`: the serial in the query. The sink is used only for a whole zone.
  IxfrReader(TransferRequest request, Serial ours, TransferLimits limits, ZoneUpdateSink& sink);

  enum class Answer : std::uint8_t {
    undecided,     // nothing came yet
    current,       // we have what the primary has; or, if serial() is not ours, the primary is behind
    ask_over_tcp,  // by UDP: there is something newer, but not here; what the sink may have got is worth nothing
    single_soa,   // by TCP: a newer SOA and nothing else so far; if nothing follows soon, this is not an IXFR: ask AXFR
    differences,  // take_deltas()
    whole,        // a whole zone, given to the sink
  };
  /// Final once feed() has returned done; before that, what it looks like.
  [[nodiscard]] Answer answer() const { return answer_; }
  /// After done with `differences`: what leads from our serial to serial(), each following the one before.
  [[nodiscard]] std::vector<std::shared_ptr<const ZoneDelta>> take_deltas() { return std::move(deltas_); }

  [[nodiscard]] Error closed_early() const override;

 private:
  enum class State : std::uint8_t { start, opened, removing, adding, whole, done };
  Result<void> take(NameView owner, const RecordView& record) override;
  Result<void> message_ends() override;
  Result<void> take_truncated() override;
  [[nodiscard]] bool is_complete() const override { return state_ == State::done; }
  Result<void> take_first(NameView owner, const RecordView& record);
  Result<void> take_second(NameView owner, const RecordView& record);
  Result<void> take_in_difference(NameView owner, const RecordView& record);
  Result<void> begin_difference(const RecordView& record, ByteView soa);
  Result<void> turn_difference(const RecordView& record, ByteView soa);
  Result<void> end_difference();
  Result<void> check_room() const;

  const Serial ours_;
  ZoneUpdateSink& sink_;
  ZoneDeltaBuilder builder_;
  std::vector<std::shared_ptr<const ZoneDelta>> deltas_;
  std::uint64_t deltas_size_ = 0;  // octets
  Serial from_, to_;               // of the difference that is being read
  Bytes opening_rdata_;            // as received, for the sink
  std::uint32_t opening_ttl_ = 0;
  State state_ = State::start;
  Answer answer_ = Answer::undecided;
};

}  // namespace understudy
