// Keeps one zone fresh: the only writer of its slot, its schedule and its stored timers.
//
//            due, NOTIFY, command          permit            newer            permit
//   at rest ----------------------> queued ------> checking -------> queued ------> transferring --whole--> committing
//      ^                              ^                |  |                              |                      |
//      |                              +--next primary--+  |                              |                      |
//      +--- up to date, no primary left, done ------------+------------------------------+----------------------+
//
// At rest an agent is an entry in the timer queue; queued, a request in a lane; a coroutine exists only while it talks
// to a primary. NOTIFYs and commands that come during work lead to one more check afterwards. A zone from a file goes
// the same way with reading in place of checking and transferring.
//
// Made by any thread; before adopt() it may be loaded by a job; from then on everything except the functions marked
// "any thread" belongs to the transfer thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "transfer/attempt.h"
#include "transfer/core.h"
#include "transfer/file_zone.h"
#include "transfer/primary_check.h"
#include "transfer/primary_health.h"
#include "transfer/settings.h"
#include "transfer/status.h"
#include "transfer/text_pool.h"
#include "transfer/timer_queue.h"

namespace understudy {

class ZoneAgent final : public TimerEntry,
                        public Waiter,
                        public Notifier::Announcer,
                        public std::enable_shared_from_this<ZoneAgent> {
 public:
  ZoneAgent(EngineCore& core, ZoneSettings settings, std::shared_ptr<ZoneSlot> slot);
  ~ZoneAgent() override;

  // Any thread.
  [[nodiscard]] NameView name() const { return slot_->name(); }
  [[nodiscard]] const std::shared_ptr<ZoneSlot>& slot() const { return slot_; }
  [[nodiscard]] ZoneStatus status() const;
  /// Appends the status of many at the cost of one lock.
  static void append_status(EngineCore& core, std::span<const std::shared_ptr<ZoneAgent>> agents,
                            std::vector<ZoneStatus>& out);
  [[nodiscard]] std::shared_ptr<const Zone> version() const;
  /// What led to that version.
  [[nodiscard]] ZoneHistory::Ptr history() const;
  /// Leaves a NOTIFY for the agent. True if take_notify() must now be called on the transfer thread: not if it says no
  /// more than one that is still there, nor if the work under way began for one from there, whose end looks for others.
  bool leave_notify(const IpAddress& from, std::optional<Serial> serial);

  // Before adopt(), on a job thread, one of:
  /// Answers from the stored version unless it has expired.
  void load(const StoredZone& stored, const LoadedZone& loaded);
  /// There is no stored version, but what was served before is known: nothing older is to take its place.
  void was_lost(std::optional<Serial> served);
  /// Reads the zone's file and answers from it.
  void load_file();

  // The transfer thread.
  /// Takes up the work. Without a version the zone is taken at once.
  void adopt();
  /// Not taken from primaries: read from a file, or made by this server.
  [[nodiscard]] bool is_local() const { return local_ != nullptr; }
  /// The next version of a zone that this server makes.
  void put_version(std::shared_ptr<const Zone> version, DeltaPtr delta);
  void timer_due();
  void take_notify();
  void primary_answers(WaitsFor what) override;
  void announce_now(bool urgent) override;
  /// Checks; with `whole`, takes the zone whatever its serial.
  void command(bool whole, CommandDone done);
  void change_settings(ZoneSettings settings);
  /// The zone is no longer configured. `gone` is called once nothing is under way any more.
  void retire(bool forget_stored, std::function<void()> gone);
  /// The engine stops: ends what is under way.
  void cancel();
  /// The timers are to be stored, by the caller, who says afterwards whether the zone is stored at all; nullopt: not
  /// now, as something else is being written, or there is no need any more.
  std::optional<ZoneTimers> begin_to_save_timers();
  void timers_are_saved(bool is_stored);
  /// The version that is answered, if one of the same records may take its place.
  [[nodiscard]] std::shared_ptr<const Zone> compactable() const;
  [[nodiscard]] std::uint64_t max_octets() const { return policy_->limits.max_octets; }
  enum class Taking : std::uint8_t { taken, not_now, refused };
  /// Has `compacted` answered in place of the version with that id(), whose serial and records it has; not_now: while a
  /// version is being committed. Nobody is told: nothing has changed.
  Taking take_compacted(std::uint64_t in_place_of, const std::shared_ptr<const Zone>& compacted);
  /// Writes the timers again, after the wall clock has jumped.
  void save_timers_again();

 private:
  struct Work;
  using WorkPtr = std::shared_ptr<Work>;
  enum class Level : std::uint8_t { normal, urgent };

  // zone_work.cc: one piece of work up to the decision what to take, and its end.
  void begin_work(Level level);
  void order_primaries(Work& work) const;
  bool pass_over(Work& work) const;
  bool leave_to_rest(Work& work);
  void wait_for(const PeerSettings& peer);
  [[nodiscard]] bool needs_no_probe(const Work& work, const PeerSettings& peer) const;
  void begin_attempt(Work& work, const PeerSettings& peer) const;
  void ask_next(const WorkPtr& work);
  void transfer_unprobed(const WorkPtr& work);
  void note_start(Work& work);
  void heed_notifier_again();
  void start_probe(const WorkPtr& work, Lanes::Permit permit);
  boost::asio::awaitable<void> probe(std::shared_ptr<ZoneAgent> self, WorkPtr work, Lanes::Permit permit);
  [[nodiscard]] PrimaryHealth::Outcome outcome_of(const Work& work, std::optional<Errc> failure) const;
  void note_check(Work& work, std::optional<Errc> failure);
  void check_again_at(Work& work, std::optional<double> when);
  enum class Tells : std::uint8_t {
    of_transfers,  // what its primary's transfers are like
    of_itself      // only: this server ended it, or what follows at once says more
  };
  void note_transfer(Work& work, const Error* failure, Tells tells);
  bool leave_transfer_to_rest(Work& work);
  void probed(const WorkPtr& work, Result<Serial> serial);
  void found_newer(const WorkPtr& work);
  void decide(const WorkPtr& work);
  void primary_is_behind(const WorkPtr& work);
  bool may_follow_back(const Work& work);
  static void add_error(Work& work, Error error);
  void attempt_failed(const WorkPtr& work, const Error& error);
  void note_given_up(Work& work) const;
  void finish_current(const WorkPtr& work);
  void finish_failed(const WorkPtr& work);
  void finish(const WorkPtr& work, CommandOutcome outcome);

  // zone_take.cc: from there to the commit.
  [[nodiscard]] bool is_origin(const PeerSettings& peer) const;
  [[nodiscard]] bool may_take_differences(const PeerSettings& peer) const;
  [[nodiscard]] bool is_shown_by_digest(const Zone& held) const;
  [[nodiscard]] bool proves_its_start(const Zone& held, std::span<const DeltaPtr> deltas) const;
  bool check_digest(const WorkPtr& work);
  void queue_transfer(const WorkPtr& work);
  void go_on_with_transfer(const WorkPtr& work);
  void start_transfer(const WorkPtr& work, Lanes::Permit permit);
  [[nodiscard]] TakeOptions take_options(const Work& work) const;
  boost::asio::awaitable<void> transfer(std::shared_ptr<ZoneAgent> self, WorkPtr work, Lanes::Permit permit);
  void differences_failed(Work& work, const Error& error);
  [[nodiscard]] bool rests_from_differences(const PeerSettings& peer) const;
  void note_no_differences(Work& work, const Error& error);
  void pause_differences(Work& work);
  void ask_serial_first(const WorkPtr& work, Lanes::Permit permit, const Error& error);
  void begin_attempt_again(Work& work) const;
  void taken(const WorkPtr& work, Result<Taken> taken, Lanes::Permit permit);
  void start_commit(const WorkPtr& work, Taken taken, Lanes::Permit permit);
  [[nodiscard]] std::optional<Serial> floor_serial() const;
  void commit_failed(const WorkPtr& work, const CommitTask& task);
  void committed(const WorkPtr& work, CommitTask& task);
  void note_attempt(const Attempt& attempt, const Error* error) const;
  [[nodiscard]] bool may_rewrite() const;
  void start_rewrite(std::shared_ptr<ZoneRewrite> rewrite);
  void rewrite_is_written(const std::shared_ptr<ZoneRewrite>& rewrite, const Result<void>& outcome);
  void rewrite_is_over(const Result<void>& outcome);

  // zone_file_work.cc
  void read_file(const WorkPtr& work);
  CommitTask begin_local_commit(const WorkPtr& work, std::shared_ptr<const Zone> made, std::string source);
  void file_was_read(const WorkPtr& work, const FileReading& reading);
  void file_is_current(const WorkPtr& work, const std::string& path);
  void file_committed(const WorkPtr& work, const FileReading& reading, CommitTask& task);
  void commit_produced(const WorkPtr& work);
  void produced_committed(const WorkPtr& work, CommitTask& task);
  void local_version_is_served(const WorkPtr& work, CommitTask& task);

  void work_is_over(const WorkPtr& work);

  // zone_agent.cc
  /// Goes on with what came meanwhile, or rests.
  void after_work();
  bool wants_check_for_notify();
  [[nodiscard]] bool is_newer_than_held(std::optional<Serial> serial) const US_REQUIRES(core_.board.mutex);
  void note_idle_check(const Work& work);
  void drop_answered_notify();
  void stop_work();
  [[nodiscard]] std::optional<double> stale_until() const;
  [[nodiscard]] ZoneState state_when_expired(double now) const;
  void show_expired(const std::shared_ptr<const Zone>& held, ZoneState state);
  [[nodiscard]] std::string_view advice_on_expiry() const;
  void expire();
  void set_timer();
  void set_activity(ZoneActivity activity);
  void set_state(ZoneState state);
  void change_state(ZoneState state) US_REQUIRES(core_.board.mutex);
  void announce(bool urgent);
  void show_expiry();
  void publish_timers();
  void save_timers(bool durable, std::function<void()> then);
  void save_timers_soon();
  /// Calls `write` when no other write of this zone is under way; it must lead to store_is_free().
  void when_store_is_free(std::function<void()> write);
  void store_is_free();
  void leave_if_retired();
  void set_local(ZoneSettings& settings);

  struct Seldom;
  [[nodiscard]] const Seldom& seldom() const;
  Seldom& change_seldom();
  void drop_seldom();
  [[nodiscard]] std::vector<CommandDone> take_commands();

  // Constant after construction.
  EngineCore& core_;
  const std::shared_ptr<ZoneSlot> slot_;

  // The transfer thread (before adopt(): the job that loads).
  std::shared_ptr<const ZonePolicySettings> policy_;
  /// A zone from a file, or made by this server.
  struct Local {
    std::string file;  // path
    FileStamp stamp;
    bool produced = false;
    std::shared_ptr<const Zone> put_version;  // that waits to be committed
    std::vector<DeltaPtr> put_deltas;         // that lead to it from the one before, if known
  };
  std::unique_ptr<Local> local_;  // null: from primaries
  RefreshSchedule schedule_;
  WorkPtr work_;                                  // null at rest
  const std::string* origin_ = TextPool::none();  // address of the primary that our version is from; empty: none
  bool adopted_ = false;
  // What the job that loads leaves for adopt(); the transfer thread may have something for Seldom meanwhile.
  bool was_stored_as_expired_ = false;
  bool was_lost_ = false;
  bool refresh_wanted_ = false;  // after the work that is under way
  bool whole_wanted_ = false;
  bool store_busy_ = false;
  bool timers_wait_ = false;  // to be stored
  bool retired_ = false;
  bool forget_stored_ = false;
  bool failed_before_ = false;  // some check has failed
  bool write_whole_ = false;    // with the next commit
  bool rewriting_ = false;      // beside the commits
  Serial lost_at_start_{};      // if was_lost_
  /// What was found about the digests of a version.
  struct CheckedDigest {
    std::uint64_t version = 0;  // Zone::id()
    std::vector<Bytes> shown;   // RDATA of the ZONEMD records that are right
  };
  /// Checks because of NOTIFYs, that found nothing.
  struct IdleChecks {
    double since = 0;  // monotonic seconds
    unsigned count = 0;
  };
  /// What hardly any zone has while it is at rest, so that it takes no memory in all the others. Times are monotonic
  /// seconds.
  struct Seldom {
    std::vector<CommandDone> commands;  // that wait for the next work
    std::vector<std::function<void()>> store_queue;
    std::function<void()> gone;                       // once retired
    std::unique_ptr<ZoneSettings> late_settings;      // came before adopt(), while a job had the old ones
    std::vector<std::pair<Endpoint, Serial>> behind;  // primaries that were reported to be behind
    // Primaries that are not asked for differences before.
    std::vector<std::pair<Endpoint, double>> no_differences_until;
    std::unique_ptr<const CheckedDigest> checked_digest;
    std::optional<Serial> lost_serial;  // was served, but the stored version is damaged
    double no_rewrite_until = 0;        // the last one failed
    std::optional<double> notify_due;   // a NOTIFY that waits because too many came for nothing
    IdleChecks idle_checks;             // they named what we have, or no serial
    IdleChecks idle_newer_checks;  // they named something newer; counted apart, so that the others delay none of these

    [[nodiscard]] bool is_over(double now) const;
  };
  std::unique_ptr<Seldom> seldom_;  // null: nothing of all that

  struct Facts {
    std::shared_ptr<const Zone> version;
    ZoneHistory::Ptr history = ZoneHistory::none();  // of that version
    const std::string* source = TextPool::none();    // the primary or file that confirmed or sent the version
    std::unique_ptr<const std::string> last_error;   // null: none
    WallSeconds checked_at = 0, confirmed_at = 0, refresh_at = 0, expire_at = 0;  // as in ZoneTimers
    std::uint32_t checks = 0, transfers = 0, failures = 0;
    std::optional<Serial> notify_serial;
    IpAddress notify_from;
    ZoneState state = ZoneState::loading;
    ZoneActivity activity = ZoneActivity::idle;
    bool from_file = false;
    bool produced = false;
    bool notify_waits = false;
    bool works_for_notifier = false;  // notify_from is being asked because of its NOTIFY

    void show(const ZoneTimers& timers);
  };
  [[nodiscard]] ZoneStatus status_locked() const US_REQUIRES(core_.board.mutex);
  Facts facts_ US_GUARDED_BY(core_.board.mutex);
};

}  // namespace understudy
