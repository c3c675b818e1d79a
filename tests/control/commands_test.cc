#include "control/commands.h"

#include <gtest/gtest.h>

#include "memory_server.h"

namespace understudy {
namespace {

using nlohmann::json;

class Commands : public testing::Test {
 protected:
  /// The response's lines without the last.
  std::vector<json> run(std::string_view request) {
    output = std::make_shared<MemoryOutput>();
    run_command(server, request, output);
    return taken();
  }
  std::vector<json> taken() {
    auto lines = output->lines();
    last = lines.empty() ? json() : lines.back();
    if (!lines.empty()) lines.pop_back();
    for (const auto& line : lines) EXPECT_FALSE(line.contains("done")) << line;
    return lines;
  }
  void expect_done(int failed = 0) {
    EXPECT_EQ(output->times_done, 1);
    EXPECT_EQ(last["done"], true) << output->text;
    EXPECT_EQ(last["failed"], failed) << output->text;
  }
  void expect_error(const std::string& error) {
    expect_done(1);
    EXPECT_EQ(last["error"], error);
  }

  MemoryServer server;
  std::shared_ptr<MemoryOutput> output;
  json last;
};

TEST_F(Commands, RowHasEveryFact) {
  ZoneRow& row = server.add("example.com.", "failing");
  row.activity = "checking";
  row.serial = 4'294'967'295;
  row.records = 7;
  row.memory = 4096;
  row.primary = "hidden1";
  row.last_check = 999'990;
  row.last_confirmed = 999'000;
  row.next_check = 1'000'060;
  row.expires_at = 1'086'400;
  row.last_error = "timed out: 192.0.2.1@53";
  row.checks = 3;
  row.transfers = 2;
  row.failures = 1;
  const auto lines = run(R"({"command": "zone status", "zones": ["EXAMPLE.com"]})");
  expect_done();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["row"], json::parse(R"({
    "name": "example.com.", "type": "secondary", "origin": "configuration", "state": "failing", "activity": "checking", "serial": 4294967295,
    "records": 7, "memory": 4096, "primary": "hidden1", "last_check": 999990, "last_confirmed": 999000,
    "next_check": 1000060, "next_check_in": 60, "expires_at": 1086400, "expires_in": 86400,
    "last_error": "timed out: 192.0.2.1@53", "checks": 3, "transfers": 2, "failures": 1})"));
}

TEST_F(Commands, WhatIsNotKnownIsNull) {
  server.add("example.", "empty");
  const auto lines = run(R"({"command": "zone status", "zones": ["example."]})");
  for (const char* key : {"serial", "primary", "last_check", "last_confirmed", "next_check", "next_check_in",
                          "expires_at", "expires_in", "last_error"}) {
    EXPECT_TRUE(lines.at(0)["row"].at(key).is_null()) << key;
  }
}

TEST_F(Commands, TimesThatHavePassedAreZeroAway) {
  ZoneRow& row = server.add("example.");
  row.next_check = 999'999;
  row.expires_at = 1;
  const auto lines = run(R"({"command": "zone status"})");
  EXPECT_EQ(lines.at(0)["row"]["next_check_in"], 0);
  EXPECT_EQ(lines.at(0)["row"]["expires_in"], 0);
}

TEST_F(Commands, NamesAreEscaped) {
  server.add(R"(a\.b\"\009\200.example.)");
  EXPECT_EQ(run(R"({"command": "zone list"})").at(0)["row"]["name"], R"(a\.b\"\009\200.example.)");
  EXPECT_EQ(run(R"({"command": "zone status", "zones": ["a\\.b\\\"\\009\\200.example."]})").size(), 1U);
  expect_done();
}

TEST_F(Commands, ListsNothing) {
  EXPECT_TRUE(run(R"({"command": "zone list"})").empty());
  expect_done();
}

TEST_F(Commands, ListsManyZonesInPieces) {
  constexpr int count = 100'000;
  server.rows.reserve(count);
  for (int i = 0; i < count; ++i) {
    ZoneRow row;
    row.name = Name::parse("z" + std::to_string(1'000'000 + i) + ".example.").value();
    row.state = i % 10 == 0 ? "failing" : "ok";
    server.rows.push_back(row);
  }
  const auto lines = run(R"({"command": "zone list"})");
  expect_done();
  ASSERT_EQ(lines.size(), std::size_t{count});
  for (int i = 0; i < count; i += 999) {
    EXPECT_EQ(lines[static_cast<std::size_t>(i)]["row"]["name"], "z" + std::to_string(1'000'000 + i) + ".example.");
  }
  EXPECT_LT(output->largest_piece, std::size_t{1} << 20);
  EXPECT_EQ(run(R"({"command": "zone list", "state": "failing"})").size(), std::size_t{count / 10});
}

TEST_F(Commands, ListsExactPages) {
  for (const int count : {499, 500, 501, 1000}) {
    server.rows.clear();
    for (int i = 0; i < count; ++i) server.add("z" + std::to_string(i) + ".");
    EXPECT_EQ(run(R"({"command": "zone list"})").size(), static_cast<std::size_t>(count));
    expect_done();
  }
}

TEST_F(Commands, ShowsNamedZonesOnly) {
  server.add("a.");
  server.add("b.", "expired");
  const auto lines = run(R"({"command": "zone list", "zones": ["b.", "absent.", "a."]})");
  expect_done(1);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0]["row"]["name"], "b.");
  EXPECT_EQ(lines[1],
            json::parse(R"({"zone": "absent.", "error": "this server has no such zone; see `understudy zone list`"})"));
  EXPECT_EQ(lines[2]["row"]["name"], "a.");
  EXPECT_EQ(run(R"({"command": "zone list", "zones": ["a.", "b."], "state": "expired"})").size(), 1U);
}

TEST_F(Commands, RefreshWaitsForEveryOutcome) {
  server.add("a.");
  server.add("b.");
  run(R"({"command": "zone refresh", "zones": ["a.", "absent.", "b."]})");
  EXPECT_EQ(output->times_done, 0);
  ASSERT_EQ(server.refreshed.size(), 2U);
  EXPECT_EQ(server.refreshed[0].first, "a.");
  server.refreshed[1].second("serial 6 is current at hidden1");
  EXPECT_EQ(output->times_done, 0);
  server.refreshed[0].second(fail(Errc::timed_out, "hidden1"));
  const auto lines = taken();
  expect_done(2);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0]["zone"], "absent.");
  EXPECT_EQ(lines[1], json::parse(R"({"zone": "b.", "text": "serial 6 is current at hidden1"})"));
  EXPECT_EQ(lines[2]["zone"], "a.");
  EXPECT_EQ(lines[2]["error"], (Error{Errc::timed_out, "hidden1"}.text()));
}

TEST_F(Commands, RefreshOfUnknownZonesOnlyEnds) {
  run(R"({"command": "zone refresh", "zones": ["absent."]})");
  expect_done(1);
  EXPECT_TRUE(server.refreshed.empty());
}

TEST_F(Commands, RetransferAsksForTheWholeZone) {
  server.add("a.");
  run(R"({"command": "zone retransfer", "zones": ["a."]})");
  EXPECT_EQ(server.refreshed.at(0).first, "a. whole");
}

TEST_F(Commands, WithoutWaitingItIsQueued) {
  server.add("a.");
  const auto lines = run(R"({"command": "zone retransfer", "zones": ["a.", "absent."], "wait": false})");
  expect_done(1);
  EXPECT_EQ(lines.at(0), json::parse(R"({"zone": "a.", "text": "queued"})"));
  EXPECT_EQ(lines.at(1)["zone"], "absent.");
  ASSERT_EQ(server.refreshed.size(), 1U);
  const auto before = output->text;
  server.refreshed[0].second(fail(Errc::timed_out));
  EXPECT_EQ(output->text, before);
}

// The outcome may come after the client has gone, when only the callback still knows its output.
TEST_F(Commands, OutcomeMayComeMuchLater) {
  server.add("a.");
  run(R"({"command": "zone refresh", "zones": ["a."]})");
  const std::weak_ptr<MemoryOutput> watched = output;
  output.reset();
  ASSERT_FALSE(watched.expired());
  server.refreshed.at(0).second("done");
  EXPECT_EQ(watched.lock()->times_done, 1);
  server.refreshed.clear();
  EXPECT_TRUE(watched.expired());
}

TEST_F(Commands, ExportsInPieces) {
  server.add("a.");
  const auto lines = run(R"({"command": "zone export", "zones": ["a."]})");
  expect_done();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], json::parse(R"({"text": "piece 3\n"})"));
  EXPECT_EQ(lines[2], json::parse(R"({"text": "piece 1\n"})"));
}

TEST_F(Commands, ExportFails) {
  EXPECT_TRUE(run(R"({"command": "zone export", "zones": ["absent."]})").empty());
  expect_error("not found: no such zone");
  run(R"({"command": "zone export"})");
  expect_error("which zone? Name exactly one");
  run(R"({"command": "zone export", "zones": ["a.", "b."]})");
  expect_error("which zone? Name exactly one");
}

TEST_F(Commands, ReloadTellsWhatItChangesFirst) {
  server.changes = std::vector<std::string>{"zone a. is added", "zone b. is removed"};
  server.reload_outcome = "";
  const auto lines = run(R"({"command": "conf reload"})");
  expect_done();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0], json::parse(R"({"text": "zone a. is added"})"));
  EXPECT_EQ(lines[1], json::parse(R"({"text": "zone b. is removed"})"));
  server.changes = std::vector<std::string>{};
  server.reload_outcome = "nothing changed";
  EXPECT_EQ(run(R"({"command": "conf reload"})").at(0)["text"], "nothing changed");
}

TEST_F(Commands, ReloadThatFailsHalfWaySaysSoAfterWhatItWouldHaveChanged) {
  server.changes = std::vector<std::string>{"zone a. is added"};
  server.reload_outcome = fail(Errc::storage_full, "/var/lib/understudy");
  EXPECT_EQ(run(R"({"command": "conf reload"})").size(), 1U);
  expect_error("/var/lib/understudy");
}

TEST_F(Commands, ReloadPassesMistakesOnAsTheyAre) {
  server.reload_outcome = fail(Errc::unknown_key, "a.yaml:1:1: unknown key zoness, did you mean zones?");
  EXPECT_TRUE(run(R"({"command": "conf reload"})").empty());
  expect_error("a.yaml:1:1: unknown key zoness, did you mean zones?");
  server.reload_outcome = fail(Errc::cancelled);
  run(R"({"command": "conf reload"})");
  expect_error(std::string(errc_text(Errc::cancelled)));
}

TEST_F(Commands, DiffOfTheConfigurationOnlyTells) {
  server.changes = std::vector<std::string>{"zone a. is added"};
  EXPECT_EQ(run(R"({"command": "conf diff", "file": "/etc/other.yaml"})").at(0)["text"], "zone a. is added");
  expect_done();
  server.changes = std::vector<std::string>{};
  EXPECT_EQ(run(R"({"command": "conf diff"})").at(0)["text"], "nothing would change");
  EXPECT_EQ(server.compared, (std::vector<std::string>{"/etc/other.yaml", ""}));
  server.changes = fail(Errc::syntax, "c.yaml:1:1: one\nc.yaml:2:1: two");
  EXPECT_TRUE(run(R"({"command": "conf diff"})").empty());
  expect_error("c.yaml:1:1: one\nc.yaml:2:1: two");
}

TEST_F(Commands, StopSaysSoFirst) {
  EXPECT_EQ(run(R"({"command": "stop"})").at(0)["text"], "stopping");
  expect_done();
  EXPECT_EQ(server.stops, 1);
}

TEST_F(Commands, NonsenseIsAnsweredWithWhatIsWrong) {
  const std::string wrong(errc_text(Errc::usage));
  const std::pair<std::string, std::string> cases[] = {
      {"", wrong + ": a request is one JSON object on one line"},
      {"zone list", wrong + ": a request is one JSON object on one line"},
      {R"(["zone list"])", wrong + ": a request is one JSON object on one line"},
      {R"({"command": "zone list")", wrong + ": a request is one JSON object on one line"},
      {R"({"command": 5})", wrong + ": command must be a text"},
      {R"({"command": "zone list", "state": []})", wrong + ": state must be a text"},
      {R"({"command": "zone list", "state": "good"})",
       wrong + ": zones have no state good, only loading, empty, ok, failing, expired"},
      {R"({"command": "zone list", "wait": "yes"})", wrong + ": wait must be true or false"},
      {R"({"command": "zone list", "zones": "a."})", wrong + ": zones must be a list of names"},
      {R"({"command": "zone list", "zones": [1]})", wrong + ": zones must be a list of names"},
      {R"({"command": "zone refresh"})", "which zone? Name at least one"},
      {R"({"command": "zone refresh", "zones": []})", "which zone? Name at least one"},
      {R"({})",
       "there is no command '' here, only: zone list, zone status, zone refresh, zone retransfer, zone add, zone "
       "remove, zone export, zone history, zone diff, transfer list, transfer explain, catalog list, catalog status, "
       "catalog accept, conf diff, conf reload, stop"},
  };
  for (const auto& [request, error] : cases) {
    EXPECT_TRUE(run(request).empty()) << request;
    expect_error(error);
  }
  run(R"({"command": "zone list", "zones": ["a..b."]})");
  expect_done(1);
  EXPECT_TRUE(last["error"].get<std::string>().starts_with(wrong + ": a..b. is not a zone name: ")) << last;
  EXPECT_TRUE(server.refreshed.empty());
}

TEST_F(Commands, DeepNestingIsNoHarm) {
  for (const char* opening : {"[", R"({"zones":[)", R"({"zones":)"}) {
    std::string request;
    while (request.size() < 1'000'000) request += opening;
    run(request);
    expect_done(1);
  }
  std::string nested(500'000, '[');
  nested += std::string(500'000, ']');
  run(R"({"command": "zone list", "zones": [)" + nested + "]}");
  expect_done(1);
}

TEST_F(Commands, AnyOctetsInARequestGiveALineOfJson) {
  for (int c = 0; c < 256; ++c) {
    run(std::string(R"({"command": ")") + static_cast<char>(c) + "\"}");
    expect_done(1);
    run(std::string(R"({"command": "zone list", "zones": ["a)") + static_cast<char>(c) + "..\"]}");
    expect_done(1);
  }
}

}  // namespace
}  // namespace understudy
