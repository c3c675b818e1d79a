#include "transfer/timer_queue.h"

namespace understudy {

void TimerQueue::place(std::size_t at, TimerEntry* entry) {
  heap_[at] = entry;
  entry->place_ = static_cast<std::uint32_t>(at);
}

void TimerQueue::sift_up(std::size_t at) {
  TimerEntry* const entry = heap_[at];
  while (at > 0) {
    const std::size_t parent = (at - 1) / 2;
    if (heap_[parent]->due_ <= entry->due_) break;
    place(at, heap_[parent]);
    at = parent;
  }
  place(at, entry);
}

void TimerQueue::sift_down(std::size_t at) {
  TimerEntry* const entry = heap_[at];
  while (true) {
    std::size_t child = 2 * at + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->due_ < heap_[child]->due_) ++child;
    if (entry->due_ <= heap_[child]->due_) break;
    place(at, heap_[child]);
    at = child;
  }
  place(at, entry);
}

void TimerQueue::set(TimerEntry& entry, double due) {
  entry.due_ = due;
  if (!entry.is_set()) {
    heap_.push_back(&entry);
    sift_up(heap_.size() - 1);
    return;
  }
  sift_up(entry.place_);
  sift_down(entry.place_);
}

void TimerQueue::remove(TimerEntry& entry) {
  if (!entry.is_set()) return;
  const std::size_t at = entry.place_;
  entry.place_ = TimerEntry::nowhere;
  TimerEntry* const last = heap_.back();
  heap_.pop_back();
  if (last == &entry) return;
  place(at, last);
  sift_up(at);
  sift_down(last->place_);
}

std::optional<double> TimerQueue::next() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front()->due_;
}

TimerEntry* TimerQueue::take_due(double now) {
  if (heap_.empty() || heap_.front()->due_ > now) return nullptr;
  TimerEntry* const entry = heap_.front();
  remove(*entry);
  return entry;
}

}  // namespace understudy
