// The inside of a CatalogManager: its thread, sources and commands (catalog_manager.cc), and what becomes of catalogs'
// versions (catalog_work.cc).
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "transfer/catalog_manager.h"
#include "transfer/fact_saver.h"
#include "transfer/member_purge.h"
#include "transfer/member_reset.h"
#include "transfer/stored_zones.h"

namespace understudy {

struct CatalogManager::State : std::enable_shared_from_this<State> {
  State(TransferEngine& transfer_engine, ZoneStore& zone_store, const Clock& wall_clock)
      : engine(transfer_engine), store(zone_store), clock(wall_clock), thread([this] { run(); }) {}

  struct Task {
    std::function<void()> run;
    std::function<void()> cancel;  // may be null
  };

  // The thread.
  void post(Task task);
  void post_command(std::function<CommandOutcome()> work, CommandDone done);
  void run();
  static void run_or_end(const Task& task) noexcept;
  void stop();

  // With work_mutex.
  WallSeconds now();
  Result<void> read_stored();
  void store_again();
  [[nodiscard]] std::uint64_t losses_seen() const;
  void note_if_stored();
  void set_unread(std::string reason);
  void serve_what_is_known(ZoneSources next, const Error& error, std::function<void()> loaded);
  void read_again();
  void serve(ZoneSources next, bool forget_removed, std::function<void()> loaded) noexcept;
  void set_sources(ZoneSources next);
  [[nodiscard]] StoredCatalog stored_part(const CatalogSettings& catalog) const;
  void save_serial(const Name& catalog);
  [[nodiscard]] bool is_unstored() const;
  [[nodiscard]] std::vector<ZoneSettings> all_zones();
  std::optional<ZoneSettings> settings_of(const MemberRef& member);
  void add_settings(const MemberRef& member, std::vector<ZoneSettings>& set, std::vector<Name>& removed);
  void reconsider(std::span<const Name> names, CatalogPlan& plan);
  void carry_out(const CatalogPlan& plan);
  void begin_resets();
  bool reset_some();
  void save(const CatalogPlan& plan);
  void save(std::vector<Fact> facts);
  void purge();
  bool purge_some();
  void report_unserved();
  void publish_status();
  CommandOutcome accept(const Name& catalog, std::optional<AnnouncedHold> announced);
  CommandOutcome add_zones(const std::vector<RunTimeZone>& zones);
  CommandOutcome remove_zones(const std::vector<Name>& zones, bool forget);
  void hold(const Name& catalog, HoldReason reason, std::string detail);

  // Without it.
  void purge_more();
  void reset_more();
  bool let_others_in();
  void take_version(const Name& catalog);
  void look_at_catalogs();
  void store_was_made_anew();

  TransferEngine& engine;
  ZoneStore& store;
  const Clock& clock;

  std::mutex work_mutex;  // one piece of work at a time; guards the following
  JumpWatch jumps{clock};
  bool started = false;  // all that is stored was read
  ZoneSources sources;
  std::unique_ptr<StoredZones> known = std::make_unique<StoredZones>();
  static constexpr std::chrono::milliseconds shortest_retry_pause{1000};
  std::chrono::milliseconds retry_pause = shortest_retry_pause;  // between two attempts to read what is stored
  FactSaver saver{store};
  std::vector<Name> unserved;  // some members without a template, until they are reported
  std::uint64_t unserved_count = 0;
  bool purging = false;  // the next turn is in the queue
  MemberPurge purge_turns{engine, store};
  bool resetting = false;  // the next turn is in the queue
  MemberReset resets{engine};
  std::uint64_t loss_made_up = 0;  // the last one of `losses` whose facts are stored, wait in the saver or are withheld

  mutable Mutex status_mutex;
  std::vector<CatalogStatus> statuses US_GUARDED_BY(status_mutex);
  std::shared_ptr<const CatalogOwners> owners US_GUARDED_BY(status_mutex) = std::make_shared<const CatalogOwners>();
  std::map<Name, CatalogLimits> catalogs US_GUARDED_BY(status_mutex);  // that are configured
  std::string unread US_GUARDED_BY(status_mutex);                      // why not all that is stored could be read
  std::uint64_t losses US_GUARDED_BY(status_mutex) = 0;                // how often the store was made anew
  std::uint64_t losses_stored US_GUARDED_BY(status_mutex) = 0;         // and all facts were stored after that

  std::mutex queue_mutex;  // guards the following
  std::condition_variable changed;
  std::deque<Task> tasks;
  std::map<Name, std::shared_ptr<const Zone>> versions;  // that wait to be read
  std::optional<std::chrono::steady_clock::time_point> retry_at;
  bool stopping = false;

  std::thread thread;
};

}  // namespace understudy
