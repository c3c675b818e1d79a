#include "config/document.h"

#include <gtest/gtest.h>

#include <string>

namespace understudy::config {
namespace {

std::string mistake(std::string_view text) {
  Diagnostics out("f");
  (void)Document::parse(text, out);
  return out.failed() ? out.take_error().detail : "";
}

/// The tree in one line: lists in [], mappings in {}, scalars in ''.
std::string outline(Node node) {
  if (node.is_scalar()) return node.describe();
  std::string out = node.kind() == NodeKind::sequence ? "[" : "{";
  for (Node child = node.first(); child; child = child.next()) out += outline(child);
  return out + (node.kind() == NodeKind::sequence ? "]" : "}");
}

std::string outline(std::string_view text) {
  Diagnostics out("f");
  const auto document = Document::parse(text, out);
  EXPECT_FALSE(out.failed()) << out.take_error().detail;
  return document.root() ? outline(document.root()) : "empty";
}

TEST(Document, Tree) {
  EXPECT_EQ(outline("a: 1\nb: [x, {c: d}]\n"), "{'a''1''b'['x'{'c''d'}]}");
  EXPECT_EQ(outline("- no.\n- 'y'\n- 1.5\n- null\n- ~\n"), "['no.''y''1.5''null''~']");
  EXPECT_EQ(outline("just text"), "'just text'");
  EXPECT_EQ(outline("{}"), "{}");
  EXPECT_EQ(outline("[]"), "[]");
  EXPECT_EQ(outline("a:\nb: ''\n"), "{'a'nothing'b'''}");
  EXPECT_EQ(outline("%YAML 1.2\n---\na: b\n...\n"), "{'a''b'}");
}

TEST(Document, NothingInIt) {
  EXPECT_EQ(outline(""), "empty");
  EXPECT_EQ(outline("# a comment\n\n"), "empty");
}

TEST(Document, Positions) {
  Diagnostics out("f");
  const auto document = Document::parse("# c\nserver:\n  workers: 4\nzones:\n  - {name: \xc3\xa4., file: x}\n", out);
  const auto server = document.root().first();
  EXPECT_EQ(server.at(), (Position{2, 1}));
  EXPECT_EQ(server.next().first().at(), (Position{3, 3}));
  EXPECT_EQ(server.next().first().next().at(), (Position{3, 12}));
  const auto zone = server.next().next().next().first();
  EXPECT_EQ(zone.at(), (Position{5, 5}));
  EXPECT_EQ(zone.first().next().next().at(), (Position{5, 16}));  // columns count characters, not octets
}

TEST(Document, WhatIsMissing) {
  Diagnostics out("f");
  const auto document = Document::parse("a:\nb: ''\nc: []\n", out);
  const auto a = document.root().first().next();
  EXPECT_TRUE(a.is_missing());
  const auto b = a.next().next();
  EXPECT_FALSE(b.is_missing());
  EXPECT_FALSE(b.next().next().is_missing());
}

TEST(Document, CanonicalFormTellsApart) {
  const auto form = [](std::string_view text) {
    Diagnostics out("f");
    const auto document = Document::parse(text, out);
    std::string canonical;
    document.root().append_canonical(canonical);
    return canonical;
  };
  EXPECT_EQ(form("[a, b]"), form("- a\n- 'b'\n"));
  EXPECT_NE(form("[a, b]"), form("[b, a]"));
  EXPECT_NE(form("[a, b]"), form("['a, b']"));
  EXPECT_NE(form("[ab]"), form("[a, b]"));
  EXPECT_NE(form("[[a], b]"), form("[[a, b]]"));
  EXPECT_NE(form("{a: b}"), form("[a, b]"));
}

TEST(Document, RefusedParts) {
  EXPECT_EQ(mistake("a: 1\n---\nb: 2\n"), "f:2:1: a second YAML document starts here, expected one document in a file");
  EXPECT_EQ(mistake("a: &x 1\nb: *x\n"),
            "f:1:4: an anchor (&name) stands here, expected the value itself; share settings by a template\n"
            "f:2:4: an alias (*name) stands here, expected the value itself; share settings by a template");
  EXPECT_EQ(mistake("a: !!str 1\n"),
            "f:1:4: a tag (!name) stands here, expected the value itself; every value is text to begin with");
  EXPECT_EQ(mistake("a: !!seq [1]\nb: &m {}\n"),
            "f:1:4: a tag (!name) stands here, expected the value itself; every value is text to begin with\n"
            "f:2:4: an anchor (&name) stands here, expected the value itself; share settings by a template");
  EXPECT_EQ(mistake("? [a]\n: b\n"), "f:1:3: a list or mapping stands here, expected a key");
}

TEST(Document, NotYaml) {
  EXPECT_EQ(mistake("a: 1\n b: 2\n"), "f:2:3: not YAML: mapping values are not allowed in this context");
  EXPECT_EQ(mistake("a: [1\nb: 2\n"),
            "f:2:2: not YAML: did not find expected ',' or ']' while parsing a flow sequence (from line 1)");
  EXPECT_EQ(mistake("a:\n\tb: 1\n"),
            "f:2:1: not YAML: found character that cannot start any token while scanning for the next token (from line "
            "2)");
  EXPECT_EQ(mistake("listen: [::1@53]\n"),
            "f:1:10: not YAML: did not find expected node content while parsing a flow node (from line 1); quote an "
            "address that begins with a colon");
  EXPECT_EQ(mistake("a: 'b\n"),
            "f:2:1: not YAML: found unexpected end of stream while scanning a quoted scalar (from line 1)");
}

TEST(Document, NotUtf8) {
  EXPECT_EQ(mistake("a: b\nc: \xff\n"), "f:2:4: not UTF-8 text: invalid leading UTF-8 octet");
  EXPECT_EQ(mistake(std::string_view("a: \0", 4)), "f:1:4: not UTF-8 text: control characters are not allowed");
}

TEST(Document, Bounds) {
  std::string deep;
  for (int i = 0; i < 17; ++i) deep += '[';
  EXPECT_EQ(mistake(deep), "f:1:17: lists and mappings are nested more than 16 deep");
  EXPECT_EQ(mistake(std::string(16, '[') + std::string(16, ']')), "");
  EXPECT_EQ(mistake("a: " + std::string(4'096, 'x')), "");
  EXPECT_EQ(mistake("a: " + std::string(4'097, 'x')), "f:1:4: a value has 4097 octets, expected at most 4096");
  EXPECT_EQ(mistake(std::string(Document::max_text + 1, '#')),
            "f: the file has 268435457 octets, expected at most 268435456");
}

TEST(Document, DescribesForMessages) {
  Diagnostics out("f");
  const auto document = Document::parse("- \"a\\tb\"\n- " + std::string(100, 'x') + "\n", out);
  EXPECT_EQ(document.root().describe(), "a list");
  EXPECT_EQ(document.root().first().describe(), "'a\\x09b'");
  EXPECT_EQ(document.root().first().next().describe(), "'" + std::string(60, 'x') + "...'");
}

}  // namespace
}  // namespace understudy::config
