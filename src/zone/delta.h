// What turns one version of a zone into another: a difference sequence (RFC 1995 section 4) as an immutable value.
//
// Records that go, the old SOA first, and records that come, the new SOA first; owner names absolute with their case,
// RDATA uncompressed and checked. One run of octets that is kept in memory, written to disk and sent to secondaries
// alike. Where records are compared (apply.h), names compare without case and TTLs do not count.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/name.h"
#include "dns/serial.h"
#include "dns/type.h"

namespace understudy {

/// One record of a delta. Refers into it.
struct DeltaRecord {
  NameView owner;
  RRType type = RRType::A;
  std::uint32_t ttl = 0;
  ByteView rdata;
};

class ZoneDelta {
 public:
  [[nodiscard]] Serial from() const { return from_; }
  [[nodiscard]] Serial to() const { return to_; }
  /// Records of each kind, the SOA included: at least 1.
  [[nodiscard]] std::uint64_t removed_count() const { return removed_count_; }
  [[nodiscard]] std::uint64_t added_count() const { return added_count_; }
  /// Octets of memory, and of wire().
  [[nodiscard]] std::size_t size() const { return octets_.size(); }

  /// Calls f(const DeltaRecord&) for each record in order until it returns false (or always, if it returns void).
  template <typename F>
  void for_each_removed(F&& f) const {
    each(removed_at, added_at_, std::forward<F>(f));
  }
  template <typename F>
  void for_each_added(F&& f) const {
    each(added_at_, octets_.size(), std::forward<F>(f));
  }

  /// The form that is stored; see from_wire().
  [[nodiscard]] ByteView wire() const { return octets_; }
  /// Reads and checks what wire() gave. Errc::corrupt.
  static Result<std::shared_ptr<const ZoneDelta>> from_wire(NameView apex, ByteView wire);

  /// A cursor over the records of one kind, for who sends them a few at a time. The delta must outlive it.
  class Cursor {
   public:
    Cursor() = default;
    /// False at the end; else current() is the next record.
    bool next();
    [[nodiscard]] const DeltaRecord& current() const { return record_; }

   private:
    friend class ZoneDelta;
    Cursor(ByteView octets, std::size_t at, std::size_t end) : octets_(octets), at_(at), end_(end) {}
    ByteView octets_;
    std::size_t at_ = 0, end_ = 0;
    DeltaRecord record_;
  };
  [[nodiscard]] Cursor removed() const { return {octets_, removed_at, added_at_}; }
  [[nodiscard]] Cursor added() const { return {octets_, added_at_, octets_.size()}; }

 private:
  friend class ZoneDeltaBuilder;
  static constexpr std::size_t removed_at = 8;  // behind the number of octets of the removed records

  template <typename F>
  void each(std::size_t begin, std::size_t end, F&& f) const {
    Cursor cursor(octets_, begin, end);
    while (cursor.next()) {
      if constexpr (std::is_void_v<decltype(f(cursor.current()))>) {
        f(cursor.current());
      } else if (!f(cursor.current())) {
        return;
      }
    }
  }

  Bytes octets_;
  std::size_t added_at_ = removed_at;
  Serial from_, to_;
  std::uint64_t removed_count_ = 0, added_count_ = 0;
};

/// Collects a delta. Records of one owner that come together take less room. Not thread-safe.
class ZoneDeltaBuilder {
 public:
  explicit ZoneDeltaBuilder(NameView apex);

  /// The first of each must be the zone's SOA. `rdata` uncompressed and checked; the owner at or below the apex.
  void remove(NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) {
    removed_.append(owner, type, ttl, rdata);
  }
  void add(NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) { added_.append(owner, type, ttl, rdata); }

  /// Octets in use.
  [[nodiscard]] std::size_t size() const { return removed_.octets.size() + added_.octets.size(); }
  [[nodiscard]] std::uint64_t count() const { return removed_.count + added_.count; }
  /// Errc::bad_delta if one of the SOAs is missing or not the first of its kind. The builder is empty afterwards.
  Result<std::shared_ptr<const ZoneDelta>> finish();

 private:
  struct Part {
    Bytes octets;
    std::uint64_t count = 0;
    std::size_t owner_at = 0;  // of the last record that has its owner written out
    void append(NameView owner, RRType type, std::uint32_t ttl, ByteView rdata);
  };

  Name apex_;
  Part removed_, added_;
};

}  // namespace understudy
