#include "store/large_load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <sys/resource.h>

#include <cstdlib>
#include <fstream>

#include "store/crc32c.h"
#include "store/store_fixture.h"
#include "store/version_codec.h"

namespace understudy {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDERSTUDY_COUNTS_OTHERWISE
#endif
#endif

using namespace store_fixture;
using testing::HasSubstr;

// A large version in a database of its own, whose rows a test may change before they are written.
class LargeLoadTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string path = directory_ / "zones";
    ASSERT_TRUE(Database::open(path, Database::Mode::strict, rocksdb::Env::Default(), database_).ok());
  }

  void take_blocks_of(const std::shared_ptr<const Zone>& zone) {
    head_.name = zone->apex();
    head_.serial = zone->serial().value;
    Bytes room;
    const auto keep = [&](ByteView block) -> Result<void> {
      blocks_.emplace_back(block.begin(), block.end());
      return {};
    };
    ASSERT_TRUE(encode_version(zone, keep, room));
  }
  /// Blocks become sealed rows.
  void seal_blocks() {
    for (const Bytes& block : blocks_) {
      rows_.push_back({large_block_key(head_.base, static_cast<std::uint32_t>(rows_.size())), block});
      head_.digest = crc(rows_.back());
    }
    head_.blocks = static_cast<std::uint32_t>(rows_.size());
  }
  void write() {
    LargeWriter writer(*database_, directory_ / "large.sst");
    for (const auto& [key, value] : rows_) ASSERT_TRUE(writer.add(key, value).ok());
    ASSERT_TRUE(writer.finish().ok());
  }

  Result<BlocksRead> load(ZoneBuilder& builder, unsigned threads) {
    return add_large_version(*database_, head_, builder, threads);
  }
  /// What every number of threads says of these rows.
  std::string failure() {
    std::string said;
    for (const unsigned threads : {1U, 2U, 5U}) {
      ZoneBuilder builder(head_.name);
      const auto read = load(builder, threads);
      EXPECT_FALSE(read);
      if (read) return "nothing";
      EXPECT_EQ(read.error().code, Errc::corrupt);
      if (said.empty()) said = read.error().text();
      EXPECT_EQ(read.error().text(), said) << threads;
    }
    return said;
  }

  struct Row {
    std::string key;
    Bytes value;
  };

  TemporaryDirectory directory_;
  std::unique_ptr<Database> database_;
  VersionHead head_{.base = 7, .large = true};
  std::vector<Bytes> blocks_;
  std::vector<Row> rows_;

 private:
  std::uint32_t crc(Row& row) const {
    const std::uint32_t checksum = seal(row.key, row.value);
    Bytes octets;
    append_u32(octets, checksum);
    return crc32c(head_.digest, octets);
  }
};

TEST_F(LargeLoadTest, AnyNumberOfThreadsReadsTheSame) {
  RandomZones random(5);
  const auto zone = random.zone("Example.", 9, 6000);
  take_blocks_of(zone);
  ASSERT_GT(blocks_.size(), 15U);
  seal_blocks();
  write();
  const auto expected = content(zone);
  for (const unsigned threads : {1U, 2U, 3U, 8U}) {
    for (int round = 0; round < 2; ++round) {
      ZoneBuilder builder(head_.name);
      const auto read = load(builder, threads);
      ASSERT_TRUE(read) << read.error().text();
      EXPECT_EQ(read->count, head_.blocks);
      EXPECT_EQ(read->digest, head_.digest);
      const auto loaded = builder.finish().value();
      EXPECT_EQ(loaded->node_count(), zone->node_count());
      EXPECT_EQ(loaded->record_count(), zone->record_count());
      EXPECT_TRUE(content(loaded) == expected) << threads << " threads";
    }
  }
}

// Its records lie in many blocks, and stay in their order.
TEST_F(LargeLoadTest, NamesThatAreLargerThanABlock) {
  const Name apex = name("example.");
  ZoneBuilder builder(apex);
  ASSERT_TRUE(builder.add(apex, RRType::SOA, 60, soa_rdata(apex, 1)));
  ASSERT_TRUE(builder.add(apex, RRType::NS, 60, apex.wire()));
  for (int i = 0; i < 300; ++i) {
    const Name owner = name((i < 100 ? "a." : i < 200 ? "b." : "c.") + std::string("example."));
    Bytes rdata(i < 200 ? 20'000 : 60'000, static_cast<std::uint8_t>(i));
    append_u32(rdata, static_cast<std::uint32_t>(i));
    ASSERT_TRUE(builder.add(owner, static_cast<RRType>(65281), 60, rdata));
  }
  const auto zone = builder.finish().value();
  take_blocks_of(zone);
  seal_blocks();
  write();
  for (const unsigned threads : {1U, 4U}) {
    ZoneBuilder again(apex);
    ASSERT_TRUE(load(again, threads));
    EXPECT_TRUE(content(again.finish().value()) == content(zone)) << threads;
  }
}

TEST_F(LargeLoadTest, ADamagedBlockIsRefused) {
  take_blocks_of(RandomZones(6).zone("example.", 9, 5000));
  seal_blocks();
  ASSERT_GT(rows_.size(), 8U);
  rows_[3].value[100] ^= 1;
  rows_[7].value[100] ^= 1;
  write();
  EXPECT_THAT(failure(), HasSubstr("the checksum of block 3 is wrong")) << "the first one, whoever finds what first";
}

TEST_F(LargeLoadTest, AMissingBlockIsRefused) {
  take_blocks_of(RandomZones(6).zone("example.", 9, 5000));
  seal_blocks();
  rows_.erase(rows_.begin() + 2);
  write();
  EXPECT_THAT(failure(), HasSubstr("a block is missing"));
}

// The checksums are right: the head says how many blocks there are, and what they sum up to.
TEST_F(LargeLoadTest, BlocksThatAreNotTheHeadsAreSeen) {
  take_blocks_of(RandomZones(6).zone("example.", 9, 5000));
  seal_blocks();
  rows_.pop_back();
  write();
  for (const unsigned threads : {1U, 2U}) {
    ZoneBuilder builder(head_.name);
    const auto read = load(builder, threads);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->count, head_.blocks - 1);
    EXPECT_NE(read->digest, head_.digest);
  }
  head_.base = 8;  // no such version
  ZoneBuilder builder(head_.name);
  EXPECT_EQ(load(builder, 2)->count, 0U);
}

TEST_F(LargeLoadTest, ABlockThatBreaksTheFormatIsRefused) {
  take_blocks_of(RandomZones(6).zone("example.", 9, 5000));
  blocks_[4].resize(blocks_[4].size() - 1);
  seal_blocks();
  write();
  EXPECT_THAT(failure(), HasSubstr("a block does not follow the format"));
}

// No version of ours is stored like that; whoever made it, each name is there once, with all its records.
TEST_F(LargeLoadTest, BlocksThatAreThereTwiceMakeTheSameVersion) {
  const auto zone = RandomZones(6).zone("example.", 9, 5000);
  take_blocks_of(zone);
  const std::vector<Bytes> once = blocks_;
  blocks_.insert(blocks_.end(), once.begin(), once.end());
  seal_blocks();
  write();
  for (const unsigned threads : {1U, 3U}) {
    ZoneBuilder builder(head_.name);
    ASSERT_TRUE(load(builder, threads));
    const auto loaded = builder.finish().value();
    EXPECT_EQ(loaded->node_count(), zone->node_count());
    EXPECT_EQ(loaded->record_count(), zone->record_count());
    EXPECT_EQ(zone_fixture::sorted_text(content(loaded)), zone_fixture::sorted_text(content(zone)));
  }
}

TEST_F(LargeLoadTest, AVersionThatGetsTooLargeIsRefused) {
  const auto zone = RandomZones(6).zone("example.", 9, 5000);
  take_blocks_of(zone);
  seal_blocks();
  write();
  for (const unsigned threads : {1U, 3U}) {
    ZoneBuilder builder(head_.name, {.max_octets = zone->memory_size() / 2});
    const auto read = load(builder, threads);
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().text(), HasSubstr("the zone takes over"));
  }
}

// The database has threads: it is opened in the process that is to end.
class LargeLoadDeathTest : public LargeLoadTest {
 protected:
  void SetUp() override {}

  // Exits with 0 if memory that runs out is an error as others are.
  [[noreturn]] void load_with_little_memory(std::size_t mebibytes) {
    LargeLoadTest::SetUp();
    take_blocks_of(zone_of_hosts(200'000));
    seal_blocks();
    write();
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit limits{};
    limits.rlim_cur = limits.rlim_max = pages * 4096 + (mebibytes << 20);
    ::setrlimit(RLIMIT_AS, &limits);
    ZoneBuilder builder(head_.name);
    const auto read = load(builder, 2);
    std::_Exit(!read && read.error().text().find("out of memory") != std::string::npos ? 0 : 1);
  }

  static std::shared_ptr<const Zone> zone_of_hosts(int count) {
    const Name apex = name("example.");
    ZoneBuilder builder(apex);
    EXPECT_TRUE(builder.add(apex, RRType::SOA, 60, soa_rdata(apex, 1)));
    EXPECT_TRUE(builder.add(apex, RRType::NS, 60, apex.wire()));
    for (int i = 0; i < count; ++i) {
      EXPECT_TRUE(builder.add(name("h" + std::to_string(i) + ".example."), RRType::A, 60, Bytes(4)));
    }
    return builder.finish().value();
  }
};

// Wherever it runs out: an error, and no thread is left behind.
TEST_F(LargeLoadDeathTest, MemoryThatRunsOutIsAnError) {
#ifdef UNDERSTUDY_COUNTS_OTHERWISE
  GTEST_SKIP() << "a sanitizer has its own memory";
#endif
  for (const std::size_t mebibytes : {1, 3, 12}) {
    EXPECT_EXIT(load_with_little_memory(mebibytes), testing::ExitedWithCode(0), "") << mebibytes;
    for (const auto& file : std::filesystem::directory_iterator(directory_ / "")) std::filesystem::remove_all(file);
  }
}

}  // namespace
}  // namespace understudy
