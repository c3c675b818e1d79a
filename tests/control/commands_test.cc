#include "control/commands.h"

#include <gtest/gtest.h>

#include "memory_server.h"

namespace understudy {
namespace {

using nlohmann::json;

Name name_of_number(int number) {
  return Name::parse("z" + std::to_string(number) + ".example.").value();
}

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

TEST_F(Commands, ListsWhatAPatternFits) {
  for (const char* name : {"a.example.", "b.example.", "b.test.", "c.example."}) server.add(name);
  server.rows.back().state = "failing";
  const auto names = [&](const std::string& members) {
    std::string all;
    for (const auto& line : run(R"({"command": "zone list", )" + members + "}")) {
      all += line["row"]["name"].get<std::string>() + " ";
    }
    expect_done();
    return all;
  };
  EXPECT_EQ(names(R"("match": "*.example")"), "a.example. b.example. c.example. ");
  EXPECT_EQ(names(R"("match": "B.*")"), "b.example. b.test. ");
  EXPECT_EQ(names(R"("match": "b.*", "state": "ok")"), "b.example. ");
  EXPECT_EQ(names(R"("zones": ["a.example.", "b.test."], "match": "*t")"), "b.test. ");
  EXPECT_EQ(names(R"("from": "b.example.", "match": "*.example.")"), "b.example. c.example. ");
}

TEST_F(Commands, AListingThatIsCutShortSaysWhereItGoesOn) {
  for (int i = 100; i < 700; ++i) server.add("z" + std::to_string(i) + ".");
  EXPECT_EQ(run(R"({"command": "zone list", "limit": 3})").size(), 3U);
  EXPECT_EQ(last["next"], "z103.");
  EXPECT_EQ(run(R"({"command": "zone list", "limit": 550, "from": "z103"})").size(), 550U);
  EXPECT_EQ(last["next"], "z653.");
  EXPECT_EQ(run(R"({"command": "zone list", "limit": 47, "from": "z653"})").size(), 47U);
  EXPECT_FALSE(last.contains("next"));
  run(R"({"command": "zone list", "limit": 0})");
  expect_error("limit must be at least 1");
}

// A filter that nothing fits looks at a bounded number of zones for each piece, so that others get their turn.
TEST_F(Commands, ASparseFilterIsAnsweredInManyPieces) {
  for (int i = 0; i < 20'000; ++i) {
    ZoneRow row;
    row.name = name_of_number(100'000 + i);
    row.state = "ok";
    server.rows.push_back(row);
  }
  EXPECT_TRUE(run(R"({"command": "zone list", "state": "expired"})").empty());
  expect_done();
  EXPECT_EQ(server.pages, 20);
}

TEST_F(Commands, ListsWhatIsOnlyStored) {
  for (int i = 1000; i < 2200; ++i) {
    server.stored.push_back({Name::parse("z" + std::to_string(i) + ".").value(), 7, 12, 4096, "192.0.2.1@53"});
  }
  auto lines = run(R"({"command": "zone list", "stored": true})");
  expect_done();
  ASSERT_EQ(lines.size(), 1200U);
  EXPECT_EQ(server.pages, 3) << "500 at a time";
  EXPECT_EQ(lines.at(0)["row"], json::parse(R"({"name": "z1000.", "serial": 7, "records": 12, "octets": 4096,
    "primary": "192.0.2.1@53"})"));
  lines = run(R"({"command": "zone list", "stored": true, "from": "z1100.", "limit": 600})");
  ASSERT_EQ(lines.size(), 600U);
  EXPECT_EQ(lines.at(0)["row"]["name"], "z1100.");
  EXPECT_EQ(last["next"], "z1700.");
  EXPECT_EQ(run(R"({"command": "zone list", "stored": true, "match": "*7"})").size(), 120U);
  run(R"({"command": "zone list", "stored": true, "state": "ok"})");
  expect_error("zones that are only stored have no state; find them by --match");
  run(R"({"command": "zone list", "stored": true, "zones": ["z1000."]})");
  expect_error("zones that are only stored have no state; find them by --match");
}

TEST_F(Commands, AddsZones) {
  server.add("b.");
  const auto lines =
      run(R"({"command": "zone add", "zones": ["a.", "b."], "template": "t", "primaries": ["p", "192.0.2.1"]})");
  expect_done(1);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0], json::parse(R"({"zone": "a.", "text": "added"})"));
  EXPECT_EQ(lines[1]["zone"], "b.");
  EXPECT_TRUE(lines[1].contains("error"));
  EXPECT_EQ(server.added_with.template_name, "t");
  EXPECT_EQ(server.added_with.primaries, (std::vector<std::string>{"p", "192.0.2.1"}));
  EXPECT_TRUE(server.added_waiting);
  run(R"({"command": "zone add", "zones": ["c."], "wait": false})");
  EXPECT_FALSE(server.added_waiting);
  run(R"({"command": "zone add"})");
  expect_error("which zone? Name at least one");
}

TEST_F(Commands, RemovesZones) {
  server.add("a.");
  server.add("b.");
  EXPECT_EQ(run(R"({"command": "zone remove", "zones": ["a."]})").at(0)["text"], "removed");
  EXPECT_EQ(run(R"({"command": "zone remove", "zones": ["b."], "forget": true})").at(0)["text"],
            "removed and forgotten");
  run(R"({"command": "zone remove", "zones": ["b."]})");
  expect_done(1);
  run(R"({"command": "zone remove"})");
  expect_error("which zone? Name at least one");
}

TEST_F(Commands, ShowsTheHistory) {
  server.add("a.");
  server.versions = {{.serial = 9, .at = 1'000, .from = 8, .removed = 1, .added = 3, .size = 120, .current = true},
                     {.serial = 8}};
  const auto lines = run(R"({"command": "zone history", "zones": ["a."]})");
  expect_done();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["row"], json::parse(R"({"serial": 9, "current": true, "at": 1000, "from": 8, "removed": 1,
                                             "added": 3, "size": 120})"));
  EXPECT_EQ(lines[1]["row"], json::parse(R"({"serial": 8, "current": false, "at": null, "from": null, "removed": 0,
                                             "added": 0, "size": 0})"));
  run(R"({"command": "zone history", "zones": ["absent."]})");
  expect_error("not found: no such zone");
  run(R"({"command": "zone history"})");
  expect_error("which zone? Name exactly one");
}

TEST_F(Commands, ShowsADifferenceInPieces) {
  server.add("a.");
  const auto lines = run(R"({"command": "zone diff", "zones": ["a."], "from_serial": 4, "to_serial": 4294967295})");
  expect_done();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["row"], json::parse(R"({"change": "removed", "record": "serial 4"})"));
  EXPECT_EQ(lines[1]["row"]["change"], "added");
  run(R"({"command": "zone diff", "zones": ["a."], "from_serial": 4})");
  expect_error("between which serials? See `understudy zone history ZONE`");
  run(R"({"command": "zone diff", "zones": ["a.", "b."], "from_serial": 4, "to_serial": 5})");
  expect_error("which zone? Name exactly one");
}

TEST_F(Commands, ExportsAKeptVersion) {
  server.add("a.");
  EXPECT_EQ(run(R"({"command": "zone export", "zones": ["a."], "serial": 7})").at(0)["text"], "piece 3 of 7\n");
}

TEST_F(Commands, TellsWhomToCompare) {
  server.add("a.");
  server.points = {7, {"127.0.0.1@53"}, "main", "192.0.2.1@53", ""};
  EXPECT_EQ(run(R"({"command": "compare", "zones": ["a."]})").at(0)["row"],
            json::parse(R"({"serial": 7, "listen": ["127.0.0.1@53"], "primary": "main", "address": "192.0.2.1@53",
                            "key": null})"));
  expect_done();
  run(R"({"command": "compare", "zones": ["absent."]})");
  expect_error("not found: no such zone");
  run(R"({"command": "compare"})");
  expect_error("which zone? Name exactly one");
}

TEST_F(Commands, ListsTransfers) {
  for (std::uint64_t id = 9; id > 4; --id) {
    TransferDetail attempt;
    attempt.row = {.id = id,
                   .zone = name_of_number(static_cast<int>(id % 2)),
                   .at = 1'000,
                   .seconds = 0.25,
                   .primary = "p",
                   .address = "192.0.2.1@53",
                   .transport = "tcp",
                   .asked = "IXFR",
                   .ours = 3,
                   .messages = 1,
                   .records = 2,
                   .octets = 100,
                   .ok = id % 2 == 0,
                   .result = id % 2 == 0 ? "ok" : "refused"};
    attempt.row.reason = attempt.row.ok ? "" : "the primary refuses";
    attempt.exchange = {"> IXFR", "< REFUSED"};
    server.attempts.push_back(attempt);
  }
  const auto ids = [&](const std::string& members) {
    std::string all;
    for (const auto& line : run(R"({"command": "transfer list")" + members + "}")) all += line["row"]["id"].dump();
    return all;
  };
  EXPECT_EQ(ids(""), "98765");
  EXPECT_EQ(ids(R"(, "failed": true)"), "975");
  EXPECT_EQ(ids(R"(, "limit": 2)"), "98");
  EXPECT_EQ(last["next"], 8);
  EXPECT_EQ(ids(R"(, "before": 8)"), "765");
  EXPECT_FALSE(last.contains("next"));
  EXPECT_EQ(ids(R"(, "zones": ["z0.example."])"), "86");
  run(R"({"command": "transfer list", "zones": ["a.", "b."]})");
  expect_error("of which zone? Name one at most");
  const auto explained = run(R"({"command": "transfer explain", "id": 7})");
  expect_done();
  EXPECT_EQ(explained.at(0)["row"], json::parse(R"({"id": 7, "zone": "z1.example.", "at": 1000, "seconds": 0.250,
    "primary": "p", "address": "192.0.2.1@53", "transport": "tcp", "key": null, "asked": "IXFR", "came": null,
    "ours": 3, "announced": null, "received": null, "messages": 1, "records": 2, "octets": 100, "ok": false,
    "result": "refused", "reason": "the primary refuses", "exchange": ["> IXFR", "< REFUSED"]})"));
  run(R"({"command": "transfer explain", "id": 4})");
  expect_error("not found: transfer 4");
  run(R"({"command": "transfer explain"})");
  expect_error("which transfer? Give its id; see `understudy transfer list`");
}

TEST_F(Commands, ShowsAndAcceptsCatalogs) {
  CatalogRow held;
  held.name = Name::parse("c.").value();
  held.state = "held";
  held.serial = 4;
  held.members = 100;
  held.reason = "would remove 60 of 100 members";
  held.held_serial = 5;
  held.held_removed = 60;
  held.conflict_count = 1;
  held.conflicts = {{Name::parse("x.").value(), "configuration"}};
  server.catalog_rows = {held};
  const auto lines = run(R"({"command": "catalog list"})");
  expect_done();
  EXPECT_EQ(lines.at(0)["row"], json::parse(R"({"name": "c.", "state": "held", "serial": 4, "members": 100, "kept": 0,
    "reason": "would remove 60 of 100 members", "held_since": null, "held_serial": 5, "accept_all_of": null, "held_added": 0,
    "held_removed": 60, "conflict_count": 1, "conflicts": [{"zone": "x.", "owner": "configuration"}]})"));
  EXPECT_EQ(run(R"({"command": "catalog status", "zones": ["d.", "C."]})").size(), 2U);
  expect_done(1);
  run(R"({"command": "catalog accept", "zones": ["d.", "c."]})");
  ASSERT_EQ(server.accepted.size(), 1U);
  EXPECT_EQ(output->times_done, 0);
  server.accepted[0].second("60 zones removed");
  const auto outcomes = taken();
  expect_done(1);
  EXPECT_EQ(outcomes.at(1), json::parse(R"({"zone": "c.", "text": "60 zones removed"})"));
  run(R"({"command": "catalog accept", "zones": ["c."], "serial": 5})");
  ASSERT_EQ(server.accepted.size(), 2U);
  EXPECT_EQ(server.accepted[0].first, "c.");
  EXPECT_EQ(server.accepted[1].first, "c. 5");
  run(R"({"command": "catalog accept", "zones": ["c."], "all_of": 4})");
  ASSERT_EQ(server.accepted.size(), 3U);
  EXPECT_EQ(server.accepted[2].first, "c. all of 4");
  for (const char* option : {"serial", "all_of"}) {
    run(R"({"command": "catalog accept", "zones": ["c.", "d."], ")" + std::string(option) + R"(": 5})");
    expect_error("the serial is of one catalog: name one");
  }
  run(R"({"command": "catalog accept", "zones": ["c."], "serial": 5, "all_of": 4})");
  expect_error("either an update or all of a list: name one serial");
  run(R"({"command": "catalog accept"})");
  expect_error("which catalog? Name at least one");
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
       wrong + ": zones have no state good, only loading, empty, ok, failing, expired, stale"},
      {R"({"command": "zone list", "wait": "yes"})", wrong + ": wait must be true or false"},
      {R"({"command": "zone list", "zones": "a."})", wrong + ": zones must be a list of names"},
      {R"({"command": "zone list", "zones": [1]})", wrong + ": zones must be a list of names"},
      {R"({"command": "zone list", "limit": -1})",
       wrong + ": limit must be a whole number from 0 to 18446744073709551615"},
      {R"({"command": "zone diff", "from_serial": 4294967296})",
       wrong + ": from_serial must be a whole number from 0 to 4294967295"},
      {R"({"command": "zone list", "from": 5})", wrong + ": from must be a text"},
      {R"({"command": "zone add", "primaries": "p"})", wrong + ": primaries must be a list of names"},
      {R"({"command": "zone remove", "forget": 1})", wrong + ": forget must be true or false"},
      {R"({"command": "zone list", "match": ")" + std::string(1'025, '*') + "\"}",
       wrong + ": match must have at most 1024 octets"},
      {R"({"command": "zone refresh"})", "which zone? Name at least one"},
      {R"({"command": "zone refresh", "zones": []})", "which zone? Name at least one"},
      {R"({})",
       "there is no command '' here, only: zone list, zone status, zone refresh, zone retransfer, zone add, zone "
       "remove, zone export, zone history, zone diff, compare, transfer list, transfer explain, catalog list, catalog "
       "status, "
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
