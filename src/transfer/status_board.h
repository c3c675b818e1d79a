// Where other threads read what the transfer thread writes: one short-held lock over all zones' facts and the totals.
#pragma once

#include "base/mutex.h"
#include "transfer/status.h"

namespace understudy {

struct StatusBoard {
  Mutex mutex;
  EngineCounters counters US_GUARDED_BY(mutex);

  template <typename Change>
  void count(Change&& change) US_EXCLUDES(mutex) {
    Lock lock(mutex);
    change(counters);
  }
};

}  // namespace understudy
