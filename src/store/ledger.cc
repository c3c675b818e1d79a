#include "store/ledger.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <compare>
#include <iterator>

#include "store/crc32c.h"
#include "store/files.h"
#include "store/format.h"

namespace understudy {

namespace {

// Entry: kind, version, serial, name, CRC-32C over all of it.
constexpr std::uint8_t kind_commit = 0xc1;
constexpr std::uint8_t kind_removal = 0xc2;
constexpr std::size_t name_offset = 13;
constexpr std::size_t flush_size = 64 * 1024;
// A rewrite costs a pass over all heads; it waits until the file has doubled.
constexpr std::uint64_t rewrite_slack = 1024 * 1024;

void append_entry(Bytes& out, const Promise& promise) {
  const std::size_t begin = out.size();
  append_u8(out, promise.removed ? kind_removal : kind_commit);
  append_u64(out, promise.version);
  append_u32(out, promise.serial);
  append(out, promise.zone.wire());
  append_u32(out, crc32c(0, ByteView(out).subspan(begin)));
}

// The octets of the entry at the reader's position; 0 if there is none.
std::size_t entry_size(ByteView octets, std::size_t at) {
  ByteReader in(octets, at);
  const std::uint8_t kind = in.u8();
  if (kind != kind_commit && kind != kind_removal) return 0;
  in.skip(name_offset - 1);
  if (!in.ok() || !NameView::read(in)) return 0;
  const std::size_t size = in.position() - at;
  const std::uint32_t stored = in.u32();
  if (!in.ok() || crc32c(0, octets.subspan(at, size)) != stored) return 0;
  return size + 4;
}

// The order of database keys: octets of the lower-case wire form.
std::strong_ordering key_order(ByteView a, ByteView b) {
  const std::size_t n = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < n; ++i) {
    const auto order = ascii_lower(a[i]) <=> ascii_lower(b[i]);
    if (order != 0) return order;
  }
  return a.size() <=> b.size();
}

}  // namespace

Promises::Promises(Bytes octets) : octets_(std::move(octets)) {
  for (std::size_t at = 0; at < octets_.size();) {
    const std::size_t size = entry_size(octets_, at);
    if (size == 0) {
      ++damaged_;
      ++at;  // the next entry may begin anywhere
      continue;
    }
    ByteReader in(octets_, at + 1);
    const std::uint64_t version = read_u64(in);
    highest_version_ = std::max(highest_version_, version);
    entries_.push_back({version, at});
    at += size;
  }
  const auto before = [this](const Entry& a, const Entry& b) {
    const auto order = key_order(name_at(a.offset), name_at(b.offset));
    return order != 0 ? order < 0 : a.version > b.version;
  };
  // A rewritten file is in order; only what was appended since needs sorting.
  const auto appended = std::is_sorted_until(entries_.begin(), entries_.end(), before);
  std::sort(appended, entries_.end(), before);
  std::vector<Entry> merged;
  merged.reserve(entries_.size());
  std::merge(entries_.begin(), appended, appended, entries_.end(), std::back_inserter(merged), before);
  const auto same_zone = [this](const Entry& a, const Entry& b) {
    return key_order(name_at(a.offset), name_at(b.offset)) == 0;
  };
  merged.erase(std::unique(merged.begin(), merged.end(), same_zone), merged.end());
  entries_ = std::move(merged);
}

ByteView Promises::name_at(std::uint64_t offset) const {
  ByteReader in(octets_, offset + name_offset);
  return NameView::read(in)->wire();
}

Promise Promises::at(std::size_t i) const {
  const std::uint64_t offset = entries_[i].offset;
  Promise promise;
  promise.zone = Name(NameView::trusted(name_at(offset)));
  promise.version = entries_[i].version;
  promise.serial = load_u32(&octets_[offset + 9]);
  promise.removed = octets_[offset] == kind_removal;
  return promise;
}

std::optional<Promise> Promises::find(NameView zone) const {
  const auto found = std::partition_point(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return key_order(name_at(entry.offset), zone.wire()) < 0;
  });
  if (found == entries_.end() || key_order(name_at(found->offset), zone.wire()) != 0) return std::nullopt;
  return at(static_cast<std::size_t>(found - entries_.begin()));
}

Ledger::Ledger(std::string path) : path_(std::move(path)) {}

Ledger::~Ledger() {
  if (file_ >= 0) ::close(file_);
}

Result<Promises> Ledger::read() const {
  const FileDescriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    if (errno == ENOENT) return Promises({});
    return fail_with_errno("cannot read", path_);
  }
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return fail_with_errno("cannot read", path_);
  Bytes octets(static_cast<std::size_t>(status.st_size));
  std::size_t filled = 0;
  while (filled < octets.size()) {
    const ssize_t n = ::read(file.get(), octets.data() + filled, octets.size() - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_with_errno("cannot read", path_);
    if (n == 0) break;
    filled += static_cast<std::size_t>(n);
  }
  octets.resize(filled);
  return Promises(std::move(octets));
}

Result<void> Ledger::open() {
  if (file_ >= 0) return {};
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (file_ < 0) return fail_with_errno("cannot write", path_);
  struct stat status{};
  if (::fstat(file_, &status) != 0) return fail_with_errno("cannot read", path_);
  size_ = static_cast<std::uint64_t>(status.st_size);
  rewritten_size_ = size_;
  return {};
}

Result<void> Ledger::append(std::span<const Promise> promises, bool sync) {
  Bytes octets;
  for (const Promise& promise : promises) append_entry(octets, promise);
  Lock lock(mutex_);
  US_TRY(open());
  US_TRY(write_all(file_, octets, path_));
  size_ += octets.size();
  if (sync && ::fdatasync(file_) != 0) return fail_with_errno("cannot write", path_);
  return {};
}

void Ledger::let_go() {
  Lock lock(mutex_);
  if (file_ >= 0) ::close(std::exchange(file_, -1));
}

Result<void> Ledger::rewrite(const std::function<Result<void>(const Sink&)>& fill) {
  Lock lock(mutex_);
  const std::string temporary = path_ + ".new";
  FileDescriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640));
  if (!file.valid()) return fail_with_errno("cannot write", temporary);
  Bytes buffer;
  std::uint64_t written = 0;
  Result<void> outcome;
  const auto flush = [&] {
    if (outcome) outcome = write_all(file.get(), buffer, temporary);
    written += buffer.size();
    buffer.clear();
  };
  const Result<void> filled = fill([&](const Promise& promise) {
    append_entry(buffer, promise);
    if (buffer.size() >= flush_size) flush();
  });
  flush();
  if (outcome) outcome = filled;
  if (outcome && ::fsync(file.get()) != 0) outcome = fail_with_errno("cannot write", temporary);
  if (outcome && ::rename(temporary.c_str(), path_.c_str()) != 0) outcome = fail_with_errno("cannot replace", path_);
  if (!outcome) {
    ::unlink(temporary.c_str());
    rewritten_size_ = size_;  // not again before it has doubled once more
    return outcome;
  }
  if (file_ >= 0) ::close(file_);
  file_ = file.release();
  size_ = rewritten_size_ = written;
  return sync_directory_of(path_);
}

bool Ledger::wants_rewrite() const {
  Lock lock(mutex_);
  return size_ > 2 * rewritten_size_ + rewrite_slack;
}

}  // namespace understudy
