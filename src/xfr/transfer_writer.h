// Makes the messages of an answer to AXFR (RFC 5936 section 2.2) or IXFR (RFC 1995 section 4) out of a sequence of
// records: well packed, compressed with the case of names kept, signed. The question and OPT are in the first message
// only. Not thread-safe.
#pragma once

#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/datagram.h"
#include "dns/message.h"
#include "dns/tsig.h"
#include "zone/delta.h"

namespace understudy {

/// The records of one answer, in their order. Keeps alive what they refer to.
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  /// The next record, valid until the next call; false at the end, and from then on.
  virtual bool next(DeltaRecord& record) = 0;
};

/// What the messages have besides records.
struct TransferReply {
  Header request;
  Question question;  // as asked: its case is echoed
  struct Edns {
    std::uint16_t udp_size;
    Bytes options;
  };
  std::optional<Edns> edns;  // if the query had it
  std::optional<TsigSession> tsig;
};

class TransferWriter : public ResponseSource {
 public:
  /// `clock` gives the time for TSIG and must outlive this.
  TransferWriter(std::unique_ptr<RecordSource> records, TransferReply reply, const Clock& clock);
  Step next(Bytes& out) final;

 private:
  bool has_record();
  Step write(Bytes& out, std::size_t limit);
  Step fill(MessageWriter& writer);
  Step give_up(const std::string& why);

  const std::unique_ptr<RecordSource> records_;
  const TransferReply reply_;
  const Clock& clock_;
  std::size_t opening_octets_ = 0, tsig_octets_ = 0;  // to be kept free: for OPT in the first message, in every one
  std::optional<TsigResponseSigner> signer_;
  DeltaRecord record_;       // the next one to send, if
  bool has_record_ = false;  // it was taken from the source
  bool first_ = true;
  bool failed_ = false;
};

}  // namespace understudy
