#include "answer/responder.h"

#include <algorithm>

#include "answer/fast_answer.h"

namespace understudy {

Responder::Responder(AnswerEnvironment& environment, AnswerCounters& counters)
    : environment_(environment), counters_(counters), slow_(environment) {}

void Responder::find_zone(const ZoneTable& table, Work& work) {
  std::size_t label = 0;
  const HashedName& name = work.query.name;
  const ZoneSlot* slot = table.find_closest(name, &label);
  if (slot != nullptr && work.query.type == RRType::DS && label == 0 && name.labels != 0) {
    if (const ZoneSlot* parent = table.find_closest_from(name, 1, &label)) slot = parent;
  }
  work.table = &table;
  work.zone = slot == nullptr ? nullptr : slot->zone();
  if (work.zone != nullptr) work.zone->prefetch(name.hashes[0]);
}

std::size_t Responder::write(const Work& work, ByteView query, const sockaddr* peer, Transport transport,
                             MutableBytes response, std::unique_ptr<ResponseSource>* rest) {
  AnswerCounters::add(counters_.queries[static_cast<std::size_t>(transport)]);
  AnswerCounters::add(counters_.octets_in[static_cast<std::size_t>(transport)], query.size());
  std::size_t size = 0;
  if (work.zone != nullptr) {
    const std::uint16_t ours = environment_.settings()->udp_max_size;
    std::size_t limit = std::min(response.size(), max_message_size);
    if (transport == Transport::udp) {
      limit = std::min<std::size_t>(
          limit, work.query.has_edns ? std::clamp(work.query.udp_size, std::uint16_t{512}, ours) : 512);
    }
    bool truncated = false;
    size = fast_answer(*work.table, *work.zone, query, work.query, response.data(), limit, ours, truncated);
    if (size != 0) {
      counters_.count_type(work.query.type);
      counters_.count_rcode(response[3] & 15U);
      if (truncated) AnswerCounters::add(counters_.truncated);
    }
  }
  if (size == 0) size = slow_.answer(query, peer, transport, response, rest, counters_);
  AnswerCounters::add(counters_.octets_out[static_cast<std::size_t>(transport)], size);
  return size;
}

void Responder::answer_some(std::span<Datagram> batch) {
  const ZoneTable* table = fast_path_ ? environment_.table() : nullptr;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    work_[i].zone = nullptr;
    work_[i].query.type = RRType::ANY;
    if (table == nullptr) continue;
    if (read_plain_query({batch[i].query, batch[i].query_size}, work_[i].query)) {
      table->prefetch(work_[i].query.name);
    } else {
      work_[i].query.type = RRType::ANY;  // never a plain query's: marks the slow way
    }
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (work_[i].query.type != RRType::ANY) find_zone(*table, work_[i]);
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (work_[i].zone != nullptr) work_[i].zone->prefetch_node(work_[i].query.name.hashes[0]);
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    Datagram& d = batch[i];
    d.response_size = static_cast<std::uint32_t>(
        write(work_[i], {d.query, d.query_size}, d.peer, Transport::udp, {d.response, d.response_capacity}, nullptr));
  }
}

void Responder::answer_batch(std::span<Datagram> batch) {
  for (std::size_t at = 0; at < batch.size(); at += stage_width) {
    answer_some(batch.subspan(at, std::min(stage_width, batch.size() - at)));
  }
}

std::size_t Responder::answer(ByteView request, const sockaddr* peer, MutableBytes response,
                              std::unique_ptr<ResponseSource>& rest) {
  Work& work = work_[0];
  work.zone = nullptr;
  const ZoneTable* table = fast_path_ ? environment_.table() : nullptr;
  if (table != nullptr && read_plain_query(request, work.query)) find_zone(*table, work);
  return write(work, request, peer, Transport::tcp, response, &rest);
}

}  // namespace understudy
