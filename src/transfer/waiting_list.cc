#include "transfer/waiting_list.h"

#include <utility>

namespace understudy {

using detail::Wait;

template <typename F>
void Waiter::end_waits(F&& which) {
  std::unique_ptr<Wait>* at = &waits_;
  while (*at) {
    if (which(**at)) {
      *at = std::exchange((*at)->next, nullptr);
    } else {
      at = &(*at)->next;
    }
  }
}

void Waiter::stop_waiting(WaitsFor what) {
  end_waits([what](const Wait& wait) { return wait.what == what; });
}

void WaitingList::add(Waiter& waiter, WaitsFor what) {
  for (const Wait* at = waiter.waits_.get(); at != nullptr; at = at->next.get()) {
    if (at->began_in == this && at->what == what) return;
  }
  auto wait = std::make_unique<Wait>();
  wait->waiter = &waiter;
  wait->began_in = this;
  wait->what = what;
  wait->next = std::exchange(waiter.waits_, nullptr);
  waits_.push_back(*wait);
  waiter.waits_ = std::move(wait);
}

void WaitingList::tell(std::size_t count) {
  for (; count > 0 && !waits_.empty(); --count) {
    const Wait* const first = &waits_.front();
    Waiter& waiter = *first->waiter;
    const WaitsFor what = first->what;
    waiter.end_waits([first](const Wait& wait) { return &wait == first; });
    waiter.primary_answers(what);  // may wait again, here or elsewhere
  }
}

}  // namespace understudy
