// What was, for commands: kept versions of zones, what changed between them, zones that are only stored, and the
// transfers that there were.
//
// Everything is read on job threads of the engine, where the callbacks run, too. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "control/server_control.h"
#include "store/zone_store.h"
#include "transfer/engine.h"

namespace understudy {

class HistoryCommands {
 public:
  template <typename T>
  using Given = ServerControl::Given<T>;

  /// Both outlive this and every callback.
  HistoryCommands(TransferEngine& engine, ZoneStore& store) : engine_(engine), store_(store) {}

  void history(NameView zone, Given<std::vector<HistoryRow>> given) const;
  void difference(NameView zone, std::uint32_t from, std::uint32_t to,
                  Given<std::unique_ptr<DifferenceSource>> given) const;
  void export_zone(NameView zone, std::optional<std::uint32_t> serial, Given<std::unique_ptr<TextSource>> given) const;
  /// Zones that the store has and the engine has not.
  void stored_zones(const std::optional<Name>& from, const std::string& pattern, std::size_t limit,
                    Given<StoredRows> given) const;
  void transfers(const TransferQuery& query, Given<TransferPage> given) const;
  void transfer(std::uint64_t id, Given<TransferDetail> given) const;

 private:
  /// The version that is held and what led to it: Errc::not_found, in words.
  struct Held {
    std::shared_ptr<const Zone> version;
    ZoneHistory::Ptr history;
  };
  [[nodiscard]] Result<Held> held(NameView zone) const;
  /// Gives what `work` makes of that, on a job thread; the error, if it runs out of memory.
  template <typename T, typename Work>
  void run_for(NameView zone, Given<T> given, Work work) const;

  TransferEngine& engine_;
  ZoneStore& store_;
};

}  // namespace understudy
