#include "dns/name.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

namespace understudy {
namespace {

Name name(std::string_view text) {
  auto parsed = Name::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Name());
}

Bytes bytes(std::string_view octets) {
  const ByteView view = view_of(octets);
  return {view.begin(), view.end()};
}

/// A random valid name: labels of any octets, letters of both cases likely so that names collide without case.
Name random_name(std::mt19937& random) {
  std::uniform_int_distribution<int> labels(0, 6);
  std::uniform_int_distribution<int> size(1, 8);
  std::uniform_int_distribution<int> long_size(1, 63);
  std::uniform_int_distribution<int> octet(0, 255);
  constexpr std::string_view few = "aAbBzZ@[`{";
  Name out;
  for (int i = labels(random); i > 0; --i) {
    Bytes label(static_cast<std::size_t>(octet(random) < 16 ? long_size(random) : size(random)));
    const bool any = octet(random) < 64;
    for (auto& c : label) {
      c = any ? static_cast<std::uint8_t>(octet(random))
              : static_cast<std::uint8_t>(few[static_cast<std::size_t>(octet(random)) % few.size()]);
    }
    if (auto longer = Name::prepend(label, out)) out = *longer;
  }
  return out;
}

/// Labels in lower case, the rightmost first: comparing these as vectors is the definition of canonical order.
std::vector<std::string> reversed_labels(NameView view) {
  std::vector<std::string> out;
  for (; !view.is_root(); view = view.parent()) {
    std::string label(text_of(view.first_label()));
    for (char& c : label) c = static_cast<char>(ascii_lower(static_cast<std::uint8_t>(c)));
    out.push_back(std::move(label));
  }
  std::ranges::reverse(out);
  return out;
}

bool octets_less(const std::string& a, const std::string& b) {
  return std::ranges::lexicographical_compare(
      a, b, [](char x, char y) { return static_cast<std::uint8_t>(x) < static_cast<std::uint8_t>(y); });
}

std::strong_ordering reference_compare(NameView a, NameView b) {
  const auto x = reversed_labels(a);
  const auto y = reversed_labels(b);
  if (std::ranges::lexicographical_compare(x, y, octets_less)) return std::strong_ordering::less;
  if (std::ranges::lexicographical_compare(y, x, octets_less)) return std::strong_ordering::greater;
  return std::strong_ordering::equal;
}

TEST(NameParse, TextToWire) {
  struct Case {
    std::string_view text;
    std::string_view wire;
    std::string_view printed;
  };
  using namespace std::string_view_literals;
  const Case cases[] = {
      {".", "\0"sv, "."},
      {"com.", "\3com\0"sv, "com."},
      {"com", "\3com\0"sv, "com."},
      {"www.Example.", "\3www\7Example\0"sv, "www.Example."},
      {"a\\.b.c.", "\3a.b\1c\0"sv, "a\\.b.c."},
      {"\\097\\000.", "\2a\0\0"sv, "a\\000."},
      {"\\255.", "\1\xff\0"sv, "\\255."},
      {"a b.", "\3a b\0"sv, "a\\032b."},
      {"\\\\\\\".", "\2\\\"\0"sv, "\\\\\\\"."},
      {"\\;\\(\\)\\@\\$.", "\5;()@$\0"sv, "\\;\\(\\)\\@\\$."},
      {"*._tcp.", "\1*\4_tcp\0"sv, "*._tcp."},
      {"\\*.", "\1*\0"sv, "*."},
      {"a\\.", "\2a.\0"sv, "a\\.."},  // the escaped dot does not end the name
  };
  for (const Case& c : cases) {
    const auto parsed = Name::parse(c.text);
    ASSERT_TRUE(parsed) << c.text;
    EXPECT_EQ(text_of(parsed->wire()), c.wire) << c.text;
    EXPECT_EQ(parsed->text(), c.printed) << c.text;
  }
}

TEST(NameParse, RelativeNamesGetTheOrigin) {
  const Name origin = name("example.org.");
  EXPECT_EQ(Name::parse("www", origin)->text(), "www.example.org.");
  EXPECT_EQ(Name::parse("a.b", origin)->text(), "a.b.example.org.");
  EXPECT_EQ(Name::parse("www.", origin)->text(), "www.");
  EXPECT_EQ(Name::parse(".", origin)->text(), ".");
}

TEST(NameParse, Errors) {
  const std::string label63(63, 'x');
  const std::string four = label63 + "." + label63 + "." + label63 + ".";
  struct Case {
    std::string text;
    Errc code;
  };
  const Case cases[] = {
      {"", Errc::syntax},
      {"..", Errc::syntax},
      {".a", Errc::syntax},
      {"a..b", Errc::syntax},
      {"a\\", Errc::syntax},
      {"a\\1", Errc::syntax},
      {"a\\12", Errc::syntax},
      {"a\\12x", Errc::syntax},
      {"a\\1x2", Errc::syntax},
      {"a\\256", Errc::syntax},
      {label63 + "x.", Errc::bad_label},
      {"a." + label63 + "x", Errc::bad_label},
      {four + label63 + ".", Errc::name_too_long},
      {four + std::string(62, 'y') + ".", Errc::name_too_long},
  };
  for (const Case& c : cases) {
    const auto parsed = Name::parse(c.text);
    ASSERT_FALSE(parsed) << c.text;
    EXPECT_EQ(parsed.error().code, c.code) << c.text;
  }
  const auto longest = Name::parse(four + std::string(61, 'y') + ".");
  ASSERT_TRUE(longest);
  EXPECT_EQ(longest->size(), max_name_size);
  // The limit also holds for what the origin adds.
  EXPECT_EQ(Name::parse("a", *longest).error().code, Errc::name_too_long);
  EXPECT_EQ(Name::parse(std::string(61, 'y'), name(four))->size(), max_name_size);
}

TEST(NameParse, TextRoundTrip) {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const Name original = random_name(random);
    const auto again = Name::parse(original.text());
    ASSERT_TRUE(again) << original.text();
    ASSERT_TRUE(again->view().identical(original)) << original.text();
  }
}

TEST(NamePrepend, ChecksLabelAndLength) {
  EXPECT_EQ(Name::prepend(view_of("*"), name("example."))->text(), "*.example.");
  EXPECT_EQ(Name::prepend({}, name("example.")).error().code, Errc::bad_label);
  EXPECT_EQ(Name::prepend(Bytes(64, 'a'), Name()).error().code, Errc::bad_label);
  Name long_name;
  for (int i = 0; i < 3; ++i) long_name = *Name::prepend(Bytes(63, 'a'), long_name);
  EXPECT_EQ(Name::prepend(Bytes(62, 'a'), long_name).error().code, Errc::name_too_long);
  EXPECT_EQ(Name::prepend(Bytes(61, 'a'), long_name)->size(), 255U);
}

TEST(NameViewRead, ReadsOneNameAndStopsBehindIt) {
  const Bytes data = bytes(std::string_view("\3www\7example\0rest", 17));
  ByteReader reader(data);
  const auto view = NameView::read(reader);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->text(), "www.example.");
  EXPECT_EQ(view->wire().data(), data.data());
  EXPECT_EQ(reader.position(), 13U);
}

TEST(NameViewRead, Errors) {
  using namespace std::string_view_literals;
  std::string too_long;
  for (int i = 0; i < 128; ++i) too_long += "\1a";
  too_long += '\0';
  struct Case {
    std::string_view wire;
    Errc code;
  };
  const Case cases[] = {
      {"", Errc::truncated},          {"\3ww", Errc::truncated},        {"\3www", Errc::truncated},
      {"\300\0"sv, Errc::bad_label},  {"\1a\300\0"sv, Errc::bad_label}, {"\100a\0"sv, Errc::bad_label},
      {"\200a\0"sv, Errc::bad_label}, {too_long, Errc::name_too_long},
  };
  for (const Case& c : cases) {
    ByteReader reader(view_of(c.wire));
    const auto view = NameView::read(reader);
    ASSERT_FALSE(view);
    EXPECT_EQ(view.error().code, c.code);
    EXPECT_FALSE(reader.ok());
    // A reader that failed stays failed.
    EXPECT_EQ(NameView::read(reader).error().code, Errc::truncated);
  }
  // 127 labels of one octet are the longest name there is.
  const std::string longest = too_long.substr(2);
  ByteReader reader(view_of(longest));
  const auto view = NameView::read(reader);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->size(), 255U);
  EXPECT_EQ(view->label_count(), max_labels);
}

/// A message's body behind a header of zeros.
std::string behind_header(std::string_view body) {
  return std::string(understudy::header_size, '\0').append(body);
}

TEST(NameReadCompressed, FollowsPointersBackwards) {
  using namespace std::string_view_literals;
  // 12: example.  21: www -> 12  27: pointer -> 21  29: ftp.www.example  then one more octet
  const std::string data = behind_header("\7example\0\3www\300\14\300\25\3ftp\300\33!"sv);
  struct Case {
    std::size_t at;
    std::string_view text;
    std::size_t behind;
  };
  for (const Case& c : {Case{12, "example.", 21}, Case{21, "www.example.", 27}, Case{27, "www.example.", 29},
                        Case{29, "ftp.www.example.", 35}}) {
    ByteReader reader(view_of(data), c.at);
    const auto read = Name::read_compressed(reader);
    ASSERT_TRUE(read) << c.text;
    EXPECT_EQ(read->text(), c.text);
    EXPECT_EQ(reader.position(), c.behind);
    ByteReader checker(view_of(data), c.at);
    EXPECT_TRUE(Name::check_compressed(checker));
    EXPECT_EQ(checker.position(), c.behind);
  }
}

TEST(NameReadCompressed, Errors) {
  using namespace std::string_view_literals;
  std::string too_long = "\77" + std::string(63, 'a');
  too_long += too_long + too_long + too_long;  // 256 octets of labels
  too_long += '\0';
  std::string long_by_pointer = "\77" + std::string(63, 'a');
  long_by_pointer += long_by_pointer + long_by_pointer;
  long_by_pointer += "\75" + std::string(61, 'a');  // with the root, 255 octets
  long_by_pointer += '\0';
  const std::size_t second = header_size + long_by_pointer.size();
  long_by_pointer += "\1b\300\14"sv;
  struct Case {
    std::string_view body;
    std::size_t at;
    Errc code;
  };
  const Case cases[] = {
      {"", 12, Errc::truncated},
      {"\3ww", 12, Errc::truncated},
      {"\3www", 12, Errc::truncated},
      {"\300", 12, Errc::truncated},
      {"\300\14", 12, Errc::bad_pointer},                // itself
      {"\300\16\0"sv, 12, Errc::bad_pointer},            // forwards
      {"\1a\300\20\0"sv, 12, Errc::bad_pointer},         // forwards
      {"\1a\300\14", 12, Errc::bad_pointer},             // into the run that it ends
      {"\1a\1b\300\16", 12, Errc::bad_pointer},          // the same, to its second label
      {"\1a\300\20\1b\300\14", 16, Errc::bad_pointer},   // two runs that aim at each other
      {"\300\0"sv, 12, Errc::bad_pointer},               // the header
      {"\300\13", 12, Errc::bad_pointer},                // its last octet
      {"\0\1a\300\12\300\15"sv, 17, Errc::bad_pointer},  // the header, at second hand
      {"\100a\0"sv, 12, Errc::bad_label},
      {"\200a\0"sv, 12, Errc::bad_label},
      {"\377\377", 12, Errc::bad_pointer},
      {too_long, 12, Errc::name_too_long},
      {long_by_pointer, second, Errc::name_too_long},
  };
  for (const Case& c : cases) {
    const std::string data = behind_header(c.body);
    ByteReader reader(view_of(data), c.at);
    const auto read = Name::read_compressed(reader);
    ASSERT_FALSE(read) << &c - cases;
    EXPECT_EQ(read.error().code, c.code) << &c - cases;
    EXPECT_FALSE(reader.ok());
    ByteReader checker(view_of(data), c.at);
    const auto checked = Name::check_compressed(checker);
    ASSERT_FALSE(checked) << &c - cases;
    EXPECT_EQ(checked.error().code, c.code) << &c - cases;
  }
}

TEST(NameReadCompressed, ALongChainOfPointersIsRefused) {
  const auto chain = [](std::size_t pointers) {
    Bytes data(header_size + 1);
    std::size_t target = header_size;
    for (std::size_t i = 0; i < pointers; ++i) {
      const std::size_t here = data.size();
      append_u16(data, static_cast<std::uint16_t>(0xc000 | target));
      target = here;
    }
    return data;
  };
  const Bytes allowed = chain(128);
  ByteReader reader(allowed, allowed.size() - 2);
  EXPECT_TRUE(Name::read_compressed(reader));
  const Bytes refused = chain(129);
  ByteReader second(refused, refused.size() - 2);
  EXPECT_EQ(Name::read_compressed(second).error().code, Errc::bad_pointer);
}

TEST(NameReadCompressed, ReadsWhatItDidNotWriteLikeTheUncompressedReader) {
  std::mt19937 random(2);
  for (int i = 0; i < 5'000; ++i) {
    const Name original = random_name(random);
    ByteReader reader(original.wire());
    const auto read = Name::read_compressed(reader);
    ASSERT_TRUE(read);
    ASSERT_TRUE(read->view().identical(original));
    ASSERT_TRUE(reader.at_end());
  }
}

TEST(NameOrder, CanonicalExampleOfRfc4034) {
  const std::vector<std::string_view> sorted = {
      "example.",   "a.example.",       "yljkjljk.a.example.", "Z.a.example.",     "zABC.a.EXAMPLE.",
      "z.example.", "\\001.z.example.", "*.z.example.",        "\\200.z.example.",
  };
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    for (std::size_t k = 0; k < sorted.size(); ++k) {
      EXPECT_EQ(name(sorted[i]) <=> name(sorted[k]), i <=> k) << sorted[i] << " " << sorted[k];
    }
  }
}

TEST(NameOrder, AgreesWithItsDefinition) {
  std::mt19937 random(3);
  std::vector<Name> names;
  for (int i = 0; i < 400; ++i) names.push_back(random_name(random));
  for (int i = 0; i < 100; ++i) names.push_back(names[static_cast<std::size_t>(i)].lowered());
  for (const Name& a : names) {
    for (const Name& b : names) {
      const auto expected = reference_compare(a, b);
      ASSERT_EQ(a <=> b, expected) << a.text() << " " << b.text();
      ASSERT_EQ(a == b, expected == std::strong_ordering::equal) << a.text() << " " << b.text();
      if (a == b) {
        ASSERT_EQ(NameHash()(a), NameHash()(b)) << a.text();
      }
    }
  }
}

TEST(NameOrder, OnlyAsciiLettersHaveCase) {
  for (int x = 0; x < 256; ++x) {
    for (int y = 0; y < 256; ++y) {
      // Eight and more octets take another path than few.
      for (const std::size_t size : {1U, 8U, 12U}) {
        const Name a = *Name::prepend(Bytes(size, static_cast<std::uint8_t>(x)), Name());
        const Name b = *Name::prepend(Bytes(size, static_cast<std::uint8_t>(y)), Name());
        const bool same = ascii_lower(static_cast<std::uint8_t>(x)) == ascii_lower(static_cast<std::uint8_t>(y));
        ASSERT_EQ(a == b, same) << x << " " << y << " " << size;
      }
    }
  }
}

TEST(NameTree, AncestorsAndLabels) {
  const Name www = name("a.WWW.example.org.");
  EXPECT_EQ(www.view().label_count(), 4U);
  EXPECT_EQ(www.view().parent().text(), "WWW.example.org.");
  EXPECT_EQ(www.view().ancestor(0), www.view());
  EXPECT_EQ(www.view().ancestor(3).text(), "org.");
  EXPECT_TRUE(www.view().ancestor(4).is_root());
  EXPECT_EQ(text_of(www.view().first_label()), "a");
  EXPECT_TRUE(www.view().is_at_or_below(name("www.EXAMPLE.org.")));
  EXPECT_TRUE(www.view().is_at_or_below(www));
  EXPECT_FALSE(www.view().is_below(www));
  EXPECT_TRUE(www.view().is_below(name("org.")));
  EXPECT_TRUE(www.view().is_below(Name()));
  EXPECT_FALSE(www.view().is_at_or_below(name("b.www.example.org.")));
  EXPECT_FALSE(name("org.").view().is_at_or_below(www));
  EXPECT_FALSE(name("anexample.org.").view().is_at_or_below(name("example.org.")));
  // The octets of this label look like the name "x.org." from its second octet on.
  EXPECT_FALSE(name("a\\001x\\003org.").view().is_at_or_below(name("x.org.")));
  EXPECT_TRUE(Name().view().is_at_or_below(Name()));
}

TEST(NameTree, Wildcards) {
  EXPECT_TRUE(name("*.example.").view().is_wildcard());
  EXPECT_TRUE(name("*.").view().is_wildcard());
  EXPECT_FALSE(name("**.example.").view().is_wildcard());
  EXPECT_FALSE(name("a.*.example.").view().is_wildcard());
  EXPECT_FALSE(Name().view().is_wildcard());
}

TEST(NameCase, KeptAndLowered) {
  const Name mixed = name("WwW.ExAmPlE.");
  EXPECT_EQ(mixed.text(), "WwW.ExAmPlE.");
  EXPECT_EQ(mixed.lowered().text(), "www.example.");
  EXPECT_EQ(mixed, mixed.lowered());
  EXPECT_FALSE(mixed.view().identical(mixed.lowered()));
  EXPECT_TRUE(mixed.view().identical(mixed));
}

TEST(NameHash, SpreadsNeighbours) {
  std::unordered_set<std::size_t> hashes;
  std::unordered_set<std::size_t> low_bits;
  for (int i = 0; i < 100'000; ++i) {
    const std::size_t hash = NameHash()(name("host" + std::to_string(i) + ".example.org."));
    hashes.insert(hash);
    low_bits.insert(hash & 0xffff);
  }
  EXPECT_EQ(hashes.size(), 100'000U);
  // A uniform hash leaves 65536 / e^1.53, about 14,200, values of the low 16 bits unused.
  EXPECT_GT(low_bits.size(), 50'000U);
}

TEST(NameHash, WorksInAContainerWithoutCase) {
  std::unordered_set<Name, NameHash, NameEqual> names;
  names.insert(name("Example."));
  EXPECT_TRUE(names.contains(name("eXAMPLE.").view()));
  EXPECT_FALSE(names.contains(name("example.org.").view()));
}

TEST(NameDefaults, AreTheRoot) {
  EXPECT_TRUE(Name().is_root());
  EXPECT_TRUE(NameView().is_root());
  EXPECT_EQ(Name(), Name(NameView()));
  EXPECT_EQ(NameView().text(), ".");
  EXPECT_EQ(NameView().label_count(), 0U);
}

}  // namespace
}  // namespace understudy
