#include "control/http_api.h"

#include "control/metrics.h"

namespace understudy {
namespace {

constexpr std::string_view plain = "text/plain; charset=utf-8";

HttpAnswer text_answer(unsigned status, std::string body) {
  return {status, std::string(plain), std::move(body), {}};
}

}  // namespace

HttpAnswer answer_http(const ServerControl& server, std::string_view method, std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  const bool known = path == "/healthz" || path == "/readyz" || path == "/metrics";
  if (!known) return text_answer(404, "not found; there are /healthz, /readyz and /metrics\n");
  if (method != "GET") {
    HttpAnswer answer = text_answer(405, "only GET and HEAD\n");
    answer.allow = "GET, HEAD";
    return answer;
  }
  if (path == "/metrics") {
    const auto families = server.metrics();
    return {200, std::string(openmetrics_type), openmetrics_text(families), {}};
  }
  const Health health = server.health();
  if (path == "/healthz") return health.alive ? text_answer(200, "alive\n") : text_answer(503, health.reason + "\n");
  return health.ready ? text_answer(200, "ready\n") : text_answer(503, "not ready: " + health.reason + "\n");
}

}  // namespace understudy
