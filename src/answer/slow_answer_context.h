// What SlowAnswer knows of one message while it answers it. For slow_answer.cc alone.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "answer/slow_answer.h"

namespace understudy {

struct SlowAnswer::Context {
  Context(const MessageView& m, MutableBytes response, std::size_t limit)
      : message(m), writer(response, limit, compression(m)), capacity(response.size()) {}

  // Transfers keep the case of names (RFC 5936 section 3.4).
  static MessageWriter::Compression compression(const MessageView& m) {
    const bool is_transfer = m.question() && m.question()->type == RRType::IXFR;
    return is_transfer ? MessageWriter::Compression::keeps_case : MessageWriter::Compression::without_case;
  }

  // What is to be kept free for OPT with the options that are there by now, and TSIG.
  [[nodiscard]] std::size_t closing_octets() const {
    return (message.edns() ? opt_header_size + options.size() : 0) + (tsig ? tsig_size(*tsig) : 0);
  }

  [[nodiscard]] bool has_dname(const Chunk* chunk) const { return std::ranges::find(dnames, chunk) != dnames.end(); }

  const MessageView& message;
  MessageWriter writer;
  std::size_t capacity;
  Transport transport = Transport::udp;
  Endpoint peer;
  const sockaddr* peer_address = nullptr;
  const AnswerSettings* settings = nullptr;
  const ZoneTable* table = nullptr;
  AnswerCounters* counters = nullptr;
  std::unique_ptr<ResponseSource>* rest = nullptr;
  MessageWriter::Mark begin;  // behind the question
  std::optional<TsigSession> tsig;
  Rcode rcode = Rcode::NOERROR;
  std::uint16_t flags = 0;
  bool dnssec_ok = false;
  bool truncated = false;
  bool lacks_glue = false;  // and nothing else that is required
  bool stale = false;       // a part comes from a version that has expired
  struct Proving {
    const Zone* zone;
    RRType type;
    const Node* node;
  };
  // Records that prove negatives, those of aliases too, each once; the first proofs_put are in the authority section.
  std::vector<Proving> proofs;
  std::vector<const Chunk*> dnames;  // DNAMEs in the answer section: each once, however often a chain comes by
  std::size_t proofs_put = 0;
  std::vector<std::pair<const ZoneSlot*, const Zone*>> versions;  // that the response is from
  double expires = ZoneSlot::never;  // as the first one's slot said before the version was taken
  bool handed_over = false;          // a transfer takes the response over
  Bytes options;                     // EDNS options of the answer
  EdnsRequest wishes;                // what the query's options ask for
  CookieVerdict cookie = CookieVerdict::none;
};

}  // namespace understudy
