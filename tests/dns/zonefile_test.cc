// Zone file text: records as they come out, default TTLs, directives, mistakes with their positions, files.
#include "dns/zonefile.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "dns/record.h"

namespace understudy {
namespace {

struct Read {
  Result<void> outcome;
  std::string text;  // one record a line
};

ZoneFileSink collect(std::string& text) {
  return [&text](NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) -> Result<void> {
    Record record{.owner = owner, .type = type, .ttl = ttl, .rdata = Bytes(rdata.begin(), rdata.end())};
    text += record.text() + "\n";
    return {};
  };
}

Read read(std::string_view text, const ZoneFileLimits& limits = {}) {
  Read result;
  result.outcome = read_zone_text(text, "zone", Name::parse("example.").value(), collect(result.text), limits);
  return result;
}

/// The records of a text without mistakes.
std::string records(std::string_view text) {
  Read result = read(text);
  EXPECT_TRUE(result.outcome) << text << "\n" << result.outcome.error().text();
  return result.text;
}

/// "LINE:COLUMN: text" of the mistake in a text that has one.
std::string mistake(std::string_view text, const ZoneFileLimits& limits = {}) {
  const Read result = read(text, limits);
  if (result.outcome) return "(no mistake)";
  const std::string& detail = result.outcome.error().detail;
  EXPECT_TRUE(detail.starts_with("zone:")) << detail;
  return detail.substr(5);
}

TEST(ZoneFile, ExampleOfRfc1035) {
  EXPECT_EQ(records(R"(
@   IN  SOA     VENERA      Action\.domains (
                                 20     ; SERIAL
                                 7200   ; REFRESH
                                 600    ; RETRY
                                 3600000; EXPIRE
                                 60)    ; MINIMUM

        NS      A.ISI.EDU.
        NS      VENERA
        MX      10      VENERA
A       A       26.3.0.103
)"),
            "example. 60 IN SOA VENERA.example. Action\\.domains.example. 20 7200 600 3600000 60\n"
            "example. 60 IN NS A.ISI.EDU.\n"
            "example. 60 IN NS VENERA.example.\n"
            "example. 60 IN MX 10 VENERA.example.\n"
            "A.example. 60 IN A 26.3.0.103\n");
}

TEST(ZoneFile, OwnersAreAbsoluteRelativeOmittedOrTheOrigin) {
  EXPECT_EQ(records("a 1 A 1.1.1.1\n\t2 A 1.1.1.2\nb.c. 3 A 1.1.1.3\n@ 4 A 1.1.1.4\n\\@ 5 A 1.1.1.5\n* 6 A 1.1.1.6\n"),
            "a.example. 1 IN A 1.1.1.1\na.example. 2 IN A 1.1.1.2\nb.c. 3 IN A 1.1.1.3\nexample. 4 IN A 1.1.1.4\n"
            "\\@.example. 5 IN A 1.1.1.5\n*.example. 6 IN A 1.1.1.6\n");
  EXPECT_EQ(records("( a\n 1 ) A 1.1.1.1\n (\n) 2 A 1.1.1.2\n"),
            "a.example. 1 IN A 1.1.1.1\na.example. 2 IN A 1.1.1.2\n");
  EXPECT_EQ(records("a\\.b\\032c\\;d 1 A 1.1.1.1\n"), "a\\.b\\032c\\;d.example. 1 IN A 1.1.1.1\n");
  EXPECT_EQ(records("A 1 A 1.1.1.1\nIN 1 IN A 1.1.1.1\n5 1 A 1.1.1.1\n"),
            "A.example. 1 IN A 1.1.1.1\nIN.example. 1 IN A 1.1.1.1\n5.example. 1 IN A 1.1.1.1\n");
}

TEST(ZoneFile, TtlAndClassInEitherOrder) {
  for (const char* text : {"a 1 IN A 1.1.1.1", "a IN 1 A 1.1.1.1", "a 1 A 1.1.1.1", "a 1 in a 1.1.1.1",
                           "a 1s IN A 1.1.1.1", "a 1 TYPE1 1.1.1.1", "a 1 IN TYPE1 \\# 4 01010101"}) {
    EXPECT_EQ(records(text), "a.example. 1 IN A 1.1.1.1\n") << text;
  }
  EXPECT_EQ(records("a 1w2d3h4m5s A 1.1.1.1"), "a.example. 788645 IN A 1.1.1.1\n");
  EXPECT_EQ(records("a 2147483647 A 1.1.1.1"), "a.example. 2147483647 IN A 1.1.1.1\n");
}

// RFC 2308 section 4, and RFC 1035 section 5.1 where there is no $TTL.
TEST(ZoneFile, DefaultTtl) {
  EXPECT_EQ(records("$TTL 1h\na A 1.1.1.1\na 5 A 1.1.1.2\na A 1.1.1.3\n$TTL 7\na A 1.1.1.4\n"),
            "a.example. 3600 IN A 1.1.1.1\na.example. 5 IN A 1.1.1.2\na.example. 3600 IN A 1.1.1.3\n"
            "a.example. 7 IN A 1.1.1.4\n")
      << "$TTL counts, not the TTL of the record before";
  EXPECT_EQ(
      records("a 5 A 1.1.1.1\na A 1.1.1.2\nb 6 A 1.1.1.3\nb A 1.1.1.4\n"),
      "a.example. 5 IN A 1.1.1.1\na.example. 5 IN A 1.1.1.2\nb.example. 6 IN A 1.1.1.3\nb.example. 6 IN A 1.1.1.4\n");
  EXPECT_EQ(records("@ SOA a b 1 2 3 4 77\n@ NS a\n@ 5 NS b\n@ NS c\n"),
            "example. 77 IN SOA a.example. b.example. 1 2 3 4 77\nexample. 77 IN NS a.example.\n"
            "example. 5 IN NS b.example.\nexample. 77 IN NS c.example.\n");
  EXPECT_EQ(records("@ 9 SOA a b 1 2 3 4 77\n@ NS a\n"),
            "example. 9 IN SOA a.example. b.example. 1 2 3 4 77\nexample. 9 IN NS a.example.\n");
  EXPECT_EQ(mistake("a A 1.1.1.1\n"), "1:3: expected a TTL, as neither $TTL nor a record before has one, found \"A\"");
}

TEST(ZoneFile, Origin) {
  EXPECT_EQ(records("$TTL 1\n$ORIGIN sub\na A 1.1.1.1\n$origin other.\na CNAME @\n$ORIGIN .\na NS b\n"),
            "a.sub.example. 1 IN A 1.1.1.1\na.other. 1 IN CNAME other.\na. 1 IN NS b.\n");
  EXPECT_EQ(records("$TTL 1\na A 1.1.1.1\n$ORIGIN sub\n  A 1.1.1.2\n"),
            "a.example. 1 IN A 1.1.1.1\na.example. 1 IN A 1.1.1.2\n")
      << "an omitted owner is the last record's, not the new origin";
}

TEST(ZoneFile, QuotesParenthesesAndComments) {
  EXPECT_EQ(records("a 1 TXT \"x;y (z)\" w\\;v ; comment \"( \n"), "a.example. 1 IN TXT \"x;y (z)\" \"w;v\"\n");
  EXPECT_EQ(records("a 1 TXT ( x ; one )\n ( y ) ; two\n\n z )\n"), "a.example. 1 IN TXT \"x\" \"y\" \"z\"\n");
  EXPECT_EQ(records("a 1 TXT \"\" \"\\\"\" \"a\\\\\"\n"), "a.example. 1 IN TXT \"\" \"\\\"\" \"a\\\\\"\n");
  EXPECT_EQ(records("a 1 TXT x(y)z\n"), "a.example. 1 IN TXT \"x\" \"y\" \"z\"\n");
  EXPECT_EQ(records("a 1 HTTPS 1 . alpn=\"h2,h3\" port=1\n"), "a.example. 1 IN HTTPS 1 . alpn=\"h2,h3\" port=\"1\"\n");
}

TEST(ZoneFile, LineEndsBlankLinesAndByteOrderMark) {
  EXPECT_EQ(records("a 1 A 1.1.1.1\r\n\r\n  \r\n 1 A 1.1.1.2\r\n"),
            "a.example. 1 IN A 1.1.1.1\na.example. 1 IN A 1.1.1.2\n");
  EXPECT_EQ(records("a 1 A 1.1.1.1"), "a.example. 1 IN A 1.1.1.1\n");
  EXPECT_EQ(records("a 1 A 1.1.1.1\n; end"), "a.example. 1 IN A 1.1.1.1\n");
  EXPECT_EQ(records("\xef\xbb\xbf"
                    "a 1 A 1.1.1.1"),
            "a.example. 1 IN A 1.1.1.1\n");
  EXPECT_EQ(records(""), "");
  EXPECT_EQ(records("\n \n; nothing\n"), "");
}

TEST(ZoneFile, Generate) {
  EXPECT_EQ(records("$TTL 1\n$GENERATE 1-3 h$ A 10.0.0.$\n"),
            "h1.example. 1 IN A 10.0.0.1\nh2.example. 1 IN A 10.0.0.2\nh3.example. 1 IN A 10.0.0.3\n");
  EXPECT_EQ(records("$generate 0-4/2 ${1,3} 5 IN CNAME x${-1,0,d}\n"),
            "001.example. 5 IN CNAME x-1.example.\n003.example. 5 IN CNAME x1.example.\n005.example. 5 IN CNAME "
            "x3.example.\n");
  EXPECT_EQ(records("$GENERATE 10-10 a${0,4,x}.${0,4,X}.${0,4,o} IN 5 TXT \"v ${5} $$ \\$\"\n"),
            "a000a.000A.0012.example. 5 IN TXT \"v\" \"15\" \"$\" \"$\"\n");
  EXPECT_EQ(records("$GENERATE 2748-2748 ${0,0,n}.${0,7,N}.a 5 PTR b\n"),
            "c.b.a.C.B.A.0.a.example. 5 IN PTR b.example.\n");
  EXPECT_EQ(records("$GENERATE 1-2 $ 5 MX \"1$ mx$\"\n"),
            "1.example. 5 IN MX 11 mx1.example.\n2.example. 5 IN MX 12 mx2.example.\n");
  EXPECT_EQ(records("$GENERATE 1-1 $ 5 MX 1$ mx$\n"), "1.example. 5 IN MX 11 mx1.example.\n");
  EXPECT_EQ(records("$GENERATE 1-1 @ 5 TXT a\\$ \"b $\"\n"), "example. 5 IN TXT \"a$\" \"b 1\"\n");
  EXPECT_EQ(records("$GENERATE 2147483646-2147483647 a$ 5 A 1.1.1.1\n"),
            "a2147483646.example. 5 IN A 1.1.1.1\na2147483647.example. 5 IN A 1.1.1.1\n");
}

TEST(ZoneFile, GenerateIsBounded) {
  const ZoneFileLimits limits{.generated_records = 3};
  EXPECT_EQ(mistake("$TTL 1\n$GENERATE 1-4 a$ A 1.1.1.$\n", limits),
            "2:11: expected at most 3 generated records in all, found \"1-4\"");
  EXPECT_EQ(mistake("$TTL 1\n$GENERATE 1-2 a$ A 1.1.1.$\n$GENERATE 1-2 b$ A 1.1.1.$\n", limits),
            "3:11: expected at most 3 generated records in all, found \"1-2\"");
  EXPECT_TRUE(read("$TTL 1\n$GENERATE 1-6/2 a$ A 1.1.1.$\n", limits).outcome);
}

struct MistakeCase {
  const char *text, *expected;
};

class ZoneFileMistake : public testing::TestWithParam<MistakeCase> {};

TEST_P(ZoneFileMistake, IsReportedWithItsPosition) {
  EXPECT_EQ(mistake(GetParam().text), GetParam().expected);
}

constexpr MistakeCase mistakes[] = {
    {"  A 1.1.1.1\n", "1:3: expected an owner name in the first column, as there is no record before, found \"A\""},
    {"a 1 A 1.1.1.1\na 1 A 1.1.1\n", "2:7: expected an IPv4 address, found \"1.1.1\""},
    {"a 1 A 1.1.1.1 x\n", "1:15: expected the end of the record, found \"x\""},
    {"a 1 A\n", "1:6: expected an IPv4 address, found the end of the line"},
    {"a 1 A ; comment\n", "1:16: expected an IPv4 address, found the end of the line"},
    {"a 1 A\r\n", "1:7: expected an IPv4 address, found the end of the line"},
    {"a 1 SOA a b (\n 1 2 3\n x 5 )\n", "3:2: expected seconds or a period like 1h30m, found \"x\""},
    {"a 1 SOA a b (\n 1 2 3\n 4 )\n", "3:5: expected seconds or a period like 1h30m, found the end of the line"},
    {"a 1\n", "1:4: expected a record type, found the end of the line"},
    {"a\n", "1:2: expected a record type, found the end of the line"},
    {"a 1 FOO 1\n", "1:5: expected a record type, found \"FOO\""},
    {"a FOO 1\n", "1:3: expected a TTL, a class or a record type, found \"FOO\""},
    {"a 1 IN 2 A 1.1.1.1\n", "1:8: expected a record type, found \"2\""},
    {"a IN IN A 1.1.1.1\n", "1:6: expected a record type, found \"IN\""},
    {"a 1 CH A 1.1.1.1\n", "1:5: expected class IN, found \"CH\""},
    {"a 1 CLASS4 A 1.1.1.1\n", "1:5: expected class IN, found \"CLASS4\""},
    {"a 1x A 1.1.1.1\n", "1:3: expected a TTL of 0 to 2147483647 seconds, or one like 1h30m, found \"1x\""},
    {"a 2147483648 A 1.1.1.1\n",
     "1:3: expected a TTL of 0 to 2147483647 seconds, or one like 1h30m, found \"2147483648\""},
    {"a 99999999999999999999w A 1.1.1.1\n",
     "1:3: expected a TTL of 0 to 2147483647 seconds, or one like 1h30m, found \"99999999999999999999w\""},
    {"a 1 ANY x\n", "1:5: expected a type that can stand in a zone, found \"ANY\""},
    {"a 1 TYPE0 \\# 0\n", "1:5: expected a type that can stand in a zone, found \"TYPE0\""},
    {"a 1 OPT \\# 0\n", "1:5: expected a type that can stand in a zone, found \"OPT\""},
    {"a..b 1 A 1.1.1.1\n", "1:1: expected a domain name (an empty label), found \"a..b\""},
    {"a\\25 1 A 1.1.1.1\n", "1:1: expected a domain name (a numeric escape needs three digits), found \"a\\25\""},
    {"a 1 TXT \"x\n", "1:11: expected a closing quote for the one in column 9, found the end of the line"},
    {"a 1 TXT \"x", "1:11: expected a closing quote for the one in column 9, found the end of the file"},
    {"a 1 TXT ( x\n\n",
     "3:1: expected a closing parenthesis for the one in line 1 column 9, found the end of the file"},
    {"a 1 TXT x )\n", "1:11: expected an opening parenthesis before it, found \")\""},
    {"$TTL\n", "1:5: expected a TTL of 0 to 2147483647 seconds, or one like 1h30m, found the end of the line"},
    {"$TTL x\n", "1:6: expected a TTL of 0 to 2147483647 seconds, or one like 1h30m, found \"x\""},
    {"$TTL 1 2\n", "1:8: expected the end of the line, found \"2\""},
    {"$ORIGIN\n", "1:8: expected a domain name, found the end of the line"},
    {"$ORIGIN a..\n", "1:9: expected a domain name (an empty label), found \"a..\""},
    {"$ORIGIN a b\n", "1:11: expected the end of the line, found \"b\""},
    {"$FOO a\n", "1:1: expected $ORIGIN, $TTL, $INCLUDE or $GENERATE, found \"$FOO\""},
    {"a 1 A 1.1.1.1\n $TTL 1\n", "2:2: expected a TTL, a class or a record type, found \"$TTL\""},
    {"$INCLUDE a\n", "1:1: expected no $INCLUDE here, found \"$INCLUDE\""},
    {"$GENERATE 3-1 a A 1.1.1.1\n", "1:11: expected a range like 1-100 or 0-254/2, found \"3-1\""},
    {"$GENERATE 1-3/0 a A 1.1.1.1\n", "1:11: expected a range like 1-100 or 0-254/2, found \"1-3/0\""},
    {"$GENERATE 1 a A 1.1.1.1\n", "1:11: expected a range like 1-100 or 0-254/2, found \"1\""},
    {"$GENERATE 1/2-3 a A 1.1.1.1\n", "1:11: expected a range like 1-100 or 0-254/2, found \"1/2-3\""},
    {"$GENERATE 0-2147483648 a A 1.1.1.1\n", "1:11: expected a range like 1-100 or 0-254/2, found \"0-2147483648\""},
    {"$GENERATE 1-3\n", "1:14: expected a template for the owner name, found the end of the line"},
    {"$GENERATE 1-3 a A\n", "1:18: expected a template for the data, found the end of the line"},
    {"$GENERATE 1-3 ${a} 1 A 1.1.1.1\n",
     "1:15: expected modifiers like ${OFFSET,WIDTH,BASE} with a base of d, o, x, X, n or N, found \"${a}\""},
    {"$GENERATE 1-3 ${0,1,q} 1 A 1.1.1.1\n",
     "1:15: expected modifiers like ${OFFSET,WIDTH,BASE} with a base of d, o, x, X, n or N, found \"${0,1,q}\""},
    {"$GENERATE 1-3 ${0,256} 1 A 1.1.1.1\n",
     "1:15: expected modifiers like ${OFFSET,WIDTH,BASE} with a base of d, o, x, X, n or N, found \"${0,256}\""},
    {"$GENERATE 1-3 ${0 1 A 1.1.1.1\n",
     "1:15: expected modifiers like ${OFFSET,WIDTH,BASE} with a base of d, o, x, X, n or N, found \"${0\""},
    {"$GENERATE 1-3 ${-2,0,x} 1 A 1.1.1.1\n",
     "1:15: expected an offset that leaves 1 at zero or above, found \"${-2,0,x}\""},
    {"$GENERATE 255-256 a$ 1 A 1.1.1.$\n",
     "1:26: expected an IPv4 address, found \"1.1.1.256\" (with 256 in place of $)"},
    {"$GENERATE 1-3 .$ 1 A 1.1.1.1\n",
     "1:15: expected a template that makes domain names (syntax error: an empty label for 1), found \".$\""},
};
INSTANTIATE_TEST_SUITE_P(All, ZoneFileMistake, testing::ValuesIn(mistakes));

TEST(ZoneFile, WhatIsFoundIsShownSafely) {
  EXPECT_EQ(mistake("a 1 A \x1b[31m\x01\n"), "1:7: expected an IPv4 address, found \"\\027[31m\\001\"");
  EXPECT_EQ(mistake("a 1 A " + std::string(100, 'x') + "\n"),
            "1:7: expected an IPv4 address, found \"" + std::string(40, 'x') + "...\"");
}

TEST(ZoneFile, NothingComesAfterAMistake) {
  const Read result = read("a 1 A 1.1.1.1\nb 1 A x\nc 1 A 1.1.1.2\n");
  EXPECT_EQ(result.outcome.error().code, Errc::syntax);
  EXPECT_EQ(result.text, "a.example. 1 IN A 1.1.1.1\n");
}

TEST(ZoneFile, AnErrorOfTheSinkGetsThePosition) {
  int left = 2;
  const auto outcome = read_zone_text("a 1 A 1.1.1.1\n\nb 1 A 1.1.1.1\nc 1 A 1.1.1.1\n", "zone", Name(),
                                      [&](NameView, RRType, std::uint32_t, ByteView) -> Result<void> {
                                        if (--left == 0) return fail(Errc::record_limit, "enough");
                                        return {};
                                      });
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Errc::record_limit);
  EXPECT_EQ(outcome.error().detail, "zone:3:1: enough");
}

// Files

class ZoneFiles : public testing::Test {
 protected:
  ZoneFiles() : folder_(std::filesystem::temp_directory_path() / ("zonefile_test." + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_ / "sub");
  }
  ~ZoneFiles() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, std::string_view text) { std::ofstream(folder_ / name) << text; }
  Read read_named(const std::string& name, const ZoneFileLimits& limits = {}) {
    Read result;
    result.outcome = read_zone_file(folder_ / name, Name::parse("example.").value(), collect(result.text), limits);
    return result;
  }
  /// The mistake without the folder's name.
  std::string mistake_in(const std::string& name, const ZoneFileLimits& limits = {}) {
    const Read result = read_named(name, limits);
    if (result.outcome) return "(no mistake)";
    std::string detail = result.outcome.error().detail;
    const std::string prefix = folder_.string() + "/";
    for (std::size_t at = detail.find(prefix); at != detail.npos; at = detail.find(prefix))
      detail.erase(at, prefix.size());
    return detail;
  }

  const std::filesystem::path folder_;
};

TEST_F(ZoneFiles, IncludeKeepsOriginAndOwnerOfTheIncludingFile) {
  write("main",
        "$TTL 1\na A 1.1.1.1\n$INCLUDE sub/one in ; comment\n  A 1.1.1.2\nb A 1.1.1.3\n$INCLUDE \"sub/two\"\nc A "
        "1.1.1.9\n");
  write("sub/one", "x A 2.2.2.1\n$ORIGIN deep\ny A 2.2.2.2\n$INCLUDE two\n");
  write("sub/two", "  A 3.3.3.1\nz A 3.3.3.2\n$TTL 2\n");
  const Read result = read_named("main");
  ASSERT_TRUE(result.outcome) << result.outcome.error().text();
  EXPECT_EQ(result.text,
            "a.example. 1 IN A 1.1.1.1\n"
            "x.in.example. 1 IN A 2.2.2.1\ny.deep.in.example. 1 IN A 2.2.2.2\n"
            "y.deep.in.example. 1 IN A 3.3.3.1\nz.deep.in.example. 1 IN A 3.3.3.2\n"
            "a.example. 2 IN A 1.1.1.2\nb.example. 2 IN A 1.1.1.3\n"
            "b.example. 2 IN A 3.3.3.1\nz.example. 2 IN A 3.3.3.2\nc.example. 2 IN A 1.1.1.9\n");
}

TEST_F(ZoneFiles, MistakesNameTheIncludedFile) {
  write("main", "$TTL 1\n\n$INCLUDE sub/one\n");
  write("sub/one", "a A 1.1.1.1\nb A x\n");
  EXPECT_EQ(mistake_in("main"), "sub/one:2:5: expected an IPv4 address, found \"x\"");
  write("main", "$TTL 1\n$INCLUDE none\n");
  EXPECT_EQ(mistake_in("main"),
            "main:2:10: expected a file that can be read, found \"none\" (none: No such file or directory)");
  write("main", "$TTL 1\n$INCLUDE\n");
  EXPECT_EQ(mistake_in("main"), "main:2:9: expected a file name, found the end of the line");
  write("main", "$TTL 1\n$INCLUDE sub/one a b\n");
  EXPECT_EQ(mistake_in("main"), "main:2:20: expected the end of the line, found \"b\"");
}

TEST_F(ZoneFiles, IncludeIsBounded) {
  write("main", "$TTL 1\na A 1.1.1.1\n$INCLUDE main\n");
  EXPECT_EQ(mistake_in("main"), "main:3:1: expected at most 8 files that include one another, found \"$INCLUDE\"");
  EXPECT_EQ(read_named("main", {.include_depth = 2}).text,
            "a.example. 1 IN A 1.1.1.1\na.example. 1 IN A 1.1.1.1\na.example. 1 IN A 1.1.1.1\n");
}

TEST_F(ZoneFiles, FilesThatCannotBeRead) {
  EXPECT_EQ(mistake_in("none"), "none: No such file or directory");
  EXPECT_EQ(read_named("none").outcome.error().code, Errc::io);
  EXPECT_EQ(mistake_in("sub"), "sub: Is a directory");
  write("empty", "");
  EXPECT_TRUE(read_named("empty").outcome);
}

TEST_F(ZoneFiles, EntriesMayLieAcrossAnyBufferBoundary) {
  // Long enough for several buffers, with entries of changing length and some longer than a buffer.
  std::string text = "\xef\xbb\xbf$TTL 1\n";
  std::string expected;
  for (int i = 0; i < 3000; ++i) {
    const std::string string(static_cast<std::size_t>(i % 255), 'x');
    text += "n" + std::to_string(i) + " TXT ( \"" + string + "\" ; comment " + string + "\n \"b\" )\r\n";
    expected += "n" + std::to_string(i) + ".example. 1 IN TXT \"" + string + "\" \"b\"\n";
  }
  text += "long TXT ( ;" + std::string(600'000, 'c') + "\n x )\n";
  expected += "long.example. 1 IN TXT \"x\"\n";
  text += "last TXT \"without a newline\"";
  expected += "last.example. 1 IN TXT \"without a newline\"\n";
  write("big", text);
  const Read result = read_named("big");
  ASSERT_TRUE(result.outcome) << result.outcome.error().text();
  EXPECT_TRUE(result.text == expected);
  write("big", text + "\nbad A x\n");
  EXPECT_EQ(mistake_in("big"), "big:6005:7: expected an IPv4 address, found \"x\"");
}

TEST_F(ZoneFiles, AnEndlessEntryIsRefused) {
  write("main", "a 1 TXT (" + std::string(std::size_t{17} << 20, ' '));
  EXPECT_EQ(mistake_in("main"), "main:1:1: expected an entry of at most 16777216 octets, found a longer one");
}

}  // namespace
}  // namespace understudy
