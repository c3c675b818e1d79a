#include "control/cli.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <nlohmann/json.hpp>

namespace understudy {
namespace {

using nlohmann::json;

/// A temporary file that tells what was written to it.
class Sink {
 public:
  ~Sink() { std::fclose(file_); }
  [[nodiscard]] std::FILE* file() const { return file_; }
  [[nodiscard]] std::string text() const {
    std::fflush(file_);
    std::string out(static_cast<std::size_t>(std::ftell(file_)), '\0');
    std::rewind(file_);
    EXPECT_EQ(std::fread(out.data(), 1, out.size(), file_), out.size());
    return out;
  }

 private:
  std::FILE* file_ = std::tmpfile();
};

struct Shown {
  int status = 0;
  std::string output, errors;
};

Shown show(const CliRequest& request, std::deque<std::string> lines) {
  Sink output, errors;
  const auto next = [&]() -> Result<std::string> {
    if (lines.empty()) return fail(Errc::connection_closed, "c.sock: the server closed the connection");
    std::string line = lines.front();
    lines.pop_front();
    return line;
  };
  Shown shown;
  shown.status =
      run_request(request, {[](std::string_view) -> Result<void> { return {}; }, next}, output.file(), errors.file());
  shown.output = output.text();
  shown.errors = errors.text();
  return shown;
}

CliRequest request(std::string command, bool as_json = false) {
  CliRequest out;
  out.command = std::move(command);
  out.as_json = as_json;
  return out;
}

const std::string good_end = R"({"done": true, "failed": 0})";

std::string row(const std::string& name, const std::string& more = "{}") {
  json zone = json::parse(R"({"type": "secondary", "state": "ok", "activity": "idle", "serial": 7, "records": 12,
    "memory": 4096, "primary": "hidden1", "last_check": 1700000000, "last_confirmed": 1700000000,
    "next_check": 1700003600, "next_check_in": 3600, "expires_at": 1700604800, "expires_in": 604799,
    "last_error": null, "checks": 5, "transfers": 1, "failures": 0})");
  zone["name"] = name;
  zone.update(json::parse(more));
  return json{{"row", zone}}.dump();
}

TEST(Cli, DurationsHaveTwoUnitsAtMost) {
  const std::pair<long long, const char*> cases[] = {{0, "0s"},
                                                     {59, "59s"},
                                                     {60, "1m"},
                                                     {61, "1m1s"},
                                                     {3599, "59m59s"},
                                                     {3600, "1h"},
                                                     {3601, "1h"},
                                                     {11'520, "3h12m"},
                                                     {86'399, "23h59m"},
                                                     {86'400, "1d"},
                                                     {792'000, "9d4h"},
                                                     {604'799, "6d23h"},
                                                     {4'294'967'295, "49710d6h"}};
  for (const auto& [seconds, text] : cases) EXPECT_EQ(duration_text(seconds), text);
}

TEST(Cli, CountsKnowThePlural) {
  EXPECT_EQ(count_text(0, "zone"), "0 zones");
  EXPECT_EQ(count_text(1, "zone"), "1 zone");
  EXPECT_EQ(count_text(2, "zone"), "2 zones");
}

TEST(Cli, RequestIsOneLineOfJson) {
  CliRequest full = request("zone list");
  full.zones = {"a.", "we\\\"ird\n.", "\xff."};
  full.state = "ok";
  full.wait = false;
  ASSERT_EQ(full.lines().size(), 1U);
  EXPECT_EQ(full.lines()[0].find('\n'), std::string::npos);
  EXPECT_EQ(json::parse(full.lines()[0]), json::parse(R"({"command": "zone list", "wait": false, "state": "ok",
                                                     "zones": ["a.", "we\\\"ird\n.", "\ufffd."]})"));
  EXPECT_EQ(json::parse(request("stop").lines().at(0)), json::parse(R"({"command": "stop", "wait": true})"));
}

TEST(Cli, RequestSaysAllThatWasAskedFor) {
  CliRequest full = request("x");
  full.match = "*.a";
  full.from = "b.";
  full.limit = 5;
  full.serial = 1;
  full.from_serial = 2;
  full.to_serial = 4'294'967'295;
  full.template_name = "t";
  full.primaries = {"p", "192.0.2.1"};
  full.forget = full.failed = full.stored = true;
  full.before = 6;
  full.id = 7;
  full.file = "/etc/x.yaml";
  EXPECT_EQ(json::parse(full.lines().at(0)), json::parse(R"({"command": "x", "wait": true, "match": "*.a", "from": "b.",
    "limit": 5, "serial": 1, "from_serial": 2, "to_serial": 4294967295, "template": "t",
    "primaries": ["p", "192.0.2.1"], "stored": true, "forget": true, "failed": true, "before": 6, "id": 7, "file": "/etc/x.yaml"})"));
}

// A request is of 1 MiB at most; odd characters of a name take four octets, and their backslashes one more each.
TEST(Cli, VeryManyZonesAreSpreadOverRequests) {
  CliRequest many = request("zone add");
  std::string odd;
  while (odd.size() < 1'000) odd += "\\001";
  for (int i = 0; i < 2'000; ++i) many.zones.push_back(odd + std::to_string(i) + ".");
  std::size_t zones = 0;
  for (const auto& line : many.lines()) {
    EXPECT_LT(line.size(), std::size_t{1} << 20);
    for (const auto& zone : json::parse(line)["zones"]) EXPECT_EQ(zone, many.zones[zones++]);
  }
  EXPECT_EQ(zones, many.zones.size());
  EXPECT_GT(many.lines().size(), 3U);
}

TEST(Cli, TheResponsesOfSeveralRequestsAreOneOutput) {
  CliRequest many = request("zone add", true);
  many.zones.assign(600, std::string(1'000, 'a'));
  const std::size_t requests = many.lines().size();
  ASSERT_GT(requests, 1U);
  std::deque<std::string> lines;
  for (std::size_t i = 0; i < requests; ++i) {
    lines.push_back(R"({"zone": "a.", "text": "added"})");
    lines.push_back(i == 0 ? R"({"done": true, "failed": 1})" : good_end);
  }
  const auto shown = show(many, lines);
  EXPECT_EQ(shown.status, 1) << "of the first one something failed";
  EXPECT_EQ(json::parse(shown.output).size(), requests);
}

TEST(Cli, NothingMoreIsSentOnceTheServerIsGone) {
  CliRequest many = request("zone add");
  many.zones.assign(600, std::string(1'000, 'a'));
  Sink output, errors;
  int sent = 0;
  const CliConnection server{[&](std::string_view) -> Result<void> {
                               ++sent;
                               return fail(Errc::connection_closed);
                             },
                             [] { return Result<std::string>(""); }};
  EXPECT_EQ(run_request(many, server, output.file(), errors.file()), 1);
  EXPECT_EQ(sent, 1);
}

Result<std::vector<std::string>> names_in(std::string_view text) {
  std::FILE* file = std::tmpfile();
  EXPECT_EQ(std::fwrite(text.data(), 1, text.size(), file), text.size());
  std::rewind(file);
  auto names = read_zone_names(file, "n.txt");
  std::fclose(file);
  return names;
}

TEST(Cli, NamesFromAList) {
  EXPECT_EQ(*names_in(""), std::vector<std::string>{});
  EXPECT_EQ(*names_in("a.\n\n# all of b\n  b.example \r\n\tc."), (std::vector<std::string>{"a.", "b.example", "c."}));
  EXPECT_TRUE(names_in("a.\n\nb..c\n").error().detail.starts_with("n.txt:3: b..c is not a zone name: "));
  EXPECT_EQ(names_in("a.\n" + std::string(1'000'000, 'x')).error().code, Errc::usage);
}

TEST(Cli, AListingThatIsCutShortSaysHowToGoOn) {
  EXPECT_TRUE(show(request("zone list"), {row("a."), R"({"done": true, "failed": 0, "next": "b."})"})
                  .output.ends_with("\nthere are more; go on with --from b.\n"));
  EXPECT_TRUE(show(request("transfer list"), {R"({"done": true, "failed": 0, "next": 17})"})
                  .output.ends_with("\nthere are older ones; go on with --before 17\n"));
  EXPECT_EQ(
      json::parse(show(request("zone list", true), {row("a."), R"({"done": true, "failed": 0, "next": "b."})"}).output)
          .size(),
      1U);
}

TEST(Cli, ATableThatFailedHasNoHeader) {
  EXPECT_EQ(show(request("zone list"), {R"({"done": true, "failed": 1, "error": "no"})"}).output, "");
  EXPECT_NE(show(request("zone list"), {good_end}).output, "");
}

TEST(Cli, WhatIsOnlyStoredIsATable) {
  CliRequest stored = request("zone list");
  stored.stored = true;
  EXPECT_EQ(show(stored, {R"({"row": {"name": "a.", "serial": 7, "records": 12, "octets": 4096, "primary": null}})",
                          R"({"done": true, "failed": 0, "next": "b."})"})
                .output,
            "ZONE  SERIAL  RECORDS  OCTETS  FROM\n"
            "a.    7       12       4096    -\n"
            "there are more; go on with --from b.\n");
}

TEST(Cli, HistoryIsATable) {
  const auto shown = show(
      request("zone history"),
      {R"({"row": {"serial": 9, "current": true, "at": 1700000000, "from": 8, "removed": 1, "added": 3, "size": 120}})",
       R"({"row": {"serial": 8, "current": false, "at": null, "from": null, "removed": 0, "added": 0, "size": 0}})",
       good_end});
  EXPECT_EQ(shown.output,
            "SERIAL       TAKEN                    FROM  REMOVED  ADDED  OCTETS\n"
            "9 (current)  2023-11-14 22:13:20 UTC  8     1        3      120\n"
            "8            -                        -     -        -      -\n");
}

TEST(Cli, DifferenceHasSigns) {
  const std::string gone = R"({"row": {"change": "removed", "record": "a.\t60\tIN\tA\t192.0.2.1"}})";
  const std::string came = R"({"row": {"change": "added", "record": "a.\t60\tIN\tA\t192.0.2.2"}})";
  EXPECT_EQ(show(request("zone diff"), {gone, came, good_end}).output,
            "- a.\t60\tIN\tA\t192.0.2.1\n+ a.\t60\tIN\tA\t192.0.2.2\n");
  EXPECT_EQ(json::parse(show(request("zone diff", true), {gone, came, good_end}).output)[1]["change"], "added");
}

const std::string failed_transfer = R"({"row": {"id": 7, "zone": "a.", "at": 1700000000, "seconds": 0.25,
  "primary": "p", "address": "192.0.2.1@53", "transport": "tcp", "key": null, "asked": "IXFR", "came": null, "ours": 3,
  "announced": 4, "received": null, "messages": 1, "records": 0, "octets": 40, "ok": false, "result": "refused",
  "reason": "REFUSED; allow this server\nthere", "exchange": ["> IXFR a. 3", "< REFUSED \u001b"]}})";

TEST(Cli, TransfersAreATable) {
  json good = json::parse(failed_transfer);
  good["row"].update(json::parse(R"({"id": 12, "ok": true, "came": "differences", "received": 4, "records": 9})"));
  EXPECT_EQ(show(request("transfer list"), {good.dump(), failed_transfer, good_end}).output,
            "ID  BEGAN                    ZONE  PRIMARY  ASKED  CAME         SERIALS  RECORDS  SECONDS  RESULT\n"
            "12  2023-11-14 22:13:20 UTC  a.    p        IXFR   differences  3 -> 4   9        0.25     ok\n"
            "7   2023-11-14 22:13:20 UTC  a.    p        IXFR   -            3        0        0.25     REFUSED; allow "
            "this server\n");
}

TEST(Cli, AFailedTransferIsExplained) {
  EXPECT_EQ(show(request("transfer explain"), {failed_transfer, good_end}).output,
            "transfer 7\n"
            "  zone         a.\n"
            "  began        2023-11-14 22:13:20 UTC\n"
            "  took         0.25 s\n"
            "  primary      p, 192.0.2.1@53 by tcp\n"
            "  key          -\n"
            "  asked for    IXFR\n"
            "  came         -\n"
            "  serials      ours 3, announced 4, received -\n"
            "  amount       1 message, 0 records, 40 octets\n"
            "  result       refused\n"
            "  reason       REFUSED; allow this server\nthere\n"
            "  > IXFR a. 3\n"
            "  < REFUSED ?\n");
}

const std::string held_catalog = R"({"row": {"name": "c.", "state": "held", "serial": 4, "members": 100, "kept": 2,
  "reason": "would remove 60 of 100 members", "held_since": 1700000000, "held_serial": 5, "accept_all_of": null, "held_added": 1,
  "held_removed": 60, "conflict_count": 3, "conflicts": [{"zone": "x.", "owner": "configuration"},
  {"zone": "y.", "owner": "command"}, {"zone": "z.", "owner": "d."}]}})";

TEST(Cli, Catalogs) {
  EXPECT_EQ(show(request("catalog list"), {held_catalog, good_end}).output,
            "CATALOG  STATE  SERIAL  MEMBERS  KEPT  CONFLICTS  REASON\n"
            "c.       held   4       100      2     3          would remove 60 of 100 members\n");
  EXPECT_EQ(show(request("catalog status"), {held_catalog, good_end}).output,
            "c.\n"
            "  state        held\n"
            "  serial       4\n"
            "  members      100\n"
            "  kept         2 removed, not yet purged\n"
            "  reason       would remove 60 of 100 members\n"
            "  held since   2023-11-14 22:13:20 UTC\n"
            "  update       serial 5 adds 1 member and removes 60 members\n"
            "  to apply it  understudy catalog accept c. --serial 5\n"
            "  conflicts    3\n"
            "  x. is kept by the configuration\n"
            "  y. is kept by a command\n"
            "  z. is kept by catalog d.\n");
  json expired = json::parse(held_catalog);
  expired["row"].update({{"held_serial", nullptr}, {"held_added", 0}, {"accept_all_of", 4}});
  const auto page = show(request("catalog status"), {expired.dump(), good_end}).output;
  EXPECT_NE(page.find("  update       adds 0 members and removes 60 members\n"), std::string::npos) << page;
  EXPECT_NE(page.find("catalog accept c. --all-of 4\n"), std::string::npos) << page;
}

TEST(Cli, StatusNamesAnotherOrigin) {
  const auto status = [](const std::string& origin) {
    return show(request("zone status"), {row("a.", R"({"origin": ")" + origin + "\"}"), good_end}).output;
  };
  EXPECT_EQ(status("configuration").find("origin"), std::string::npos);
  EXPECT_NE(status("command").find("  origin       zone add\n"), std::string::npos);
  EXPECT_NE(status("c.example.").find("  origin       catalog c.example.\n"), std::string::npos);
}

TEST(Cli, ListIsATable) {
  const auto shown =
      show(request("zone list"), {row("a-long-name.example.com."),
                                  row("b.", R"({"state": "empty", "serial": null, "records": 0, "primary": null,
                                         "next_check_in": 5, "expires_in": null})"),
                                  good_end});
  EXPECT_EQ(shown.status, 0);
  EXPECT_EQ(shown.errors, "");
  EXPECT_EQ(shown.output,
            "ZONE                      STATE  SERIAL  RECORDS  PRIMARY  NEXT CHECK  EXPIRES IN\n"
            "a-long-name.example.com.  ok     7       12       hidden1  1h          6d23h\n"
            "b.                        empty  -       0        -        5s          -\n");
}

TEST(Cli, LongListIsAlignedInParts) {
  std::deque<std::string> lines;
  for (int i = 0; i < 2500; ++i) lines.push_back(row("z" + std::to_string(i) + "."));
  lines.push_back(good_end);
  const auto shown = show(request("zone list"), lines);
  EXPECT_EQ(shown.status, 0);
  EXPECT_EQ(std::ranges::count(shown.output, '\n'), 2501);
  EXPECT_NE(shown.output.find("\nz2499.  ok     7 "), std::string::npos);
}

TEST(Cli, StatusIsAPage) {
  EXPECT_EQ(show(request("zone status"), {row("example."), good_end}).output,
            "example.\n"
            "  state        ok\n"
            "  serial       7\n"
            "  records      12\n"
            "  memory       4096 octets\n"
            "  primary      hidden1\n"
            "  last check   2023-11-14 22:13:20 UTC\n"
            "  confirmed    2023-11-14 22:13:20 UTC\n"
            "  next check   2023-11-14 23:13:20 UTC (in 1h)\n"
            "  expires in   6d23h\n"
            "  since start  5 checks, 1 transfer, 0 failures\n"
            "  last error   -\n");
}

TEST(Cli, StatusOfAFileHasNoChecksAhead) {
  const auto shown = show(request("zone status"),
                          {row("example.", R"({"type": "file", "primary": "/etc/example.zone", "next_check": null,
                               "next_check_in": null, "expires_in": null, "expires_at": null,
                               "last_check": null, "activity": "committing"})"),
                           good_end});
  EXPECT_NE(shown.output.find("  state        ok, committing\n"), std::string::npos);
  EXPECT_NE(shown.output.find("  file         /etc/example.zone\n"), std::string::npos);
  EXPECT_NE(shown.output.find("  last check   never\n"), std::string::npos);
  EXPECT_EQ(shown.output.find("next check"), std::string::npos);
}

TEST(Cli, JsonIsOneArray) {
  const auto shown = show(request("zone list", true), {row("a."), R"({"zone": "x.", "error": "no such zone"})",
                                                       row("b."), R"({"done": true, "failed": 1})"});
  EXPECT_EQ(shown.status, 1);
  EXPECT_EQ(shown.errors, "understudy: x.: no such zone\n");
  const json parsed = json::parse(shown.output);
  ASSERT_EQ(parsed.size(), 3U);
  EXPECT_EQ(parsed[0]["name"], "a.");
  EXPECT_EQ(parsed[0]["serial"], 7);
  EXPECT_EQ(parsed[1]["error"], "no such zone");
  EXPECT_EQ(json::parse(show(request("zone list", true), {good_end}).output), json::array());
}

TEST(Cli, JsonIsWholeWhateverHappens) {
  for (const char* command : {"zone list", "zone status", "zone refresh", "conf reload", "stop"}) {
    for (const auto& rest :
         std::vector<std::deque<std::string>>{{},
                                              {"garbage"},
                                              {"[]"},
                                              {row("a.")},
                                              {row("a."), R"({"done": true, "failed": 0, "error": "broken"})"},
                                              {R"({"zone": "a.", "text": "queued"})", good_end}}) {
      const auto shown = show(request(command, true), rest);
      EXPECT_TRUE(json::parse(shown.output).is_array()) << shown.output;
      EXPECT_EQ(shown.status == 0, shown.errors.empty()) << shown.errors;
    }
  }
}

TEST(Cli, OutcomesHaveTheirZone) {
  const auto shown = show(request("zone refresh"), {R"({"zone": "a.", "text": "serial 6 is current at hidden1"})",
                                                    R"({"zone": "b.", "error": "no answer in time: hidden1"})",
                                                    R"({"done": true, "failed": 1})"});
  EXPECT_EQ(shown.status, 1);
  EXPECT_EQ(shown.output, "a.: serial 6 is current at hidden1\n");
  EXPECT_EQ(shown.errors, "understudy: b.: no answer in time: hidden1\n");
}

TEST(Cli, ExportIsTheTextAsItIs) {
  for (const bool as_json : {false, true}) {
    const auto shown = show(request("zone export", as_json), {R"({"text": "a.\t300\tIN\tTXT\t\"x\"\n"})",
                                                              R"({"text": "b.\t300\tIN\tTXT\t\"y\"\n"})", good_end});
    EXPECT_EQ(shown.status, 0);
    EXPECT_EQ(shown.output, "a.\t300\tIN\tTXT\t\"x\"\nb.\t300\tIN\tTXT\t\"y\"\n");
  }
  EXPECT_EQ(show(request("zone export"), {good_end}).output, "");
}

TEST(Cli, LastLineWithAnError) {
  const auto shown =
      show(request("conf reload"), {R"({"done": true, "failed": 1, "error": "a.yaml:1:1: one\na.yaml:2:1: two"})"});
  EXPECT_EQ(shown.status, 1);
  EXPECT_EQ(shown.output, "");
  EXPECT_EQ(shown.errors, "understudy: a.yaml:1:1: one\na.yaml:2:1: two\n");
}

TEST(Cli, IncompleteAnswerIsAFailure) {
  const auto shown = show(request("zone list"), {row("a.")});
  EXPECT_EQ(shown.status, 1);
  EXPECT_NE(shown.output.find("\na.  "), std::string::npos) << "what came is shown";
  const Error error{Errc::connection_closed, "c.sock: the server closed the connection"};
  EXPECT_EQ(shown.errors, "understudy: the server's answer is incomplete: " + error.text() + "\n");
}

TEST(Cli, ForeignAnswerIsAFailure) {
  for (const char* line : {"", "hello", "[1]", "5", "{\"done\""}) {
    const auto shown = show(request("zone list"), {line});
    EXPECT_EQ(shown.status, 1) << line;
    EXPECT_EQ(shown.errors, "understudy: the server's answer is not of this protocol; is it of the same version?\n");
  }
}

TEST(Cli, UnexpectedFormsAreNoCrash) {
  for (const char* line :
       {R"({"row": 5})", R"({"row": null})", R"({"row": []})", R"({"row": {"name": {}}})",
        R"({"row": {"serial": "x", "next_check": 1e300, "next_check_in": -5, "expires_in": 1.5}})", R"({"text": 5})",
        R"({"row": {"conflicts": [1, {}], "exchange": [5], "state": "held", "ok": 3, "current": "x"}})",
        R"({"error": []})", R"({"zone": 5, "text": null})", R"({})", R"({"done": 0, "failed": "many"})"}) {
    for (const char* command : {"zone list", "zone status", "zone export", "zone refresh", "zone history", "zone diff",
                                "transfer list", "transfer explain", "catalog list", "catalog status"}) {
      for (const bool as_json : {false, true}) show(request(command, as_json), {line, good_end});
    }
  }
  EXPECT_EQ(show(request("stop"), {R"({"done": 0, "failed": "many"})"}).status, 1);
}

TEST(Cli, ForeignTextDoesNotSteerTheTerminal) {
  const auto shown =
      show(request("zone status"), {row("a.", R"({"last_error": "\u001b[31mred\u0007\u007f"})"), good_end});
  EXPECT_NE(shown.output.find("?[31mred??"), std::string::npos);
}

TEST(Cli, OutputThatCannotBeWrittenIsAFailure) {
  std::FILE* full = std::fopen("/dev/full", "w");
  ASSERT_NE(full, nullptr);
  Sink errors;
  std::deque<std::string> lines{R"({"text": "a.\t300\tIN\tA\t192.0.2.1\n"})", good_end};
  const auto next = [&]() -> Result<std::string> {
    std::string line = lines.front();
    lines.pop_front();
    return line;
  };
  const CliConnection server{[](std::string_view) -> Result<void> { return {}; }, next};
  EXPECT_EQ(run_request(request("zone export"), server, full, errors.file()), 1);
  std::fclose(full);
  EXPECT_EQ(errors.text(), "understudy: cannot write the output: No space left on device\n");
}

}  // namespace
}  // namespace understudy
