// What the admin HTTP server answers: /healthz, /readyz, /metrics. Pure; no I/O.
#pragma once

#include <string>
#include <string_view>

#include "control/server_control.h"

namespace understudy {

struct HttpAnswer {
  unsigned status = 200;
  std::string content_type;
  std::string body;
  std::string allow;  // methods, for status 405
};

HttpAnswer answer_http(const ServerControl& server, std::string_view method, std::string_view target);

}  // namespace understudy
