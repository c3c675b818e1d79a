#include "store/version_codec.h"

#include <array>
#include <cstring>
#include <optional>

#include "dns/rdata.h"
#include "store/format.h"
#include "zone/mixed_ttls.h"

namespace understudy {

namespace {

// First octet of a piece.
constexpr std::uint8_t last_of_owner = 1;  // the next piece, if any, is of another owner
constexpr std::uint8_t same_ttl = 2;       // as the piece before in this block
constexpr std::uint8_t one_record = 4;     // no count follows

class Encoder {
 public:
  Encoder(std::shared_ptr<const Zone> version, const std::function<Result<void>(ByteView)>& sink, Bytes& room)
      : cursor_(std::move(version)), apex_size_(cursor_.zone().apex().size()), sink_(sink), block_(room) {
    block_.resize(max_block_size);
  }

  Result<void> run() {
    while (cursor_.next()) {
      const RRsetView rrset = cursor_.rrset();
      US_TRY(put_records(rrset));
      US_TRY(put_signatures(rrset));
    }
    return size_ == 0 ? Result<void>{} : close_block();
  }

 private:
  Result<void> put_records(const RRsetView& rrset) {
    if (rrset.size() == 0) return {};
    // An RRset larger than a block is cut: each record is a piece of its own then. A compressed name grows by less
    // than 255 octets when it is expanded.
    const Chunk& chunk = *rrset.chunk();
    const bool fits = chunk.record_octets() + max_name_size * chunk.patch_count_ < block_target;
    const bool whole = fits && !has_mixed_ttls(chunk);  // of one TTL
    StagedTtls ttls(rrset);
    Result<void> outcome;
    if (whole) outcome = begin_piece(rrset.type(), rrset.ttl(), rrset.size());
    rrset.for_each_rdata([&](ByteView rdata) {
      if (!outcome) return;
      if (!whole) outcome = begin_piece(rrset.type(), ttls.next(), 1);
      if (outcome) put_rdata(rdata);
    });
    return outcome;
  }

  Result<void> put_signatures(const RRsetView& rrset) {
    Result<void> outcome;
    if (rrset.signature_count() == 0) return outcome;
    rrset.for_each_signature([&](std::uint32_t ttl, ByteView rdata) {
      if (!outcome) return;
      outcome = begin_piece(RRType::RRSIG, ttl, 1);
      if (outcome) put_rdata(rdata);
    });
    return outcome;
  }

  /// Afterwards there is room for an RDATA of any size, or for `count` > 1 records of less than block_target together.
  Result<void> begin_piece(RRType type, std::uint32_t ttl, std::size_t count) {
    if (size_ >= block_target) US_TRY(close_block());
    const ByteView owner = cursor_.owner().wire();
    const ByteView relative = owner.first(owner.size() - apex_size_);
    if (size_ == 0 || !same_owner(relative)) begin_owner(relative);
    const bool repeats_ttl = piece_ != 0 && ttl == ttl_;
    piece_ = size_;
    ttl_ = ttl;
    block_[size_++] = static_cast<std::uint8_t>((repeats_ttl ? same_ttl : 0) | (count == 1 ? one_record : 0));
    put_varint(number(type));
    if (!repeats_ttl) put_varint(ttl);
    if (count != 1) put_varint(count);
    return {};
  }

  bool same_owner(ByteView relative) const {
    return relative.size() == owner_size_ && std::memcmp(relative.data(), owner_.data(), relative.size()) == 0;
  }

  void begin_owner(ByteView relative) {
    end_owner();
    owner_size_ = relative.size();
    block_[size_++] = static_cast<std::uint8_t>(relative.size());
    if (relative.empty()) return;
    std::memcpy(owner_.data(), relative.data(), relative.size());
    std::memcpy(&block_[size_], relative.data(), relative.size());
    size_ += relative.size();
  }

  void end_owner() {
    if (piece_ != 0) block_[piece_] |= last_of_owner;
  }

  void put_rdata(ByteView rdata) {
    put_varint(rdata.size());
    if (!rdata.empty()) std::memcpy(&block_[size_], rdata.data(), rdata.size());
    size_ += rdata.size();
  }

  void put_varint(std::uint64_t v) {
    for (; v >= 0x80; v >>= 7) block_[size_++] = static_cast<std::uint8_t>(v | 0x80);
    block_[size_++] = static_cast<std::uint8_t>(v);
  }

  Result<void> close_block() {
    end_owner();
    const ByteView content(block_.data(), size_);
    size_ = 0;
    piece_ = 0;
    return sink_(content);
  }

  ZoneCursor cursor_;
  const std::size_t apex_size_;
  const std::function<Result<void>(ByteView)>& sink_;
  Bytes& block_;
  std::size_t size_ = 0;
  std::size_t piece_ = 0;  // where the last piece of this block begins; 0 = none (an owner is in front of it)
  std::uint32_t ttl_ = 0;
  std::size_t owner_size_ = 0;
  std::array<std::uint8_t, max_name_size> owner_{};
};

bool valid_labels(ByteView relative) {
  std::size_t at = 0;
  while (at < relative.size()) {
    const std::size_t label = relative[at];
    if (label == 0 || label > max_label_size) return false;
    at += label + 1;
  }
  return at == relative.size();
}

// Varints below 128 are nearly all there are.
inline std::uint64_t next_varint(ByteReader& in) {
  if (in.remaining() > 0) {
    const std::uint8_t octet = in.data()[in.position()];
    if (octet < 0x80) return in.u8();
  }
  return read_varint(in);
}

// Calls `take` with type, TTL and RDATA of each record of the owner that the reader stands behind.
template <typename Take>
Result<void> decode_records(ByteReader& in, std::optional<std::uint32_t>& ttl, Take&& take) {
  std::uint8_t flags = 0;
  do {
    flags = in.u8();
    const std::uint64_t type = next_varint(in);
    if ((flags & same_ttl) == 0) {
      const std::uint64_t value = next_varint(in);
      if (value > 0xffff'ffffU) in.fail();
      ttl = static_cast<std::uint32_t>(value);
    }
    std::uint64_t count = (flags & one_record) != 0 ? 1 : next_varint(in);
    if (!in.ok() || flags > 7 || type > 0xffff || is_meta_type(static_cast<RRType>(type)) || !ttl || count == 0) {
      return fail(Errc::corrupt, "a block does not follow the format");
    }
    for (; count > 0; --count) {
      const std::uint64_t size = next_varint(in);
      const ByteView rdata = in.bytes(size);
      if (!in.ok() || size > 0xffff) return fail(Errc::corrupt, "a block does not follow the format");
      if (!check_rdata(static_cast<RRType>(type), rdata)) return fail(Errc::corrupt, "a block has impossible RDATA");
      US_TRY(take(static_cast<RRType>(type), *ttl, rdata));
    }
  } while ((flags & last_of_owner) == 0);
  return {};
}

// The owners of a block in turn, made absolute.
class OwnerReader {
 public:
  explicit OwnerReader(NameView apex) : apex_(apex) {}

  Result<NameView> next(ByteReader& in) {
    const std::size_t size = in.u8();
    const ByteView relative = in.bytes(size);
    if (!in.ok() || size + apex_.size() > max_name_size || !valid_labels(relative)) {
      return fail(Errc::corrupt, "a block has an impossible owner name");
    }
    if (size != 0) std::memcpy(wire_.data(), relative.data(), size);
    std::memcpy(wire_.data() + size, apex_.wire().data(), apex_.size());
    return NameView::trusted({wire_.data(), size + apex_.size()});
  }

 private:
  const NameView apex_;
  std::array<std::uint8_t, max_name_size> wire_{};
};

Result<void> add_to(ZoneBuilder& builder, NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) {
  US_ASSIGN(const AddOutcome outcome, builder.add(owner, type, ttl, rdata));
  if (outcome != AddOutcome::added) return fail(Errc::corrupt, "a block has a record that its zone cannot have");
  return {};
}

}  // namespace

Result<void> encode_version(const std::shared_ptr<const Zone>& version,
                            const std::function<Result<void>(ByteView)>& sink, Bytes& room) {
  return Encoder(version, sink, room).run();
}

Result<void> decode_block(ByteView content, NameView apex, ZoneBuilder& builder) {
  ByteReader in(content);
  OwnerReader owners(apex);
  std::optional<std::uint32_t> ttl;
  while (!in.at_end()) {
    US_ASSIGN(const NameView owner, owners.next(in));
    US_TRY(decode_records(in, ttl, [&](RRType type, std::uint32_t of, ByteView rdata) {
      return add_to(builder, owner, type, of, rdata);
    }));
  }
  return {};
}

Result<void> EncodedBlock::read(ByteView content) {
  part_.clear();
  for (Edge& edge : edges_) edge.records.clear();
  ByteReader in(content);
  OwnerReader owners(part_.apex());
  std::optional<std::uint32_t> ttl;
  while (!in.at_end()) {
    const bool is_first = in.position() == 0;
    US_ASSIGN(const NameView owner, owners.next(in));
    records_.clear();
    US_TRY(decode_records(in, ttl, [&](RRType type, std::uint32_t of, ByteView rdata) -> Result<void> {
      records_.emplace_back(type, of, rdata);
      return {};
    }));
    if (is_first || in.at_end()) {
      Edge& edge = edges_[is_first ? 0 : 1];
      edge.owner = Name(owner);
      edge.records.swap(records_);
    } else {
      US_TRY(part_.add_name(owner, records_));
    }
  }
  return {};
}

// In the order of the block.
Result<void> EncodedBlock::add_to(ZoneBuilder& builder) const {
  US_TRY(add_edge(builder, edges_[0]));
  US_TRY(builder.add_part(part_));
  return add_edge(builder, edges_[1]);
}

Result<void> EncodedBlock::add_edge(ZoneBuilder& builder, const Edge& edge) {
  for (const StagedRecord& r : edge.records) {
    US_TRY(understudy::add_to(builder, edge.owner, r.type, r.ttl, r.rdata));
  }
  return {};
}

}  // namespace understudy
