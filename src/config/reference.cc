#include "config/reference.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "config/schema.h"

namespace understudy {
namespace {

using config::Option;
using config::Section;
using config::ValueType;
using Json = nlohmann::ordered_json;

constexpr std::string_view introduction =
    R"(# Configuration reference

Generated from the declaration of the options; `configuration.md` explains how they work together.

## Values

| form | meaning |
|---|---|
| time | a number with `ms`, `s`, `m`, `h`, `d` or `w`; without a unit it is seconds |
| size | a number with `KiB`, `MiB`, `GiB` or `TiB`; without a unit it is octets |
| `ADDRESS@PORT` | an IPv4 or IPv6 address and a port; quote an address that begins with a colon: `"::1@53"` |
| path | relative paths begin at the directory of the configuration file |
| access rule | an address or prefix, a key, or both: `192.0.2.0/24`, `key transfer.example.`, `192.0.2.0/24 key transfer.example.` |
| server | the name of an entry under `primaries`, `ADDRESS@PORT` (port 53 if none is given), or a mapping as under `primaries`, where `name` may be left out |

The file is one YAML document in UTF-8 without anchors, aliases and tags. Every mistake is reported with its line and
column (`understudy conf check FILE`). "Reload" says whether `understudy conf reload` applies a change; otherwise the
server keeps the old value until it is started again, and says so.
)";

std::string type_name(const Option& option) {
  switch (option.type) {
    case ValueType::text:
      return "text";
    case ValueType::path:
      return "path";
    case ValueType::boolean:
      return "`true` or `false`";
    case ValueType::number:
      return fmt::format("number, {} to {}", option.min, option.max);
    case ValueType::size:
      return "size";
    case ValueType::timeout:
      return "time";
    case ValueType::period:
      return "time, whole seconds";
    case ValueType::choice:
      return fmt::format("`{}`", fmt::join(option.choices, "`, `"));
    case ValueType::name:
      return "domain name";
    case ValueType::secret:
      return "base64";
    case ValueType::key_name:
      return "name of a key";
    case ValueType::template_name:
      return "name of a template";
    case ValueType::timed_choice:
      return fmt::format("`{} TIME`", fmt::join(option.choices, "`, `"));
    case ValueType::servers:
      return "`ADDRESS` or `ADDRESS@PORT`, or a list of them";
    case ValueType::addresses:
      return "`ADDRESS`, or a list of them";
    case ValueType::groups:
      return "mapping of groups to templates";
    case ValueType::endpoints:
      return "list of `ADDRESS@PORT`";
    case ValueType::prefixes:
      return "list of `ADDRESS` or `ADDRESS/LENGTH`";
    case ValueType::interfaces:
      return "list of interfaces";
    case ValueType::access_rules:
      return "list of access rules";
    case ValueType::peers:
      return "list of servers";
  }
  return "";
}

std::string default_text(const Option& option, const void* defaults) {
  if (option.required) return "required";
  if (!option.default_note.empty()) return fmt::format("`{}`", option.default_note);
  const auto text = config::value_text(option, option.binding.load(defaults));
  return text.empty() ? "none" : fmt::format("`{}`", text);
}

void append_table(std::string& out, std::span<const Option> options, const void* defaults) {
  out += "| option | value | default | reload | |\n|---|---|---|---|---|\n";
  for (const auto& option : options) {
    const auto word = option.word.empty() ? "" : fmt::format("`{}` or ", option.word);
    const auto unit = option.unit.empty() ? "" : fmt::format(" ({})", option.unit);
    out += fmt::format("| `{}` | {}{}{} | {} | {} | {} |\n", option.key, word, type_name(option), unit,
                       default_text(option, defaults), option.reloadable ? "yes" : "restart", option.help);
  }
}

// --- JSON Schema

Json pattern(std::string_view regex) {
  return {{"type", "string"}, {"pattern", regex}};
}

Json text_json() {
  return {{"type", "string"}, {"minLength", 1}};
}

Json shared(std::string_view definition) {
  return {{"$ref", fmt::format("#/$defs/{}", definition)}};
}

/// Without a unit it may be written as a number.
Json with_unit(std::string_view units) {
  return {{"anyOf",
           Json::array({Json{{"type", "integer"}, {"minimum", 0}}, pattern(fmt::format("^[0-9]+({})?$", units))})}};
}

Json value_json(const Option& option) {
  const auto list_of = [](Json items) { return Json{{"type", "array"}, {"items", std::move(items)}}; };
  const auto one_or_list = [&](const Json& item) { return Json{{"anyOf", Json::array({item, list_of(item)})}}; };
  switch (option.type) {
    case ValueType::boolean:
      return {{"type", "boolean"}};
    case ValueType::number:
      return {{"type", "integer"}, {"minimum", option.min}, {"maximum", option.max}};
    case ValueType::size:
      return shared("size");
    case ValueType::timeout:
    case ValueType::period:
      return shared("time");
    case ValueType::choice: {
      Json choices = Json::array();
      for (const auto choice : option.choices) choices.push_back(choice);
      return {{"enum", std::move(choices)}};
    }
    case ValueType::secret:
      return pattern("^[A-Za-z0-9+/]+={0,2}$");
    case ValueType::timed_choice: {
      const auto words = option.choices.first(option.choices.size() - 1);
      return pattern(fmt::format("^({}|{} [0-9]+(s|m|h|d|w)?)$", fmt::join(words, "|"), option.choices.back()));
    }
    case ValueType::servers:
      return one_or_list(pattern("^[0-9A-Fa-f.:]+(@[0-9]+)?$"));
    case ValueType::addresses:
      return one_or_list(pattern("^[0-9A-Fa-f.:]+$"));
    case ValueType::groups:
      return {{"type", "object"}, {"additionalProperties", text_json()}};
    case ValueType::endpoints:
      return list_of(pattern("^[0-9A-Fa-f.:]+@[0-9]+$"));
    case ValueType::prefixes:
      return list_of(pattern("^[0-9A-Fa-f.:]+(/[0-9]+)?$"));
    case ValueType::interfaces:
      return list_of(pattern("^[^/:\\s]{1,15}$"));
    case ValueType::access_rules:
      return list_of(text_json());
    case ValueType::peers:
      return list_of(shared("server"));
    default:
      return text_json();
  }
}

Json option_json(const Option& option, const void* defaults) {
  Json json = value_json(option);
  if (!option.word.empty()) json = {{"anyOf", Json::array({Json{{"const", option.word}}, std::move(json)})}};
  json["description"] = option.help;
  if (option.required || !option.default_note.empty()) return json;
  const auto value = option.binding.load(defaults);
  const auto text = config::value_text(option, value);
  if (const auto* flag = std::get_if<bool>(&value)) {
    json["default"] = *flag;
  } else if (option.type == ValueType::number && text != option.word) {
    json["default"] = std::get<std::uint64_t>(value);
  } else if (!text.empty() && text.front() != '[' && text.front() != '{') {
    json["default"] = text;
  }
  return json;
}

void add_properties(Json& properties, std::span<const Option> options, const void* defaults) {
  for (const auto& option : options) properties[std::string(option.key)] = option_json(option, defaults);
}

Json mapping_json(const Section& part, bool name_required = true) {
  Json properties = Json::object();
  add_properties(properties, part.options, part.defaults);
  add_properties(properties, part.policy, &config::default_policy());
  Json json = {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  for (const auto& option : part.options) {
    if (option.required && (name_required || option.key != "name")) json["required"].push_back(option.key);
  }
  return json;
}

/// A section may be left empty: `zones:` alone.
Json section_json(const Section& part) {
  Json json = mapping_json(part);
  if (part.key == "zones") json = {{"anyOf", Json::array({text_json(), std::move(json)})}};
  if (part.is_list()) json = {{"type", "array"}, {"items", std::move(json)}};
  json["type"] = Json::array({part.is_list() ? "array" : "object", "null"});
  json["description"] = part.help;
  return json;
}

}  // namespace

std::string reference_manual() {
  std::string out(introduction);
  bool policy_shown = false;
  for (const auto& part : config::schema()) {
    out += fmt::format("\n## {}\n\n{}", part.key, part.help);
    out += part.is_list() ? fmt::format("\n\nA list; {} is written as `{}`.\n\n", part.entry, part.example) : "\n\n";
    append_table(out, part.options, part.defaults);
    if (part.policy.empty()) continue;
    if (policy_shown) {
      const bool all = part.policy.size() == config::section("templates").policy.size();
      out += all ? "\nAnd every setting of a template except its name. What is said here counts, not what the template "
                   "says.\n"
                 : fmt::format("\nAnd every setting of a template except its name and `{}`, for the zone itself.\n",
                               config::section("templates").policy.back().key);
      continue;
    }
    policy_shown = true;
    out += "\nThe settings themselves, which may stand in a zone as well:\n\n";
    append_table(out, part.policy, &config::default_policy());
  }
  return out;
}

std::string configuration_json_schema() {
  Json properties = Json::object();
  for (const auto& part : config::schema()) properties[std::string(part.key)] = section_json(part);
  Json server = {{"anyOf", Json::array({text_json(), mapping_json(config::section("primaries"), false)})}};
  Json definitions = {
      {"time", with_unit("ms|s|m|h|d|w")}, {"size", with_unit("KiB|MiB|GiB|TiB")}, {"server", std::move(server)}};
  const Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                       {"title", "Understudy configuration"},
                       {"type", "object"},
                       {"properties", std::move(properties)},
                       {"additionalProperties", false},
                       {"$defs", std::move(definitions)}};
  return schema.dump(2) + "\n";
}

}  // namespace understudy
