#include "zone/chunk_encoder.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "dns/rdata.h"
#include "zone/additional.h"
#include "zone/layout.h"
#include "zone/mixed_ttls.h"

namespace understudy {
namespace {

constexpr std::uint16_t owner_pointer = 0xc000 | header_octets;
constexpr std::size_t record_header = 12;
constexpr std::size_t pointer_reach = 0x4000;  // RFC 1035 section 4.1.4: 14 bits
constexpr std::size_t most_small_octets = 60'000;

// `name` from its octet `offset` on is `suffix`, case included. The sizes must fit.
bool ends_with(NameView name, std::size_t offset, NameView suffix) {
  return std::memcmp(name.wire().data() + offset, suffix.wire().data(), suffix.size()) == 0;
}

// The names of this chunk's RDATA, for pointers among themselves. Trivial, as most chunks have none.
struct KnownName {
  std::size_t offset;          // of its first label, in the chunk's records
  const std::uint8_t* octets;  // uncompressed
  std::size_t size;
  std::size_t literal;  // octets of it written out before its pointer or end

  [[nodiscard]] NameView name() const { return NameView::trusted({octets, size}); }
};

class ChunkWriter {
 public:
  ChunkWriter(std::uint8_t* out, NameView owner, NameView apex) : out_(out), owner_(owner), apex_(apex) {}

  void record(RRType type, std::uint32_t ttl, ByteView rdata, bool compress, bool note_targets) {
    const std::size_t begin = at_;
    store_u16(out_ + at_, owner_pointer);
    store_u16(out_ + at_ + 2, number(type));
    store_u16(out_ + at_ + 4, number(RRClass::IN));
    store_u32(out_ + at_ + 6, ttl);
    const std::size_t length_at = at_ + 10;
    at_ += record_header;
    if (note_targets) note_target(type, rdata, begin);
    const CompressedLayout layout = compress ? compressed_layout(type) : CompressedLayout{0, 0};
    std::size_t in = layout.prefix;
    copy(rdata.first(layout.prefix));
    for (unsigned i = 0; i < layout.names; ++i) {
      ByteReader reader(rdata, in);
      const auto name = NameView::read(reader);
      if (!name) break;  // checked RDATA always has its names
      in = reader.position();
      put_name(*name);
    }
    copy(rdata.subspan(in));
    store_u16(out_ + length_at, static_cast<std::uint16_t>(at_ - length_at - 2));
  }

  [[nodiscard]] std::size_t size() const { return at_; }
  /// Appends patches and targets behind what was written; returns how many of each.
  std::pair<std::uint8_t, std::uint8_t> finish() {
    std::memcpy(out_ + at_, patches_, patch_count_ * 2);
    at_ += patch_count_ * 2;
    std::memcpy(out_ + at_, targets_, target_count_ * 2);
    at_ += target_count_ * 2;
    return {static_cast<std::uint8_t>(patch_count_), static_cast<std::uint8_t>(target_count_)};
  }

 private:
  void copy(ByteView bytes) {
    if (!bytes.empty()) std::memcpy(out_ + at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }

  // The RDATA comes next; what is before the name in it is not compressed. Where the name is the owner, the record's
  // own owner field says so.
  void note_target(RRType type, ByteView rdata, std::size_t record_at) {
    const auto found = additional_name(type, rdata);
    const std::size_t offset = found && found->is_owner ? record_at : at_ + (found ? found->offset : 0);
    if (!found || target_count_ == 255 || offset >= pointer_reach) return;
    ByteReader reader(rdata, found->offset);
    const auto name = NameView::read(reader);
    const bool is_ours = found->is_owner || (name && name->is_at_or_below(apex_));
    if (is_ours) targets_[target_count_++] = static_cast<std::uint16_t>(offset);
  }

  // Only octets that are the same, case included, are shared: expanding the chunk gives back what was received.
  void put_name(NameView name) {
    const std::size_t begin = at_;
    NameView rest = name;
    while (!rest.is_root()) {
      const std::size_t literal = name.size() - rest.size();
      if (const auto pointer = find(rest);
          pointer && patch_count_ < 255 && begin + literal < Chunk::patch_in_chunk) {  // a patch has 15 bits
        copy(name.wire().first(literal));
        const bool in_chunk = *pointer >= answer_offset(owner_.size());
        patches_[patch_count_++] = static_cast<std::uint16_t>(at_ | (in_chunk ? Chunk::patch_in_chunk : 0));
        store_u16(out_ + at_, static_cast<std::uint16_t>(0xc000 | *pointer));
        at_ += 2;
        remember(begin, name, literal);
        return;
      }
      rest = rest.parent();
    }
    copy(name.wire());
    remember(begin, name, name.size() - 1);
  }

  void remember(std::size_t offset, NameView name, std::size_t literal) {
    if (literal != 0 && known_count_ < std::size(known_)) {
      known_[known_count_++] = {offset, name.wire().data(), name.size(), literal};
    }
  }

  // Where a pointer for `suffix` may aim, from the start of a message with this owner as its question.
  [[nodiscard]] std::optional<std::size_t> find(NameView suffix) const {
    if (suffix.size() <= owner_.size()) {
      const std::size_t offset = owner_.size() - suffix.size();
      // A wildcard's own first label is not in the question that it answers (RFC 4592 section 3.3.1).
      const bool usable = offset != 0 || !owner_.is_wildcard();
      if (usable && ends_with(owner_, offset, suffix)) return header_octets + offset;
    }
    for (std::size_t i = 0; i < known_count_; ++i) {
      const KnownName& known = known_[i];
      if (suffix.size() > known.size) continue;
      const std::size_t offset = known.size - suffix.size();
      if (offset < known.literal && ends_with(known.name(), offset, suffix)) {
        const std::size_t aim = answer_offset(owner_.size()) + known.offset + offset;
        if (aim < pointer_reach) return aim;
      }
    }
    return std::nullopt;
  }

  std::uint8_t* const out_;
  const NameView owner_, apex_;
  std::size_t at_ = 0;
  std::size_t patch_count_ = 0, target_count_ = 0, known_count_ = 0;
  std::uint16_t patches_[255];
  std::uint16_t targets_[255];
  KnownName known_[16];
};

std::size_t octets_of(std::span<const StagedRecord> records) {
  std::size_t size = 0;
  for (const auto& r : records) size += record_header + r.rdata.size();
  return size;
}

bool fits_small(std::span<const StagedRecord> records, std::span<const StagedRecord> signatures) {
  return records.size() <= 255 && signatures.size() <= 255 &&
         octets_of(records) + octets_of(signatures) <= most_small_octets;
}

}  // namespace

std::size_t max_chunk_size(std::span<const StagedRecord> records, std::span<const StagedRecord> signatures) {
  return round_up8(sizeof(Chunk) + sizeof(Chunk::Extended) + octets_of(records) + octets_of(signatures) + 4 * 255);
}

std::size_t encode_chunk(std::uint8_t* out, NameView owner, NameView apex, RRType type,
                         std::span<const StagedRecord> records, std::span<const StagedRecord> signatures) {
  auto* chunk = reinterpret_cast<Chunk*>(out);
  std::uint32_t ttl = records.empty() ? 0 : records.front().ttl;
  bool mixed = false;
  for (const auto& r : records) {
    mixed |= r.ttl != records.front().ttl;
    ttl = std::min(ttl, r.ttl);
  }
  const bool small = !mixed && fits_small(records, signatures);
  std::uint8_t* data = out + sizeof(Chunk) + (small ? 0 : sizeof(Chunk::Extended));
  ChunkWriter writer(data, owner, apex);
  const bool has_targets = !additional_types(type).empty();
  for (const auto& r : records) writer.record(type, ttl, r.rdata, small, small && has_targets);
  const std::size_t record_octets = writer.size();
  for (const auto& r : signatures) writer.record(RRType::RRSIG, r.ttl, r.rdata, false, false);
  const std::size_t signature_octets = writer.size() - record_octets;
  const auto [patches, targets] = writer.finish();
  if (small) {
    *chunk = {static_cast<std::uint16_t>(record_octets),
              static_cast<std::uint16_t>(signature_octets),
              static_cast<std::uint8_t>(records.size()),
              static_cast<std::uint8_t>(signatures.size()),
              patches,
              targets};
  } else {
    *chunk = {Chunk::extended, 0, 0, 0, 0, 0};
    if (mixed) mark_mixed_ttls(*chunk);
    const Chunk::Extended sizes{static_cast<std::uint32_t>(record_octets), static_cast<std::uint32_t>(signature_octets),
                                static_cast<std::uint32_t>(records.size()),
                                static_cast<std::uint32_t>(signatures.size())};
    std::memcpy(out + sizeof(Chunk), &sizes, sizeof sizes);
  }
  const std::size_t end = static_cast<std::size_t>(data - out) + writer.size();
  const std::size_t rounded = round_up8(end);
  std::memset(out + end, 0, rounded - end);
  return rounded;
}

}  // namespace understudy
