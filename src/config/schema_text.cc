// What values look like: in messages about mistakes, in differences, in the manual.
#include <fmt/format.h>

#include "config/schema.h"
#include "config/value.h"

namespace understudy::config {
namespace {

std::string number_text(const Option& option, std::uint64_t value) {
  switch (option.type) {
    case ValueType::size:
      return size_text(value);
    case ValueType::timeout:
    case ValueType::period:
      return duration_text(value);
    case ValueType::choice:
      return std::string(option.choices[value]);
    default:
      return fmt::format("{}", value);
  }
}

template <typename T, typename ToText>
std::string list_text(const std::vector<T>& items, ToText to_text) {
  std::string out = "[";
  for (const auto& item : items) out += (out.size() > 1 ? ", " : "") + to_text(item);
  return out + "]";
}

struct ValueToText {
  const Option& option;

  std::string operator()(std::monostate) const { return ""; }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::uint64_t value) const {
    return !option.word.empty() && value == option.word_value ? std::string(option.word) : number_text(option, value);
  }
  std::string operator()(const TimedValue& value) const {
    const auto word = option.choices[value.kind];
    return value.kind + 1 == option.choices.size() ? fmt::format("{} {}", word, duration_text(value.milliseconds))
                                                   : std::string(word);
  }
  std::string operator()(const std::string& value) const { return value; }
  std::string operator()(const Name& value) const { return value.text(); }
  std::string operator()(const Bytes&) const { return "(secret)"; }
  std::string operator()(const std::shared_ptr<const TsigKey>& value) const { return value ? value->name.text() : ""; }
  std::string operator()(const std::vector<IpAddress>& value) const {
    return list_text(value, [](const IpAddress& address) { return address.text(); });
  }
  std::string operator()(const GroupMap& value) const {
    std::string out = "{";
    for (const auto& [group, name] : value) out += fmt::format("{}{}: {}", out.size() > 1 ? ", " : "", group, name);
    return out + "}";
  }
  std::string operator()(const std::vector<Endpoint>& value) const {
    return list_text(value, [](const Endpoint& endpoint) { return endpoint.text(); });
  }
  std::string operator()(const std::vector<Prefix>& value) const {
    return list_text(value, [](const Prefix& prefix) { return prefix.text(); });
  }
  std::string operator()(const std::vector<std::string>& value) const {
    return list_text(value, [](const std::string& text) { return text; });
  }
  std::string operator()(const std::vector<AccessRule>& value) const {
    return list_text(value, [](const AccessRule& rule) { return rule.text(); });
  }
  std::string operator()(const std::vector<PeerConfig>& value) const {
    return list_text(value, [](const PeerConfig& peer) { return peer.name; });
  }
};

std::string type_expectation(const Option& option) {
  switch (option.type) {
    case ValueType::text:
      return "text";
    case ValueType::path:
      return "a path";
    case ValueType::boolean:
      return "true or false";
    case ValueType::number:
      return fmt::format("a number from {} to {}", option.min, option.max);
    case ValueType::size:
      return fmt::format("a size from {} to {}, such as 4096, 64KiB or 2GiB", size_text(option.min),
                         size_text(option.max));
    case ValueType::timeout:
      return fmt::format("a time from {} to {}, such as 500ms, 10s or 2m", duration_text(option.min),
                         duration_text(option.max));
    case ValueType::period:
      return fmt::format("a time in whole seconds from {} to {}, such as 30s, 5m, 1h or 2d", duration_text(option.min),
                         duration_text(option.max));
    case ValueType::choice:
      return fmt::format("one of {}", fmt::join(option.choices, ", "));
    case ValueType::name:
      return "a domain name";
    case ValueType::secret:
      return "base64";
    case ValueType::key_name:
      return "the name of a key";
    case ValueType::template_name:
      return "the name of a template";
    case ValueType::timed_choice:
      return fmt::format("one of {} TIME, where TIME is whole seconds from {} to {}, such as 30m, 1h or 2d",
                         fmt::join(option.choices, ", "), duration_text(option.min), duration_text(option.max));
    case ValueType::servers:
      return "ADDRESS, ADDRESS@PORT, or a list of these";
    case ValueType::addresses:
      return "ADDRESS, or a list of one IPv4 and one IPv6 address";
    case ValueType::groups:
      return "a mapping such as {GROUP: TEMPLATE}";
    case ValueType::endpoints:
      return "a list of ADDRESS@PORT";
    case ValueType::prefixes:
      return "a list of ADDRESS or ADDRESS/LENGTH";
    case ValueType::interfaces:
      return "a list of names of network interfaces";
    case ValueType::access_rules:
      return "a list of access rules (ADDRESS, ADDRESS/LENGTH, key NAME, or both)";
    case ValueType::peers:
      return "a list of names under primaries, of ADDRESS@PORT, or of mappings";
  }
  return "";
}

}  // namespace

std::string expectation(const Option& option) {
  const auto text = type_expectation(option);
  return option.word.empty() ? text : fmt::format("{} or {}", option.word, text);
}

std::string value_text(const Option& option, const OptionValue& value) {
  return std::visit(ValueToText{option}, value);
}

}  // namespace understudy::config
