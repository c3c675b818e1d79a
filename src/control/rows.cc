#include "control/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

namespace understudy {
namespace {

// Members in a fixed order, written directly: listings may have very many rows.
class ObjectWriter {
 public:
  ObjectWriter& text(std::string_view key, std::string_view value) { return put(key, json_text(value)); }
  ObjectWriter& text_or_null(std::string_view key, std::string_view value) {
    return put(key, value.empty() ? "null" : json_text(value));
  }
  ObjectWriter& number(std::string_view key, std::uint64_t value) { return put(key, fmt::format_int(value).c_str()); }
  ObjectWriter& number(std::string_view key, std::optional<std::uint32_t> value) {
    return put(key, value ? fmt::format_int(*value).c_str() : "null");
  }
  ObjectWriter& flag(std::string_view key, bool value) { return put(key, value ? "true" : "false"); }
  ObjectWriter& time(std::string_view key, WallSeconds at) {
    return put(key, at == 0 ? "null" : fmt::format_int(at).c_str());
  }
  ObjectWriter& seconds_until(std::string_view key, WallSeconds at, WallSeconds now) {
    return put(key, at == 0 ? "null" : fmt::format_int(std::max<WallSeconds>(0, at - now)).c_str());
  }
  ObjectWriter& put(std::string_view key, std::string_view value) {
    fmt::format_to(std::back_inserter(members_), R"({}"{}":{})", members_.empty() ? "" : ",", key, value);
    return *this;
  }
  [[nodiscard]] std::string object() const { return fmt::format("{{{}}}", members_); }
  [[nodiscard]] std::string line() const { return object() + "\n"; }
  [[nodiscard]] std::string row() const { return fmt::format("{{\"row\":{{{}}}}}\n", members_); }

 private:
  std::string members_;
};

template <typename T, typename ToJson>
std::string array(const std::vector<T>& items, ToJson to_json) {
  std::string out = "[";
  for (const auto& item : items) out += (out.size() > 1 ? "," : "") + to_json(item);
  return out + "]";
}

void add_transfer(ObjectWriter& row, const TransferRow& transfer) {
  row.number("id", transfer.id).text("zone", transfer.zone.text()).time("at", transfer.at);
  row.put("seconds", fmt::format("{:.3f}", transfer.seconds)).text("primary", transfer.primary);
  row.text("address", transfer.address).text("transport", transfer.transport).text_or_null("key", transfer.key);
  row.text("asked", transfer.asked).text_or_null("came", transfer.came);
  row.number("ours", transfer.ours).number("announced", transfer.announced).number("received", transfer.received);
  row.number("messages", transfer.messages).number("records", transfer.records).number("octets", transfer.octets);
  row.flag("ok", transfer.ok).text("result", transfer.result).text_or_null("reason", transfer.reason);
}

}  // namespace

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string row_line(const ZoneRow& zone, WallSeconds now) {
  ObjectWriter row;
  row.text("name", zone.name.text()).text("type", zone.type).text_or_null("origin", zone.origin);
  row.text("state", zone.state).text("activity", zone.activity).number("serial", zone.serial);
  row.number("records", zone.records).number("memory", zone.memory).text_or_null("primary", zone.primary);
  row.time("last_check", zone.last_check).time("last_confirmed", zone.last_confirmed);
  row.time("next_check", zone.next_check).seconds_until("next_check_in", zone.next_check, now);
  row.time("expires_at", zone.expires_at).seconds_until("expires_in", zone.expires_at, now);
  row.text_or_null("last_error", zone.last_error);
  row.number("checks", zone.checks).number("transfers", zone.transfers).number("failures", zone.failures);
  return row.row();
}

std::string row_line(const StoredRow& zone) {
  ObjectWriter row;
  row.text("name", zone.name.text()).number("serial", std::optional(zone.serial)).number("records", zone.records);
  return row.number("octets", zone.octets).text_or_null("primary", zone.primary).row();
}

std::string row_line(const HistoryRow& version) {
  ObjectWriter row;
  row.number("serial", std::optional(version.serial)).flag("current", version.current).time("at", version.at);
  row.number("from", version.from).number("removed", version.removed).number("added", version.added);
  return row.number("size", version.size).row();
}

std::string row_line(const DifferenceLine& line) {
  return ObjectWriter().text("change", line.added ? "added" : "removed").text("record", line.record).row();
}

std::string row_line(const TransferRow& transfer) {
  ObjectWriter row;
  add_transfer(row, transfer);
  return row.row();
}

std::string row_line(const TransferDetail& transfer) {
  ObjectWriter row;
  add_transfer(row, transfer.row);
  return row.put("exchange", array(transfer.exchange, json_text)).row();
}

std::string row_line(const ComparisonPoints& points) {
  ObjectWriter row;
  row.number("serial", points.serial).put("listen", array(points.listen, json_text));
  row.text_or_null("primary", points.primary).text_or_null("address", points.address);
  return row.text_or_null("key", points.key).row();
}

std::string row_line(const CatalogRow& catalog) {
  ObjectWriter row;
  row.text("name", catalog.name.text()).text("state", catalog.state).number("serial", catalog.serial);
  row.number("members", catalog.members).number("kept", catalog.kept).text_or_null("reason", catalog.reason);
  row.time("held_since", catalog.held_since).number("held_serial", catalog.held_serial);
  row.number("accept_all_of", catalog.accept_all_of);
  row.number("held_added", catalog.held_added).number("held_removed", catalog.held_removed);
  row.number("conflict_count", catalog.conflict_count);
  row.put("conflicts", array(catalog.conflicts, [](const CatalogConflict& conflict) {
            return ObjectWriter().text("zone", conflict.zone.text()).text("owner", conflict.owner).object();
          }));
  return row.row();
}

std::string text_line(std::string_view text) {
  return ObjectWriter().text("text", text).line();
}

std::string zone_text_line(const Name& zone, std::string_view text) {
  return ObjectWriter().text("zone", zone.text()).text("text", text).line();
}

std::string zone_error_line(const Name& zone, std::string_view error) {
  return ObjectWriter().text("zone", zone.text()).text("error", error).line();
}

std::string last_line(std::uint64_t failed, std::string_view error, std::string_view next) {
  ObjectWriter last;
  last.flag("done", true).number("failed", failed);
  if (!error.empty()) last.text("error", error);
  if (!next.empty()) last.put("next", next);
  return last.line();
}

}  // namespace understudy
