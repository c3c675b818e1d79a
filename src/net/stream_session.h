// The DNS side of one stream connection (RFC 7766): framing, answers and their order, and how much may wait. No I/O.
//
// Octets go in with received(), answers come out through a StreamSink that may take less than it is offered. What it
// does not take waits here, and then wants_input() turns false before the waiting grows beyond about 128 KiB or
// max_queued messages: the peer has to read before it may ask more. One call answers so many queries and no more: what
// is left waits for its next turn (wants_turn()), so that one who asks a thousand at once does not hold up the others.
// Long responses advance message by message, in turn, whenever nothing waits; queries that come meanwhile are answered
// between their messages. A session without work holds no buffer: all sessions of a worker share one StreamScratch.
// Used by one thread.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/datagram.h"

namespace understudy {

/// Takes octets for the peer without waiting.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  /// The number of octets taken (0 to all), or nullopt if the connection is broken.
  virtual std::optional<std::size_t> write(ByteView octets) = 0;
};

/// Buffers for what happens within one call.
struct StreamScratch {
  static constexpr std::size_t frame_limit = 2 + 65535;
  // Input: a frame that is nearly whole, and as much again. Output: always room for one more message.
  Bytes input = Bytes(2 * frame_limit);
  Bytes output = Bytes(2 * frame_limit);
  Bytes message;
};

struct StreamSessionLimits {
  std::size_t max_queued = 100;
  std::size_t max_sources = 8;
  std::size_t max_per_turn = 128;  // queries answered in one call
};

class StreamSession {
 public:
  /// What a call works with. The counts are added to.
  struct Context {
    StreamHandler& handler;
    StreamScratch& scratch;
    StreamSink& sink;
    const sockaddr* peer;
    std::uint64_t queries = 0;
    std::uint64_t answers = 0;
    std::uint64_t octets = 0;  // of the answers
  };

  explicit StreamSession(const StreamSessionLimits& limits) : limits_(limits) {}

  [[nodiscard]] bool wants_input() const;
  /// Something waits for the peer to take it: call writable() when it can.
  [[nodiscard]] bool wants_output() const { return !waiting_.empty() || !sources_.empty(); }
  /// Queries are here that may be answered: call take_turn() once the others have had theirs.
  [[nodiscard]] bool wants_turn() const { return !broken_ && has_whole_query() && may_answer({}); }
  /// Nothing more will happen: close the connection.
  [[nodiscard]] bool is_finished() const { return broken_ || (at_end_ && !wants_output() && !has_whole_query()); }

  /// Where the next octets are to be put. Only if wants_input().
  MutableBytes input_room(StreamScratch& scratch) const;
  /// `count` octets were put there.
  void received(Context& context, std::size_t count);
  /// The peer will send nothing more; it still gets its answers.
  void received_end() { at_end_ = true; }
  /// Answers what is here.
  void take_turn(Context& context) { answer_kept(context); }
  /// The peer can take more. True if it took all that waited before.
  bool writable(Context& context);

 private:
  /// Answers assembled in the scratch output, not yet offered to the sink.
  struct Assembly {
    std::size_t size = 0;
    std::size_t messages = 0;
  };

  [[nodiscard]] bool has_whole_query() const;
  [[nodiscard]] bool may_answer(const Assembly& assembly) const;
  [[nodiscard]] bool turn_is_over(const Context& context) const;
  std::size_t answer_queries(Context& context, ByteView input);
  void answer_query(Context& context, Assembly& assembly, ByteView query);
  void add_from_sources(Context& context);
  void flush(Context& context, Assembly& assembly);
  void keep(ByteView input);
  void answer_kept(Context& context);

  const StreamSessionLimits limits_;
  Bytes kept_;     // received and not yet answered: part of a query, or more if the session is held up
  Bytes waiting_;  // for the peer to take, from waiting_at_ on
  std::size_t waiting_at_ = 0;
  std::size_t queued_ = 0;                              // messages put into waiting_ since it was last empty
  std::list<std::unique_ptr<ResponseSource>> sources_;  // the front one is next; empty, it takes no memory
  bool at_end_ = false;
  bool broken_ = false;
};

}  // namespace understudy
