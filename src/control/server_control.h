// What the rest of the server must offer so that commands, metrics and health can be answered: declared here,
// implemented by server/. All functions are called on the control thread and must not block on disk or network;
// outcomes that take time arrive through callbacks, which may run on any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "dns/name.h"

namespace understudy {

/// The words for ZoneRow::state (doc/zone-life.md).
inline constexpr std::string_view zone_states[] = {"loading", "empty", "ok", "failing", "expired", "stale"};

/// One zone as shown. Times in wall seconds, 0 = never.
struct ZoneRow {
  Name name;
  std::string state;
  std::string activity;
  std::optional<std::uint32_t> serial;
  std::uint64_t records = 0;
  std::uint64_t memory = 0;  // octets
  std::string primary;
  std::string type;    // "secondary", "file" or "catalog" (one that we produce)
  std::string origin;  // "configuration", "command" (zone add), or the name of the catalog that lists it
  WallSeconds last_check = 0, last_confirmed = 0, next_check = 0, expires_at = 0;
  std::string last_error;
  std::uint64_t checks = 0, transfers = 0, failures = 0;
};

/// Which zones a listing wants. Both must hold.
struct ZoneFilter {
  std::string state;    // one of zone_states; empty: any
  std::string pattern;  // see name_matches(); empty: any

  [[nodiscard]] bool empty() const { return state.empty() && pattern.empty(); }
  [[nodiscard]] bool matches(const ZoneRow& row) const;
};

/// Whether a name in presentation form fits a pattern, in which `*` stands for any octets and `?` for one. Without
/// regard to case; a final dot may be left out. Takes time in proportion to the product of the lengths.
[[nodiscard]] bool name_matches(std::string_view pattern, std::string_view name);

struct ZonePage {
  std::vector<ZoneRow> rows;
  std::optional<Name> next;  // where to go on; nullopt: that was the last zone
};

/// A zone that is stored, but not served: it was dropped from the configuration, or removed without its data.
struct StoredRow {
  Name name;
  std::uint32_t serial = 0;
  std::uint64_t records = 0;
  std::uint64_t octets = 0;  // stored, the history included
  std::string primary;       // where the version came from: ADDRESS@PORT, or a zone file
};

struct StoredRows {
  std::vector<StoredRow> rows;
  std::optional<Name> next;  // where to go on; nullopt: that was the last one
};

/// What `zone add` says of all its zones.
struct ZoneTemplate {
  std::string template_name;           // empty: "default"
  std::vector<std::string> primaries;  // names under `primaries` or ADDRESS@PORT; empty: the template's
};

/// One kept version, the newest first.
struct HistoryRow {
  std::uint32_t serial = 0;
  WallSeconds at = 0;                    // when it was taken; 0: not known
  std::optional<std::uint32_t> from;     // of the version that it came from; nullopt: its difference is not kept
  std::uint64_t removed = 0, added = 0;  // records of that difference, the SOA included
  std::uint64_t size = 0;                // octets of that difference
  bool current = false;
};

/// One record that a difference removes or adds, as in a zone file, without a line's end.
struct DifferenceLine {
  bool added = false;
  std::string record;
};

/// Produces a difference piece by piece; false from next() after the last piece.
class DifferenceSource {
 public:
  virtual ~DifferenceSource() = default;
  virtual bool next(std::vector<DifferenceLine>& piece) = 0;
};

/// One attempt to take a zone from a primary.
struct TransferRow {
  std::uint64_t id = 0;  // grows with time
  Name zone;
  WallSeconds at = 0;
  double seconds = 0;                                      // how long it took
  std::string primary, address, transport, key;            // names and words as configured; empty: none
  std::string asked;                                       // "SOA", "IXFR" or "AXFR"
  std::string came;                                        // "differences", "whole zone", "current", ...
  std::optional<std::uint32_t> ours, announced, received;  // serials
  std::uint64_t messages = 0, records = 0, octets = 0;
  bool ok = false;
  std::string result;  // "ok" or the name of the mistake
  std::string reason;  // of a failure, in words, with what to do about it
};

struct TransferDetail {
  TransferRow row;
  std::vector<std::string> exchange;  // message by message what was sent and what came back; of a failure only
};

/// Which attempts a listing wants, the newest first.
struct TransferQuery {
  std::optional<Name> zone;
  bool failed_only = false;
  std::optional<std::uint64_t> before;  // only ids below
  std::size_t limit = 50;
};

struct TransferPage {
  std::vector<TransferRow> rows;
  std::optional<std::uint64_t> before;  // where to go on; nullopt: there is nothing older
};

/// Whom to ask where a zone's answers here are compared with those of its primary.
struct ComparisonPoints {
  std::optional<std::uint32_t> serial;
  std::vector<std::string> listen;    // of this server: ADDRESS@PORT
  std::string primary, address, key;  // the zone's first primary: its name, ADDRESS@PORT, key name; may be empty
};

/// The words for CatalogRow::state.
inline constexpr std::string_view catalog_states[] = {"waiting", "ok", "held", "broken"};

/// A zone that a catalog lists and that this server takes from elsewhere.
struct CatalogConflict {
  Name zone;
  std::string owner;  // "configuration", "command", or the name of a catalog
};

struct CatalogRow {
  Name name;
  std::string state;
  std::optional<std::uint32_t> serial;  // of the list that is applied
  std::uint64_t members = 0;            // applied
  std::uint64_t kept = 0;               // removed members whose data is not yet purged
  std::string reason;                   // why it is held or broken
  WallSeconds held_since = 0;
  std::optional<std::uint32_t> held_serial;        // of an update
  std::optional<std::uint32_t> accept_all_of;      // of the list all of whose members would go
  std::uint64_t held_added = 0, held_removed = 0;  // what accepting would change
  std::uint64_t conflict_count = 0;
  std::vector<CatalogConflict> conflicts;  // the first of them
};

/// Produces a long text piece by piece; false from next() after the last piece.
class TextSource {
 public:
  virtual ~TextSource() = default;
  virtual bool next(std::string& piece) = 0;
};

/// A metric apart from its values. Constant data; each is declared once, in server/metric_table.h.
struct MetricDeclaration {
  std::string_view name;    // without the _total of counters, with its unit at the end
  bool counter = false;     // else a gauge
  std::string_view unit;    // "seconds", "bytes" or empty
  std::string_view labels;  // their names as the manual shows them: "transport"; may be empty
  std::string_view help;
};

/// One measured value.
struct MetricSample {
  std::string labels;  // `transport="udp",rcode="NOERROR"`, values escaped; may be empty
  double value = 0;
};

struct MetricFamily {
  const MetricDeclaration* declaration;
  std::vector<MetricSample> samples;
};

struct Health {
  bool alive = true;
  bool ready = false;
  std::string reason;  // why not ready
};

/// Lives longer than every command and every producer of a listing: the control thread calls them only while it runs.
class ServerControl {
 public:
  virtual ~ServerControl() = default;
  [[nodiscard]] virtual WallSeconds now() const = 0;
  /// In canonical order, names at or after `from`: at most `limit` that match, found among at most `examined` zones, so
  /// that a filter which few zones match takes no longer than one that all do.
  [[nodiscard]] virtual ZonePage zones(const std::optional<Name>& from, const ZoneFilter& filter, std::size_t limit,
                                       std::size_t examined) const = 0;
  [[nodiscard]] virtual std::optional<ZoneRow> zone(NameView name) const = 0;

  /// Errc::not_found if there is no such zone.
  [[nodiscard]] virtual Result<ComparisonPoints> comparison(NameView name) const = 0;

  /// `whole`: take the zone again whatever the serial. The text says what happened.
  using Done = std::function<void(Result<std::string>)>;
  virtual void refresh(NameView name, bool whole, Done done) = 0;

  /// Runs once for each zone, with what happened to it.
  using ZoneDone = std::function<void(const Name&, const Result<std::string>&)>;
  /// Adds zones until they are removed by the same way, over restarts. `wait`: a zone is done when its first check is,
  /// otherwise when it is stored.
  virtual void add_zones(std::vector<Name> names, const ZoneTemplate& settings, bool wait, ZoneDone done) = 0;
  /// Removes zones that were so added. `forget`: their stored data, too, and those of zones that nothing serves.
  virtual void remove_zones(std::vector<Name> names, bool forget, ZoneDone done) = 0;

  template <typename T>
  using Given = std::function<void(Result<T>)>;
  /// Zones that are stored and not served, in the order of the store, at or after `from`: at most `limit` that the
  /// pattern fits, found among a bounded number of stored ones, so there may be none and more to come. Any thread.
  virtual void stored_zones(const std::optional<Name>& from, const std::string& pattern, std::size_t limit,
                            Given<StoredRows> given) const = 0;
  /// Kept versions, the newest first.
  virtual void history(NameView name, Given<std::vector<HistoryRow>> given) const = 0;
  /// What turns one kept version into another, older or newer one.
  virtual void difference(NameView name, std::uint32_t from, std::uint32_t to,
                          Given<std::unique_ptr<DifferenceSource>> given) const = 0;
  /// The zone as a zone file: the current version, or a kept one.
  virtual void export_zone(NameView name, std::optional<std::uint32_t> serial,
                           Given<std::unique_ptr<TextSource>> given) const = 0;

  virtual void transfers(const TransferQuery& query, Given<TransferPage> given) const = 0;
  virtual void transfer(std::uint64_t id, Given<TransferDetail> given) const = 0;

  /// In the order of the configuration.
  [[nodiscard]] virtual std::vector<CatalogRow> catalogs() const = 0;
  /// Applies what is held of a catalog; with one of the serials only if that is CatalogRow::held_serial or
  /// accept_all_of at that moment.
  virtual void accept_catalog(NameView name, std::optional<std::uint32_t> serial, std::optional<std::uint32_t> all_of,
                              Done done) = 0;

  /// What reading a configuration would change, a line for each; empty: nothing. `path` empty: the server's own file.
  [[nodiscard]] virtual Result<std::vector<std::string>> compare_configuration(const std::string& path) const = 0;
  /// Reads the configuration file again, tells by `will` what it changes (as compare_configuration() does), and applies
  /// it, all or nothing; the text is what else is to be said. Where nothing changes, or the file has mistakes, `will`
  /// is not called.
  using Announce = std::function<void(const std::vector<std::string>& lines)>;
  virtual void reload(const Announce& will, Done done) = 0;
  virtual void stop() = 0;
  [[nodiscard]] virtual std::vector<MetricFamily> metrics() const = 0;
  [[nodiscard]] virtual Health health() const = 0;
};

}  // namespace understudy
