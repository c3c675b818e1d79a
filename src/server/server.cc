#include "server/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/qsbr.h"
#include "config/diff.h"
#include "control/cli.h"
#include "control/commands.h"
#include "control/http_api.h"
#include "net/event_loop.h"
#include "net/http_server.h"
#include "net/unix_server.h"
#include "server/collect_metrics.h"
#include "server/live_environment.h"
#include "server/process.h"
#include "server/settings.h"
#include "server/workers.h"
#include "server/zone_text.h"
#include "store/zone_store.h"
#include "transfer/engine.h"

namespace understudy {
namespace {

ZoneRow row_of(const ZoneStatus& status) {
  ZoneRow row;
  row.name = status.name;
  row.state = zone_state_text(status.state);
  row.activity = zone_activity_text(status.activity);
  if (status.serial) row.serial = status.serial->value;
  row.records = status.records;
  row.memory = status.memory;
  row.primary = status.primary;
  row.type = status.from_file ? "file" : "secondary";
  row.last_check = status.last_check;
  row.last_confirmed = status.last_confirmed;
  row.next_check = status.next_check;
  row.expires_at = status.expires_at;
  row.last_error = status.last_error;
  row.checks = status.checks;
  row.transfers = status.transfers;
  row.failures = status.failures;
  return row;
}

// The options without what there may be very many of.
std::shared_ptr<const Config> options_of(const Config& config) {
  auto options = std::make_shared<Config>();
  options->server = config.server;
  options->storage = config.storage;
  options->control = config.control;
  options->http = config.http;
  options->transfer = config.transfer;
  return options;
}

// A command's response over the control socket.
class SocketOutput final : public CommandOutput {
 public:
  explicit SocketOutput(std::shared_ptr<ControlReply> reply) : reply_(std::move(reply)) {}
  void write(std::string_view text) override { reply_->write(text); }
  void stream(std::function<bool(std::string&)> produce) override { reply_->stream(std::move(produce)); }
  void done() override { reply_->done(); }

 private:
  std::shared_ptr<ControlReply> reply_;
};

}  // namespace

struct Server::State final : ServerControl {
  State(std::string path, LoadedConfig loaded)
      : config_path(std::move(path)), config(std::move(loaded.config)), started_with(options_of(*config)) {}

  Result<void> open();
  Result<void> open_store();
  Result<void> open_sockets();
  Result<void> open_control();
  void begin();
  void end();
  void all_loaded();
  Result<std::string> load_and_apply();
  std::string apply(LoadedConfig loaded);
  void handle_command(std::string_view request, std::shared_ptr<ControlReply> reply);

  // ServerControl, on the control thread.
  [[nodiscard]] WallSeconds now() const override { return clock.wall_seconds(); }
  [[nodiscard]] std::vector<ZoneRow> zones(const std::optional<Name>& from, std::size_t limit) const override;
  [[nodiscard]] std::optional<ZoneRow> zone(NameView name) const override;
  void refresh(NameView name, bool whole, Done done) override;
  [[nodiscard]] Result<std::unique_ptr<TextSource>> export_zone(NameView name) const override;
  void reload(Done done) override;
  void stop() override {
    loop.post([this] { loop.stop(); });
  }
  [[nodiscard]] std::vector<MetricFamily> metrics() const override;
  [[nodiscard]] Health health() const override;

  SignalHold signals{SIGTERM, SIGINT, SIGHUP};  // first: every thread is to be started after it
  const std::string config_path;
  SystemClock clock;
  const std::int64_t started_ms = clock.wall_ms();

  // The control thread.
  std::shared_ptr<const Config> config;
  const std::shared_ptr<const Config> started_with;  // options only: what needs a restart is as it was then
  bool ready = false;
  bool stopping = false;

  // In the order of their making; each may use those before it.
  EventLoop loop;
  std::unique_ptr<ZoneStore> store;
  std::unique_ptr<TransferEngine> engine;
  std::unique_ptr<LiveEnvironment> environment;
  std::unique_ptr<Workers> workers;
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<UnixServer> control;
};

Result<void> Server::State::open_store() {
  auto opened = ZoneStore::open(config->storage.directory);
  if (!opened) return std::unexpected(std::move(opened).error());
  store = std::move(*opened);
  engine = std::make_unique<TransferEngine>(*store, clock, engine_settings(*config));
  environment = std::make_unique<LiveEnvironment>(*engine, clock, answer_settings(*config));
  return {};
}

Result<void> Server::State::open_sockets() {
  US_ASSIGN(workers, Workers::create(*config, *environment));
  if (config->http.listen.empty()) return {};
  US_ASSIGN(http, HttpServer::create(loop.context(), config->http.listen, [this](const HttpRequest& request) {
              HttpAnswer answer = answer_http(*this, request.method, request.target);
              HttpResponse response{answer.status, std::move(answer.content_type), std::move(answer.body), {}};
              if (!answer.allow.empty()) response.headers.emplace_back("Allow", std::move(answer.allow));
              return response;
            }));
  return {};
}

Result<void> Server::State::open_control() {
  US_ASSIGN(control, UnixServer::create(loop.context(), config->control.socket,
                                        [this](std::string_view request, std::shared_ptr<ControlReply> reply) {
                                          handle_command(request, std::move(reply));
                                        }));
  return {};
}

void Server::State::handle_command(std::string_view request, std::shared_ptr<ControlReply> reply) {
  if (stopping) return;  // which closes the connection
  run_command(*this, request, std::make_shared<SocketOutput>(std::move(reply)));
}

// Files are opened as the user that the server is to be, ports are bound as the user that started it.
Result<void> Server::State::open() {
  raise_file_limit();
  const std::string& user = config->server.user;
  if (!user.empty()) US_TRY(act_as_user(user, config->storage.directory));
  US_TRY(open_store());
  if (!user.empty()) act_as_root();
  US_TRY(open_sockets());
  make_directory_of(config->control.socket, user);
  if (!user.empty()) US_TRY(become_user(user));
  return open_control();
}

void Server::State::begin() {
  engine->set_zones(zone_settings(*config), false, [this] { loop.post([this] { all_loaded(); }); });
  workers->start();
}

void Server::State::all_loaded() {
  if (stopping) return;
  ready = true;
  const EngineCounters counters = engine->counters();
  std::string listening;
  for (const auto& endpoint : config->server.listen) listening += (listening.empty() ? "" : ", ") + endpoint.text();
  log_info("ready: {}, {} answered from storage or file, listening on {}", count_text(config->zones.size(), "zone"),
           counters.zones_by_state[static_cast<std::size_t>(ZoneState::ok)] +
               counters.zones_by_state[static_cast<std::size_t>(ZoneState::failing)],
           listening);
  notify_service_manager("READY=1");
}

// The control socket goes last: that its connections end is how `understudy stop` learns that all is over.
void Server::State::end() {
  stopping = true;
  notify_service_manager("STOPPING=1");
  http.reset();
  engine->stop();
  loop.drain();  // tells those who wait for the outcome of a command that it was cancelled
  workers->stop();
  workers.reset();
  environment.reset();
  engine.reset();
  qsbr_drain();
  store.reset();
  log_info("stopped");
  control.reset();
}

std::vector<ZoneRow> Server::State::zones(const std::optional<Name>& from, std::size_t limit) const {
  std::vector<ZoneRow> rows;
  for (const auto& status : engine->list(from, limit)) rows.push_back(row_of(status));
  return rows;
}

std::optional<ZoneRow> Server::State::zone(NameView name) const {
  const auto status = engine->status(name);
  if (!status) return std::nullopt;
  return row_of(*status);
}

void Server::State::refresh(NameView name, bool whole, Done done) {
  auto report = [done = std::move(done)](CommandOutcome outcome) {
    if (outcome.result) {
      done(std::move(outcome.text));
    } else {
      done(std::unexpected(std::move(outcome.result).error()));
    }
  };
  if (whole) {
    engine->retransfer(name, std::move(report));
  } else {
    engine->refresh(name, std::move(report));
  }
}

Result<std::unique_ptr<TextSource>> Server::State::export_zone(NameView name) const {
  if (!engine->status(name))
    return fail(Errc::not_found, fmt::format("this server has no zone {}; see `understudy zone list`", name.text()));
  auto version = engine->version(name);
  if (!version)
    return fail(Errc::not_found,
                fmt::format("there is no version of zone {} yet; see `understudy zone status`", name.text()));
  return std::make_unique<ZoneText>(std::move(version));
}

std::string Server::State::apply(LoadedConfig loaded) {
  for (const auto& warning : loaded.warnings) log_warning("{}", warning);
  ConfigDiff diff = diff_configs(config, loaded.config);
  // What needs a restart differs from what the server was started with, not from the file of the last reload.
  std::erase_if(diff.options, &OptionChange::needs_restart);
  for (auto& change : diff_configs(started_with, options_of(*loaded.config)).options) {
    if (!change.needs_restart) continue;
    log_warning("configuration {}: {}", config_path, change.text());
    diff.options.push_back(std::move(change));
  }
  const std::vector<std::string> lines = diff.lines();
  config = std::move(loaded.config);
  set_log_level(config->server.log_level);
  environment->set_settings(answer_settings(*config));
  engine->set_settings(engine_settings(*config));
  engine->set_zones(zone_settings(*config), false, [] {});
  log_info("configuration {} reloaded: {} added, {} removed, {} changed", config_path,
           count_text(diff.zones_added.size(), "zone"), diff.zones_removed.size(), diff.zones_changed.size());
  return lines.empty() ? "nothing changed" : fmt::format("{}", fmt::join(lines, "\n"));
}

Result<std::string> Server::State::load_and_apply() {
  auto loaded = load_config(config_path);
  if (loaded) return apply(std::move(*loaded));
  log_error("configuration {} is not applied, the server goes on with the one it has:\n{}", config_path,
            loaded.error().detail);
  return std::unexpected(std::move(loaded).error());
}

void Server::State::reload(Done done) {
  if (stopping) return done(fail(Errc::cancelled, "the server is stopping"));
  // systemd compares with CLOCK_MONOTONIC, which stands still while the machine is suspended; ours does not.
  const auto begun = std::chrono::steady_clock::now().time_since_epoch();
  notify_service_manager(fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                                     std::chrono::duration_cast<std::chrono::microseconds>(begun).count()));
  done(load_and_apply());
  // Before it is ready, that is still to come.
  if (ready) notify_service_manager("READY=1");
}

std::vector<MetricFamily> Server::State::metrics() const {
  return collect_metrics(workers->totals(), *engine, static_cast<double>(started_ms) / 1000, config->http.zone_metrics);
}

Health Server::State::health() const {
  Health health;
  health.ready = ready;
  if (!health.ready) health.reason = "stored zones are still being loaded";
  return health;
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::create(std::string config_path, LoadedConfig config) {
  set_log_level(config.config->server.log_level);
  for (const auto& warning : config.warnings) log_warning("{}", warning);
  auto state = std::make_unique<State>(std::move(config_path), std::move(config));
  US_TRY(state->open());
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

void Server::run() {
  State& s = *state_;
  s.loop.on_signals({SIGTERM, SIGINT}, [&s](int) { s.loop.stop(); });
  s.loop.on_signals({SIGHUP}, [&s](int) { s.reload([](const Result<std::string>&) {}); });
  s.begin();
  s.signals.release();
  s.loop.run();
  s.end();
}

}  // namespace understudy
