#include "xfr/axfr_writer.h"

#include <array>
#include <utility>

namespace understudy {
namespace {

/// The records of one RRset and then its signatures, one at a time, so that a message may end anywhere.
class RecordCursor {
 public:
  void start(NameView owner, RRsetView rrset) {
    owner_ = owner;
    type_ = rrset.type();
    chunk_ = rrset.chunk();
    against_ = rrset.encoded_against(owner);
    at_ = 0;
  }
  void stop() { chunk_ = nullptr; }
  [[nodiscard]] bool at_end() const {
    return chunk_ == nullptr || at_ >= chunk_->record_octets() + chunk_->signature_octets();
  }
  /// The record here, uncompressed; valid until the next call.
  void take(DeltaRecord& record) {
    const bool in_records = at_ < chunk_->record_octets();
    const std::uint8_t* header = chunk_->records() + at_;
    const std::size_t rdata_at = at_ + rrset_detail::record_header, rdata_size = load_u16(header + 10);
    record.owner = owner_;
    record.type = in_records ? type_ : RRType::RRSIG;
    record.ttl = load_u32(header + 6);
    record.rdata = in_records && chunk_->patch_count_ != 0
                       ? rrset_detail::expand(type_, chunk_->records(), rdata_at, rdata_size, against_, scratch_)
                       : ByteView(chunk_->records() + rdata_at, rdata_size);
    at_ = rdata_at + rdata_size;
  }

 private:
  NameView owner_, against_;
  RRType type_ = RRType::SOA;
  const Chunk* chunk_ = nullptr;
  std::size_t at_ = 0;  // of the record's header, from the start of the chunk's records
  std::array<std::uint8_t, 600> scratch_;
};

/// The whole zone, its SOA first, and the SOA again.
class ZoneRecords final : public RecordSource {
 public:
  explicit ZoneRecords(std::shared_ptr<const Zone> zone) : cursor_(std::move(zone)) {}

  bool next(DeltaRecord& record) override {
    while (records_.at_end()) {
      if (closed_) return false;
      if (!cursor_.next()) return close(record);
      records_.start(cursor_.owner(), cursor_.rrset());
    }
    records_.take(record);
    return true;
  }

 private:
  /// The SOA alone ends the transfer; its signatures went with the opening one.
  bool close(DeltaRecord& record) {
    closed_ = true;
    const Zone& zone = cursor_.zone();
    const auto soa = zone.rrset(zone.apex_node(), RRType::SOA);
    if (!soa) return false;
    records_.start(zone.apex(), *soa);
    records_.take(record);
    records_.stop();
    return true;
  }

  ZoneCursor cursor_;
  RecordCursor records_;
  bool closed_ = false;
};

}  // namespace

AxfrWriter::AxfrWriter(std::shared_ptr<const Zone> zone, TransferReply reply, const Clock& clock)
    : TransferWriter(std::make_unique<ZoneRecords>(std::move(zone)), std::move(reply), clock) {}

}  // namespace understudy
