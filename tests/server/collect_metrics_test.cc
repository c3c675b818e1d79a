// What is collected is what is declared, and the manual says the same. UNDERSTUDY_WRITE_REFERENCE=1 writes it anew.
#include "server/collect_metrics.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <future>
#include <regex>
#include <set>
#include <sstream>

#include "base/qsbr.h"
#include "control/metrics.h"
#include "server/metric_table.h"
#include "server_fixture.h"

namespace understudy {
namespace {

TEST(MetricTable, FollowsTheRulesOfOpenMetrics) {
  std::set<std::string> exposed;
  for (const auto& metric : metric_table) {
    const std::string name(metric.name);
    EXPECT_TRUE(std::regex_match(name, std::regex("understudy(_[a-z0-9]+)+"))) << name;
    for (const char* reserved : {"_total", "_created", "_bucket", "_count", "_sum", "_info"}) {
      EXPECT_FALSE(metric.name.ends_with(reserved)) << name;
    }
    EXPECT_EQ(metric.unit.empty(), !metric.name.ends_with("_seconds") && !metric.name.ends_with("_bytes")) << name;
    if (!metric.unit.empty()) {
      EXPECT_TRUE(metric.name.ends_with("_" + std::string(metric.unit))) << name;
    }
    EXPECT_TRUE(exposed.insert(name).second) << name << " is declared twice";
    EXPECT_TRUE(metric.help.ends_with('.')) << name;
    EXPECT_EQ(metric.help.find('|'), std::string_view::npos) << name << " would break the manual's table";
  }
}

TEST(MetricTable, ManualIsCurrent) {
  const auto path = std::string(TEST_DATA_DIR) + "/../doc/manual/metrics.md";
  const std::string text = metrics_manual(metric_table);
  if (std::getenv("UNDERSTUDY_WRITE_REFERENCE") != nullptr) std::ofstream(path) << text;
  std::ostringstream committed;
  committed << std::ifstream(path).rdbuf();
  EXPECT_EQ(committed.str(), text) << "metrics.md is stale: run UNDERSTUDY_WRITE_REFERENCE=1 test_server";
}

class CollectMetrics : public testing::Test {
 protected:
  CollectMetrics() {
    store_ = *ZoneStore::open(folder_ / "store");
    engine_ = std::make_unique<TransferEngine>(*store_, clock_, EngineSettings{});
    for (int i = 0; i < 2; ++i) {
      totals_.answers.push_back(&answers_[i]);
      totals_.udp.push_back(&udp_[i]);
      totals_.streams.push_back(&streams_[i]);
    }
  }
  ~CollectMetrics() override {
    engine_.reset();
    qsbr_drain();
  }
  void load_zone(const std::string& name) {
    const std::string file = folder_.write(
        "zone", name + " 300 SOA ns." + name + " h." + name + " 77 1 1 1 1\n" + name + " 300 NS ns." + name + "\n");
    auto policy = std::make_shared<ZonePolicySettings>();
    policy->access = std::make_shared<ZoneAccess>();
    std::promise<void> loaded;
    engine_->set_zones({{Name::parse(name).value(), file, policy}}, false, [&] { loaded.set_value(); });
    ASSERT_EQ(loaded.get_future().wait_for(20s), std::future_status::ready);
  }
  [[nodiscard]] std::string text(bool zone_metrics) const {
    return openmetrics_text(collect_metrics(totals_, *engine_, catalogs_, 1700000000.5, zone_metrics));
  }

  const Folder folder_;
  const SystemClock clock_;
  std::unique_ptr<ZoneStore> store_;
  std::unique_ptr<TransferEngine> engine_;
  AnswerCounters answers_[2];
  UdpCounters udp_[2];
  StreamCounters streams_[2];
  Workers::Totals totals_;
  std::vector<CatalogStatus> catalogs_{{.catalog = *Name::parse("catalog.example."), .members = 3}};
};

TEST_F(CollectMetrics, EveryDeclaredFamilyOnceAndNoOther) {
  std::multiset<std::string> collected, declared;
  for (const auto& family : collect_metrics(totals_, *engine_, catalogs_, 0, true)) {
    collected.emplace(family.declaration->name);
    // The labels are those that the manual names.
    for (const auto& sample : family.samples) {
      const std::string_view labels(sample.labels);
      EXPECT_EQ(labels.substr(0, labels.find('=')), family.declaration->labels) << family.declaration->name;
    }
  }
  for (const auto& metric : metric_table) declared.emplace(metric.name);
  EXPECT_EQ(collected, declared);
}

TEST_F(CollectMetrics, WorkersAreAdded) {
  answers_[0].queries[0] = 5;
  answers_[1].queries[0] = 6;
  answers_[1].queries[1] = 1;
  answers_[0].octets_in[0] = 300;
  answers_[0].types[1] = 3;
  answers_[1].types[1] = 4;
  answers_[0].count_type(RRType::HTTPS);
  answers_[0].types[AnswerCounters::type_slots - 1] = 2;
  answers_[0].rcodes[0] = 9;
  answers_[1].rcodes[3] = 1;
  answers_[1].rcodes[AnswerCounters::rcode_slots - 1] = 1;
  udp_[1].dropped = 8;
  streams_[0].open = 2;
  streams_[1].open = 3;
  const std::string all = text(false);
  for (const char* line :
       {"understudy_queries_total{transport=\"udp\"} 11\n", "understudy_queries_total{transport=\"tcp\"} 1\n",
        "understudy_received_bytes_total{transport=\"udp\"} 300\n", "understudy_queries_by_type_total{type=\"A\"} 7\n",
        "understudy_queries_by_type_total{type=\"other\"} 2\n", "understudy_responses_total{rcode=\"NOERROR\"} 9\n",
        "understudy_responses_total{rcode=\"NXDOMAIN\"} 1\n", "understudy_responses_total{rcode=\"other\"} 1\n",
        "understudy_udp_send_drops_total 8\n", "understudy_tcp_connections 5\n",
        "understudy_start_time_seconds 1700000000.5\n"}) {
    EXPECT_NE(all.find(line), std::string::npos) << line << all;
  }
  EXPECT_EQ(all.find("NOTAUTH"), std::string::npos) << "what never happened has no line";
  EXPECT_TRUE(all.ends_with("\n# EOF\n"));
}

TEST_F(CollectMetrics, ZonesHaveLinesOnlyWhereAsked) {
  load_zone("a\\.b\\\".example.");
  EXPECT_NE(text(false).find("understudy_zones{state=\"ok\"} 1\n"), std::string::npos);
  EXPECT_EQ(text(false).find("understudy_zone_serial{"), std::string::npos);
  EXPECT_NE(text(true).find("understudy_zone_serial{zone=\"a\\\\.b\\\\\\\".example.\"} 77\n"), std::string::npos)
      << text(true);
}

TEST_F(CollectMetrics, MemoryIsThatOfThisProcess) {
  for (const auto& family : collect_metrics(totals_, *engine_, catalogs_, 0, false)) {
    if (family.declaration->name != "understudy_resident_memory_bytes") continue;
    EXPECT_GT(family.samples.at(0).value, 1e6);
    EXPECT_LT(family.samples.at(0).value, 1e12);
  }
}

}  // namespace
}  // namespace understudy
