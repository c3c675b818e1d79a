#include "zone/layout.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdlib>
#include <new>

#include "zone/hash.h"

namespace understudy {
namespace {

constexpr std::size_t heap_limit = std::size_t{1} << 20;  // larger memory is mapped
constexpr std::size_t huge_page = std::size_t{2} << 20;
constexpr std::size_t reservation = std::size_t{32} << 30;  // what 32-bit references in units of 8 octets can reach

constexpr std::size_t round_up(std::size_t n, std::size_t unit) {
  return (n + unit - 1) / unit * unit;
}

// Address space for growth in place; pages cost memory only once touched. Smaller where the system limits it.
std::uint8_t* reserve(std::size_t wanted, std::size_t& got) {
  for (std::size_t size = std::max(reservation, round_up(wanted, huge_page)); size >= wanted; size /= 2) {
    void* at =
        ::mmap(nullptr, size + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) continue;
    auto begin = reinterpret_cast<std::uintptr_t>(at);
    const std::uintptr_t aligned = round_up(begin, huge_page);
    if (aligned != begin) ::munmap(at, aligned - begin);
    const std::size_t tail = begin + huge_page - aligned;
    if (tail != 0) ::munmap(reinterpret_cast<void*>(aligned + size), tail);
    ::madvise(reinterpret_cast<void*>(aligned), size, MADV_HUGEPAGE);
    got = size;
    return reinterpret_cast<std::uint8_t*>(aligned);
  }
  throw std::bad_alloc();
}

}  // namespace

ZoneMemory& ZoneMemory::operator=(ZoneMemory&& other) noexcept {
  if (this != &other) {
    reset();
    data_ = std::exchange(other.data_, nullptr);
    capacity_ = std::exchange(other.capacity_, 0);
    mapped_ = std::exchange(other.mapped_, 0);
  }
  return *this;
}

ZoneMemory ZoneMemory::allocate(std::size_t size) {
  ZoneMemory memory;
  memory.grow(size);
  return memory;
}

void ZoneMemory::grow(std::size_t capacity) {
  if (capacity <= capacity_) return;
  if (mapped_ != 0) {
    if (capacity > mapped_) throw std::bad_alloc();
    capacity_ = capacity;
    return;
  }
  if (capacity <= heap_limit) {
    const std::size_t size = round_up(capacity, 64);
    auto* fresh = static_cast<std::uint8_t*>(std::aligned_alloc(64, size));
    if (fresh == nullptr) throw std::bad_alloc();
    if (capacity_ != 0) std::memcpy(fresh, data_, capacity_);
    std::memset(fresh + capacity_, 0, size - capacity_);
    std::free(data_);
    data_ = fresh;
    capacity_ = size;
    return;
  }
  std::size_t reserved = 0;
  std::uint8_t* fresh = reserve(capacity, reserved);
  if (capacity_ != 0) std::memcpy(fresh, data_, capacity_);
  std::free(data_);
  data_ = fresh;
  capacity_ = capacity;
  mapped_ = reserved;
}

void ZoneMemory::extend(std::size_t needed, std::size_t most) {
  if (mapped_ != 0) most = std::min(most, mapped_);
  grow(std::max(needed, std::min(capacity_ * 2, most)));
}

void ZoneMemory::discard(std::size_t from, std::size_t until) {
  const std::size_t first_page = round_up(from, 4096);
  const std::size_t last_page = until / 4096 * 4096;
  if (mapped_ != 0 && first_page < last_page &&
      ::madvise(data_ + first_page, last_page - first_page, MADV_DONTNEED) == 0) {
    std::memset(data_ + from, 0, first_page - from);
    from = last_page;
  }
  if (from < until) std::memset(data_ + from, 0, until - from);
}

void ZoneMemory::give_back(std::size_t from, std::size_t until) {
  from = round_up(from, 4096);
  until = until / 4096 * 4096;
  if (mapped_ != 0 && from < until) ::madvise(data_ + from, until - from, MADV_DONTNEED);
}

void ZoneMemory::shrink(std::size_t size, std::size_t keep) {
  if (mapped_ != 0) {
    size = std::max(round_up(size, 4096), std::size_t{4096});
    keep = std::max(size, round_up(keep, 4096));
    give_back(size, mapped_);
    if (keep < mapped_) ::munmap(data_ + keep, mapped_ - keep);
    mapped_ = std::min(keep, mapped_);
    capacity_ = std::min({capacity_, size, mapped_});
    return;
  }
  keep = round_up(std::max<std::size_t>(size, 1), 64);
  if (keep >= capacity_) return;
  auto* fresh = static_cast<std::uint8_t*>(std::aligned_alloc(64, keep));
  if (fresh == nullptr) return;  // the larger block serves as well
  std::memcpy(fresh, data_, keep);
  std::free(data_);
  data_ = fresh;
  capacity_ = keep;
}

ZoneMemory::HeapOctets ZoneMemory::release_heap() {
  assert(!is_mapped());
  capacity_ = 0;
  return HeapOctets(std::exchange(data_, nullptr));
}

void ZoneMemory::reset() {
  if (mapped_ != 0) {
    ::munmap(data_, mapped_);
  } else {
    std::free(data_);
  }
  data_ = nullptr;
  capacity_ = mapped_ = 0;
}

std::size_t expand_chunk_name(const std::uint8_t* records, std::size_t offset, NameView owner, std::uint8_t* out,
                              std::size_t* after) {
  const std::size_t chunk_start = answer_offset(owner.size());
  std::size_t written = 0;
  std::size_t at = offset;
  bool jumped = false;
  while (true) {
    const std::uint8_t octet = records[at];
    if (octet >= 0xc0) {
      const std::size_t aim = load_u16(records + at) & 0x3fffU;
      if (!jumped) *after = at + 2;
      jumped = true;
      if (aim < chunk_start) {  // a suffix of the owner, which holds no pointers
        const ByteView suffix = owner.wire().subspan(aim - header_octets);
        std::memcpy(out + written, suffix.data(), suffix.size());
        return written + suffix.size();
      }
      at = aim - chunk_start;
      continue;
    }
    std::memcpy(out + written, records + at, octet + 1U);
    written += octet + 1U;
    at += octet + 1U;
    if (octet == 0) break;
  }
  if (!jumped) *after = at;
  return written;
}

}  // namespace understudy
