#include "answer/slow_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "answer/query_facts.h"
#include "answer/slow_answer_context.h"
#include "dns/edns.h"
#include "dns/rdata.h"
#include "xfr/axfr_writer.h"
#include "zone/additional.h"

namespace understudy {

namespace {

constexpr std::size_t most_links = 16;  // CNAMEs and DNAMEs followed for one question
// Differences that may be made one while a worker waits, by Transport: the larger take about a millisecond.
constexpr std::uint64_t condense_octets[] = {std::uint64_t{16} << 10, std::uint64_t{256} << 10};

}  // namespace

std::size_t SlowAnswer::answer(ByteView query, const sockaddr* peer, Transport transport, MutableBytes response,
                               std::unique_ptr<ResponseSource>* rest, AnswerCounters& counters) {
  AnswerCounters::add(counters.slow);
  const auto header = Header::read(query);
  // Answers to responses would let two servers talk for ever; less than a header has no id to answer to.
  if (!header || header->is_response()) {
    AnswerCounters::add(counters.dropped);
    return 0;
  }
  const auto message = MessageView::parse(query);
  if (!message) return malformed(query, message.error(), response, counters);
  const AnswerSettings* settings = environment_.settings();
  std::size_t limit = std::min(response.size(), max_message_size);
  if (transport == Transport::udp) {
    const std::size_t offered = message->edns() ? std::max<std::size_t>(message->edns()->udp_size, 512) : 512;
    limit = std::min({limit, offered, message->edns() ? std::size_t{settings->udp_max_size} : 512});
  }
  Context c(*message, response, limit);
  c.transport = transport;
  c.peer = endpoint_of(peer);
  c.peer_address = peer;
  c.settings = settings;
  c.table = environment_.table();
  c.counters = &counters;
  c.rest = rest;
  c.flags = static_cast<std::uint16_t>(Header::qr | opcode_bits(header->opcode()) | (header->flags & Header::rd));
  c.writer.set_header(header->id, c.flags);
  if (const auto& question = message->question()) {
    c.writer.add_question(question->name, question->type, question->klass);
    counters.count_type(question->type);
  }
  c.begin = c.writer.mark();
  if (message->edns()) {
    c.dnssec_ok = message->edns()->dnssec_ok;
    c.wishes = read_edns_request(message->edns()->options);
  }
  dispatch(c);
  if (c.handed_over) return 0;
  return finish(c);
}

// Nothing but the header, as what follows it could not be read: FORMERR (RFC 1035 section 4.1.1), or NOTIMP for an
// operation whose messages we do not know how to read.
std::size_t SlowAnswer::malformed(ByteView query, const Error&, MutableBytes response, AnswerCounters& counters) {
  const Header asked = *Header::read(query);
  Header header;
  header.id = asked.id;
  const bool known = asked.opcode() == Opcode::QUERY || asked.opcode() == Opcode::NOTIFY;
  const Rcode rcode = known ? Rcode::FORMERR : Rcode::NOTIMP;
  header.flags =
      static_cast<std::uint16_t>(Header::qr | opcode_bits(asked.opcode()) | (asked.flags & Header::rd) | number(rcode));
  header.write(response.data());
  counters.count_rcode(number(rcode));
  return header_size;
}

void SlowAnswer::refuse(Context& c, Rcode rcode) {
  c.rcode = rcode;
}

void SlowAnswer::dispatch(Context& c) {
  const Header& header = c.message.header();
  if (c.message.edns() && c.message.edns()->version != 0) return refuse(c, Rcode::BADVERS);
  if (is_malformed(c.wishes, c.settings->edns, c.transport == Transport::tcp)) return refuse(c, Rcode::FORMERR);
  put_options(c);
  auto session =
      verify_request(c.message, *c.settings->keys, static_cast<std::uint64_t>(environment_.clock().wall_seconds()));
  if (!session) return refuse(c, Rcode::FORMERR);
  c.tsig = std::move(*session);
  c.writer.reserve(c.closing_octets());
  if (c.tsig) {
    if (c.tsig->error != Rcode::NOERROR) {
      std::uint64_t left_out = 0;
      if (transfer_log_.allow(environment_.clock().mono_ns(), left_out)) {
        log_warning(
            "{}: refused a request signed with key {}: {} ({} similar lines left out). Do both sides have the "
            "same key, algorithm and time?",
            c.peer.text(), c.tsig->key_name.text(),
            c.tsig->error == Rcode::BADSIG ? "BADSIG" : rcode_text(c.tsig->error), left_out);
      }
      return refuse(c, Rcode::NOTAUTH);
    }
  }
  if (header.opcode() != Opcode::QUERY && header.opcode() != Opcode::NOTIFY) return refuse(c, Rcode::NOTIMP);
  if (!c.message.question()) return answer_without_question(c);
  if (header.opcode() == Opcode::QUERY && must_show_cookie(c)) return;
  answer_question(c);
}

void SlowAnswer::answer_question(Context& c) {
  const RRClass klass = c.message.question()->klass;
  const bool is_notify = c.message.header().opcode() == Opcode::NOTIFY;
  if (klass == RRClass::CH && !is_notify) return answer_chaos(c);
  if (klass != RRClass::IN) return refuse(c, Rcode::REFUSED);
  if (is_notify) return answer_notify(c);
  const RRType type = c.message.question()->type;
  if (type == RRType::AXFR || type == RRType::IXFR) return answer_transfer(c);
  if (is_meta_type(type) && type != RRType::ANY) return refuse(c, meta_type_rcode(type));
  follow(c);
  if (!c.truncated) put_proofs(c, c.proofs.size());
}

void SlowAnswer::set_idle_time(std::chrono::milliseconds time) {
  keepalive_ = static_cast<std::uint16_t>(std::clamp<std::int64_t>(time.count() / 100, 0, 0xffff));
}

// What the client asked for that does not depend on a zone.
void SlowAnswer::put_options(Context& c) {
  EdnsClient client{.address = c.peer_address,
                    .now = static_cast<std::uint32_t>(environment_.clock().wall_seconds()),
                    .keepalive = std::nullopt};
  if (c.transport == Transport::tcp) client.keepalive = keepalive_;
  OptionWriter options(max_message_size);
  c.cookie = options.put_standing(c.wishes, c.settings->edns, client);
  c.counters->count_cookie(c.cookie);
  append(c.options, options.options());
}

// RFC 9660: of the zone that the question's name is in, whatever the answer is.
void SlowAnswer::put_zone_version(Context& c, const Zone& zone) {
  if (!c.wishes.has(EdnsRequest::zone_version)) return;
  OptionWriter option(max_message_size);
  option.put_zone_version(zone.apex_labels(), zone.serial());
  append(c.options, option.options());
  c.writer.reserve(c.closing_octets());
}

// Where cookies are demanded: who has a wrong one or only his own gets a good one (RFC 7873 sections 5.2.3 and 5.2.4),
// who has none may be sent to TCP. A signature says more than a cookie.
bool SlowAnswer::must_show_cookie(Context& c) {
  if (c.transport == Transport::tcp || c.tsig || !demands_cookie(c.settings->edns, c.cookie)) return false;
  if (c.cookie == CookieVerdict::none) {
    c.truncated = true;
  } else {
    refuse(c, Rcode::BADCOOKIE);
  }
  return true;
}

// RFC 4892 section 3.1.
void SlowAnswer::answer_chaos(Context& c) {
  const Question& question = *c.message.question();
  const std::string& text = c.settings->chaos.text_at(question.name);
  if (text.empty() || (question.type != RRType::TXT && question.type != RRType::ANY)) {
    return refuse(c, Rcode::REFUSED);
  }
  const Bytes rdata = txt_rdata(text);
  if (!c.writer.add_record(Section::answer, question.name, RRType::TXT, RRClass::CH, 0, rdata)) c.truncated = true;
}

// RFC 8914, for who speaks EDNS.
void SlowAnswer::explain(Context& c, ExtendedError why) {
  if (c.message.edns()) append_extended_error(c.options, why);
}

// RFC 7873 section 5.4: that is how to ask for a cookie, or whether the one at hand is still good.
void SlowAnswer::answer_without_question(Context& c) {
  const bool asks = c.message.header().opcode() == Opcode::QUERY && c.cookie != CookieVerdict::none &&
                    c.message.header().ancount == 0 && c.message.header().nscount == 0;
  if (!asks) return refuse(c, Rcode::FORMERR);
  if (c.cookie == CookieVerdict::bad) refuse(c, Rcode::BADCOOKIE);
}

// RFC 1996: from whom the zone's rules allow, acknowledged at once; the check is the transfer engine's.
void SlowAnswer::answer_notify(Context& c) {
  AnswerCounters::add(c.counters->notifies);
  const Question& question = *c.message.question();
  const HashedName name(question.name);
  ZoneSlot* slot = c.table == nullptr ? nullptr : c.table->find_exact(name);
  std::optional<NameView> key;
  if (c.tsig) key = c.tsig->key->name;
  const auto allowed = [&](const AccessRule& rule) { return rule.matches(c.peer.address, key); };
  if (slot == nullptr || !std::ranges::any_of(slot->access().notify, allowed)) {
    AnswerCounters::add(c.counters->notifies_refused);
    std::uint64_t left_out = 0;
    if (notify_log_.allow(environment_.clock().mono_ns(), left_out)) {
      log_warning("zone {}: refused NOTIFY from {}: {} ({} similar lines left out)", question.name.text(),
                  c.peer.text(),
                  slot == nullptr ? "the zone is not configured here"
                                  : "it is neither a primary of the zone nor in its allow-notify",
                  left_out);
    }
    explain(c, ExtendedError::prohibited);
    return refuse(c, Rcode::REFUSED);
  }
  if (question.type != RRType::SOA) return refuse(c, Rcode::FORMERR);
  environment_.notify(slot->name(), c.peer.address, soa_serial(c.message, Section::answer));
  c.flags |= Header::aa;
}

// RFC 7314 section 3: a secondary answers the time that is left, a primary the SOA's EXPIRE.
void SlowAnswer::put_expire(Context& c, const ZoneSlot& slot, const Zone& zone) {
  if (!c.wishes.has(EdnsRequest::expire)) return;
  std::int64_t left = zone.soa().expire;
  // Another version may be published meanwhile, which may live longer than the one that is told of.
  if (const double at = std::min(c.expires, slot.expires()); at != ZoneSlot::never) {
    const double now = static_cast<double>(environment_.clock().mono_ns()) / 1e9;
    left = static_cast<std::int64_t>(std::clamp(at - now, 0.0, 4'294'967'295.0));
  }
  std::uint8_t content[4];
  store_u32(content, static_cast<std::uint32_t>(left));
  append_edns_option(c.options, edns_expire, content);
}

bool SlowAnswer::may_transfer(Context& c, const ZoneSlot& slot) {
  std::optional<NameView> key;
  if (c.tsig) key = c.tsig->key->name;
  const auto allowed = [&](const AccessRule& rule) { return rule.matches(c.peer.address, key); };
  if (std::ranges::any_of(slot.access().transfer, allowed)) return true;
  AnswerCounters::add(c.counters->transfers_refused);
  std::uint64_t left_out = 0;
  if (transfer_log_.allow(environment_.clock().mono_ns(), left_out)) {
    const Question& question = *c.message.question();
    log_warning("zone {}: refused {} to {}: no rule of allow-transfer matches {} ({} similar lines left out)",
                question.name.text(), type_text(question.type), c.peer.text(),
                key ? fmt::format("this address with key {}", key->text()) : "this address without a key", left_out);
  }
  return false;
}

void SlowAnswer::answer_transfer(Context& c) {
  const Question& question = *c.message.question();
  const HashedName name(question.name);
  ZoneSlot* slot = c.table == nullptr ? nullptr : c.table->find_exact(name);
  if (slot == nullptr) {
    explain(c, ExtendedError::not_authoritative);
    return refuse(c, Rcode::NOTAUTH);
  }
  if (!may_transfer(c, *slot)) {
    explain(c, ExtendedError::prohibited);
    return refuse(c, Rcode::REFUSED);
  }
  const Zone* zone = zone_for(c, name, question.type, true);
  if (zone == nullptr) return;
  put_zone_version(c, *zone);
  if (question.type == RRType::AXFR) {
    if (c.transport == Transport::udp) return refuse(c, Rcode::FORMERR);
    put_expire(c, *slot, *zone);
    return hand_over(c, *zone, {});
  }
  const std::optional<Serial> theirs = soa_serial(c.message, Section::authority);
  if (!theirs) return refuse(c, Rcode::FORMERR);
  put_expire(c, *slot, *zone);
  const bool is_current = *theirs == zone->serial() || theirs->is_newer_than(zone->serial());
  Differences differences;
  if (!is_current) {
    differences =
        choose_differences(*zone, slot->history(), *theirs, condense_octets[static_cast<std::size_t>(c.transport)]);
  }
  if (!is_current && c.transport == Transport::tcp) return hand_over(c, *zone, std::move(differences));
  c.flags |= Header::aa;
  if (!differences.empty() && put_differences(c, std::move(differences))) return;
  // RFC 1995 section 2: one SOA says "you are current", or over UDP "ask by TCP".
  if (const auto soa = zone->rrset(zone->apex_node(), RRType::SOA)) put_rrset(c, Section::answer, question.name, *soa);
}

// RFC 1995 section 2: by UDP only if the entire response fits.
bool SlowAnswer::put_differences(Context& c, Differences differences) {
  const MessageWriter::Mark before = c.writer.mark();
  c.writer.reserve(c.closing_octets());
  const auto records = difference_records(std::move(differences));
  DeltaRecord record;
  while (records->next(record)) {
    if (c.writer.add_record(Section::answer, record.owner, record.type, RRClass::IN, record.ttl, record.rdata)) {
      continue;
    }
    c.writer.rewind(before);
    c.writer.reserve(c.closing_octets());
    return false;
  }
  AnswerCounters::add(c.counters->transfers);
  return true;
}

// A transfer of many messages, which the connection takes as it can.
void SlowAnswer::hand_over(Context& c, const Zone& zone, Differences differences) {
  const Question& question = *c.message.question();
  AnswerCounters::add(c.counters->transfers);
  c.counters->count_rcode(number(Rcode::NOERROR));
  TransferReply reply{.request = c.message.header(), .question = question, .edns = {}, .tsig = std::move(c.tsig)};
  if (c.message.edns()) reply.edns = {.udp_size = c.settings->udp_max_size, .options = std::move(c.options)};
  c.handed_over = true;
  if (differences.empty()) {
    log_info("zone {}: {} of serial {} to {} begins, {} records", question.name.text(), type_text(question.type),
             zone.serial().value, c.peer.text(), zone.record_count());
    *c.rest = std::make_unique<AxfrWriter>(zone.shared_from_this(), std::move(reply), environment_.clock());
  } else {
    std::uint64_t records = 2;  // the opening and the closing SOA
    for (const auto& delta : differences) records += delta->removed_count() + delta->added_count();
    log_info("zone {}: IXFR from serial {} to {} for {} begins, {} records in {} {}", question.name.text(),
             differences.front()->from().value, zone.serial().value, c.peer.text(), records, differences.size(),
             differences.size() == 1 ? "difference" : "differences");
    *c.rest = std::make_unique<IxfrWriter>(std::move(differences), std::move(reply), environment_.clock());
  }
}

const Zone* SlowAnswer::zone_for(Context& c, const HashedName& name, RRType type, bool first) {
  if (c.table == nullptr) {
    if (first) c.rcode = Rcode::SERVFAIL;
    return nullptr;
  }
  std::size_t label = 0;
  ZoneSlot* slot = c.table->find_closest(name, &label);
  // DS of a zone's own apex is the parent's to answer, if we have the parent (RFC 4035 section 3.1.4.1).
  if (slot != nullptr && type == RRType::DS && label == 0 && name.labels != 0) {
    if (ZoneSlot* parent = c.table->find_closest_from(name, 1, &label)) slot = parent;
  }
  if (slot == nullptr) {
    if (first) {
      c.rcode = Rcode::REFUSED;
      explain(c, ExtendedError::not_authoritative);
    }
    return nullptr;
  }
  // Whatever is published meanwhile, one response says of a zone what one version does.
  if (first) c.expires = slot->expires();
  const auto known = std::ranges::find(c.versions, slot, &std::pair<const ZoneSlot*, const Zone*>::first);
  const Zone* zone = known != c.versions.end() ? known->second : slot->zone();
  if (known == c.versions.end()) c.versions.emplace_back(slot, zone);
  if (zone != nullptr && slot->is_stale()) c.stale = true;
  if (zone == nullptr && first) {
    c.rcode = Rcode::SERVFAIL;
    if (c.message.edns()) {
      append_extended_error(c.options, slot->expired() ? ExtendedError::invalid_data : ExtendedError::not_ready,
                            slot->expired() ? "zone expired" : "zone not loaded");
    }
  }
  return zone;
}

// RFC 1034 section 4.3.2 from step 2, again for each alias met.
void SlowAnswer::follow(Context& c) {
  const RRType type = c.message.question()->type;
  std::array<Name, most_links> visited;  // names that were aliases; the question's first
  visited[0] = c.message.question()->name;
  const Zone* zone = nullptr;
  for (std::size_t links = 0;; ++links) {
    const Name& current = visited[links];
    const HashedName name(current);
    const bool may_leave = links == 0 || c.settings->follows_aliases;
    if (!may_leave && !current.view().is_at_or_below(zone->apex())) return;
    if (may_leave) zone = zone_for(c, name, type, links == 0);
    if (zone == nullptr) return;
    if (links == 0) put_zone_version(c, *zone);
    const Lookup found = look_up(*zone, name, type);
    if (found.found != Found::referral && links == 0) c.flags |= Header::aa;
    if (type == RRType::SOA && links == 0 && current.view().equals(zone->apex())) {
      if (const ZoneSlot* slot = c.table->find_exact(name)) put_expire(c, *slot, *zone);
    }
    Name next;
    switch (found.found) {
      case Found::answer:
        return put_answer(c, *zone, name, found);
      case Found::nodata:
        return put_negative(c, *zone, name, found);
      case Found::name_error:
        c.rcode = Rcode::NXDOMAIN;
        return put_negative(c, *zone, name, found);
      case Found::referral:
        return put_referral(c, *zone, name, found);
      case Found::cname:
        if (!put_cname(c, *zone, found, current, next) || !note_proof(c, *zone, name, found)) return;
        break;
      case Found::dname:
        if (!put_dname(c, *zone, name, found, next)) return;
        if (type == RRType::CNAME) return;  // the CNAME made from the DNAME is what was asked for
        break;
    }
    // A loop, or a chain longer than anyone needs: what was found so far is the answer.
    const auto end = visited.begin() + links + 1;
    if (end == visited.end() || std::find(visited.begin(), end, next) != end) return;
    *end = next;
  }
}

void SlowAnswer::put_answer(Context& c, const Zone& zone, const HashedName& name, const Lookup& found) {
  const RRType type = c.message.question()->type;
  if (type == RRType::ANY) return put_any(c, zone, name, found);
  if (type == RRType::RRSIG) {
    if (put_signatures(c, zone, found, name.name)) put_proof(c, zone, name, found);
    return;
  }
  const RRsetView rrset(found.node, type, found.chunk, zone.apex());
  const bool is_there = !found.wildcard && c.has_dname(rrset.chunk());
  if ((!is_there && !put_rrset(c, Section::answer, name.name, rrset)) || !put_proof(c, zone, name, found)) return;
  put_addresses(c, zone, *found.node, rrset, name.name, nullptr);
}

// The first of several CNAMEs (which RFC 2181 section 10.1 forbids) is the one that is followed.
bool SlowAnswer::put_cname(Context& c, const Zone& zone, const Lookup& found, const Name& owner, Name& next) {
  const RRsetView rrset(found.node, RRType::CNAME, found.chunk, zone.apex());
  if (!put_rrset(c, Section::answer, owner, rrset)) return false;
  bool first = true;
  rrset.for_each_rdata([&](ByteView rdata) {
    if (first) next = Name(NameView::trusted(rdata));
    first = false;
  });
  return true;
}

// All signatures of a name, as an RRset of their own: whole or not at all.
bool SlowAnswer::put_signatures(Context& c, const Zone& zone, const Lookup& found, NameView owner) {
  const Node& node = *found.node;
  const MessageWriter::Mark before = c.writer.mark();
  bool fits = true;
  for (std::size_t i = 0; i < node.rrset_count && fits; ++i) {
    const RRsetView rrset(&node, node.type_at(i), node.chunk_at(i), zone.apex());
    if (c.dnssec_ok && !found.wildcard && c.has_dname(rrset.chunk())) continue;
    fits = rrset.chunk()->signature_octets() <= max_message_size;
    if (!fits) break;
    rrset.for_each_signature([&](std::uint32_t ttl, ByteView rdata) {
      fits = fits && c.writer.add_record(Section::answer, owner, RRType::RRSIG, RRClass::IN, ttl, rdata);
    });
  }
  if (fits) return true;
  c.writer.rewind(before);
  c.truncated = true;
  return false;
}

bool SlowAnswer::put_rrset(Context& c, Section section, NameView owner, const RRsetView& rrset) {
  const MessageWriter::Mark before = c.writer.mark();
  bool fits = rrset.chunk()->record_octets() <= max_message_size;
  const std::uint32_t ttl = rrset.ttl();
  if (fits) {
    rrset.for_each_rdata([&](ByteView rdata) {
      fits = fits && c.writer.add_record(section, owner, rrset.type(), RRClass::IN, ttl, rdata);
    });
    if (c.dnssec_ok) {
      rrset.for_each_signature([&](std::uint32_t own_ttl, ByteView rdata) {
        fits = fits && c.writer.add_record(section, owner, RRType::RRSIG, RRClass::IN, own_ttl, rdata);
      });
    }
  }
  if (fits) return true;
  c.writer.rewind(before);
  if (section != Section::additional) c.truncated = true;
  return false;
}

// RFC 8482 section 4.1: one RRset, the first that is not DNSSEC's own bookkeeping if there is one.
void SlowAnswer::put_any(Context& c, const Zone& zone, const HashedName& name, const Lookup& found) {
  std::size_t chosen = found.node->rrset_count;
  for (std::size_t i = 0; i < found.node->rrset_count; ++i) {
    if (found.node->chunk_at(i)->record_count() == 0) continue;
    const RRType type = found.node->type_at(i);
    const bool bookkeeping = type == RRType::NSEC || type == RRType::NSEC3;
    if (chosen == found.node->rrset_count || !bookkeeping) chosen = i;
    if (!bookkeeping) break;
  }
  if (chosen == found.node->rrset_count) {
    Lookup nothing = found;
    nothing.found = Found::nodata;
    return put_negative(c, zone, name, nothing);
  }
  const RRsetView rrset(found.node, found.node->type_at(chosen), found.node->chunk_at(chosen), zone.apex());
  const bool is_there = !found.wildcard && c.has_dname(rrset.chunk());
  if (is_there || put_rrset(c, Section::answer, name.name, rrset)) put_proof(c, zone, name, found);
}

void SlowAnswer::put_negative(Context& c, const Zone& zone, const HashedName& name, const Lookup& found) {
  const RRsetView soa(zone.apex_node(), RRType::SOA, zone.negative_soa(), zone.apex());
  // First whether it can be proved: an answer that has no room for it would send the client by TCP for SERVFAIL.
  const std::size_t of_aliases = c.proofs.size();
  if (!note_proof(c, zone, name, found) || !put_proofs(c, of_aliases)) return;
  if (put_rrset(c, Section::authority, zone.apex(), soa)) put_proofs(c, c.proofs.size());
}

// Notes what proves the negative in what was found. False if it costs too much: over the limit of iterations there is
// no answer at all, as a validator would take one without its proof for a forgery (doc/interop.md).
bool SlowAnswer::note_proof(Context& c, const Zone& zone, const HashedName& name, const Lookup& found) {
  if (!c.dnssec_ok || !Denier::needs_proof(zone, found)) return true;
  const Proof proof = denier_.prove(zone, name, found, c.settings->nsec3_max_iterations);
  if (proof.is_too_costly) {
    c.writer.rewind(c.begin);
    c.writer.reserve(c.closing_octets());
    c.proofs.clear();
    c.truncated = false;
    c.rcode = Rcode::SERVFAIL;
    append_extended_error(c.options, ExtendedError::nsec3_iterations,
                          fmt::format("{} NSEC3 iterations", zone.nsec3_params().iterations));
    return false;
  }
  for (std::size_t i = 0; i < proof.count; ++i) {
    const Node* node = proof.nodes[i];
    const bool known = std::ranges::find(c.proofs, node, &Context::Proving::node) != c.proofs.end();
    if (!known) c.proofs.push_back({&zone, proof.type, node});
  }
  return true;
}

// Puts the first `count` that were noted; false if there is no room.
bool SlowAnswer::put_proofs(Context& c, std::size_t count) {
  while (c.proofs_put < count) {
    const auto& [zone, type, node] = c.proofs[c.proofs_put++];
    const RRsetView rrset(node, type, node->rrset_chunk(type), zone->apex());
    if (!put_rrset(c, Section::authority, zone->owner_of(node), rrset)) return false;
  }
  return true;
}

bool SlowAnswer::put_proof(Context& c, const Zone& zone, const HashedName& name, const Lookup& found) {
  return note_proof(c, zone, name, found) && put_proofs(c, c.proofs.size());
}

void SlowAnswer::put_referral(Context& c, const Zone& zone, const HashedName& name, const Lookup& found) {
  const Name cut = name.suffix(found.label);
  const RRsetView servers(found.node, RRType::NS, found.chunk, zone.apex());
  if (!put_proofs(c, c.proofs.size()) || !put_rrset(c, Section::authority, cut, servers)) return;
  if (c.dnssec_ok) {
    const auto ds = zone.rrset(found.node, RRType::DS);
    if (ds && goes_with_referral(zone, *ds->chunk())) put_rrset(c, Section::authority, cut, *ds);
  }
  if (put_proof(c, zone, name, found)) put_addresses(c, zone, *found.node, servers, cut, &cut);
}

// Addresses, and what else goes along, of the names in an RRset of `node`. `required_below`: the zone cut of a
// referral; its own glue must be there or TC is set (RFC 9471 section 3).
void SlowAnswer::put_addresses(Context& c, const Zone& zone, const Node& node_of, const RRsetView& rrset,
                               const Name& owner, const Name* required_below) {
  const std::span<const RRType> types = additional_types(rrset.type());
  const bool minimal = c.settings->minimal_responses;
  if (types.empty() || (minimal && required_below == nullptr)) return;
  const Node* seen[64];
  std::size_t seen_count = 0;
  rrset.for_each_rdata([&](ByteView rdata) {
    const auto found = additional_name(rrset.type(), rdata);
    if (!found) return;
    ByteReader reader(rdata, found->offset);
    const auto name_there = NameView::read(reader);
    const Name target = found->is_owner || !name_there ? owner : Name(*name_there);
    const bool required = required_below != nullptr && target.view().is_at_or_below(*required_below);
    if (minimal && !required) return;
    if (!target.view().is_at_or_below(zone.apex()) || (seen_count == std::size(seen) && !required)) return;
    const HashedName name(target);
    const Node* node = zone.find(name);
    if (node == nullptr || node->has(Node::nsec3_only) || is_below_dname(zone, name)) return;
    if (required_below == nullptr && (node->has(Node::cut) || is_below_cut(zone, name))) return;
    if (std::find(seen, seen + seen_count, node) != seen + seen_count) return;
    if (seen_count < std::size(seen)) seen[seen_count++] = node;
    for (const RRType type : types) {
      if (type == rrset.type() && node == &node_of) continue;  // the answer itself
      const auto records = zone.rrset(node, type);
      if (!records || put_rrset(c, Section::additional, target, *records)) continue;
      if (required && !c.truncated) c.truncated = c.lacks_glue = true;
    }
  });
}

// RFC 6672 section 3: the DNAME, unless it is there by now, and a CNAME made from it. False if the new name is too long
// (YXDOMAIN).
bool SlowAnswer::put_dname(Context& c, const Zone& zone, const HashedName& name, const Lookup& found, Name& next) {
  const RRsetView rrset(found.node, RRType::DNAME, found.chunk, zone.apex());
  if (!c.has_dname(rrset.chunk())) {
    if (!put_rrset(c, Section::answer, name.suffix(found.label), rrset)) return false;
    c.dnames.push_back(rrset.chunk());
  }
  Bytes target;
  rrset.for_each_rdata([&](ByteView rdata) {
    if (target.empty()) target.assign(rdata.begin(), rdata.end());
  });
  const ByteView prefix = name.name.wire().first(name.offsets[found.label]);
  if (prefix.size() + target.size() > max_name_size) {
    c.rcode = Rcode::YXDOMAIN;
    return false;
  }
  std::uint8_t wire[max_name_size];
  std::memcpy(wire, prefix.data(), prefix.size());
  std::memcpy(wire + prefix.size(), target.data(), target.size());
  next = NameView::trusted({wire, prefix.size() + target.size()});
  if (c.writer.add_record(Section::answer, name.name, RRType::CNAME, RRClass::IN, rrset.ttl(), next.wire()))
    return true;
  c.truncated = true;
  return false;
}

// What comes last among the options is the least needed, and left out where there is no room.
void SlowAnswer::put_opt(Context& c) {
  const EdnsSettings& edns = c.settings->edns;
  // Of zones of ours only, and not to who will ask again by TCP: strangers get no longer answers by it.
  const bool about_a_zone = c.rcode == Rcode::NOERROR || c.rcode == Rcode::NXDOMAIN || c.rcode == Rcode::SERVFAIL ||
                            c.rcode == Rcode::YXDOMAIN;
  const auto& question = c.message.question();
  if (about_a_zone && !c.truncated && question && question->klass == RRClass::IN && edns.reports(question->name)) {
    append_edns_option(c.options, edns_report_channel, edns.report_agent.wire());
  }
  const std::size_t closing = c.tsig ? tsig_size(*c.tsig) : 0;
  const std::size_t left = c.writer.limit() - c.writer.size();
  const std::size_t room = left > closing + opt_header_size ? left - closing - opt_header_size : 0;
  c.writer.reserve(closing);
  c.writer.add_opt(c.settings->udp_max_size, c.rcode, c.dnssec_ok, whole_options(c.options, room));
}

std::size_t SlowAnswer::finish(Context& c) {
  // Whoever does not sign, and may have forged the address, gets no larger answer than without TSIG (RFC 8945 section
  // 5.3: TC, to ask by TCP).
  const std::size_t opt = c.message.edns() ? opt_header_size : 0;
  if (c.tsig && c.tsig->error != Rcode::NOERROR && c.writer.size() + opt + tsig_size(*c.tsig) > c.writer.limit()) {
    c.tsig.reset();
    c.flags |= Header::tc;
  }
  if (c.rcode == Rcode::SERVFAIL || c.rcode == Rcode::REFUSED) c.flags &= static_cast<std::uint16_t>(~Header::aa);
  if (c.truncated) {
    c.flags |= Header::tc;
    if (c.transport == Transport::udp) {
      AnswerCounters::add(c.counters->truncated);
    } else if (!c.lacks_glue) {
      // No message can hold it, and TC says to drop what there is and to ask by TCP (RFC 2181 section 9): round in
      // circles. Of glue, what fits is of use; TC tells that it is not all (RFC 9471 section 3).
      c.writer.rewind(c.begin);
      c.writer.reserve(c.closing_octets());
      c.flags &= static_cast<std::uint16_t>(~(Header::tc | Header::aa));
      c.rcode = Rcode::SERVFAIL;
    }
  }
  c.writer.set_flags(static_cast<std::uint16_t>(c.flags | (number(c.rcode) & 15)));
  if (c.message.edns()) {
    if (c.stale) append_extended_error(c.options, ExtendedError::stale_answer, "zone expired");
    put_opt(c);
  }
  c.counters->count_rcode(number(c.rcode));
  if (!c.tsig || c.writer.size() + tsig_size(*c.tsig) > c.capacity) return c.writer.size();
  const ByteView composed = c.writer.message();
  signed_.assign(composed.begin(), composed.end());
  if (!sign_response(signed_, *c.tsig, static_cast<std::uint64_t>(environment_.clock().wall_seconds()))) return 0;
  std::memcpy(const_cast<std::uint8_t*>(composed.data()), signed_.data(), signed_.size());
  return signed_.size();
}

}  // namespace understudy
