// What is due when, for any number of zones: a binary heap of entries that live inside their owners.
//
// A zone at rest costs one entry and no timer of its own. Times are monotonic seconds. Owners derive from TimerEntry
// and must be removed before they go. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace understudy {

class TimerEntry {
 public:
  TimerEntry() = default;
  TimerEntry(const TimerEntry&) = delete;
  TimerEntry& operator=(const TimerEntry&) = delete;

  [[nodiscard]] bool is_set() const { return place_ != nowhere; }

 private:
  friend class TimerQueue;
  static constexpr std::uint32_t nowhere = 0xffff'ffff;
  double due_ = 0;
  std::uint32_t place_ = nowhere;
};

class TimerQueue {
 public:
  /// Adds the entry, or moves it.
  void set(TimerEntry& entry, double due);
  void remove(TimerEntry& entry);
  /// When the first one is due.
  [[nodiscard]] std::optional<double> next() const;
  /// Takes out the first entry if it is due at `now`; null if none is.
  TimerEntry* take_due(double now);
  [[nodiscard]] std::size_t size() const { return heap_.size(); }

 private:
  void place(std::size_t at, TimerEntry* entry);
  void sift_up(std::size_t at);
  void sift_down(std::size_t at);

  std::vector<TimerEntry*> heap_;
};

}  // namespace understudy
