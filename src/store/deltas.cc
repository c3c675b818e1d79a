#include "store/deltas.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "store/crc32c.h"

namespace understudy {

namespace {

constexpr std::size_t checksum_size = 4;
constexpr std::uint64_t most_trimmed = 4096;  // deltas at once

std::uint32_t put_delta(const VersionHead& head, const ZoneDelta& delta, const PutValue& put) {
  ByteView rest = delta.wire();
  Bytes value = encode_delta_header({.link = head.link, .size = rest.size()});
  std::uint32_t checksum = 0;
  for (std::uint32_t part = 0; part == 0 || !rest.empty(); ++part) {
    const std::size_t size = std::min(rest.size(), delta_part_size);
    append(value, rest.first(size));
    rest = rest.subspan(size);
    const std::string key = delta_key(head.name, head.history, head.end, part);
    seal(key, value);
    checksum = crc32c(checksum, ByteView(value).last(checksum_size));
    put(key, value);
    value.clear();
  }
  return checksum;
}

// Walks from the newest delta back: each one says how to know the one before.
class DeltaReader {
 public:
  DeltaReader(const Database& database, const VersionHead& head)
      : database_(database), head_(head), link_(head.link), serial_{head.serial} {}

  Result<StoredDeltas> run() {
    StoredDeltas stored;
    for (std::uint64_t number = head_.end; number > head_.first;) {
      auto delta = read(--number);
      if (!delta && (number >= head_.chain || delta.error().code != Errc::corrupt)) {
        return std::unexpected(std::move(delta).error());
      }
      if (!delta) {
        stored.damage = std::move(delta.error().detail);
        break;
      }
      if (number < head_.chain) ++stored.history;
      stored.deltas.push_back(*std::move(delta));
    }
    std::ranges::reverse(stored.deltas);
    return stored;
  }

 private:
  Result<DeltaPtr> read(std::uint64_t number) {
    checksum_ = 0;
    US_ASSIGN(Bytes octets, read_part(number, 0));
    ByteReader in(octets);
    US_ASSIGN(const DeltaHeader header, decode_delta_header(in));
    const std::size_t begin = in.position();
    for (std::uint32_t part = 1; octets.size() - begin < header.size; ++part) {
      US_ASSIGN(const Bytes more, read_part(number, part));
      if (more.empty()) break;
      append(octets, more);
    }
    if (octets.size() - begin != header.size || checksum_ != link_) return damaged("not the one that was stored");
    US_ASSIGN(DeltaPtr delta, ZoneDelta::from_wire(head_.name, ByteView(octets).subspan(begin)));
    if (delta->to() != serial_) return damaged("it leads to another serial");
    link_ = header.link;
    serial_ = delta->from();
    return delta;
  }

  // The content of one value.
  Result<Bytes> read_part(std::uint64_t number, std::uint32_t part) {
    const std::string key = delta_key(head_.name, head_.history, number, part);
    rocksdb::PinnableSlice value;
    const rocksdb::Status status = database_.get(key, value);
    if (is_passing(status)) return std::unexpected(to_error(status, "cannot read " + head_.name.text()));
    if (!status.ok()) return damaged(status.IsNotFound() ? "it is missing" : status.ToString());
    std::uint32_t checksum = 0;
    const auto content = unseal(key, text_of(value), &checksum);
    if (!content) return damaged("a checksum is wrong");
    std::uint8_t octets[checksum_size];
    store_u32(octets, checksum);
    checksum_ = crc32c(checksum_, octets);
    return Bytes(content->begin(), content->end());
  }

  [[nodiscard]] std::unexpected<Error> damaged(const std::string& how) const {
    return fail(Errc::corrupt,
                fmt::format("the stored difference of {} to serial {}: {}", head_.name.text(), serial_.value, how));
  }

  const Database& database_;
  const VersionHead& head_;
  std::uint32_t link_;
  Serial serial_;
  std::uint32_t checksum_ = 0;  // of the parts that were read of one delta
};

bool exceeds_limits(const VersionHead& head) {
  return head.end - head.first > head.keep.versions || head.history_octets + head.chain_octets > head.keep.octets;
}

// Deletes without looking at what is there.
void delete_range(const VersionHead& head, std::uint64_t begin, std::uint64_t end, rocksdb::WriteBatch& batch) {
  batch.DeleteRange(delta_key(head.name, head.history, begin, 0), delta_key(head.name, head.history, end, 0));
}

}  // namespace

void append_deltas(VersionHead& head, std::span<const DeltaPtr> deltas, const PutValue& put) {
  for (const DeltaPtr& delta : deltas) {
    head.link = put_delta(head, *delta, put);
    ++head.end;
  }
}

Result<StoredDeltas> read_deltas(const Database& database, const VersionHead& head) {
  return DeltaReader(database, head).run();
}

void trim_history(const Database& database, VersionHead& head, std::uint64_t until, std::uint64_t octets_behind,
                  rocksdb::WriteBatch& batch) {
  if (head.first >= until || !exceeds_limits(head)) return;
  const std::uint64_t begin = head.first;
  bool readable = true;
  const rocksdb::Status status =
      database.visit_from(delta_key(head.name, head.history, begin, 0), history_key(head.name, head.history),
                          [&](std::string_view key, std::string_view value) {
                            const auto [number, part] = place_of_delta_key(key);
                            if (part == 0) {
                              if (number >= until || number - begin >= most_trimmed || !exceeds_limits(head)) {
                                return false;
                              }
                              const auto content = unseal(key, value);
                              ByteReader in(content.value_or(ByteView()));
                              const auto header = decode_delta_header(in);
                              readable = header && number == head.first && header->size <= head.history_octets;
                              if (!readable) return false;
                              head.first = number + 1;
                              head.history_octets -= header->size;
                            }
                            batch.Delete(std::string(key));
                            return true;
                          });
  const bool is_enough = head.first == until || head.first - begin >= most_trimmed || !exceeds_limits(head);
  if (status.ok() && readable && is_enough) return;
  // What is damaged cannot be counted; history that ends there is of no use to anyone.
  delete_range(head, begin, until, batch);
  head.first = until;
  head.history_octets = octets_behind;
}

void delete_deltas(const Database& database, const VersionHead& head, rocksdb::WriteBatch& batch) {
  if (head.history == 0) return;
  // Not as a range, which would slow down reading until it is compacted away.
  const rocksdb::Status status =
      database.visit(history_key(head.name, head.history), [&](std::string_view key, std::string_view) {
        batch.Delete(std::string(key));
        return true;
      });
  if (!status.ok()) delete_range(head, 0, ~std::uint64_t{0}, batch);
}

bool lead_to(std::span<const DeltaPtr> deltas, Serial end) {
  if (deltas.empty() || deltas.back()->to() != end) return false;
  for (std::size_t i = 1; i < deltas.size(); ++i) {
    if (deltas[i]->from() != deltas[i - 1]->to()) return false;
  }
  return true;
}

std::uint64_t octets_of(std::span<const DeltaPtr> deltas) {
  std::uint64_t octets = 0;
  for (const DeltaPtr& delta : deltas) octets += delta->size();
  return octets;
}

}  // namespace understudy
