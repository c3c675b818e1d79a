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
  shown.status = show_response(request, next, output.file(), errors.file());
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
  EXPECT_EQ(full.line().find('\n'), std::string::npos);
  EXPECT_EQ(json::parse(full.line()), json::parse(R"({"command": "zone list", "wait": false, "state": "ok",
                                                     "zones": ["a.", "we\\\"ird\n.", "\ufffd."]})"));
  EXPECT_EQ(json::parse(request("stop").line()), json::parse(R"({"command": "stop", "wait": true})"));
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
        R"({"error": []})", R"({"zone": 5, "text": null})", R"({})", R"({"done": 0, "failed": "many"})"}) {
    for (const char* command : {"zone list", "zone status", "zone export", "zone refresh"}) {
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
  EXPECT_EQ(show_response(request("zone export"), next, full, errors.file()), 1);
  std::fclose(full);
  EXPECT_EQ(errors.text(), "understudy: cannot write the output: No space left on device\n");
}

}  // namespace
}  // namespace understudy
