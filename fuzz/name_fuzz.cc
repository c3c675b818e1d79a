// Names: text -> name -> text, both readers of wire form against each other, and the laws of their order.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "dns/name.h"

using understudy::ByteReader;
using understudy::ByteView;
using understudy::Name;
using understudy::NameHash;
using understudy::NameView;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_text_round_trip(const Name& name) {
  const auto again = Name::parse(name.text());
  require(again && again->view().identical(name));
}

void check_pair(NameView a, NameView b) {
  const auto order = a.compare(b);
  require(b.compare(a) == (0 <=> order));
  require((order == 0) == a.equals(b));
  require(!a.equals(b) || NameHash()(a) == NameHash()(b));
  require(a.is_below(b) == (a.is_at_or_below(b) && !a.equals(b)));
  // A name sorts behind each of its ancestors (RFC 4034 section 6.1).
  if (a.is_below(b)) require(order > 0);
  require(!a.is_at_or_below(b) || a.ancestor(a.label_count() - b.label_count()).equals(b));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input{data, size};
  if (const auto parsed = Name::parse(understudy::text_of(input))) check_text_round_trip(*parsed);
  if (size == 0) return 0;

  // The first octet says where in the rest to start, so that pointers have something before them.
  const ByteView message = input.subspan(1);
  const std::size_t start = message.empty() ? 0 : data[0] % message.size();
  ByteReader reader(message, start);
  ByteReader checker(message, start);
  ByteReader plain(message, start);
  const auto name = Name::read_compressed(reader);
  const auto checked = Name::check_compressed(checker);
  require(name.has_value() == checked.has_value());
  if (!name) {
    require(name.error().code == checked.error().code);
    return 0;
  }
  require(reader.position() == checker.position());
  require(name->size() <= understudy::max_name_size && name->view().label_count() <= understudy::max_labels);
  check_text_round_trip(*name);
  check_pair(*name, name->lowered());
  if (const auto view = NameView::read(plain)) {
    require(view->identical(*name) && plain.position() == reader.position());
  }
  // What follows may be a second name.
  if (const auto second = Name::read_compressed(reader)) check_pair(*name, *second);
  return 0;
}
