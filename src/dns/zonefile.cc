#include "dns/zonefile.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>

#include "dns/rdata.h"
#include "dns/rdata_parse.h"
#include "dns/text_case.h"
#include "dns/zonefile_generate.h"
#include "dns/zonefile_lexer.h"

namespace understudy {
namespace {

constexpr std::uint32_t max_ttl = 0x7fff'ffff;  // RFC 2181 section 8
constexpr std::size_t smallest_buffer = 4096;
constexpr std::size_t usual_buffer = std::size_t{256} << 10;
constexpr std::size_t longest_entry = std::size_t{16} << 20;  // far above any record that fits in a message
constexpr std::size_t longest_text = std::size_t{2} << 30;    // positions have 32 bits

/// A file that is read through a buffer which holds at least one whole entry.
class FileText {
 public:
  FileText() = default;
  FileText(const FileText&) = delete;
  FileText& operator=(const FileText&) = delete;
  ~FileText() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  /// False with errno set.
  bool open(const std::string& path) {
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat facts{};
    if (descriptor_ < 0 || ::fstat(descriptor_, &facts) != 0) return false;
    buffer_.resize(std::clamp(static_cast<std::size_t>(facts.st_size) + 1, smallest_buffer, usual_buffer));
    return true;
  }

  /// Keeps `rest` (a part of the text given last) and reads more behind it. False with errno set; EFBIG if `rest` is
  /// already as long as an entry may be.
  bool read_more(std::string_view rest) {
    if (rest.size() >= longest_entry) {
      errno = EFBIG;
      return false;
    }
    if (!rest.empty()) std::memmove(buffer_.data(), rest.data(), rest.size());
    size_ = rest.size();
    if (size_ == buffer_.size()) buffer_.resize(buffer_.size() * 2);
    while (size_ < buffer_.size() && !at_end_) {
      const ssize_t got = ::read(descriptor_, buffer_.data() + size_, buffer_.size() - size_);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return false;
      at_end_ = got == 0;
      size_ += static_cast<std::size_t>(got);
    }
    return true;
  }
  [[nodiscard]] std::string_view text() const { return {buffer_.data(), size_}; }
  [[nodiscard]] bool at_end() const { return at_end_; }

 private:
  int descriptor_ = -1;
  std::string buffer_;
  std::size_t size_ = 0;
  bool at_end_ = false;
};

std::string system_text(int error) {
  return std::generic_category().message(error);
}

std::string_view without_byte_order_mark(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return text;
}

/// Remembers what type the last mnemonics stood for: a zone has few of them.
class TypeMemo {
 public:
  std::optional<RRType> find(std::string_view text) {
    if (text.empty() || text.size() > longest) return type_from_text(text);
    Slot& slot = slots_[(static_cast<std::uint8_t>(text.front()) * 7U + static_cast<std::uint8_t>(text.back()) * 3U +
                         text.size()) %
                        slots_.size()];
    if (slot.size == text.size() && std::memcmp(slot.text.data(), text.data(), text.size()) == 0) return slot.type;
    const auto type = type_from_text(text);
    if (type) {
      slot.type = *type;
      slot.size = static_cast<std::uint8_t>(text.size());
      std::ranges::copy(text, slot.text.begin());
    }
    return type;
  }

 private:
  static constexpr std::size_t longest = 12;
  struct Slot {
    std::array<char, longest> text{};
    std::uint8_t size = 0;
    RRType type{};
  };
  std::array<Slot, 64> slots_{};
};

/// What one file (or text) has of its own: an included file leaves origin and owner of the including one alone
/// (RFC 1035 section 5.1).
struct Source {
  std::string label;
  Name origin;
  std::optional<Name> owner;  // of the last record
  unsigned depth = 0;         // of $INCLUDE
  FileText* file = nullptr;   // null: all text is given
  ZoneLexer lexer{};
  ZoneEntry entry{};
};

/// The part of a record before its data.
struct RecordHead {
  std::optional<std::uint32_t> ttl;
  RRType type{};
  std::size_t type_token = 0;
};

class ZoneFileReader {
 public:
  ZoneFileReader(const ZoneFileSink& sink, const ZoneFileLimits& limits, bool allow_include)
      : sink_(sink), limits_(limits), allow_include_(allow_include) {}

  Result<void> read_file(FileText& file, Source& source);
  Result<void> read_entries(Source& source);

 private:
  Result<void> refill(Source& source);
  Result<void> read_entry(Source& source);
  Result<void> read_directive(Source& source);
  Result<void> read_record(Source& source);
  Result<void> include(Source& source);
  Result<void> generate(Source& source);
  Result<void> generate_one(Source& source, std::uint32_t value, const RecordHead& head, std::string_view rhs);
  Result<RecordHead> read_head(Source& source, std::size_t first);
  Result<Name> read_name(const Source& source, std::size_t token);
  Result<std::uint32_t> read_ttl(const Source& source, std::size_t token);
  Result<std::uint32_t> ttl_of(const Source& source, const RecordHead& head);
  Result<void> deliver(const Source& source, NameView owner, RRType type, std::uint32_t ttl);

  const ZoneFileSink& sink_;
  const ZoneFileLimits limits_;
  const bool allow_include_;
  std::optional<std::uint32_t> default_ttl_;  // $TTL
  std::optional<std::uint32_t> last_ttl_;     // the last one that a record had in its text
  std::uint64_t generated_ = 0;
  TypeMemo types_;
  Bytes rdata_;
  // For $GENERATE
  ZoneEntry generated_entry_;
  std::string generated_owner_, generated_rdata_;
};

std::unexpected<Error> mistake_at(const Source& source, const TextMistake& mistake, Errc code = Errc::syntax) {
  return fail(code, fmt::format("{}:{}:{}: {}", source.label, mistake.line, mistake.column, mistake.text));
}

std::unexpected<Error> expected_at(const Source& source, std::size_t token, std::string_view expected) {
  return mistake_at(source, source.entry.mistake(token, expected));
}

bool is_class_in(std::string_view text) {
  return text.size() == 2 && (text[0] | 0x20) == 'i' && (text[1] | 0x20) == 'n';
}

Result<void> ZoneFileReader::read_file(FileText& file, Source& source) {
  source.file = &file;
  source.lexer.set_text({}, false);
  US_TRY(refill(source));
  source.lexer.set_text(without_byte_order_mark(file.text()), file.at_end());
  return read_entries(source);
}

Result<void> ZoneFileReader::refill(Source& source) {
  if (source.file->read_more(source.lexer.rest())) {
    source.lexer.set_text(source.file->text(), source.file->at_end());
    return {};
  }
  if (errno == EFBIG) {
    return fail(Errc::syntax, fmt::format("{}:{}:1: expected an entry of at most {} octets, found a longer one",
                                          source.label, source.lexer.line(), longest_entry));
  }
  return fail(Errc::io, fmt::format("{}: {}", source.label, system_text(errno)));
}

Result<void> ZoneFileReader::read_entries(Source& source) {
  while (true) {
    switch (source.lexer.next(source.entry)) {
      case ZoneLexer::Outcome::entry:
        US_TRY(read_entry(source));
        break;
      case ZoneLexer::Outcome::more:
        US_TRY(refill(source));
        break;
      case ZoneLexer::Outcome::end:
        return {};
      case ZoneLexer::Outcome::mistake:
        return mistake_at(source, source.lexer.mistake());
    }
  }
}

Result<void> ZoneFileReader::read_entry(Source& source) {
  const TextToken& first = source.entry.tokens.front();
  if (!source.entry.blank_first && !first.quoted && *first.start == '$') return read_directive(source);
  return read_record(source);
}

Result<void> ZoneFileReader::read_directive(Source& source) {
  const auto& tokens = source.entry.tokens;
  const std::string_view directive = tokens.front().text();
  if (equal_without_case(directive, "$include")) return include(source);
  if (equal_without_case(directive, "$generate")) return generate(source);
  if (equal_without_case(directive, "$origin")) {
    US_ASSIGN(source.origin, read_name(source, 1));
  } else if (equal_without_case(directive, "$ttl")) {
    US_ASSIGN(default_ttl_, read_ttl(source, 1));
  } else {
    return expected_at(source, 0, "$ORIGIN, $TTL, $INCLUDE or $GENERATE");
  }
  if (tokens.size() > 2) return expected_at(source, 2, "the end of the line");
  return {};
}

Result<Name> ZoneFileReader::read_name(const Source& source, std::size_t token) {
  const auto& tokens = source.entry.tokens;
  if (token >= tokens.size()) return expected_at(source, token, "a domain name");
  if (tokens[token].is("@")) return source.origin;
  auto name = Name::parse(tokens[token].text(), source.origin);
  if (name) return name;
  const Error& error = name.error();
  return expected_at(source, token,
                     fmt::format("a domain name ({})", error.detail.empty() ? errc_text(error.code) : error.detail));
}

Result<std::uint32_t> ZoneFileReader::read_ttl(const Source& source, std::size_t token) {
  const auto& tokens = source.entry.tokens;
  const auto ttl = token < tokens.size() ? parse_period(tokens[token].text()) : std::nullopt;
  if (!ttl || *ttl > max_ttl) return expected_at(source, token, "a TTL of 0 to 2147483647 seconds, or one like 1h30m");
  return *ttl;
}

/// [TTL] [class] type, the first two in either order (RFC 1035 section 5.1).
Result<RecordHead> ZoneFileReader::read_head(Source& source, std::size_t first) {
  const auto& tokens = source.entry.tokens;
  RecordHead head;
  bool has_class = false;
  for (std::size_t i = first; i < tokens.size(); ++i) {
    const std::string_view text = tokens[i].text();
    if (!head.ttl && !text.empty() && text[0] >= '0' && text[0] <= '9') {
      US_ASSIGN(head.ttl, read_ttl(source, i));
    } else if (!has_class && is_class_in(text)) {
      has_class = true;
    } else if (const auto type = types_.find(text)) {
      if (is_meta_type(*type)) return expected_at(source, i, "a type that can stand in a zone");
      head.type = *type;
      head.type_token = i;
      return head;
    } else if (!has_class && class_from_text(text)) {
      return expected_at(source, i, "class IN");
    } else {
      return expected_at(source, i, head.ttl || has_class ? "a record type" : "a TTL, a class or a record type");
    }
  }
  return expected_at(source, tokens.size(), "a record type");
}

/// RFC 2308 section 4: the record's own TTL, or $TTL; without either the last one given (RFC 1035 section 5.1), and for
/// an SOA before any other the minimum in it, as BIND does.
Result<std::uint32_t> ZoneFileReader::ttl_of(const Source& source, const RecordHead& head) {
  if (head.ttl) {
    last_ttl_ = head.ttl;
    return *head.ttl;
  }
  if (default_ttl_) return *default_ttl_;
  if (last_ttl_) return *last_ttl_;
  if (head.type == RRType::SOA) {
    default_ttl_ = std::min(soa_view(rdata_).minimum, max_ttl);
    return *default_ttl_;
  }
  return expected_at(source, head.type_token, "a TTL, as neither $TTL nor a record before has one");
}

Result<void> ZoneFileReader::read_record(Source& source) {
  const ZoneEntry& entry = source.entry;
  std::size_t next = 0;
  if (!entry.blank_first) {
    US_ASSIGN(source.owner, read_name(source, 0));
    next = 1;
  } else if (!source.owner) {
    return expected_at(source, 0, "an owner name in the first column, as there is no record before");
  }
  US_ASSIGN(const RecordHead head, read_head(source, next));
  rdata_.clear();
  RdataParser parser(entry.tokens, head.type_token + 1, source.origin, rdata_);
  if (!parser.parse(head.type)) return expected_at(source, parser.position(), parser.expected());
  US_ASSIGN(const std::uint32_t ttl, ttl_of(source, head));
  return deliver(source, *source.owner, head.type, ttl);
}

Result<void> ZoneFileReader::deliver(const Source& source, NameView owner, RRType type, std::uint32_t ttl) {
  auto taken = sink_(owner, type, ttl, rdata_);
  if (taken) return {};
  const TextToken& first = source.entry.tokens.front();
  const Error& error = taken.error();
  const std::string text = error.detail.empty() ? std::string(errc_text(error.code)) : error.detail;
  return mistake_at(source, {first.line, first.column, text}, error.code);
}

/// $INCLUDE FILE [ORIGIN]
Result<void> ZoneFileReader::include(Source& source) {
  const auto& tokens = source.entry.tokens;
  if (!allow_include_) return expected_at(source, 0, "no $INCLUDE here");
  Bytes file_name;
  if (tokens.size() < 2 || !decode_string(tokens[1].text(), 4096, file_name) || file_name.empty() ||
      std::ranges::find(file_name, 0) != file_name.end()) {
    return expected_at(source, 1, "a file name");
  }
  Source included{.origin = source.origin, .owner = source.owner, .depth = source.depth + 1};
  if (tokens.size() > 2) {
    US_ASSIGN(included.origin, read_name(source, 2));
  }
  if (tokens.size() > 3) return expected_at(source, 3, "the end of the line");
  if (included.depth > limits_.include_depth) {
    return expected_at(source, 0, fmt::format("at most {} files that include one another", limits_.include_depth));
  }
  std::string path(text_of(file_name));
  if (!path.starts_with('/')) path = source.label.substr(0, source.label.rfind('/') + 1) + path;
  included.label = path;
  FileText file;
  if (!file.open(path)) {
    const int error = errno;
    TextMistake where = source.entry.mistake(1, "a file that can be read");
    where.text += fmt::format(" ({}: {})", path, system_text(error));
    return mistake_at(source, where, Errc::io);
  }
  return read_file(file, included);
}

/// $GENERATE RANGE OWNER [TTL] [class] TYPE RDATA
Result<void> ZoneFileReader::generate(Source& source) {
  const auto& tokens = source.entry.tokens;
  const auto range = tokens.size() > 1 ? GenerateRange::parse(tokens[1].text()) : std::nullopt;
  if (!range) return expected_at(source, 1, "a range like 1-100 or 0-254/2");
  if (range->count() > limits_.generated_records - generated_) {
    return expected_at(source, 1, fmt::format("at most {} generated records in all", limits_.generated_records));
  }
  generated_ += range->count();
  if (tokens.size() < 3) return expected_at(source, 2, "a template for the owner name");
  US_ASSIGN(const RecordHead head, read_head(source, 3));
  if (head.type_token + 1 == tokens.size()) return expected_at(source, tokens.size(), "a template for the data");
  const std::string rhs = generate_rhs(source.entry, head.type_token + 1);
  for (std::uint64_t value = range->start; value <= range->stop; value += range->step) {
    US_TRY(generate_one(source, static_cast<std::uint32_t>(value), head, rhs));
  }
  return {};
}

Result<void> ZoneFileReader::generate_one(Source& source, std::uint32_t value, const RecordHead& head,
                                          std::string_view rhs) {
  constexpr std::size_t owner_token = 2;
  const std::size_t rhs_token = head.type_token + 1;
  std::string expected;
  if (!expand_template(source.entry.tokens[owner_token].text(), value, generated_owner_, expected)) {
    return expected_at(source, owner_token, expected);
  }
  const auto owner =
      generated_owner_ == "@" ? Result<Name>(source.origin) : Name::parse(generated_owner_, source.origin);
  if (!owner) {
    return expected_at(source, owner_token,
                       fmt::format("a template that makes domain names ({} for {})", owner.error().text(), value));
  }
  if (!expand_template(rhs, value, generated_rdata_, expected)) return expected_at(source, rhs_token, expected);
  ZoneLexer lexer;
  lexer.set_text(generated_rdata_, true);
  const auto outcome = lexer.next(generated_entry_);
  if (outcome == ZoneLexer::Outcome::end) generated_entry_.tokens.clear();
  rdata_.clear();
  RdataParser parser(generated_entry_.tokens, 0, source.origin, rdata_);
  if (outcome == ZoneLexer::Outcome::mistake || !parser.parse(head.type)) {
    const TextMistake inner = outcome == ZoneLexer::Outcome::mistake
                                  ? lexer.mistake()
                                  : generated_entry_.mistake(parser.position(), parser.expected());
    const TextToken& at = source.entry.tokens[rhs_token];
    return mistake_at(source, {at.line, at.column, fmt::format("{} (with {} in place of $)", inner.text, value)});
  }
  US_ASSIGN(const std::uint32_t ttl, ttl_of(source, head));
  return deliver(source, *owner, head.type, ttl);
}

}  // namespace

Result<void> read_zone_file(const std::string& path, NameView origin, const ZoneFileSink& sink,
                            const ZoneFileLimits& limits) {
  ZoneFileReader reader(sink, limits, true);
  Source source{.label = path, .origin = origin};
  FileText file;
  if (!file.open(path)) return fail(Errc::io, fmt::format("{}: {}", path, system_text(errno)));
  return reader.read_file(file, source);
}

Result<void> read_zone_text(std::string_view text, const std::string& label, NameView origin, const ZoneFileSink& sink,
                            const ZoneFileLimits& limits, bool allow_include) {
  if (text.size() > longest_text) return fail(Errc::syntax, fmt::format("{}: expected at most 2 GiB of text", label));
  ZoneFileReader reader(sink, limits, allow_include);
  Source source{.label = label, .origin = origin};
  source.lexer.set_text(without_byte_order_mark(text), true);
  return reader.read_entries(source);
}

}  // namespace understudy
