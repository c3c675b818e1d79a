// The one answering function, in stages over a batch (doc/answering.md), for UDP, TCP, tests and fuzzers:
//
//   read and hash all -> find all zones, ask for their buckets -> ask for the nodes -> write all answers
//
// so that the memory of one query arrives while others are worked on. One object per worker, not shared.
#pragma once

#include <array>
#include <memory>

#include "answer/environment.h"
#include "answer/query.h"
#include "answer/slow_answer.h"
#include "base/datagram.h"

namespace understudy {

class Responder final : public DatagramHandler, public StreamHandler {
 public:
  Responder(AnswerEnvironment& environment, AnswerCounters& counters);

  void answer_batch(std::span<Datagram> batch) override;
  std::size_t answer(ByteView request, const sockaddr* peer, MutableBytes response,
                     std::unique_ptr<ResponseSource>& rest) override;

  /// For tests: everything through SlowAnswer.
  void set_fast_path(bool on) { fast_path_ = on; }

 private:
  static constexpr std::size_t stage_width = 32;
  struct Work {
    PlainQuery query;
    const ZoneTable* table = nullptr;
    const Zone* zone = nullptr;  // null: the slow way
  };

  void find_zone(const ZoneTable& table, Work& work);
  std::size_t write(const Work& work, ByteView query, const sockaddr* peer, Transport transport, MutableBytes response,
                    std::unique_ptr<ResponseSource>* rest);
  void answer_some(std::span<Datagram> batch);

  AnswerEnvironment& environment_;
  AnswerCounters& counters_;
  SlowAnswer slow_;
  bool fast_path_ = true;
  std::array<Work, stage_width> work_;
};

}  // namespace understudy
