#include "answer/fast_answer.h"

#include <algorithm>
#include <cstring>

#include "zone/additional.h"

namespace understudy {
namespace {

constexpr std::uint16_t question_pointer = 0xc000 | header_octets;
constexpr std::size_t pointer_reach = 0x4000;
constexpr std::size_t record_header = 12;
constexpr std::size_t opt_size = opt_header_size;
constexpr std::size_t most_additional = 64;  // name servers or exchanges whose addresses are added,
                                             // not counting glue that must be there

// What an owner that is the name at `at` of the message points to: a pointer there is taken over.
std::uint16_t pointer_to(const std::uint8_t* message, std::size_t at) {
  return message[at] >= 0xc0 ? load_u16(message + at) : static_cast<std::uint16_t>(0xc000 | at);
}

// Replaces the owner pointers of the records in `size` octets at `records`.
void set_owners(std::uint8_t* records, std::size_t size, std::uint16_t owner) {
  for (std::size_t at = 0; at < size; at += record_header + load_u16(records + at + 10)) store_u16(records + at, owner);
}

class Composer {
 public:
  Composer(const ZoneTable& table, const Zone& zone, const Proof& proof, std::span<const std::uint64_t> targets,
           ByteView query, const PlainQuery& plain, std::uint8_t* response, std::size_t limit, ByteView options,
           const AnswerSettings& settings)
      : table_(table),
        zone_(zone),
        proof_(proof),
        targets_(targets),
        plain_(plain),
        options_(options),
        out_(response),
        limit_(limit - (plain.has_edns ? opt_size + options.size() : 0)),
        minimal_(settings.minimal_responses),
        follows_(settings.follows_aliases) {
    at_ = plain.question_end;
    std::memcpy(out_, query.data(), at_);
    std::memset(out_ + 4, 0, 8);
    out_[5] = 1;
    flags_ = Header::qr | (load_u16(out_ + 2) & Header::rd);
  }

  bool answer(const Lookup& found);
  std::size_t finish(const AnswerSettings& settings, Rcode rcode);
  [[nodiscard]] bool truncated() const { return (flags_ & Header::tc) != 0; }

 private:
  enum Count { answers = 6, authorities = 8, additionals = 10 };
  enum class Put { done, full, impossible };

  Put put(const Chunk& chunk, Count section, std::uint16_t owner, int shift, std::size_t owner_size);
  bool positive(const Lookup& found);
  bool alias(const Lookup& found);
  bool only(const Chunk& chunk, std::size_t owner_size);
  bool referral(const Lookup& found);
  bool negative();
  Put put_proof();
  Put put_denying(const Node& node, const Chunk& chunk);
  std::uint16_t pointer_into_question(const Node& node) const;
  bool add_addresses(const Lookup& of, std::size_t chunk_at, std::size_t cut_label);
  const Node* find_target(NameView target, std::size_t number, bool is_referral) const;
  Put add_address(const Node* node, RRType type, std::uint16_t owner);
  NameView read_name(std::size_t at, std::uint8_t* wire) const;
  void truncate(std::size_t position);
  void put_options(std::uint8_t* opt, const EdnsSettings& settings);
  void bump(Count section, std::size_t by) {
    store_u16(out_ + section, static_cast<std::uint16_t>(load_u16(out_ + section) + by));
  }
  [[nodiscard]] std::size_t question_size() const { return plain_.name.name.size(); }

  const ZoneTable& table_;
  const Zone& zone_;
  const Proof& proof_;
  const std::span<const std::uint64_t> targets_;  // hashes of the first targets of what was found
  const PlainQuery& plain_;
  const ByteView options_;
  std::uint8_t* const out_;
  const std::size_t limit_;
  const bool minimal_;  // nothing that is not required
  const bool follows_;  // aliases into other zones
  std::size_t at_ = 0;
  unsigned flags_ = 0;
};

Composer::Put Composer::put(const Chunk& chunk, Count section, std::uint16_t owner, int shift, std::size_t owner_size) {
  if (chunk.is_extended()) return Put::impossible;
  const std::size_t size = chunk_size(chunk, plain_.dnssec_ok);
  if (at_ + size > limit_) return Put::full;
  if (!copy_chunk(out_, chunk, {at_, owner, shift, owner_size, plain_.dnssec_ok})) return Put::impossible;
  bump(section, chunk.record_count_ + (plain_.dnssec_ok ? chunk.signature_count_ : 0U));
  at_ += size;
  return Put::done;
}

// RRsets that must be there and do not fit: nothing of them, and TC (RFC 2181 section 9).
void Composer::truncate(std::size_t position) {
  flags_ |= Header::tc;
  at_ = position;
}

bool Composer::answer(const Lookup& found) {
  flags_ |= Header::aa;
  switch (found.found) {
    case Found::answer:
      return positive(found);
    case Found::cname:
      return alias(found);
    case Found::referral:
      return referral(found);
    case Found::nodata:
    case Found::name_error:
      return negative();
    case Found::dname:
      return false;
  }
  return false;
}

bool Composer::positive(const Lookup& found) {
  const std::size_t owner_size = zone_.apex().size() + found.node->name_size();
  const std::size_t at = at_;
  const int shift = found.wildcard ? static_cast<int>(question_size()) - static_cast<int>(owner_size) : 0;
  const Put put_it = put(*found.chunk, answers, question_pointer, shift, owner_size);
  if (put_it == Put::impossible) return false;
  if (put_it == Put::full) {
    truncate(at);
    return true;
  }
  const Put proved = put_proof();
  if (proved != Put::done) return proved == Put::full;
  return add_addresses(found, at, plain_.name.labels + 1U);
}

// A CNAME that leads away from here.
bool Composer::only(const Chunk& chunk, std::size_t owner_size) {
  const std::size_t at = at_;
  const Put put_it = put(chunk, answers, question_pointer, 0, owner_size);
  if (put_it == Put::full) truncate(at);
  return put_it != Put::impossible;
}

// One CNAME and, in the same zone, the RRset it leads to. Longer chains are composed.
bool Composer::alias(const Lookup& found) {
  const Chunk& chunk = *found.chunk;
  if (found.wildcard || chunk.is_extended() || chunk.record_count_ != 1) return false;
  const std::size_t owner_size = question_size();
  std::uint8_t wire[max_name_size + 1];
  std::size_t after = 0;
  const std::size_t size = expand_chunk_name(chunk.records(), record_header, plain_.name.name, wire, &after);
  const NameView target = NameView::trusted({wire, size});
  const HashedName name(target);
  std::size_t label = 0;
  const ZoneSlot* closest = table_.find_closest(name, &label);
  const bool is_ours = target.is_at_or_below(zone_.apex());
  if (!is_ours && (closest == nullptr || !follows_)) return only(chunk, owner_size);
  if (closest == nullptr || closest->zone() != &zone_ || plain_.type == RRType::DS) return false;
  const Lookup next = look_up(zone_, name, plain_.type);
  if (next.found != Found::answer || next.wildcard || next.chunk->is_extended() || next.chunk->patch_count_ != 0 ||
      next.chunk->target_count_ != 0) {
    return false;
  }
  const std::size_t at = at_;
  const std::size_t target_at = at + record_header;
  if (target_at >= pointer_reach) return false;
  const Put first = put(chunk, answers, question_pointer, 0, owner_size);
  if (first == Put::impossible) return false;
  if (first == Put::full) {
    truncate(at);
    return true;
  }
  const std::size_t second_at = at_;
  const Put second = put(*next.chunk, answers, pointer_to(out_, target_at), 0, size);
  if (second == Put::full) truncate(second_at);
  return second != Put::impossible;
}

bool Composer::referral(const Lookup& found) {
  flags_ &= ~static_cast<unsigned>(Header::aa);
  const std::size_t apex_size = zone_.apex().size(), owner_size = apex_size + found.node->name_size();
  const int shift = static_cast<int>(question_size()) - static_cast<int>(owner_size);
  const auto owner = static_cast<std::uint16_t>(question_pointer + shift);
  const std::size_t at = at_;
  // A set that is shared knows only the apex.
  const std::size_t against = found.node->owns(found.chunk) ? owner_size : apex_size;
  const int set_shift = static_cast<int>(question_size()) - static_cast<int>(against);
  const Put put_it = put(*found.chunk, authorities, owner, set_shift, against);
  if (put_it == Put::impossible) return false;
  if (put_it == Put::full) {
    truncate(at);
    return true;
  }
  if (const Chunk* ds = found.node->rrset_chunk(RRType::DS);
      ds != nullptr && plain_.dnssec_ok && goes_with_referral(zone_, *ds)) {
    const Put secure = put(*ds, authorities, owner, shift, owner_size);
    if (secure == Put::impossible) return false;
    if (secure == Put::full) flags_ |= Header::tc;  // RFC 4035 section 3.1.4.1: DS belongs to the referral
  }
  const Put proved = put_proof();
  if (proved != Put::done) return proved == Put::full;
  return add_addresses(found, at, found.label);
}

bool Composer::negative() {
  const std::size_t owner_size = zone_.apex().size();
  const int shift = static_cast<int>(question_size()) - static_cast<int>(owner_size);
  const std::size_t at = at_;
  const Put put_it =
      put(*zone_.negative_soa(), authorities, static_cast<std::uint16_t>(question_pointer + shift), shift, owner_size);
  if (put_it == Put::full) truncate(at);
  if (put_it != Put::done) return put_it == Put::full;
  return put_proof() != Put::impossible;
}

// The records that prove a negative. They must be there: TC if they do not fit.
Composer::Put Composer::put_proof() {
  for (std::size_t i = 0; i < proof_.count; ++i) {
    const Node& node = *proof_.nodes[i];
    const Put put_it = put_denying(node, *node.rrset_chunk(proof_.type));
    if (put_it == Put::full) flags_ |= Header::tc;
    if (put_it != Put::done) return put_it;
  }
  return Put::done;
}

// A pointer to the node's owner in the question, or 0 if the question does not hold that name.
std::uint16_t Composer::pointer_into_question(const Node& node) const {
  const HashedName& name = plain_.name;
  const std::size_t size = node.name_size() + zone_.apex().size();
  for (std::size_t label = 0; label <= name.labels && question_size() - name.offsets[label] >= size; ++label) {
    if (question_size() - name.offsets[label] != size) continue;
    const std::uint8_t* suffix = name.name.wire().data() + name.offsets[label];
    if (!equal_without_case(suffix, node.relative_name().data(), node.name_size())) return 0;
    return static_cast<std::uint16_t>(question_pointer + name.offsets[label]);
  }
  return 0;
}

// An NSEC or NSEC3 RRset, which has no pointers of its own. An owner that the question does not hold is written out in
// front of a pointer to the apex; the records behind the first point to it there.
Composer::Put Composer::put_denying(const Node& node, const Chunk& chunk) {
  if (const std::uint16_t owner = pointer_into_question(node); owner != 0) return put(chunk, authorities, owner, 0, 0);
  if (chunk.is_extended() || at_ >= pointer_reach) return Put::impossible;
  const std::size_t name_size = node.name_size(), size = chunk_size(chunk, true);
  if (at_ + name_size + size > limit_) return Put::full;
  std::uint8_t* to = out_ + at_;
  std::memcpy(to, node.relative_name().data(), name_size);
  to += name_size;
  std::memcpy(to, chunk.records(), size);
  store_u16(to, static_cast<std::uint16_t>(question_pointer + question_size() - zone_.apex().size()));
  const std::size_t first = record_header + load_u16(to + 10);
  set_owners(to + first, size - first, static_cast<std::uint16_t>(0xc000 | at_));
  bump(authorities, chunk.record_count_ + std::size_t{chunk.signature_count_});
  at_ += name_size + size;
  return Put::done;
}

Composer::Put Composer::add_address(const Node* node, RRType type, std::uint16_t owner) {
  const Chunk* chunk = node->rrset_chunk(type);
  return chunk == nullptr ? Put::done : put(*chunk, additionals, owner, 0, 0);
}

// The name at `at` of the message, written to `wire`. The pointers there are already right.
NameView Composer::read_name(std::size_t at, std::uint8_t* wire) const {
  std::size_t size = 0;
  while (true) {
    const std::uint8_t octet = out_[at];
    if (octet >= 0xc0) {
      at = load_u16(out_ + at) & 0x3fffU;
      continue;
    }
    std::memcpy(wire + size, out_ + at, octet + 1U);
    size += octet + 1U;
    at += octet + 1U;
    if (octet == 0) return NameView::trusted({wire, size});
  }
}

// The node whose addresses go along, null if there is none. Behind an answer it must be ours to answer with authority.
const Node* Composer::find_target(NameView target, std::size_t number, bool is_referral) const {
  const bool is_simple = zone_.dname_depths() == 0 && (is_referral || zone_.cut_depths() == 0);
  HashedName name;
  const Node* node = nullptr;
  if (is_simple && number < targets_.size()) {
    node = zone_.find(target, targets_[number]);
  } else {
    name.assign(target);
    node = zone_.find(name);
  }
  if (node == nullptr || node->has(Node::nsec3_only)) return nullptr;
  if (is_simple) return node;
  if (is_below_dname(zone_, name)) return nullptr;
  return !is_referral && (node->has(Node::cut) || is_below_cut(zone_, name)) ? nullptr : node;
}

// Addresses (and what else goes along) of the names in the chunk found, which was copied to `chunk_at`. `cut_label`:
// for a referral, the label of the question's name where the cut is: glue from below it is required (RFC 9471 section
// 3). What is not required is left out where it does not fit. False if this needs composing.
bool Composer::add_addresses(const Lookup& of, std::size_t chunk_at, std::size_t cut_label) {
  const Chunk& chunk = *of.chunk;
  const bool is_referral = cut_label <= plain_.name.labels;
  const RRType answered = is_referral ? RRType::NS : plain_.type;
  const std::span<const RRType> types = additional_types(answered);
  if (types.empty() || (minimal_ && !is_referral)) return true;
  if (chunk_at + chunk.record_octets_ > pointer_reach) return false;  // targets that far are not noted
  const Node* seen[most_additional];
  std::size_t seen_count = 0;
  std::uint8_t wire[max_name_size + 1];
  for (std::size_t i = 0; i < chunk.target_count_ && (is_referral || seen_count < most_additional); ++i) {
    const std::size_t target_at = chunk_at + chunk.target(i);
    if (target_at >= pointer_reach) return false;
    const NameView target = read_name(target_at, wire);
    const bool required = is_referral && target.is_at_or_below(plain_.name.suffix(cut_label));
    if (minimal_ && !required) continue;
    const Node* node = find_target(target, i, is_referral);
    if (node == nullptr) continue;
    if (std::find(seen, seen + seen_count, node) != seen + seen_count) continue;
    if (seen_count < most_additional) {
      seen[seen_count++] = node;
    } else if (!required) {
      continue;
    }
    const std::uint16_t owner = pointer_to(out_, target_at);
    for (const RRType type : types) {
      if (type == answered && node == of.node) continue;  // the answer itself
      const Put put_it = add_address(node, type, owner);
      if (put_it == Put::impossible) return false;
      if (required && put_it == Put::full) flags_ |= Header::tc;
    }
  }
  return true;
}

// Behind the OPT record at `opt`, with whose octets at_ ends. There is room for what was asked for.
void Composer::put_options(std::uint8_t* opt, const EdnsSettings& settings) {
  std::size_t size = options_.size();
  if (size != 0) std::memcpy(opt + opt_size, options_.data(), size);
  const std::size_t report_size = settings.report_channel_size();
  if (report_size != 0 && !truncated() && at_ + report_size <= limit_ + opt_size &&
      settings.reports(plain_.name.name)) {
    settings.write_report_channel(opt + opt_size + size);
    size += report_size;
  }
  store_u16(opt + 9, static_cast<std::uint16_t>(size));
  at_ += size;
}

std::size_t Composer::finish(const AnswerSettings& settings, Rcode rcode) {
  store_u16(out_ + 2, static_cast<std::uint16_t>(flags_ | number(rcode)));
  if (plain_.has_edns) {
    std::uint8_t* opt = out_ + at_;
    std::memset(opt, 0, opt_size);
    store_u16(opt + 1, number(RRType::OPT));
    store_u16(opt + 3, settings.udp_max_size);
    opt[7] = plain_.dnssec_ok ? 0x80 : 0;
    bump(additionals, 1);
    at_ += opt_size;
    if (!options_.empty() || settings.edns.report_channel_size() != 0) put_options(opt, settings.edns);
  }
  return at_;
}

}  // namespace

bool copy_chunk(std::uint8_t* message, const Chunk& chunk, const ChunkPlace& place) {
  if (chunk.is_extended()) return false;
  const int moved = static_cast<int>(place.at) - static_cast<int>(answer_offset(place.owner_size));
  if (chunk.patch_count_ != 0 && moved != 0 && place.at + chunk.record_octets_ > pointer_reach) return false;
  const std::size_t size = chunk_size(chunk, place.signatures);
  std::uint8_t* to = message + place.at;
  std::memcpy(to, chunk.records(), size);
  if (moved != 0 || place.question_shift != 0) {
    for (std::size_t i = 0; i < chunk.patch_count_; ++i) {
      const std::uint16_t patch = chunk.patch(i);
      std::uint8_t* pointer = to + (patch & ~Chunk::patch_in_chunk);
      const int by = (patch & Chunk::patch_in_chunk) != 0 ? moved : place.question_shift;
      store_u16(pointer, static_cast<std::uint16_t>(load_u16(pointer) + by));
    }
  }
  if (place.owner != question_pointer) set_owners(to, size, place.owner);
  return true;
}

std::size_t target_hashes(NameView apex, const PlainQuery& plain, const Lookup& found, std::span<std::uint64_t> out) {
  if (found.wildcard || found.chunk->is_extended()) return 0;
  const NameView owner = found.node->owns(found.chunk) ? plain.name.suffix(found.label) : apex;
  const std::size_t count = std::min<std::size_t>(found.chunk->target_count_, out.size());
  std::uint8_t wire[max_name_size + 1];
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t after = 0;
    const std::size_t size = expand_chunk_name(found.chunk->records(), found.chunk->target(i), owner, wire, &after);
    out[i] = name_hash(NameView::trusted({wire, size}));
  }
  return count;
}

std::size_t fast_answer(const ZoneTable& table, const Zone& zone, const Lookup& found, const Proof& proof,
                        std::span<const std::uint64_t> targets, ByteView query, const PlainQuery& plain,
                        std::uint8_t* response, std::size_t limit, const AnswerSettings& settings, ByteView options,
                        bool& truncated) {
  if (proof.is_too_costly) return 0;
  Composer composer(table, zone, proof, targets, query, plain, response, limit, options, settings);
  if (!composer.answer(found)) return 0;
  truncated = composer.truncated();
  const bool is_name_error = found.found == Found::name_error;
  return composer.finish(settings, is_name_error ? Rcode::NXDOMAIN : Rcode::NOERROR);
}

}  // namespace understudy
