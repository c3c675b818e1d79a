#include "control/request.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

namespace understudy {
namespace {

using nlohmann::json;

Result<void> read(const json& value, const char* key, std::string& out) {
  if (!value.is_string()) return fail(Errc::usage, fmt::format("{} must be a text", key));
  out = value.get<std::string>();
  return {};
}

Result<void> read(const json& value, const char* key, bool& out) {
  if (!value.is_boolean()) return fail(Errc::usage, fmt::format("{} must be true or false", key));
  out = value.get<bool>();
  return {};
}

template <typename Number>
Result<void> read(const json& value, const char* key, std::optional<Number>& out) {
  constexpr std::uint64_t most = std::numeric_limits<Number>::max();
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most) {
    return fail(Errc::usage, fmt::format("{} must be a whole number from 0 to {}", key, most));
  }
  out = static_cast<Number>(value.get<std::uint64_t>());
  return {};
}

Result<Name> read_name(const std::string& text) {
  auto name = Name::parse(text);
  if (!name) return fail(Errc::usage, fmt::format("{} is not a zone name: {}", text, name.error().text()));
  return *name;
}

Result<void> read(const json& value, const char* key, std::optional<Name>& out) {
  std::string text;
  US_TRY(read(value, key, text));
  US_ASSIGN(out, read_name(text));
  return {};
}

Result<void> read(const json& value, const char* key, std::vector<std::string>& out) {
  const bool good = value.is_array() && std::ranges::all_of(value, [](const json& item) { return item.is_string(); });
  if (!good) return fail(Errc::usage, fmt::format("{} must be a list of names", key));
  out = value.get<std::vector<std::string>>();
  return {};
}

Result<void> read(const json& value, const char* key, std::vector<Name>& out) {
  std::vector<std::string> texts;
  US_TRY(read(value, key, texts));
  out.reserve(texts.size());
  for (const auto& text : texts) {
    US_ASSIGN(Name name, read_name(text));
    out.push_back(std::move(name));
  }
  return {};
}

template <typename T>
Result<void> read_member(const json& request, const char* key, T& out) {
  const auto at = request.find(key);
  if (at == request.end()) return {};
  return read(*at, key, out);
}

}  // namespace

Result<ControlRequest> read_control_request(std::string_view line) {
  const json value = json::parse(line, nullptr, false);
  if (!value.is_object()) return fail(Errc::usage, "a request is one JSON object on one line");
  ControlRequest request;
  US_TRY(read_member(value, "command", request.command));
  US_TRY(read_member(value, "zones", request.zones));
  US_TRY(read_member(value, "wait", request.wait));
  US_TRY(read_member(value, "state", request.filter.state));
  US_TRY(read_member(value, "match", request.filter.pattern));
  US_TRY(read_member(value, "from", request.from));
  US_TRY(read_member(value, "limit", request.limit));
  US_TRY(read_member(value, "serial", request.serial));
  US_TRY(read_member(value, "all_of", request.all_of));
  US_TRY(read_member(value, "from_serial", request.from_serial));
  US_TRY(read_member(value, "to_serial", request.to_serial));
  US_TRY(read_member(value, "template", request.settings.template_name));
  US_TRY(read_member(value, "primaries", request.settings.primaries));
  US_TRY(read_member(value, "stored", request.stored));
  US_TRY(read_member(value, "forget", request.forget));
  US_TRY(read_member(value, "failed", request.failed));
  US_TRY(read_member(value, "before", request.before));
  US_TRY(read_member(value, "id", request.id));
  US_TRY(read_member(value, "file", request.file));
  const auto& state = request.filter.state;
  if (!state.empty() && std::ranges::find(zone_states, state) == std::end(zone_states)) {
    return fail(Errc::usage, fmt::format("zones have no state {}, only {}", state, fmt::join(zone_states, ", ")));
  }
  // A name has 255 octets and its text at most four for each; a longer pattern matches nothing.
  constexpr std::size_t longest_pattern = 1'024;
  if (request.filter.pattern.size() > longest_pattern) {
    return fail(Errc::usage, fmt::format("match must have at most {} octets", longest_pattern));
  }
  return request;
}

}  // namespace understudy
