// DNS messages (RFC 1035 section 4, RFC 6891): checked zero-copy reading, and writing with compression.
//
// MessageView::parse walks a message once and checks that every name, section count and RDATA length is inside the
// message and that nothing is left over; afterwards records() iterates without copying. RDATA content is not checked
// here (read_rdata does). A view is valid as long as the bytes. Thread-compatible.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/name.h"
#include "dns/type.h"

namespace understudy {

inline constexpr std::size_t max_message_size = 65535;

/// The twelve octets at the start.
struct Header {
  static constexpr std::uint16_t qr = 0x8000, aa = 0x0400, tc = 0x0200, rd = 0x0100, ra = 0x0080, z = 0x0040,
                                 ad = 0x0020, cd = 0x0010;
  std::uint16_t id = 0;
  std::uint16_t flags = 0;  // with opcode and rcode in their places
  std::uint16_t qdcount = 0, ancount = 0, nscount = 0, arcount = 0;

  [[nodiscard]] bool is_response() const { return (flags & qr) != 0; }
  [[nodiscard]] Opcode opcode() const { return static_cast<Opcode>(flags >> 11 & 15); }
  [[nodiscard]] std::uint8_t rcode() const { return flags & 15; }

  /// nullopt if shorter than twelve octets.
  static std::optional<Header> read(ByteView message);
  void write(std::uint8_t* at) const;
};
constexpr std::uint16_t opcode_bits(Opcode o) {
  return static_cast<std::uint16_t>(static_cast<unsigned>(o) << 11);
}

enum class Section : std::uint8_t { answer, authority, additional };

struct Question {
  Name name;
  RRType type = RRType::A;
  RRClass klass = RRClass::IN;
};

/// A record inside a message. The owner may be compressed: owner() expands it.
struct RecordView {
  ByteView message;  // the whole message
  std::uint16_t owner_offset;
  RRType type;
  RRClass klass;
  std::uint32_t ttl;  // as sent; RFC 2181 section 8: values with the top bit set mean 0 (ttl_value())
  std::uint16_t rdata_offset;
  std::uint16_t rdata_size;
  Section section;

  [[nodiscard]] Name owner() const;
  [[nodiscard]] ByteView raw_rdata() const { return message.subspan(rdata_offset, rdata_size); }
  [[nodiscard]] std::uint32_t ttl_value() const { return ttl > 0x7fff'ffffU ? 0 : ttl; }
  /// Uncompressed, checked RDATA (read_rdata).
  [[nodiscard]] Result<Bytes> rdata() const;
};

/// EDNS facts of a message (RFC 6891 section 6.1).
struct Edns {
  std::uint16_t udp_size = 512;
  std::uint8_t extended_rcode = 0;
  std::uint8_t version = 0;
  bool dnssec_ok = false;
  std::uint16_t z_flags = 0;  // all 16 flag bits as received
  ByteView options;           // checked to be a sequence of whole options

  /// The first option with this code.
  [[nodiscard]] std::optional<ByteView> option(std::uint16_t code) const;
};

class MessageView {
 public:
  /// Errc::truncated (also counts that exceed what is there), bad_label, bad_pointer, name_too_long, trailing_data
  /// (also over 65535 octets), bad_header (more than one question where the opcode is QUERY or NOTIFY), bad_edns (two
  /// OPTs, OPT outside additional, owner not root, broken options), bad_tsig (TSIG not the last record or more than
  /// one).
  static Result<MessageView> parse(ByteView message);

  [[nodiscard]] ByteView bytes() const { return bytes_; }
  [[nodiscard]] const Header& header() const { return header_; }
  [[nodiscard]] const std::optional<Question>& question() const { return question_; }
  [[nodiscard]] const std::optional<Edns>& edns() const { return edns_; }
  /// Where the TSIG record begins, if the last record is one.
  [[nodiscard]] std::optional<std::size_t> tsig_offset() const { return tsig_offset_; }
  /// RFC 6891 section 6.1.3: the 12-bit response code.
  [[nodiscard]] Rcode rcode() const {
    return static_cast<Rcode>(header_.rcode() | (edns_ ? edns_->extended_rcode << 4 : 0));
  }

  /// Calls f(const RecordView&) for every record in order, OPT and TSIG included; f returns false to stop.
  template <typename F>
  void for_each_record(F&& f) const {
    ByteReader reader(bytes_, records_offset_);
    for (std::uint32_t i = 0; i < record_count(); ++i) {
      if (!f(next_record(reader, i))) return;
    }
  }
  [[nodiscard]] std::uint32_t record_count() const {
    return std::uint32_t{header_.ancount} + header_.nscount + header_.arcount;
  }

 private:
  RecordView next_record(ByteReader& reader, std::uint32_t index) const;

  ByteView bytes_;
  Header header_;
  std::optional<Question> question_;
  std::optional<Edns> edns_;
  std::optional<std::size_t> tsig_offset_;
  std::size_t records_offset_ = header_size;
};

/// Skips one possibly compressed name without expanding it, checking only that it lies inside the message.
bool skip_name(ByteReader& message);

/// Writes a message into a caller's buffer with compression: every name is matched against all names already in the
/// message below offset 16384 (of very many, the first 32 to 1024, as the limit is). A record that does not fit leaves
/// the message as it was before it and returns false. Counts are kept up to date in the header.
class MessageWriter {
 public:
  /// Whether a name may point at one that differs in case. Transfers keep it (RFC 5936 section 3.4).
  enum class Compression : std::uint8_t { without_case, keeps_case };

  /// `buffer` must have at least 12 octets. At most `limit` octets will be written (header included).
  MessageWriter(MutableBytes buffer, std::size_t limit, Compression compression = Compression::without_case);

  void set_header(std::uint16_t id, std::uint16_t flags);
  [[nodiscard]] std::uint16_t flags() const { return load_u16(&buffer_[2]); }
  void set_flags(std::uint16_t flags) { store_u16(&buffer_[2], flags); }
  /// Only before any record.
  bool add_question(NameView name, RRType type, RRClass klass);
  /// `rdata` is uncompressed and has passed check_rdata. Sections must come in order.
  bool add_record(Section section, NameView owner, RRType type, RRClass klass, std::uint32_t ttl, ByteView rdata);
  /// Removes everything written after `mark()` returned `mark`.
  struct Mark {
    std::size_t position;
    std::uint16_t counts[4];
    std::size_t names;
  };
  [[nodiscard]] Mark mark() const;
  void rewind(const Mark& mark);
  /// Keeps `octets` free at the end for what must be added later (OPT, TSIG). Replaces an earlier reservation.
  void reserve(std::size_t octets) { reserved_ = octets; }
  /// Adds an OPT record, taking its space out of the reservation if there is one. Only the upper eight bits of the
  /// response code are in an OPT record (RFC 6891 section 6.1.3): the lower four are the caller's to put in the flags.
  bool add_opt(std::uint16_t udp_size, Rcode extended_rcode, bool dnssec_ok, ByteView options);

  [[nodiscard]] std::size_t size() const { return position_; }
  [[nodiscard]] std::size_t limit() const { return limit_; }
  [[nodiscard]] ByteView message() const { return buffer_.first(position_); }
  [[nodiscard]] std::uint16_t count(Section section) const;

 private:
  // The names in the message as a tree from the root down, in an open-addressed table: a suffix is its first label
  // below the suffix behind that. So a name is looked up from the right, and each step compares one label.
  struct Entry {
    std::uint32_t hash;    // of the label and the parent
    std::uint16_t offset;  // of the label in the message; 0: free
    std::uint16_t parent;  // offset of the suffix behind it; 0: the root
  };
  static constexpr std::uint32_t max_table_size = 2048;

  // A name put before, and what lies behind its first label. Most owners are the one before them, or one beside it (the
  // same but for the first label); so are the names in the RDATA of name servers.
  struct Recent {
    std::uint16_t at = 0;         // where it can be aimed at; 0: nowhere
    std::uint16_t parent_at = 0;  // the same of what lies behind its first label
    std::uint8_t parent_size = 0;
    std::array<std::uint8_t, 1 + max_label_size> label;
    std::array<std::uint8_t, max_name_size> parent;

    [[nodiscard]] bool has_label_of(NameView name) const;
    [[nodiscard]] bool is_beside(NameView name) const;
  };

  bool put_record(NameView owner, RRType type, RRClass klass, std::uint32_t ttl, ByteView rdata);
  bool put_name(NameView name, bool compress, Recent& recent);
  bool put_rdata(RRType type, ByteView rdata);
  bool put(ByteView bytes);
  bool put_u16(std::uint16_t value);
  bool put_pointer(std::uint16_t at);
  void forget(std::size_t position, std::size_t names);
  [[nodiscard]] std::size_t room() const;
  void count_one(std::size_t index);
  /// By the uppermost bits of the hash, which all octets take part in.
  [[nodiscard]] std::size_t slot(std::uint32_t hash) const { return hash >> std::countl_zero(table_size_ - 1); }
  [[nodiscard]] std::uint16_t find_child(std::uint16_t parent, const std::uint8_t* label, std::uint32_t hash) const;
  bool add_child(std::uint16_t parent, std::size_t offset, std::uint32_t hash);

  MutableBytes buffer_;
  Compression compression_;
  std::size_t limit_;
  std::size_t position_ = header_size;
  std::size_t reserved_ = 0;
  std::uint32_t table_size_;  // a power of two that suits the limit: a large table takes time to clear
  std::size_t names_ = 0;     // entries in use
  Recent recent_owner_, recent_target_;
  std::array<std::uint16_t, max_table_size> order_;  // slots in the order of insertion; the first names_ are set
  std::array<Entry, max_table_size> table_;          // the first table_size_ are in use
};

}  // namespace understudy
