// The transfer log: newest first, by zone, bounded, kept over restarts.
#include "store/transfer_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "store/store_fixture.h"

namespace understudy {
namespace {

using namespace store_fixture;
using testing::ElementsAre;
using testing::IsEmpty;

TransferRecord some_record(const std::string& zone, std::int64_t when) {
  return {.when_ms = when,
          .zone = name(zone),
          .primary = "hidden1",
          .address = "192.0.2.1@53",
          .transport = "tcp",
          .key = "transfer.example.",
          .asked = "IXFR",
          .came = "differences",
          .ours = Serial{7},
          .received = Serial{4'000'000'000},
          .messages = 1,
          .records = 4,
          .octets = 200,
          .seconds = 0.25,
          .ok = true,
          .result = "ok",
          .reason = ""};
}

std::vector<std::uint64_t> ids(TransferLog& log, const std::optional<Name>& zone, std::uint64_t before,
                               std::size_t limit) {
  std::vector<std::uint64_t> out;
  const auto records = log.list(zone, before, limit);
  EXPECT_TRUE(records) << records.error().text();
  for (const TransferRecord& record : *records) out.push_back(record.id);
  return out;
}

/// How often the log's thread of this process has gone to sleep.
std::uint64_t sleeps_of_the_log() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream comm(task.path() / "comm");
    std::string word;
    if (!(comm >> word) || word != "us-log") continue;
    std::ifstream status(task.path() / "status");
    while (status >> word) {
      std::uint64_t count = 0;
      if (word == "voluntary_ctxt_switches:" && status >> count) return count;
    }
  }
  ADD_FAILURE() << "there is no such thread";
  return 0;
}

TEST(TransferLog, ManyRecordsWakeTheThreadOnlyOnce) {
  TemporaryDirectory directory;
  const auto store = open_store(directory.path());
  TransferLog& log = store->transfers();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // until it waits
  const std::uint64_t before = sleeps_of_the_log();
  constexpr int count = 1000;
  for (int i = 0; i < count; ++i) {
    log.append(some_record("example.", i));
    std::this_thread::yield();
  }
  EXPECT_LT(sleeps_of_the_log() - before, count / 10);
  EXPECT_EQ(ids(log, std::nullopt, 0, 1).front(), std::uint64_t{count});
}

TEST(TransferLog, RecordsComeBackNewestFirstAlsoAfterARestart) {
  TemporaryDirectory directory;
  TransferRecord failed = some_record("Other.example.", 3);
  failed.ok = false;
  failed.announced = Serial{9};
  failed.result = "timed_out";
  failed.reason = "no answer within 5 s: is the primary up?";
  failed.exchange = {"sent IXFR other.example. 7", "", "no answer"};
  {
    const auto store = open_store(directory.path());
    TransferLog& log = store->transfers();
    EXPECT_THAT(ids(log, std::nullopt, 0, 10), IsEmpty());
    EXPECT_EQ(log.append(some_record("example.", 1)), 1U);
    EXPECT_EQ(log.append(some_record("sub.example.", 2)), 2U);
    EXPECT_EQ(log.append(failed), 3U);
    EXPECT_EQ(log.append(some_record("example.", 4)), 4U);
    EXPECT_THAT(ids(log, std::nullopt, 0, 10), ElementsAre(4, 3, 2, 1));
  }
  const auto store = open_store(directory.path());
  TransferLog& log = store->transfers();
  EXPECT_EQ(log.append(some_record("example.", 5)), 5U) << "ids go on";
  EXPECT_THAT(ids(log, std::nullopt, 0, 2), ElementsAre(5, 4));
  EXPECT_THAT(ids(log, std::nullopt, 4, 2), ElementsAre(3, 2));
  EXPECT_THAT(ids(log, name("EXAMPLE."), 0, 10), ElementsAre(5, 4, 1));
  EXPECT_THAT(ids(log, name("example."), 5, 1), ElementsAre(4));
  EXPECT_THAT(ids(log, name("other.example."), 0, 10), ElementsAre(3));
  EXPECT_THAT(ids(log, name("."), 0, 10), IsEmpty());
  EXPECT_THAT(ids(log, std::nullopt, 0, 0), IsEmpty());
  failed.id = 3;
  EXPECT_EQ(log.find(3).value(), failed);
  EXPECT_EQ(log.find(6).value(), std::nullopt);
  EXPECT_TRUE(list(*store).empty()) << "records of transfers are no zones";
}

TEST(TransferLog, TheOldestGoWhenThereAreTooMany) {
  TemporaryDirectory directory;
  const std::uint64_t count = TransferLog::max_records + 5'000;
  for (std::uint64_t i = 0; i < count;) {
    const auto store = open_store(directory.path());
    for (const std::uint64_t end = i + count / 2; i < end; ++i) {
      store->transfers().append(some_record(i % 1000 == 0 ? "rare.example." : "example.", 1));
      // The queue in memory is bounded, and appending is faster than writing.
      if (i % 10'000 == 0) EXPECT_TRUE(store->transfers().find(1));
    }
  }
  const auto store = open_store(directory.path());
  TransferLog& log = store->transfers();
  EXPECT_EQ(log.find(1).value(), std::nullopt);
  EXPECT_EQ(log.find(4'999).value(), std::nullopt);
  EXPECT_NE(log.find(5'001).value(), std::nullopt);
  EXPECT_EQ(ids(log, std::nullopt, 5'100, 1000).size(), 99U);
  EXPECT_EQ(ids(log, name("rare.example."), 0, 1000).size(), 100U);
  EXPECT_THAT(ids(log, std::nullopt, 0, 1), ElementsAre(count));
}

TEST(TransferLog, TheOldestGoWhenTheyTakeTooMuch) {
  TemporaryDirectory directory;
  const auto store = open_store(directory.path());
  TransferLog& log = store->transfers();
  TransferRecord record = some_record("example.", 1);
  record.exchange.assign(10, std::string(4000, 'x'));
  constexpr std::uint64_t count = 2'000;  // of 40,000 octets
  for (std::uint64_t i = 0; i < count; ++i) {
    log.append(record);
    if (i % 50 == 0) EXPECT_TRUE(log.find(1));
  }
  const std::size_t kept = ids(log, std::nullopt, 0, count).size();
  EXPECT_LE(kept, TransferLog::max_octets / 40'000);
  EXPECT_GT(kept, TransferLog::max_octets / 41'000);
  EXPECT_EQ(ids(log, name("example."), 0, count).size(), kept);
}

TEST(TransferLog, LongTextsAreCut) {
  TemporaryDirectory directory;
  const auto store = open_store(directory.path());
  TransferRecord record = some_record("example.", 1);
  record.reason.assign(1 << 20, 'r');
  record.exchange.assign(1000, std::string(1000, 'x'));
  const std::uint64_t id = store->transfers().append(record);
  const TransferRecord back = store->transfers().find(id).value().value();
  EXPECT_LT(back.reason.size(), 5000U);
  EXPECT_TRUE(back.reason.ends_with("[cut]"));
  ASSERT_LT(back.exchange.size(), 100U);
  EXPECT_EQ(back.exchange[0], record.exchange[0]);
  EXPECT_EQ(back.exchange.back(), "[" + std::to_string(1000 - (back.exchange.size() - 1)) + " more messages]");
}

TEST(TransferLog, ManyThreadsAppend) {
  TemporaryDirectory directory;
  const auto store = open_store(directory.path());
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        store->transfers().append(some_record("t" + std::to_string(t) + ".", i));
        if (i % 100 == 0) EXPECT_TRUE(store->transfers().list(std::nullopt, 0, 10));
      }
    });
  }
  threads.clear();
  for (int t = 0; t < 4; ++t) {
    const auto records = store->transfers().list(name("t" + std::to_string(t) + "."), 0, 1000);
    ASSERT_TRUE(records);
    ASSERT_EQ(records->size(), 500U);
    for (std::size_t i = 0; i < records->size(); ++i) EXPECT_EQ((*records)[i].when_ms, 499 - std::int64_t(i));
  }
}

}  // namespace
}  // namespace understudy
