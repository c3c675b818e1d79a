#include "dns/message.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "dns/edns.h"
#include "dns/rdata.h"

namespace understudy {
namespace {

constexpr std::size_t record_fixed_size = 10;  // type, class, TTL and RDLENGTH
constexpr std::uint16_t edns_do = 0x8000;
constexpr std::size_t pointer_limit = 0x4000;  // a pointer has fourteen bits (RFC 1035 section 4.1.4)

/// What a pointer can hold of an offset; 0: it cannot.
std::uint16_t place(std::size_t offset) {
  return offset < pointer_limit ? static_cast<std::uint16_t>(offset) : 0;
}

/// Of a label, with its length octet in front, below the name at `parent`. Whatever the case: what is found is
/// compared.
std::uint32_t hash_label(const std::uint8_t* label, std::uint16_t parent) {
  constexpr std::uint64_t any_case = 0x2020'2020'2020'2020, factor = 0x9e37'79b9'7f4a'7c15;
  std::size_t octets = label[0] + 1U;
  std::uint64_t hash = parent;
  for (; octets > 8; label += 8, octets -= 8) {
    hash = (hash ^ (load_word(label) | any_case)) * factor;
    hash ^= hash >> 32;
  }
  return static_cast<std::uint32_t>((hash ^ (load_short_word(label, octets) | any_case)) * factor >> 32);
}

bool equal_octets(const std::uint8_t* a, const std::uint8_t* b, std::size_t size) {
  for (; size >= 8; a += 8, b += 8, size -= 8) {
    if (load_word(a) != load_word(b)) return false;
  }
  return load_short_word(a, size) == load_short_word(b, size);
}

/// Most runs of octets in records are short: two words that overlap are copied sooner than memcpy is called.
void copy_octets(std::uint8_t* to, const std::uint8_t* from, std::size_t size) {
  const auto ends = [&]<typename Word>(Word first, Word last) {
    std::memcpy(&first, from, sizeof first);
    std::memcpy(&last, from + size - sizeof last, sizeof last);
    std::memcpy(to, &first, sizeof first);
    std::memcpy(to + size - sizeof last, &last, sizeof last);
  };
  if (size >= 8 && size <= 16) {
    ends(std::uint64_t{}, std::uint64_t{});
  } else if (size >= 4 && size < 8) {
    ends(std::uint32_t{}, std::uint32_t{});
  } else {
    std::memcpy(to, from, size);
  }
}

/// The record whose owner ends at the reader's position.
RecordView read_fixed_part(ByteReader& reader, std::size_t owner_offset, Section section) {
  RecordView record{};
  record.message = reader.data();
  record.owner_offset = static_cast<std::uint16_t>(owner_offset);
  record.type = static_cast<RRType>(reader.u16());
  record.klass = static_cast<RRClass>(reader.u16());
  record.ttl = reader.u32();
  record.rdata_size = reader.u16();
  record.rdata_offset = static_cast<std::uint16_t>(reader.position());
  record.section = section;
  reader.skip(record.rdata_size);
  return record;
}

Section section_of(const Header& header, std::uint32_t index) {
  if (index < header.ancount) return Section::answer;
  return index < std::uint32_t{header.ancount} + header.nscount ? Section::authority : Section::additional;
}

/// RFC 6891 section 6.1.2.
Result<Edns> read_opt(const RecordView& record) {
  if (record.section != Section::additional) return fail(Errc::bad_edns, "OPT outside the additional section");
  if (record.message[record.owner_offset] != 0) return fail(Errc::bad_edns, "the owner of OPT is not the root");
  if (!are_whole_options(record.raw_rdata())) return fail(Errc::bad_edns, "an option is cut off");
  Edns edns;
  edns.udp_size = number(record.klass);
  edns.extended_rcode = static_cast<std::uint8_t>(record.ttl >> 24);
  edns.version = static_cast<std::uint8_t>(record.ttl >> 16);
  edns.z_flags = static_cast<std::uint16_t>(record.ttl);
  edns.dnssec_ok = (edns.z_flags & edns_do) != 0;
  edns.options = record.raw_rdata();
  return edns;
}

}  // namespace

std::optional<Header> Header::read(ByteView message) {
  if (message.size() < header_size) return std::nullopt;
  const auto field = [&](std::size_t index) { return load_u16(&message[2 * index]); };
  return Header{.id = field(0),
                .flags = field(1),
                .qdcount = field(2),
                .ancount = field(3),
                .nscount = field(4),
                .arcount = field(5)};
}

void Header::write(std::uint8_t* at) const {
  for (const std::uint16_t field : {id, flags, qdcount, ancount, nscount, arcount}) {
    store_u16(at, field);
    at += 2;
  }
}

Name RecordView::owner() const {
  ByteReader reader(message, owner_offset);
  return Name::read_compressed(reader).value_or(Name());  // parse() has checked it
}

Result<Bytes> RecordView::rdata() const {
  ByteReader reader(message, rdata_offset);
  Bytes out;
  US_TRY(read_rdata(type, reader, rdata_size, out));
  return out;
}

std::optional<ByteView> Edns::option(std::uint16_t code) const {
  return find_edns_option(options, code);
}

Result<MessageView> MessageView::parse(ByteView message) {
  MessageView view;
  const auto header = Header::read(message);
  if (!header) return fail(Errc::truncated);
  if (message.size() > max_message_size) return fail(Errc::trailing_data);
  view.bytes_ = message;
  view.header_ = *header;
  const bool one_question = header->opcode() == Opcode::QUERY || header->opcode() == Opcode::NOTIFY;
  if (one_question && header->qdcount > 1) return fail(Errc::bad_header, "more than one question");

  ByteReader reader(message, header_size);
  for (unsigned i = 0; i < header->qdcount; ++i) {
    US_ASSIGN(const Name name, Name::read_compressed(reader));
    const auto type = static_cast<RRType>(reader.u16());
    const auto klass = static_cast<RRClass>(reader.u16());
    if (!reader.ok()) return fail(Errc::truncated);
    if (i == 0) view.question_ = Question{name, type, klass};
  }

  view.records_offset_ = reader.position();
  const std::uint32_t count = view.record_count();
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t owner_offset = reader.position();
    US_TRY(Name::check_compressed(reader));
    const RecordView record = read_fixed_part(reader, owner_offset, section_of(*header, i));
    if (!reader.ok()) return fail(Errc::truncated);
    if (record.type == RRType::OPT) {
      if (view.edns_) return fail(Errc::bad_edns, "more than one OPT");
      US_ASSIGN(view.edns_, read_opt(record));
    } else if (record.type == RRType::TSIG) {
      // RFC 8945 section 5.1: once, and last.
      if (i + 1 != count || record.section != Section::additional) return fail(Errc::bad_tsig, "TSIG is not last");
      view.tsig_offset_ = owner_offset;
    }
  }
  if (!reader.at_end()) return fail(Errc::trailing_data);
  return view;
}

RecordView MessageView::next_record(ByteReader& reader, std::uint32_t index) const {
  const std::size_t owner_offset = reader.position();
  skip_name(reader);
  return read_fixed_part(reader, owner_offset, section_of(header_, index));
}

bool skip_name(ByteReader& message) {
  while (message.ok()) {
    const std::uint8_t length = message.u8();
    if (length > max_label_size) {
      if (length < 0xc0) message.fail();
      message.skip(1);
      break;
    }
    if (length == 0) break;
    message.skip(length);
  }
  return message.ok();
}

bool MessageWriter::Recent::has_label_of(NameView name) const {
  const std::uint8_t* other = name.wire().data();
  return label[0] == other[0] && equal_octets(label.data(), other, label[0] + 1U);
}

bool MessageWriter::Recent::is_beside(NameView name) const {
  const NameView other = name.parent();
  return parent_size == other.size() && equal_octets(parent.data(), other.wire().data(), parent_size);
}

MessageWriter::MessageWriter(MutableBytes buffer, std::size_t limit, Compression compression)
    : buffer_(buffer),
      compression_(compression),
      limit_(std::min({limit, buffer.size(), max_message_size})),
      // A new suffix seldom costs less than eight octets of message.
      table_size_(
          std::bit_ceil(std::clamp<std::uint32_t>(static_cast<std::uint32_t>(limit_ / 8), 64, max_table_size))) {
  std::fill_n(buffer_.begin(), header_size, std::uint8_t{0});
  std::fill_n(table_.begin(), table_size_, Entry{});
}

void MessageWriter::set_header(std::uint16_t id, std::uint16_t flags) {
  store_u16(&buffer_[0], id);
  set_flags(flags);
}

bool MessageWriter::add_question(NameView name, RRType type, RRClass klass) {
  const Mark before = mark();
  if (before.counts[1] != 0 || before.counts[2] != 0 || before.counts[3] != 0) return false;
  if (!put_name(name, true, recent_owner_) || !put_u16(number(type)) || !put_u16(number(klass))) {
    rewind(before);
    return false;
  }
  count_one(0);
  return true;
}

bool MessageWriter::add_record(Section section, NameView owner, RRType type, RRClass klass, std::uint32_t ttl,
                               ByteView rdata) {
  const std::size_t start = position_, names = names_;
  if (!put_record(owner, type, klass, ttl, rdata)) {
    forget(start, names);
    return false;
  }
  count_one(static_cast<std::size_t>(section) + 1);
  return true;
}

bool MessageWriter::put_record(NameView owner, RRType type, RRClass klass, std::uint32_t ttl, ByteView rdata) {
  if (!put_name(owner, true, recent_owner_) || room() < record_fixed_size) return false;
  std::uint8_t* fixed = &buffer_[position_];
  store_u16(fixed, number(type));
  store_u16(fixed + 2, number(klass));
  store_u32(fixed + 4, ttl);
  position_ += record_fixed_size;
  const std::size_t rdata_start = position_;
  if (!put_rdata(type, rdata)) return false;
  store_u16(fixed + 8, static_cast<std::uint16_t>(position_ - rdata_start));
  return true;
}

bool MessageWriter::put_rdata(RRType type, ByteView rdata) {
  std::size_t done = 0;
  for (const RdataName& name : rdata_names(type, rdata)) {
    if (!put(rdata.subspan(done, name.offset - done))) return false;
    const NameView view = NameView::trusted(rdata.subspan(name.offset, name.size));
    if (!put_name(view, name.use == NameUse::compressible, recent_target_)) return false;
    done = std::size_t{name.offset} + name.size;
  }
  return put(rdata.subspan(done));
}

MessageWriter::Mark MessageWriter::mark() const {
  Mark mark{.position = position_, .counts = {}, .names = names_};
  for (std::size_t i = 0; i < 4; ++i) mark.counts[i] = load_u16(&buffer_[4 + 2 * i]);
  return mark;
}

void MessageWriter::rewind(const Mark& mark) {
  for (std::size_t i = 0; i < 4; ++i) store_u16(&buffer_[4 + 2 * i], mark.counts[i]);
  forget(mark.position, mark.names);
}

void MessageWriter::forget(std::size_t position, std::size_t names) {
  position_ = position;
  // Entries leave in the opposite order of their coming, so no probe sequence is ever interrupted.
  while (names_ > names) table_[order_[--names_]] = Entry{};
  recent_owner_.at = recent_owner_.parent_at = recent_target_.at = recent_target_.parent_at = 0;
}

bool MessageWriter::add_opt(std::uint16_t udp_size, Rcode extended_rcode, bool dnssec_ok, ByteView options) {
  const std::size_t size = 1 + record_fixed_size + options.size();
  if (limit_ - position_ < size) return false;
  ByteWriter out(buffer_, position_);
  out.u8(0);  // the root
  out.u16(number(RRType::OPT));
  out.u16(udp_size);
  out.u8(static_cast<std::uint8_t>(number(extended_rcode) >> 4));
  out.u8(0);  // the only version
  out.u16(dnssec_ok ? edns_do : 0);
  out.u16(static_cast<std::uint16_t>(options.size()));
  out.bytes(options);
  position_ = out.position();
  reserved_ -= std::min(reserved_, size);
  count_one(3);
  return true;
}

std::uint16_t MessageWriter::count(Section section) const {
  return load_u16(&buffer_[6 + 2 * static_cast<std::size_t>(section)]);
}

std::size_t MessageWriter::room() const {
  const std::size_t free = limit_ - position_;
  return free > reserved_ ? free - reserved_ : 0;
}

bool MessageWriter::put(ByteView bytes) {
  if (bytes.size() > room()) return false;
  if (!bytes.empty()) copy_octets(&buffer_[position_], bytes.data(), bytes.size());
  position_ += bytes.size();
  return true;
}

bool MessageWriter::put_pointer(std::uint16_t at) {
  return put_u16(static_cast<std::uint16_t>(0xc000U | at));
}

bool MessageWriter::put_u16(std::uint16_t value) {
  if (room() < sizeof value) return false;
  store_u16(&buffer_[position_], value);
  position_ += sizeof value;
  return true;
}

void MessageWriter::count_one(std::size_t index) {
  std::uint8_t* at = &buffer_[4 + 2 * index];
  store_u16(at, static_cast<std::uint16_t>(load_u16(at) + 1));
}

bool MessageWriter::put_name(NameView name, bool compress, Recent& recent) {
  if (name.is_root()) return put(name.wire());
  const ByteView wire = name.wire();
  const std::size_t label_size = wire[0] + 1U;
  const bool is_beside = recent.parent_at != 0 && recent.is_beside(name);
  if (is_beside && compress && recent.at != 0 && recent.has_label_of(name)) return put_pointer(recent.at);

  std::array<std::uint8_t, max_labels> labels;
  std::size_t known = 0;     // the first label of the longest suffix that the message has
  std::uint16_t target = 0;  // where that is
  if (is_beside) {
    labels[known++] = 0;
    target = recent.parent_at;
  } else {
    for (std::size_t i = 0; wire[i] != 0; i += wire[i] + 1U) labels[known++] = static_cast<std::uint8_t>(i);
  }
  const std::size_t whole = known;
  std::uint16_t parent = 0;  // where the suffix behind the one at `target` is
  std::uint32_t hash = 0;    // of the label in front of it
  for (; known > 0; --known) {
    const std::uint8_t* label = wire.data() + labels[known - 1];
    hash = hash_label(label, target);
    const std::uint16_t found = find_child(target, label, hash);
    if (found == 0) break;
    parent = std::exchange(target, found);
  }

  const std::size_t start = position_;
  if (compress && target != 0) {
    const std::size_t new_octets = known == whole ? label_size : labels[known];
    if (!put(wire.first(new_octets)) || !put_pointer(target)) return false;
  } else if (!put(wire)) {
    return false;
  }
  recent.at = known == 0 ? target : place(start);
  recent.parent_at = known == 0 ? parent : known == 1 ? target : place(start + label_size);
  copy_octets(recent.label.data(), wire.data(), label_size);
  if (!is_beside) {
    recent.parent_size = static_cast<std::uint8_t>(wire.size() - label_size);
    copy_octets(recent.parent.data(), &wire[label_size], recent.parent_size);
  }
  while (known > 0 && add_child(target, start + labels[known - 1], hash)) {
    target = static_cast<std::uint16_t>(start + labels[--known]);
    if (known > 0) hash = hash_label(wire.data() + labels[known - 1], target);
  }
  return true;
}

std::uint16_t MessageWriter::find_child(std::uint16_t parent, const std::uint8_t* label, std::uint32_t hash) const {
  const std::size_t size = label[0] + 1U;
  for (std::size_t i = slot(hash); table_[i].offset != 0; i = (i + 1) & (table_size_ - 1)) {
    if (table_[i].hash != hash || table_[i].parent != parent) continue;
    const std::uint8_t* at = &buffer_[table_[i].offset];
    const bool same =
        compression_ == Compression::keeps_case ? equal_octets(at, label, size) : equal_without_case(at, label, size);
    if (same) return table_[i].offset;
  }
  return 0;
}

bool MessageWriter::add_child(std::uint16_t parent, std::size_t offset, std::uint32_t hash) {
  // Half stays free so that probe sequences stay short; later suffixes are then written out in full.
  if (offset >= pointer_limit || names_ >= table_size_ / 2) return false;
  std::size_t i = slot(hash);
  while (table_[i].offset != 0) i = (i + 1) & (table_size_ - 1);
  table_[i] = {.hash = hash, .offset = static_cast<std::uint16_t>(offset), .parent = parent};
  order_[names_++] = static_cast<std::uint16_t>(i);
  return true;
}

}  // namespace understudy
