// RDATA: what passes the check prints as text that stands for the same octets; reading from a message never leaves the
// RDATA; text that parses makes valid RDATA. The first two octets of an input are the type, the third a mode.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "dns/rdata.h"

using understudy::ByteReader;
using understudy::Bytes;
using understudy::ByteView;
using understudy::NameView;
using understudy::RRType;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

const understudy::Name& origin() {
  static const understudy::Name name = understudy::Name::parse("Origin.example.").value();
  return name;
}

/// `rdata` has passed the check.
void check_laws(RRType type, const Bytes& rdata) {
  const std::string text = understudy::rdata_text(type, rdata);
  require(text.find('\n') == std::string::npos);
  const auto again = understudy::parse_rdata(type, text, origin());
  require(again && *again == rdata);

  Bytes canonical;
  understudy::append_canonical_rdata(type, rdata, canonical);
  require(canonical.size() == rdata.size());
  require(understudy::check_rdata(type, canonical).has_value());
  const auto names = understudy::rdata_names(type, rdata);
  for (const auto& name : names) {
    ByteReader reader(rdata, name.offset);
    const auto view = NameView::read(reader);
    require(view && view->size() == name.size);
    require(NameView::trusted(ByteView(canonical).subspan(name.offset, name.size)) == *view);
  }

  // Uncompressed RDATA reads as itself.
  ByteReader reader(rdata);
  Bytes read;
  require(understudy::read_rdata(type, reader, static_cast<std::uint16_t>(rdata.size()), read).has_value());
  require(read == rdata && reader.at_end());
}

void read_from_message(RRType type, ByteView message) {
  // The first two octets say where the RDATA starts, so that pointers have something before them.
  if (message.size() < 2) return;
  const std::size_t start = understudy::load_u16(message.data()) % message.size();
  const std::size_t length = message.size() - start;
  for (const std::size_t size : {length, length / 2}) {
    ByteReader reader(message, start);
    Bytes rdata{1, 2, 3};
    const auto read = understudy::read_rdata(type, reader, static_cast<std::uint16_t>(size), rdata);
    if (!read) {
      require(rdata.size() == 3);
      continue;
    }
    require(reader.position() == start + size);
    rdata.erase(rdata.begin(), rdata.begin() + 3);
    require(understudy::check_rdata(type, rdata).has_value());
    check_laws(type, rdata);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3 || size > 65538) return 0;
  const auto type = static_cast<RRType>(understudy::load_u16(data));
  const ByteView input{data + 3, size - 3};
  switch (data[2] % 3) {
    case 0: {
      const Bytes rdata(input.begin(), input.end());
      const std::string text = understudy::rdata_text(type, rdata);  // must be safe for any octets
      require(!text.empty());
      if (understudy::check_rdata(type, rdata)) check_laws(type, rdata);
      break;
    }
    case 1:
      read_from_message(type, input);
      break;
    default:
      if (const auto rdata = understudy::parse_rdata(type, understudy::text_of(input), origin())) {
        require(understudy::check_rdata(type, *rdata).has_value());
        check_laws(type, *rdata);
      }
  }
  return 0;
}
