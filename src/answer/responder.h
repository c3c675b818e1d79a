// The one answering function, in stages over a batch (doc/answering.md), for UDP, TCP, tests and fuzzers:
//
//   read_all -> find_zones -> ask_for_nodes -> look_up_all -> ask_for_targets -> finish_proofs -> write_all
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
  friend class StageRunner;  // bench/stages_bench.cc, which measures the stages one by one

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

  // The stages, in their order.
  void read_all(std::span<const Datagram> batch, std::span<Work> works);
  static void find_zones(std::span<Work> works);
  static void ask_for_nodes(std::span<const Work> works);
  void look_up_all(std::span<Work> works);
  static void ask_for_targets(std::span<const Work> works);
  void finish_proofs(std::span<Work> works);
  void write_all(std::span<Datagram> batch, std::span<const Work> works);

  // What they do for one query.
  static void read(const ZoneTable* table, ByteView query, Work& work);
  static void find_zone(const ZoneTable& table, Work& work);
  void find_node(Work& work);
  static void find_targets(Work& work);
  void find_referred_targets(std::span<Work> works);
  void find_proof(Work& work);
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
  bool referring_ = false;            // in this batch, with targets yet to be found
  std::optional<std::uint32_t> now_;  // of the batch, once somebody asked
  std::array<Work, stage_width> work_;
};

}  // namespace understudy
