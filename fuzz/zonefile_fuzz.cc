// Zone files: every record that is delivered is valid and prints as a line that reads back as the same record; the
// tokens do not depend on how the text is cut into buffers.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "dns/rdata.h"
#include "dns/record.h"
#include "dns/zonefile.h"
#include "dns/zonefile_lexer.h"

using understudy::Bytes;
using understudy::ByteView;
using understudy::Name;
using understudy::NameView;
using understudy::Record;
using understudy::Result;
using understudy::RRType;
using understudy::ZoneEntry;
using understudy::ZoneLexer;

namespace {

constexpr understudy::ZoneFileLimits limits{.generated_records = 200};

void require(bool condition) {
  if (!condition) std::abort();
}

void check_record(const Record& record) {
  require(understudy::check_rdata(record.type, record.rdata).has_value());
  require(!understudy::is_meta_type(record.type) && record.ttl <= 0x7fff'ffffU);
  unsigned count = 0;
  const auto outcome = understudy::read_zone_text(
      record.text(), "line", Name(),
      [&](NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) -> Result<void> {
        ++count;
        require(owner.identical(record.owner) && type == record.type && ttl == record.ttl);
        require(Bytes(rdata.begin(), rdata.end()) == record.rdata);
        return {};
      },
      limits);
  require(outcome && count == 1);
}

std::string tokens_of(const ZoneEntry& entry) {
  std::string out = entry.blank_first ? " " : "";
  for (const auto& token : entry.tokens) {
    out += std::to_string(token.line) + ":" + std::to_string(token.column) + (token.quoted ? "q" : "") +
           (token.adjacent ? "a" : "") + (token.escaped ? "e" : "") + "<";
    out += token.text();
    out += ">";
  }
  return out + std::to_string(entry.end_line) + ":" + std::to_string(entry.end_column) + "\n";
}

/// Everything the lexer says about `text`, of which it is given `first` octets at first and `step` more each time.
std::string scan(std::string_view text, std::size_t first, std::size_t step) {
  ZoneLexer lexer;
  ZoneEntry entry;
  std::size_t given = std::min(first, text.size());
  lexer.set_text(text.substr(0, given), given == text.size());
  std::string out;
  while (true) {
    switch (lexer.next(entry)) {
      case ZoneLexer::Outcome::entry:
        out += tokens_of(entry);
        break;
      case ZoneLexer::Outcome::end:
        return out;
      case ZoneLexer::Outcome::mistake:
        return out + std::to_string(lexer.mistake().line) + ":" + std::to_string(lexer.mistake().column) +
               lexer.mistake().text;
      case ZoneLexer::Outcome::more: {
        require(given < text.size());
        const std::size_t start = given - lexer.rest().size();
        given = std::min(given + step, text.size());
        lexer.set_text(text.substr(start, given - start), given == text.size());
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = understudy::text_of({data, size});
  static const Name origin = Name::parse("Example.").value();
  unsigned left = 100;
  const auto outcome = understudy::read_zone_text(
      text, "zone", origin,
      [&](NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) -> Result<void> {
        if (left-- == 0) return understudy::fail(understudy::Errc::record_limit);
        check_record({.owner = owner, .type = type, .ttl = ttl, .rdata = Bytes(rdata.begin(), rdata.end())});
        return {};
      },
      limits);
  if (!outcome) require(outcome.error().detail.starts_with("zone:"));
  if (size > 0 && size < 4096) require(scan(text, size, 1) == scan(text, data[0], 1U + data[size - 1] % 64));
  return 0;
}
