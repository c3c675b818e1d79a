#include "server/settings.h"

#include <gtest/gtest.h>
#include <sched.h>

#include "control/server_control.h"
#include "server_fixture.h"

namespace understudy {
namespace {

TEST(Settings, ZonesHaveTheirPolicy) {
  const auto loaded = parsed(R"(
keys:
  - {name: k., algorithm: hmac-sha256, secret: c2VjcmV0}
primaries:
  - {name: hidden1, address: 192.0.2.1@53, key: k.}
  - {name: hidden2, address: 2001:db8::2@5353}
templates:
  - {name: default, primaries: [hidden1, hidden2], allow-notify: [198.51.100.0/24], allow-transfer: [key k.],
     notify: [203.0.113.1@53], refresh-min: 10s, refresh-max: 1h, retry-min: 5s, retry-max: 30m, expire-min: 1d,
     expire-max: 2w, max-records: 1000, max-size: 1MiB}
zones:
  - name: a.
  - name: b.
  - {name: c., file: c.zone}
)");
  const auto zones = zone_settings(*loaded.config);
  ASSERT_EQ(zones.size(), 3U);
  EXPECT_EQ(zones[0].name.text(), "a.");
  EXPECT_EQ(zones[0].file, "");
  EXPECT_EQ(zones[0].policy, zones[1].policy) << "zones that say the same share one policy";
  EXPECT_EQ(zones[2].file, "/etc/us/c.zone");
  const auto& policy = *zones[0].policy;
  ASSERT_EQ(policy.primaries.size(), 2U);
  EXPECT_EQ(policy.primaries[0].name, "hidden1");
  EXPECT_EQ(policy.primaries[0].address.text(), "192.0.2.1@53");
  ASSERT_NE(policy.primaries[0].key, nullptr);
  EXPECT_EQ(policy.primaries[0].key->name.text(), "k.");
  EXPECT_EQ(policy.primaries[1].address.text(), "2001:db8::2@5353");
  EXPECT_EQ(policy.primaries[1].key, nullptr);
  ASSERT_EQ(policy.notify.size(), 1U);
  EXPECT_EQ(policy.notify[0].address.text(), "203.0.113.1@53");
  EXPECT_EQ(policy.bounds.refresh_min, 10U);
  EXPECT_EQ(policy.bounds.refresh_max, 3600U);
  EXPECT_EQ(policy.bounds.retry_min, 5U);
  EXPECT_EQ(policy.bounds.retry_max, 1800U);
  EXPECT_EQ(policy.bounds.expire_min, 86'400U);
  EXPECT_EQ(policy.bounds.expire_max, 14U * 86'400);
  EXPECT_EQ(policy.limits.max_records, 1000U);
  EXPECT_EQ(policy.limits.max_octets, 1U << 20);
}

TEST(Settings, NotifyIsAllowedFromPrimariesAndRules) {
  const auto loaded = parsed(R"(
templates:
  - {name: default, primaries: [192.0.2.1@53], allow-notify: [198.51.100.0/24], allow-transfer: [203.0.113.0/24]}
zones: [a.]
)");
  const auto access = zone_settings(*loaded.config).at(0).policy->access;
  const auto allowed = [](const std::vector<AccessRule>& rules, const char* address) {
    return access_allowed(rules, IpAddress::parse(address).value(), std::nullopt);
  };
  EXPECT_TRUE(allowed(access->notify, "192.0.2.1"));
  EXPECT_TRUE(allowed(access->notify, "198.51.100.77"));
  EXPECT_FALSE(allowed(access->notify, "192.0.2.2"));
  EXPECT_FALSE(allowed(access->notify, "203.0.113.1"));
  EXPECT_TRUE(allowed(access->transfer, "203.0.113.1"));
  EXPECT_FALSE(allowed(access->transfer, "192.0.2.1")) << "a primary may tell us, not take from us";
}

TEST(Settings, TransferOptionsReachTheEngine) {
  const auto loaded = parsed(R"(
transfer: {max-concurrent: 7, max-concurrent-per-primary: 3, probe-timeout: 1500ms, stall-timeout: 4s, min-rate: off, max-time: 3h,
           notify-timeout: 2s, notify-tries: 4, notifies-per-second: 30}
)");
  const EngineSettings engine = engine_settings(*loaded.config);
  EXPECT_EQ(engine.max_transfers, 7U);
  EXPECT_EQ(engine.max_transfers_per_primary, 3U);
  EXPECT_EQ(engine.probe_timeout, 1500ms);
  EXPECT_EQ(engine.stall_timeout, 4s);
  EXPECT_EQ(engine.min_rate, 0U);
  EXPECT_EQ(engine.max_time, 3h);
  EXPECT_EQ(engine.notify_timeout, 2s);
  EXPECT_EQ(engine.notify_tries, 4U);
  EXPECT_EQ(engine.notifies_per_second, 30);
}

TEST(Settings, ServerOptionsReachTheWorkers) {
  const auto loaded = parsed(R"(
server: {workers: 3, udp-max-size: 1400, tcp-idle-timeout: 5s, tcp-write-timeout: 6s, tcp-max-pipelined: 9}
keys:
  - {name: k., algorithm: hmac-sha256, secret: c2VjcmV0}
)");
  EXPECT_EQ(worker_count(*loaded.config), 3U);
  const StreamOptions streams = stream_options(*loaded.config);
  EXPECT_EQ(streams.idle_timeout, 5s);
  EXPECT_EQ(streams.write_timeout, 6s);
  EXPECT_EQ(streams.max_queued, 9U);
  const AnswerSettings answers = answer_settings(*loaded.config);
  EXPECT_EQ(answers.udp_max_size, 1400U);
  ASSERT_NE(answers.keys, nullptr);
  EXPECT_NE(answers.keys->find(Name::parse("k.").value()), nullptr);
}

TEST(Settings, WhatTheServerSaysOfItself) {
  const AnswerSettings none = answer_settings(*parsed("server: {workers: 1}\n").config);
  EXPECT_TRUE(none.edns.nsid.empty());
  EXPECT_TRUE(none.chaos.version.empty());
  EXPECT_TRUE(none.edns.report_agent.is_root());
  EXPECT_NE(none.edns.cookies, nullptr) << "cookies are answered, with a secret of the process";
  EXPECT_FALSE(none.edns.cookies_required);
  const AnswerSettings all = answer_settings(*parsed(R"(
server: {nsid: 0x0a0b, version: v7, identity: hostname, cookies: required, report-channel: er.example.}
)")
                                                  .config);
  EXPECT_EQ(all.edns.nsid, Bytes({10, 11}));
  EXPECT_EQ(all.chaos.version, "v7");
  EXPECT_FALSE(all.chaos.identity.empty());
  EXPECT_NE(all.chaos.identity, "hostname");
  EXPECT_TRUE(all.edns.cookies_required);
  EXPECT_FALSE(all.edns.none_to_tcp);
  const AnswerSettings strict = answer_settings(*parsed("server: {cookies: required-or-tcp}\n").config);
  EXPECT_TRUE(strict.edns.cookies_required && strict.edns.none_to_tcp);
  EXPECT_EQ(all.edns.report_agent.text(), "er.example.");
  EXPECT_EQ(answer_settings(*parsed("server: {cookies: 'off'}\n").config).edns.cookies, nullptr);
}

// The words that commands know are those of the engine.
TEST(Settings, StatesHaveOneWordEach) {
  std::size_t i = 0;
  for (const auto state : {ZoneState::loading, ZoneState::empty, ZoneState::ok, ZoneState::failing, ZoneState::expired,
                           ZoneState::stale}) {
    EXPECT_EQ(zone_states[i++], zone_state_text(state));
  }
  EXPECT_EQ(i, std::size(zone_states));
  EXPECT_EQ(i, std::size(EngineCounters{}.zones_by_state));
}

TEST(Settings, AutomaticWorkersAreThoseOfThisProcess) {
  const auto loaded = parsed("server: {workers: auto}");
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  EXPECT_EQ(worker_count(*loaded.config), static_cast<unsigned>(CPU_COUNT(&before)));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(worker_count(*loaded.config), 1U);
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

}  // namespace
}  // namespace understudy
