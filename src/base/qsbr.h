// Quiescent-state based reclamation: readers pay nothing per access, writers wait for all readers to move on.
//
// A thread that reads shared immutable data (zones, the zone table, the answering settings) holds a QsbrReader for
// its lifetime and calls quiescent() between batches, when it holds no such pointer, and offline()/online() around
// anything that may block (epoll_wait). retire() queues a deletion to run after every reader has passed a quiescent
// state; it never blocks and may be called by any thread. Deletions run on one background thread.
// Backed by liburcu's QSBR flavour.
#pragma once

#include <functional>

namespace understudy {

class QsbrReader {
 public:
  QsbrReader();
  ~QsbrReader();
  QsbrReader(const QsbrReader&) = delete;
  QsbrReader& operator=(const QsbrReader&) = delete;

  /// No shared pointer is held here and now.
  static void quiescent();
  /// Until online(), this thread holds no shared pointer and need not be waited for.
  static void offline();
  static void online();
};

/// Runs `dispose` once every reader has passed a quiescent state. Thread-safe, never blocks.
void qsbr_retire(std::function<void()> dispose);

/// Waits until everything retired so far has been disposed of. For stops and tests; not from a reader thread.
void qsbr_drain();

}  // namespace understudy
