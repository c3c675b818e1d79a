#include "answer/responder.h"

#include <algorithm>

#include "answer/fast_answer.h"

namespace understudy {

Responder::Responder(AnswerEnvironment& environment, AnswerCounters& counters)
    : environment_(environment), counters_(counters), slow_(environment, denier_) {}

void Responder::read(const ZoneTable* table, ByteView query, Work& work) {
  work.zone = nullptr;
  work.target_count = 0;
  work.table = table;
  if (table == nullptr || !read_plain_query(query, work.query)) {
    work.table = nullptr;
  } else {
    table->prefetch(work.query.name);
  }
}

void Responder::find_zone(const ZoneTable& table, Work& work) {
  std::size_t label = 0;
  const HashedName& name = work.query.name;
  const ZoneSlot* slot = table.find_closest(name, &label);
  if (slot != nullptr && work.query.type == RRType::DS && label == 0 && name.labels != 0) {
    if (const ZoneSlot* parent = table.find_closest_from(name, 1, &label)) slot = parent;
  }
  work.zone = slot == nullptr ? nullptr : slot->zone();
  // What has expired says so, if the client understands that.
  if (work.zone != nullptr && slot->is_stale() && work.query.has_edns) work.zone = nullptr;
  if (work.zone == nullptr) return;
  work.zone->prefetch(name.hashes[0]);
  const std::size_t depth = name.labels - work.zone->apex_labels();
  work.cut_hash = depth > 1 ? name.hashes[depth - 1] : 0;
  if (work.cut_hash != 0) work.zone->prefetch(work.cut_hash);
}

// Begins to, if it takes time.
void Responder::find_proof(Work& work) {
  work.proof.count = 0;
  work.proof.is_too_costly = false;
  work.search.count = 0;
  if (!work.query.dnssec_ok || !Denier::needs_proof(*work.zone, work.found)) return;
  const std::uint16_t most = environment_.settings()->nsec3_max_iterations;
  if (denier_.begin(*work.zone, work.query.name, work.found, most, work.search)) {
    searching_ = true;
    return;
  }
  work.proof = denier_.prove(*work.zone, work.query.name, work.found, most);
}

void Responder::find_node(Work& work) {
  work.found = look_up(*work.zone, work.query.name, work.query.type);
  work.target_count = 0;
  find_proof(work);
  if (work.found.found == Found::referral) {
    __builtin_prefetch(work.found.chunk);  // it may be a set elsewhere, that many delegations share
    referring_ = true;
  } else {
    find_targets(work);
  }
}

void Responder::find_targets(Work& work) {
  if (work.found.chunk == nullptr || work.found.chunk->target_count_ == 0) return;
  work.target_count = target_hashes(work.zone->apex(), work.query, work.found, work.targets);
  for (std::size_t i = 0; i < work.target_count; ++i) work.zone->prefetch(work.targets[i]);
}

// Of referrals, once all of the batch have been found.
void Responder::find_referred_targets(std::span<Work> works) {
  if (!referring_) return;
  referring_ = false;
  for (Work& work : works) {
    if (work.zone != nullptr && work.found.found == Found::referral) find_targets(work);
  }
}

std::uint32_t Responder::now() {
  if (!now_) now_ = static_cast<std::uint32_t>(environment_.clock().wall_seconds());
  return *now_;
}

CookieVerdict Responder::put_options(const Work& work, const sockaddr* peer, Transport transport,
                                     OptionWriter& options) {
  const EdnsRequest& request = work.query.options;
  EdnsClient client{.address = peer};
  if (request.has(EdnsRequest::cookie)) client.now = now();
  if (transport == Transport::tcp) client.keepalive = slow_.keepalive();
  const CookieVerdict verdict = options.put_standing(request, environment_.settings()->edns, client);
  if (request.has(EdnsRequest::zone_version)) {
    options.put_zone_version(work.zone->apex_labels(), work.zone->serial());
  }
  return verdict;
}

// 0: the slow way.
std::size_t Responder::write_fast(const Work& work, ByteView query, const sockaddr* peer, Transport transport,
                                  MutableBytes response) {
  const AnswerSettings& settings = *environment_.settings();
  std::size_t limit = std::min(response.size(), max_message_size);
  if (transport == Transport::udp) {
    limit = std::min<std::size_t>(
        limit, work.query.has_edns ? std::clamp(work.query.udp_size, std::uint16_t{512}, settings.udp_max_size) : 512);
  }
  OptionWriter options(limit - work.query.question_end - opt_header_size);
  CookieVerdict cookie = CookieVerdict::none;
  if (work.query.options.wishes != 0) cookie = put_options(work, peer, transport, options);
  if (transport == Transport::udp && demands_cookie(settings.edns, cookie)) return 0;
  bool truncated = false;
  const std::size_t size =
      fast_answer(*work.table, *work.zone, work.found, work.proof, {work.targets, work.target_count}, query, work.query,
                  response.data(), limit, settings, options.options(), truncated);
  if (size == 0 || (truncated && transport == Transport::tcp)) return 0;
  counters_.count_type(work.query.type);
  counters_.count_rcode(response[3] & 15U);
  counters_.count_cookie(cookie);
  if (truncated) AnswerCounters::add(counters_.truncated);
  return size;
}

std::size_t Responder::write(const Work& work, ByteView query, const sockaddr* peer, Transport transport,
                             MutableBytes response, std::unique_ptr<ResponseSource>* rest) {
  AnswerCounters::add(counters_.queries[static_cast<std::size_t>(transport)]);
  AnswerCounters::add(counters_.octets_in[static_cast<std::size_t>(transport)], query.size());
  std::size_t size = work.zone == nullptr ? 0 : write_fast(work, query, peer, transport, response);
  if (size == 0) size = slow_.answer(query, peer, transport, response, rest, counters_);
  AnswerCounters::add(counters_.octets_out[static_cast<std::size_t>(transport)], size);
  return size;
}

// The stages. Behind each stands what it costs a query, in a batch of 32:
//
//   instructions                    by scripts/check-instructions --stages; they do not depend on the machine
//   ns of processor time, hot/cold  by bench/stages_bench, in zones of 1,000 names and in zones of over 1 GiB (12 M
//                                   hosts, 9 M delegations, 3.5 M signed names with NSEC3); AMD EPYC, 2.1 GHz,
//                                   2026-11-29, the least of three to twelve runs on a busy machine: cold, +-50 ns
//
// They are not inlined, so that profiles tell them apart: a call for a batch costs nothing.

// Labels, a hash of every suffix, OPT; asks for places in the zone table. Cold, it is the questions themselves that are
// not in the cache.
//   an address 313, 18/28 ns; a referral 395, 19/33 ns; a name error with NSEC3 368, 24/59 ns
[[gnu::noinline]] void Responder::read_all(std::span<const Datagram> batch, std::span<Work> works) {
  const ZoneTable* table = fast_path_ ? environment_.table() : nullptr;
  for (std::size_t i = 0; i < batch.size(); ++i) read(table, {batch[i].query, batch[i].query_size}, works[i]);
}

// The zone closest to the name; asks for the name's bucket and that of a likely cut.
//   an address 184, 8/18 ns; a referral 209, 9/20 ns; a name error with NSEC3 184, 10/19 ns
[[gnu::noinline]] void Responder::find_zones(std::span<Work> works) {
  for (Work& work : works) {
    if (work.table != nullptr) find_zone(*work.table, work);
  }
}

// Reads the buckets, asks for the blocks that they refer to. Cold, what it waits for are buckets that are still under
// way.
//   an address 42, 3/32 ns; a referral 68, 3/33 ns; a name error with NSEC3 38, 2/81 ns
[[gnu::noinline]] void Responder::ask_for_nodes(std::span<const Work> works) {
  for (const Work& work : works) {
    if (work.zone == nullptr) continue;
    work.zone->prefetch_node(work.query.name.hashes[0]);
    if (work.cut_hash != 0) work.zone->prefetch_node(work.cut_hash);
  }
}

// What the zone says; hashes of names whose addresses go along, or the keys to search proofs by. With NSEC3 this has
// one SHA-1 a query, and with a referral a hash of each name server.
//   an address 270, 15/91 ns; a referral 1087, 86/281 ns; a name error with NSEC 636, with NSEC3 4642, 251/373 ns
[[gnu::noinline]] void Responder::look_up_all(std::span<Work> works) {
  for (Work& work : works) {
    if (work.zone != nullptr) find_node(work);
  }
  find_referred_targets(works);
}

// Reads the buckets of names whose addresses go along, asks for their blocks.
//   a referral 67, 1/59 ns; others 6, below 2 ns
[[gnu::noinline]] void Responder::ask_for_targets(std::span<const Work> works) {
  for (const Work& work : works) {
    for (std::size_t i = 0; i < work.target_count; ++i) work.zone->prefetch_node(work.targets[i]);
  }
}

// All searches for proofs, a step of each at a time: a page of a tree of owners for each of two (NSEC) or three
// searches. Without any, one comparison a batch.
//   a name error with NSEC 1234, with NSEC3 3065, 194/1286 ns
[[gnu::noinline]] void Responder::finish_proofs(std::span<Work> works) {
  if (!searching_) return;
  for (bool pending = true; pending;) {
    pending = false;
    for (Work& work : works) {
      if (work.zone != nullptr && work.search.count != 0 && Denier::advance(work.search)) pending = true;
    }
  }
  for (Work& work : works) {
    if (work.zone == nullptr || work.search.count == 0) continue;
    work.proof = denier_.end(*work.zone, work.query.name, work.found, work.search);
  }
  searching_ = false;
}

// Copies chunks behind the question, sets pointers right, counts.
//   an address 446, 36/72 ns; a referral 1129, 77/249 ns; a name error with NSEC 972, with NSEC3 1050, 154/187 ns
[[gnu::noinline]] void Responder::write_all(std::span<Datagram> batch, std::span<const Work> works) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    Datagram& d = batch[i];
    d.response_size = static_cast<std::uint32_t>(
        write(works[i], {d.query, d.query_size}, d.peer, Transport::udp, {d.response, d.response_capacity}, nullptr));
  }
}

void Responder::answer_some(std::span<Datagram> batch) {
  now_.reset();
  const std::span<Work> works(work_.data(), batch.size());
  read_all(batch, works);
  find_zones(works);
  ask_for_nodes(works);
  look_up_all(works);
  ask_for_targets(works);
  finish_proofs(works);
  write_all(batch, works);
}

void Responder::answer_batch(std::span<Datagram> batch) {
  for (std::size_t at = 0; at < batch.size(); at += stage_width) {
    answer_some(batch.subspan(at, std::min(stage_width, batch.size() - at)));
  }
}

std::size_t Responder::answer(ByteView request, const sockaddr* peer, MutableBytes response,
                              std::unique_ptr<ResponseSource>& rest) {
  Work& work = work_[0];
  now_.reset();
  read(fast_path_ ? environment_.table() : nullptr, request, work);
  if (work.table != nullptr) find_zone(*work.table, work);
  if (work.zone != nullptr) {
    find_node(work);
    find_referred_targets({&work, 1});
    finish_proofs({&work, 1});
  }
  return write(work, request, peer, Transport::tcp, response, &rest);
}

}  // namespace understudy
