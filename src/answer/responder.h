// The one answering function, in stages over a batch (doc/answering.md), for UDP, TCP, tests and fuzzers:
//
//   read and hash all -> find all zones, ask for their buckets -> ask for the nodes -> look all up, ask for the buckets
//   of the names whose addresses go along -> ask for their nodes -> write all answers
//
// so that the memory of one query arrives while others are worked on. One object per worker, not shared.
#pragma once

#include <array>
#include <memory>

#include "answer/denial.h"
#include "answer/environment.h"
#include "answer/lookup.h"
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

  void set_idle_time(std::chrono::milliseconds time) override { slow_.set_idle_time(time); }

  /// For tests: everything through SlowAnswer.
  void set_fast_path(bool on) { fast_path_ = on; }

 private:
  static constexpr std::size_t stage_width = 32;
  struct Work {
    PlainQuery query;
    const ZoneTable* table = nullptr;
    const Zone* zone = nullptr;  // null: the slow way
    std::uint64_t cut_hash = 0;  // of the name directly below the apex, where a zone cut most likely is; 0: no such
    Lookup found;
    Proof proof;  // of what was not found
    ProofSearch search;
    std::uint64_t targets[4];
    std::size_t target_count = 0;
  };

  void read(const ZoneTable* table, ByteView query, Work& work);
  void find_zone(const ZoneTable& table, Work& work);
  void find_node(Work& work);
  void find_proof(Work& work);
  void finish_proofs(std::span<Work> works);
  std::size_t write(const Work& work, ByteView query, const sockaddr* peer, Transport transport, MutableBytes response,
                    std::unique_ptr<ResponseSource>* rest);
  std::size_t write_fast(const Work& work, ByteView query, const sockaddr* peer, Transport transport,
                         MutableBytes response);
  CookieVerdict put_options(const Work& work, const sockaddr* peer, Transport transport, OptionWriter& options);
  std::uint32_t now();
  void answer_some(std::span<Datagram> batch);

  AnswerEnvironment& environment_;
  AnswerCounters& counters_;
  Denier denier_;
  SlowAnswer slow_;
  bool fast_path_ = true;
  bool searching_ = false;            // for proofs, in this batch
  std::optional<std::uint32_t> now_;  // of the batch, once somebody asked
  std::array<Work, stage_width> work_;
};

}  // namespace understudy
