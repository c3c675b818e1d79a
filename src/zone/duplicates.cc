#include "zone/duplicates.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "dns/rdata.h"
#include "zone/octets_hash.h"

namespace understudy {
namespace {

constexpr std::size_t few = 16;  // so many are compared each with each

// Whether two records of one type hold the same data (RFC 2181 section 5: names compare without case).
Bytes canonical(const StagedRecord& record) {
  Bytes out;
  append_canonical_rdata(record.type, record.rdata, out);
  return out;
}

int compare_octets(ByteView a, ByteView b) {
  const std::size_t n = std::min(a.size(), b.size());
  const int difference = n == 0 ? 0 : std::memcmp(a.data(), b.data(), n);
  if (difference != 0 || a.size() == b.size()) return difference;
  return a.size() < b.size() ? -1 : 1;
}

// The places in `records` of later copies of the same data, without comparing each with each.
std::vector<std::uint32_t> find_duplicates(std::span<const StagedRecord> records) {
  std::vector<std::uint32_t> order(records.size());
  std::iota(order.begin(), order.end(), 0U);
  std::vector<Bytes> keys;  // only where octets do not decide
  if (rdata_names(records[0].type, records[0].rdata).count != 0) {
    keys.reserve(records.size());
    for (const auto& r : records) keys.push_back(canonical(r));
  }
  const auto key = [&](std::uint32_t i) { return keys.empty() ? records[i].rdata : ByteView(keys[i]); };
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int difference = compare_octets(key(a), key(b));
    return difference != 0 ? difference < 0 : a < b;
  });
  std::vector<std::uint32_t> duplicates;
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (compare_octets(key(order[i - 1]), key(order[i])) == 0) duplicates.push_back(order[i]);
  }
  std::sort(duplicates.begin(), duplicates.end());
  return duplicates;
}

}  // namespace

bool same_rdata(const StagedRecord& a, const StagedRecord& b) {
  if (a.rdata.size() != b.rdata.size()) return false;
  if (a.rdata.empty() || std::memcmp(a.rdata.data(), b.rdata.data(), a.rdata.size()) == 0) return true;
  return rdata_names(a.type, a.rdata).count != 0 && canonical(a) == canonical(b);
}

std::uint64_t rdata_hash(RRType type, ByteView rdata) {
  const std::uint64_t seed = hash_detail::fold(process_hash_key.a ^ number(type), process_hash_key.b);
  return octets_hash(seed, rdata_names(type, rdata).count == 0 ? rdata : ByteView(canonical({type, 0, rdata})));
}

std::size_t drop_duplicates(std::span<StagedRecord> records) {
  std::size_t kept = std::min<std::size_t>(records.size(), 1);
  if (records.size() <= few) {
    for (std::size_t i = 1; i < records.size(); ++i) {
      const auto same = [&](const StagedRecord& r) { return same_rdata(r, records[i]); };
      const auto front = records.first(kept);
      if (std::none_of(front.begin(), front.end(), same)) records[kept++] = records[i];
    }
    return kept;
  }
  const std::vector<std::uint32_t> duplicates = find_duplicates(records);
  kept = 0;
  auto next = duplicates.begin();
  for (std::uint32_t i = 0; i < records.size(); ++i) {
    if (next != duplicates.end() && *next == i) {
      ++next;
    } else {
      records[kept++] = records[i];
    }
  }
  return kept;
}

}  // namespace understudy
