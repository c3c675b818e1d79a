// Which zones this server has: qname -> the closest zone at or above it.
//
// A ZoneSlot is the place where versions of one zone are published; it lives as long as the zone is configured. The
// ZoneTable over all slots is immutable; when zones come or go another takes its place, which shares the pages that did
// not change. Readers hold raw pointers
// between two quiescent states (base/qsbr.h); one thread at a time writes a slot.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "dns/access.h"
#include "dns/compact_name.h"
#include "dns/name.h"
#include "zone/hash.h"
#include "zone/history.h"
#include "zone/zone.h"

namespace understudy {

/// Who may do what with a zone.
struct ZoneAccess {
  std::vector<AccessRule> transfer;  // may take the zone by AXFR; empty: nobody
  std::vector<AccessRule> notify;    // may announce changes (primaries' own addresses are included by who builds this)
};

class ZoneSlot {
 public:
  ZoneSlot(NameView name, std::shared_ptr<const ZoneAccess> access);
  ~ZoneSlot();
  ZoneSlot(const ZoneSlot&) = delete;
  ZoneSlot& operator=(const ZoneSlot&) = delete;

  static constexpr double never = std::numeric_limits<double>::infinity();

  [[nodiscard]] NameView name() const { return name_.view(); }

  // Readers, between two quiescent states.
  /// The version to answer from; null if none is loaded or the zone has expired.
  [[nodiscard]] const Zone* zone() const { return served_.load(std::memory_order_acquire); }
  /// Meaningful when zone() is null: the zone had data once, but too long ago (RFC 8914: EDE 24, not 14).
  [[nodiscard]] bool expired() const { return expired_.load(std::memory_order_acquire); }
  /// Meaningful when zone() is not null: it has expired and is answered all the same (RFC 8914: EDE 3).
  [[nodiscard]] bool is_stale() const { return stale_.load(std::memory_order_acquire); }
  [[nodiscard]] const ZoneAccess& access() const { return *access_.load(std::memory_order_acquire); }
  /// The differences that led to the version last published; null if none are kept. A reader may hold another version:
  /// what it sends of this must lead to the serial of the one it holds (ZoneHistory::between).
  [[nodiscard]] const ZoneHistory* history() const { return history_.load(std::memory_order_acquire); }
  /// When a version from a primary expires unless confirmed, in monotonic seconds, so that no step of the wall clock
  /// changes what is left; infinity: it does not count down (it comes from a file). What was read before zone() and
  /// what is read after it may belong to the versions before and behind: the earlier of both is never too late for
  /// zone().
  [[nodiscard]] double expires() const { return expires_.load(std::memory_order_acquire); }

  // The one writer.
  /// Makes `version` what is answered, without a history. The version before is let go after a grace period.
  void publish(std::shared_ptr<const Zone> version);
  /// The same with the differences that led to it (may be null).
  void publish(std::shared_ptr<const Zone> version, ZoneHistory::Ptr history);
  /// Stops answering (SERVFAIL). The version is kept for current().
  void set_expired();
  /// Goes on answering from current(), which has expired.
  void publish_stale(std::shared_ptr<const Zone> version, ZoneHistory::Ptr history);
  void set_access(std::shared_ptr<const ZoneAccess> access);
  /// Around publish(): before it to the earlier one of what both versions are given, after it to the new one's.
  void set_expires(double at) { expires_.store(at, std::memory_order_release); }
  /// The last version published, answered or not. For the writer only.
  [[nodiscard]] const std::shared_ptr<const Zone>& current() const { return current_; }

 private:
  const CompactName name_;
  std::atomic<bool> expired_{false};
  std::atomic<bool> stale_{false};
  std::atomic<const Zone*> served_{nullptr};
  std::atomic<const ZoneAccess*> access_;
  std::atomic<const ZoneHistory*> history_{nullptr};
  std::atomic<double> expires_{never};
  std::shared_ptr<const Zone> current_;             // written by the owning agent
  ZoneHistory::Ptr current_history_;                // written by the owning agent
  std::shared_ptr<const ZoneAccess> access_owner_;  // written by the owning agent
};

class ZoneTable {
 public:
  /// Slots of different names, here and in with().
  explicit ZoneTable(std::span<const std::shared_ptr<ZoneSlot>> slots);

  /// This table with some slots more, in place of those of the same names, and without the zones that `removed` names.
  /// Costs what changes: the pages that none of them is in are shared.
  [[nodiscard]] std::unique_ptr<const ZoneTable> with(std::span<const std::shared_ptr<ZoneSlot>> added,
                                                      std::span<const std::shared_ptr<ZoneSlot>> removed) const;

  /// The slot of the longest zone name at or above `name`; null if there is none. `label` gets the index of the zone's
  /// first label in `name`.
  [[nodiscard]] ZoneSlot* find_closest(const HashedName& name, std::size_t* label) const;
  /// The slot of exactly this name.
  [[nodiscard]] ZoneSlot* find_exact(const HashedName& name) const;
  /// The same, starting at an ancestor: for DS at a zone cut, which the parent answers (RFC 4035 section 3.1.4.1).
  [[nodiscard]] ZoneSlot* find_closest_from(const HashedName& name, std::size_t first_label, std::size_t* label) const;
  void prefetch(const HashedName& name) const;
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  // Extendible hashing: a directory of 2^n places, each of which leads to a page of slots. A page holds the names whose
  // hashes end (in their high half) in its `suffix` of `depth` bits; if that is less than n, several places lead to it.
  /// Where a slot is, below the tag of its name: an address of this process has 48 bits.
  class Entry {
   public:
    static constexpr std::uint64_t tag_bits = 0xffff'0000'0000'0000;

    Entry() = default;  // free
    Entry(ZoneSlot* slot, std::uint64_t hash);
    [[nodiscard]] bool is_free() const { return bits_ == 0; }
    /// Null if the tag is not that of this hash.
    [[nodiscard]] ZoneSlot* slot(std::uint64_t hash) const {
      const std::uint64_t left = bits_ ^ (hash & tag_bits);
      return (left & tag_bits) == 0 ? reinterpret_cast<ZoneSlot*>(left) : nullptr;
    }

   private:
    std::uint64_t bits_ = 0;
  };
  struct Page {
    std::vector<std::shared_ptr<ZoneSlot>> slots;
    std::vector<Entry> entries;  // open addressing, a power of two, at most half full
    std::uint32_t depth = 0, suffix = 0;
  };
  struct Place {
    const Entry* entries;
    std::uint32_t mask;
    std::uint32_t page;  // index
  };
  struct Item {
    std::uint64_t hash;
    std::shared_ptr<ZoneSlot> slot;
  };
  struct Change {
    std::uint32_t page;
    bool removes;
    Item item;
  };
  ZoneTable(std::size_t size, std::span<const std::uint32_t> zones_with_labels);  // without pages yet
  [[nodiscard]] const Place& place_of(std::uint64_t hash) const {
    return directory_[hash >> 32 & (directory_.size() - 1)];
  }
  [[nodiscard]] ZoneSlot* find_suffix(const HashedName& name, std::size_t label) const;
  [[nodiscard]] bool has_label_count(std::size_t count) const {
    return (label_counts_[count / 64] >> (count % 64) & 1) != 0;
  }
  void add_pages(std::span<Item> items, std::uint32_t depth, std::uint32_t suffix);
  void change_page(const Page& page, std::span<Change> changes);
  void count(NameView zone, bool comes);
  void finish();

  std::vector<Place> directory_;
  std::vector<std::shared_ptr<const Page>> pages_;
  std::size_t size_ = 0;
  std::uint32_t zones_with_labels_[max_labels + 1] = {};
  std::uint64_t label_counts_[2] = {0, 0};  // bit n: some zone's name has n labels
};

}  // namespace understudy
