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
  std::string type;  // "secondary" or "file"
  WallSeconds last_check = 0, last_confirmed = 0, next_check = 0, expires_at = 0;
  std::string last_error;
  std::uint64_t checks = 0, transfers = 0, failures = 0;
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
  /// In canonical order, names at or after `from`, at most `limit`.
  [[nodiscard]] virtual std::vector<ZoneRow> zones(const std::optional<Name>& from, std::size_t limit) const = 0;
  [[nodiscard]] virtual std::optional<ZoneRow> zone(NameView name) const = 0;
  /// `whole`: take the zone again whatever the serial. The text says what happened.
  using Done = std::function<void(Result<std::string>)>;
  virtual void refresh(NameView name, bool whole, Done done) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<TextSource>> export_zone(NameView name) const = 0;
  /// Reads the configuration file again and applies it, all or nothing; the text has a line for each change.
  virtual void reload(Done done) = 0;
  virtual void stop() = 0;
  [[nodiscard]] virtual std::vector<MetricFamily> metrics() const = 0;
  [[nodiscard]] virtual Health health() const = 0;
};

}  // namespace understudy
