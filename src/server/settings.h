// From the configuration to what each part of the server wants to know.
#pragma once

#include <memory>
#include <vector>

#include "answer/environment.h"
#include "config/config.h"
#include "net/stream_worker.h"
#include "transfer/engine.h"

namespace understudy {

std::shared_ptr<const ZonePolicySettings> policy_settings(const ZonePolicy& policy);
/// Of the configured zones, catalogs and those that we make ourselves among them.
std::vector<ZoneSettings> zone_settings(const Config& config);
EngineSettings engine_settings(const Config& config);
AnswerSettings answer_settings(const Config& config);
StreamOptions stream_options(const Config& config);
/// Workers to start: the configured number, or one per core that this process may use.
unsigned worker_count(const Config& config);

}  // namespace understudy
