#include "server/server.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

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
#include "server/history_commands.h"
#include "server/live_environment.h"
#include "server/process.h"
#include "server/reload_check.h"
#include "server/settings.h"
#include "server/workers.h"
#include "server/zone_sources.h"
#include "store/zone_store.h"
#include "transfer/catalog_manager.h"
#include "transfer/catalog_publisher.h"
#include "transfer/catalog_report.h"
#include "transfer/engine.h"
#include "zone/memory_pages.h"

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
  row.type = status.produced ? "catalog" : status.from_file ? "file" : "secondary";
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

CatalogRow row_of(const CatalogStatus& status, const Config& config) {
  CatalogRow row;
  row.name = status.catalog;
  row.state = status.serial ? "ok" : "waiting";
  if (status.serial) row.serial = status.serial->value;
  row.members = status.members;
  row.kept = status.trash;
  row.conflict_count = status.conflicts;
  for (const MemberConflict& conflict : status.some_conflicts) {
    const bool configured = config.find_zone(conflict.member) != nullptr;
    row.conflicts.push_back({conflict.member, conflict.owner ? conflict.owner->text()
                                              : configured   ? "configuration"
                                                             : "command"});
  }
  if (!status.hold) return row;
  const CatalogHold& hold = *status.hold;
  row.state = hold.reason == HoldReason::broken ? "broken" : "held";
  row.reason = hold_text(status.catalog, hold, status.members);
  row.held_since = hold.since;
  if (hold.serial) (hold.all_go() ? row.accept_all_of : row.held_serial) = hold.serial->value;
  row.held_added = hold.added;
  row.held_removed = hold.removed;
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
  [[nodiscard]] ConfigDiff differences(const std::shared_ptr<const Config>& to) const;
  [[nodiscard]] std::vector<std::string> objections(const Config& to, const ZoneSources& next) const;
  Result<std::string> load_and_apply(const Announce& will);
  void apply(LoadedConfig loaded, const ConfigDiff& diff, ZoneSources next);
  [[nodiscard]] std::string origin_of(NameView name) const;
  void handle_command(std::string_view request, std::shared_ptr<ControlReply> reply);

  // ServerControl, on the control thread.
  [[nodiscard]] WallSeconds now() const override { return clock.wall_seconds(); }
  [[nodiscard]] ZonePage zones(const std::optional<Name>& from, const ZoneFilter& filter, std::size_t limit,
                               std::size_t examined) const override;
  [[nodiscard]] std::optional<ZoneRow> zone(NameView name) const override;
  [[nodiscard]] Result<ComparisonPoints> comparison(NameView name) const override;
  void refresh(NameView name, bool whole, Done done) override;
  void add_zones(std::vector<Name> names, const ZoneTemplate& settings, bool wait, ZoneDone done) override;
  void remove_zones(std::vector<Name> names, bool forget, ZoneDone done) override;
  void stored_zones(const std::optional<Name>& from, const std::string& pattern, std::size_t limit,
                    Given<StoredRows> given) const override {
    past->stored_zones(from, pattern, limit, std::move(given));
  }
  void history(NameView name, Given<std::vector<HistoryRow>> given) const override;
  void difference(NameView name, std::uint32_t from, std::uint32_t to,
                  Given<std::unique_ptr<DifferenceSource>> given) const override;
  void export_zone(NameView name, std::optional<std::uint32_t> serial,
                   Given<std::unique_ptr<TextSource>> given) const override;
  void transfers(const TransferQuery& query, Given<TransferPage> given) const override;
  void transfer(std::uint64_t id, Given<TransferDetail> given) const override;
  [[nodiscard]] std::vector<CatalogRow> catalogs() const override;
  void accept_catalog(NameView name, std::optional<std::uint32_t> serial, std::optional<std::uint32_t> all_of,
                      Done done) override;
  [[nodiscard]] Result<std::vector<std::string>> compare_configuration(const std::string& path) const override;
  void reload(const Announce& will, Done done) override;
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
  std::unique_ptr<HistoryCommands> past;
  std::unique_ptr<CatalogPublisher> publisher;
  std::unique_ptr<CatalogManager> members;  // of catalogs, and zones added at run time
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
  past = std::make_unique<HistoryCommands>(*engine, *store);
  publisher = std::make_unique<CatalogPublisher>(*engine, *store, clock);
  members = std::make_unique<CatalogManager>(*engine, *store, clock);
  engine->set_events(
      {.published = [m = members.get()](const std::shared_ptr<const Zone>& version) { m->published(version); },
       .expired = [m = members.get()](NameView zone) { m->expired(zone); },
       // As long as not all zones are known, a catalog of ours would take from others what they rightly have.
       .zones_changed =
           [p = publisher.get(), m = members.get()](std::span<const ZoneSettings> set, std::span<const Name> removed,
                                                    bool all) {
             if (m->unread().empty()) p->zones_changed(set, removed, all);
           }});
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
  members->set_zones(zone_sources(config), false, [this] { loop.post([this] { all_loaded(); }); });
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
  if (huge_page_mode() == "never") {
    log_warning(
        "the system gives no pages of 2 MiB, so lookups in large zones take up to half as long again: "
        "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
  }
  notify_service_manager("READY=1");
}

// The control socket goes last: that its connections end is how `understudy stop` learns that all is over.
void Server::State::end() {
  stopping = true;
  notify_service_manager("STOPPING=1");
  http.reset();
  members->stop();
  publisher->stop();
  engine->stop();
  loop.drain();  // tells those who wait for the outcome of a command that it was cancelled
  workers->stop();
  workers.reset();
  environment.reset();
  members.reset();
  past.reset();
  engine.reset();
  publisher.reset();
  qsbr_drain();
  store.reset();
  log_info("stopped");
  control.reset();
}

// One more than is looked at tells where to go on.
ZonePage Server::State::zones(const std::optional<Name>& from, const ZoneFilter& filter, std::size_t limit,
                              std::size_t examined) const {
  ZonePage page;
  const std::size_t looked_at = filter.empty() ? std::min(limit, examined) : examined;
  auto listed = engine->list(from, looked_at + 1);
  for (std::size_t i = 0; i < listed.size(); ++i) {
    if (i == looked_at || page.rows.size() == limit) {
      page.next = std::move(listed[i].name);
      break;
    }
    ZoneRow row = row_of(listed[i]);
    if (!filter.matches(row)) continue;
    row.origin = origin_of(row.name);
    page.rows.push_back(std::move(row));
  }
  return page;
}

// By whose word a zone is there: the configuration's, a catalog's, or a command's.
std::string Server::State::origin_of(NameView name) const {
  if (config->find_zone(name) != nullptr) return "configuration";
  const std::optional<Name> catalog = members->catalog_of(name);
  return catalog ? catalog->text() : "command";
}

std::optional<ZoneRow> Server::State::zone(NameView name) const {
  const auto status = engine->status(name);
  if (!status) return std::nullopt;
  ZoneRow row = row_of(*status);
  row.origin = origin_of(name);
  return row;
}

// The first primary as configured; of a zone that a catalog or a command brought, the one that it was taken from.
Result<ComparisonPoints> Server::State::comparison(NameView name) const {
  const auto status = engine->status(name);
  if (!status) return fail(Errc::not_found, fmt::format("{}: this server has no such zone", name.text()));
  const ZoneRow row = row_of(*status);
  ComparisonPoints points{row.serial, {}, row.primary, {}, {}};
  for (const Endpoint& each : started_with->server.listen) points.listen.push_back(each.text());
  const ZoneConfig* zone = config->find_zone(name);
  const PeerConfig* peer = zone != nullptr && !zone->policy->primaries.empty() ? &zone->policy->primaries[0] : nullptr;
  const auto named = config->primaries.find(row.primary);
  if (peer == nullptr && named != config->primaries.end()) peer = &named->second;
  if (peer != nullptr) {
    points.primary = peer->name;
    points.address = peer->endpoints[0].text();
    if (peer->key) points.key = peer->key->name.text();
  } else if (const auto address = Endpoint::parse(row.primary, std::uint16_t{53})) {
    points.address = address->text();
  }
  return points;
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

void Server::State::export_zone(NameView name, std::optional<std::uint32_t> serial,
                                Given<std::unique_ptr<TextSource>> given) const {
  past->export_zone(name, serial, std::move(given));
}

// All or none; who waits for the first checks learns of each as it ends.
void Server::State::add_zones(std::vector<Name> names, const ZoneTemplate& settings, bool wait, ZoneDone done) {
  const Result<std::string> words = run_time_template(*config, settings);
  if (!words) {
    for (const Name& name : names) done(name, std::unexpected(words.error()));
    return;
  }
  std::vector<RunTimeZone> wanted;
  wanted.reserve(names.size());
  for (const Name& name : names) wanted.push_back({name, *words});
  auto added = [this, all = std::move(names), wait, done](const CommandOutcome& outcome) {
    for (const Name& name : all) {
      if (!outcome.result) {
        done(name, std::unexpected(outcome.result.error()));
      } else if (!wait) {
        done(name, std::string("added"));
      } else {
        engine->refresh(name, [name, done](CommandOutcome first) {
          if (first.result) {
            done(name, "added: " + first.text);
          } else {
            first.result.error().detail += " (the zone is added, and its primaries are asked again)";
            done(name, std::unexpected(std::move(first.result).error()));
          }
        });
      }
    }
  };
  members->add_zones(std::move(wanted), std::move(added));
}

void Server::State::remove_zones(std::vector<Name> names, bool forget, ZoneDone done) {
  auto removed = [all = names, done](const CommandOutcome& outcome) {
    for (const Name& name : all) {
      if (outcome.result) {
        done(name, std::string("removed"));
      } else {
        done(name, std::unexpected(outcome.result.error()));
      }
    }
  };
  members->remove_zones(std::move(names), forget, std::move(removed));
}

void Server::State::history(NameView name, Given<std::vector<HistoryRow>> given) const {
  past->history(name, std::move(given));
}

void Server::State::difference(NameView name, std::uint32_t from, std::uint32_t to,
                               Given<std::unique_ptr<DifferenceSource>> given) const {
  past->difference(name, from, to, std::move(given));
}

void Server::State::transfers(const TransferQuery& query, Given<TransferPage> given) const {
  past->transfers(query, std::move(given));
}

void Server::State::transfer(std::uint64_t id, Given<TransferDetail> given) const {
  past->transfer(id, std::move(given));
}

std::vector<CatalogRow> Server::State::catalogs() const {
  std::vector<CatalogRow> rows;
  for (const CatalogStatus& status : members->status()) rows.push_back(row_of(status, *config));
  return rows;
}

void Server::State::accept_catalog(NameView name, std::optional<std::uint32_t> serial,
                                   std::optional<std::uint32_t> all_of, Done done) {
  std::optional<AnnouncedHold> announced;
  if (serial) announced = {Serial{*serial}, false};
  if (all_of) announced = {Serial{*all_of}, true};
  members->accept(name, announced, [done = std::move(done)](CommandOutcome outcome) {
    if (outcome.result) {
      done(std::move(outcome.text));
    } else {
      done(std::unexpected(std::move(outcome.result).error()));
    }
  });
}

// What needs a restart differs from what the server was started with, not from the file of the last reload.
ConfigDiff Server::State::differences(const std::shared_ptr<const Config>& to) const {
  ConfigDiff diff = diff_configs(config, to);
  std::erase_if(diff.options, &OptionChange::needs_restart);
  for (auto& change : diff_configs(started_with, options_of(*to)).options) {
    if (change.needs_restart) diff.options.push_back(std::move(change));
  }
  return diff;
}

void Server::State::apply(LoadedConfig loaded, const ConfigDiff& diff, ZoneSources next) {
  for (const auto& warning : loaded.warnings) log_warning("{}", warning);
  for (const auto& change : diff.options) {
    if (change.needs_restart) log_warning("configuration {}: {}", config_path, change.text());
  }
  config = std::move(loaded.config);
  set_log_level(config->server.log_level);
  environment->set_settings(answer_settings(*config));
  engine->set_settings(engine_settings(*config));
  members->set_zones(std::move(next), false, [] {});
  log_info("configuration {} reloaded: {} added, {} removed, {} changed", config_path,
           count_text(diff.zones_added.size(), "zone"), diff.zones_removed.size(), diff.zones_changed.size());
}

Result<std::vector<std::string>> Server::State::compare_configuration(const std::string& path) const {
  US_ASSIGN(const LoadedConfig loaded, load_config(path.empty() ? config_path : path));
  std::vector<std::string> lines = differences(loaded.config).lines();
  for (const std::string& each : objections(*loaded.config, zone_sources(loaded.config))) {
    lines.push_back("a reload would be refused: " + each);
  }
  return lines;
}

// What the file cannot know: which zones there are by commands and by catalogs.
std::vector<std::string> Server::State::objections(const Config& to, const ZoneSources& next) const {
  return objections_to(to, members->settings_lost(next));
}

Result<std::string> Server::State::load_and_apply(const Announce& will) {
  auto loaded = load_config(config_path);
  if (!loaded) {
    log_error("configuration {} is not applied, the server goes on with the one it has:\n{}", config_path,
              loaded.error().detail);
    return std::unexpected(std::move(loaded).error());
  }
  ZoneSources next = zone_sources(loaded->config);
  if (const auto against = objections(*loaded->config, next); !against.empty()) {
    std::string text =
        fmt::format("{}: the reload is refused, nothing is changed: {}", config_path, fmt::join(against, "\n"));
    log_error("configuration {}", text);
    return fail(Errc::refused, std::move(text));
  }
  const ConfigDiff diff = differences(loaded->config);
  const auto lines = diff.lines();
  if (!lines.empty()) will(lines);
  apply(std::move(*loaded), diff, std::move(next));
  return lines.empty() ? "nothing changed" : "";
}

void Server::State::reload(const Announce& will, Done done) {
  if (stopping) return done(fail(Errc::cancelled, "the server is stopping"));
  // systemd compares with CLOCK_MONOTONIC, which stands still while the machine is suspended; ours does not.
  const auto begun = std::chrono::steady_clock::now().time_since_epoch();
  notify_service_manager(fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                                     std::chrono::duration_cast<std::chrono::microseconds>(begun).count()));
  done(load_and_apply(will));
  // Before it is ready, that is still to come.
  if (ready) notify_service_manager("READY=1");
}

std::vector<MetricFamily> Server::State::metrics() const {
  return collect_metrics(workers->totals(), *engine, members->status(), static_cast<double>(started_ms) / 1000,
                         config->http.zone_metrics, members->unread().empty());
}

Health Server::State::health() const {
  Health health;
  const std::string unread = members->unread();
  const bool is_unstored = members->is_unstored() || publisher->is_unstored();
  health.ready = ready && unread.empty() && !is_unstored;
  if (!ready) {
    health.reason = "stored zones are still being loaded";
  } else if (!unread.empty()) {
    health.reason = "members of catalogs and zones added at run time cannot be read from the storage: " + unread;
  } else if (is_unstored) {
    health.reason =
        "the storage was made anew, and members of catalogs and zones added at run time are not all noted in it yet";
  }
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
  s.loop.on_signals({SIGHUP}, [&s](int) { s.reload([](const auto&) {}, [](const Result<std::string>&) {}); });
  s.begin();
  s.signals.release();
  s.loop.run();
  s.end();
}

}  // namespace understudy
