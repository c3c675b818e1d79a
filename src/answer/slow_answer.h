// Answers everything that is not a plain query: malformed and odd messages, other opcodes and classes, meta types,
// TSIG, NOTIFY, transfers, zones without data, CNAME and DNAME chains. Composes with MessageWriter; correctness first.
// One object per worker, not thread-safe.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "answer/denial.h"
#include "answer/environment.h"
#include "answer/lookup.h"
#include "base/datagram.h"
#include "base/log.h"
#include "dns/message.h"
#include "dns/tsig.h"
#include "xfr/ixfr_writer.h"

namespace understudy {

class SlowAnswer {
 public:
  SlowAnswer(AnswerEnvironment& environment, Denier& denier) : environment_(environment), denier_(denier) {}

  /// Returns the size of the answer put into `response`, 0 for none. `rest` takes the messages of a transfer (TCP).
  std::size_t answer(ByteView query, const sockaddr* peer, Transport transport, MutableBytes response,
                     std::unique_ptr<ResponseSource>* rest, AnswerCounters& counters);

  /// What connections are told that ask how long they may be idle (RFC 7828).
  void set_idle_time(std::chrono::milliseconds time);
  /// The same in tenths of a second.
  [[nodiscard]] std::uint16_t keepalive() const { return keepalive_; }

 private:
  struct Context;
  std::size_t malformed(ByteView query, const Error& error, MutableBytes response, AnswerCounters& counters);
  void dispatch(Context& c);
  void answer_question(Context& c);
  void put_options(Context& c);
  void put_zone_version(Context& c, const Zone& zone);
  bool must_show_cookie(Context& c);
  void answer_without_question(Context& c);
  void answer_chaos(Context& c);
  void explain(Context& c, ExtendedError why);
  void answer_notify(Context& c);
  void answer_transfer(Context& c);
  bool may_transfer(Context& c, const ZoneSlot& slot);
  void hand_over(Context& c, const Zone& zone, Differences differences);
  bool put_differences(Context& c, Differences differences);
  void put_expire(Context& c, const ZoneSlot& slot, const Zone& zone);
  void refuse(Context& c, Rcode rcode);
  /// The zone to answer `name` from, or null with the response code set (REFUSED, or SERVFAIL with an EDE).
  const Zone* zone_for(Context& c, const HashedName& name, RRType type, bool first);
  void follow(Context& c);
  bool put_rrset(Context& c, Section section, NameView owner, const RRsetView& rrset);
  void put_answer(Context& c, const Zone& zone, const HashedName& name, const Lookup& found);
  bool put_cname(Context& c, const Zone& zone, const Lookup& found, const Name& owner, Name& next);
  bool put_signatures(Context& c, const Zone& zone, const Lookup& found, NameView owner);
  void put_any(Context& c, const Zone& zone, const HashedName& name, const Lookup& found);
  void put_negative(Context& c, const Zone& zone, const HashedName& name, const Lookup& found);
  bool note_proof(Context& c, const Zone& zone, const HashedName& name, const Lookup& found);
  bool put_proofs(Context& c, std::size_t count);
  bool put_proof(Context& c, const Zone& zone, const HashedName& name, const Lookup& found);
  void put_referral(Context& c, const Zone& zone, const HashedName& name, const Lookup& found);
  void put_addresses(Context& c, const Zone& zone, const Node& node_of, const RRsetView& rrset, const Name& owner,
                     const Name* required_below);
  bool put_dname(Context& c, const Zone& zone, const HashedName& name, const Lookup& found, Name& next);
  void put_opt(Context& c);
  std::size_t finish(Context& c);

  AnswerEnvironment& environment_;
  Denier& denier_;
  RateLimited notify_log_{6};
  RateLimited transfer_log_{30};
  Bytes signed_;
  std::uint16_t keepalive_ = 0;
};

}  // namespace understudy
