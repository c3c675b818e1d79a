#include "control/http_api.h"

#include <gtest/gtest.h>

#include "control/metrics.h"
#include "memory_server.h"

namespace understudy {
namespace {

TEST(HttpApi, HealthSaysWhetherItWorks) {
  MemoryServer server;
  HttpAnswer answer = answer_http(server, "GET", "/healthz");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.body, "alive\n");
  EXPECT_EQ(answer.content_type, "text/plain; charset=utf-8");
  server.health_now = {.alive = false, .ready = false, .reason = "the disk is gone"};
  answer = answer_http(server, "GET", "/healthz");
  EXPECT_EQ(answer.status, 503U);
  EXPECT_EQ(answer.body, "the disk is gone\n");
}

TEST(HttpApi, ReadyOnceZonesAreLoaded) {
  MemoryServer server;
  server.health_now = {.alive = true, .ready = false, .reason = "stored zones are still being loaded"};
  HttpAnswer answer = answer_http(server, "GET", "/readyz");
  EXPECT_EQ(answer.status, 503U);
  EXPECT_EQ(answer.body, "not ready: stored zones are still being loaded\n");
  EXPECT_EQ(answer_http(server, "GET", "/healthz").status, 200U);
  server.health_now.ready = true;
  answer = answer_http(server, "GET", "/readyz?verbose=1");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.body, "ready\n");
}

TEST(HttpApi, MetricsAreOpenMetrics) {
  MemoryServer server;
  const HttpAnswer answer = answer_http(server, "GET", "/metrics");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_EQ(answer.body, "# EOF\n");
}

TEST(HttpApi, OtherTargetsAreNotFound) {
  MemoryServer server;
  for (const char* target : {"/", "", "/metrics/", "/healthz2", "/..", "*", "http://x/metrics", "/?/metrics"}) {
    const HttpAnswer answer = answer_http(server, "GET", target);
    EXPECT_EQ(answer.status, 404U) << target;
    EXPECT_NE(answer.body.find("/readyz"), std::string::npos);
  }
}

TEST(HttpApi, OnlyReading) {
  MemoryServer server;
  for (const char* method : {"POST", "PUT", "DELETE", "get", ""}) {
    const HttpAnswer answer = answer_http(server, method, "/metrics");
    EXPECT_EQ(answer.status, 405U) << method;
    EXPECT_EQ(answer.allow, "GET, HEAD");
  }
  EXPECT_EQ(answer_http(server, "POST", "/nothing").status, 404U);
}

}  // namespace
}  // namespace understudy
