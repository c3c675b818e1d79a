#include "config/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/encoding.h"
#include "config/value.h"
#include "dns/text_case.h"

namespace understudy::config {
namespace {

constexpr std::uint16_t dns_port = 53;
constexpr std::size_t max_list = 1'000;  // servers or rules; each is compared with all others, or with every request

std::vector<std::string_view> keys_of(const Section& section) {
  std::vector<std::string_view> keys;
  for (const auto group : {section.options, section.policy}) {
    for (const auto& option : group) keys.push_back(option.key);
  }
  return keys;
}

const Unsupported* find_unsupported(std::string_view section, std::string_view key, std::string_view value) {
  for (const auto& entry : unsupported()) {
    if (entry.section == section && entry.key == key && entry.value == value) return &entry;
  }
  return nullptr;
}

}  // namespace

bool ValueReader::expected(const std::string& where, std::string_view what, Node node) {
  out_.error(node.at(), Errc::bad_value, fmt::format("{}: expected {}, not {}", where, what, node.describe()));
  return false;
}

bool ValueReader::no_such(Node node, std::string text, std::string_view name,
                          const std::vector<std::string_view>& known) {
  if (const auto near = nearest(name, known); !near.empty()) text += fmt::format(", nearest is '{}'", near);
  out_.error(node.at(), Errc::unknown_key, std::move(text));
  return false;
}

bool ValueReader::unknown_key(Node key, const Section& section) {
  if (const auto* known = find_unsupported(section.key, key.text(), ""); known != nullptr) {
    out_.error(key.at(), Errc::unsupported, std::string(known->message));
    return false;
  }
  const auto keys = keys_of(section);
  const auto near = nearest(key.text(), keys);
  out_.error(key.at(), Errc::unknown_key,
             fmt::format("unknown key {} in {}{}; expected one of {}", key.describe(), section.key,
                         near.empty() ? "" : fmt::format(", nearest is '{}'", near), fmt::join(keys, ", ")));
  return false;
}

std::vector<Setting> ValueReader::settings(Node mapping, const Section& section, bool name_required) {
  std::vector<Setting> found;
  std::vector<std::pair<const Option*, Position>> seen;
  for (Node key = mapping.first(); key && !out_.full(); key = key.next().next()) {
    const auto* option = section.find(key.text());
    if (option == nullptr) {
      unknown_key(key, section);
      continue;
    }
    const auto earlier = std::ranges::find(seen, option, &std::pair<const Option*, Position>::first);
    if (earlier != seen.end()) {
      out_.error(key.at(), Errc::syntax,
                 fmt::format("{} stands twice, first in line {}", section.path_of(*option), earlier->second.line));
      continue;
    }
    seen.emplace_back(option, key.at());
    found.push_back({option, key.next()});
  }
  for (const auto& option : section.options) {
    if (!option.required || (!name_required && option.key == "name")) continue;
    if (std::ranges::find(found, &option, &Setting::option) == found.end()) {
      out_.error(mapping.at(), Errc::bad_value,
                 fmt::format("{} is missing, expected {}", section.path_of(option), expectation(option)));
    }
  }
  return found;
}

bool ValueReader::apply(const Section& section, const Setting& setting, void* object) {
  const auto where = section.path_of(*setting.option);
  if (setting.value.is_scalar()) {
    const auto* known = find_unsupported(section.key, setting.option->key, setting.value.text());
    if (known != nullptr && !known->value.empty()) {
      out_.error(setting.value.at(), Errc::unsupported, fmt::format("{}: {}", where, known->message));
      return false;
    }
  }
  OptionValue value;
  if (!read(where, *setting.option, setting.value, value)) return false;
  setting.option->binding.store(object, std::move(value));
  return true;
}

bool ValueReader::fits(const std::string& where, Node list) {
  std::size_t entries = 0;
  for (Node item = list.first(); item && entries <= max_list; item = item.next()) ++entries;
  if (entries > max_list) {
    out_.error(list.at(), Errc::bad_value, fmt::format("{}: expected at most {} entries", where, max_list));
  }
  return entries <= max_list;
}

bool ValueReader::read(const std::string& where, const Option& option, Node node, OptionValue& value) {
  switch (option.type) {
    case ValueType::endpoints:
    case ValueType::prefixes:
    case ValueType::interfaces:
    case ValueType::access_rules:
    case ValueType::peers:
      if (node.kind() != NodeKind::sequence) return expected(where, expectation(option), node);
      if (!fits(where, node)) return false;
      if (option.type == ValueType::endpoints) return read_endpoints(where, node, value);
      if (option.type == ValueType::prefixes) return read_prefixes(where, node, value);
      if (option.type == ValueType::interfaces) return read_interfaces(where, node, value);
      return option.type == ValueType::peers ? read_peers(where, node, value) : read_access_rules(where, node, value);
    case ValueType::servers:
      return read_servers(where, option, node, value);
    case ValueType::addresses:
      return read_addresses(where, option, node, value);
    case ValueType::groups:
      return read_groups(where, option, node, value);
    default:
      if (!node.is_scalar() || node.text().empty()) return expected(where, expectation(option), node);
      return read_scalar(where, option, node, value);
  }
}

bool ValueReader::read_scalar(const std::string& where, const Option& option, Node node, OptionValue& value) {
  switch (option.type) {
    case ValueType::number:
    case ValueType::size:
    case ValueType::timeout:
    case ValueType::period:
    case ValueType::choice:
      return read_integer(where, option, node, value);
    case ValueType::timed_choice:
      return read_timed_choice(where, option, node, value);
    case ValueType::key_name:
      return read_key_name(where, node, value);
    case ValueType::boolean: {
      const auto flag = parse_boolean(node.text());
      if (flag) value = *flag;
      return flag || expected(where, expectation(option), node);
    }
    case ValueType::name: {
      if (!option.word.empty() && node.text() == option.word) return true;  // no name
      const auto name = Name::parse(node.text());
      if (!name) {
        const auto& [code, detail] = name.error();
        return expected(where, fmt::format("{} ({})", expectation(option), detail.empty() ? errc_text(code) : detail),
                        node);
      }
      value = *name;
      return true;
    }
    case ValueType::secret: {
      auto secret = base64_decode(node.text());
      if (!secret || secret->empty()) {
        // The text is not repeated: it may be a secret with a slip in it, and messages go to logs.
        out_.error(node.at(), Errc::bad_value, fmt::format("{}: expected base64 with its padding", where));
        return false;
      }
      value = std::move(*secret);
      return true;
    }
    default:
      return read_text(where, option, node, value);
  }
}

bool ValueReader::read_integer(const std::string& where, const Option& option, Node node, OptionValue& value) {
  const auto text = node.text();
  if (!option.word.empty() && text == option.word) {
    value = option.word_value;
    return true;
  }
  if (option.type == ValueType::choice) {
    const auto found =
        std::ranges::find_if(option.choices, [&](auto choice) { return equal_without_case(choice, text); });
    if (found == option.choices.end()) return expected(where, expectation(option), node);
    value = static_cast<std::uint64_t>(found - option.choices.begin());
    return true;
  }
  const bool time = option.type == ValueType::timeout || option.type == ValueType::period;
  const auto number = option.type == ValueType::size ? parse_size(text)
                      : time                         ? parse_duration(text)
                                                     : parse_number(text);
  if (!number || *number < option.min || *number > option.max ||
      (option.type == ValueType::period && *number % 1'000 != 0)) {
    return expected(where, expectation(option), node);
  }
  value = *number;
  return true;
}

bool ValueReader::read_timed_choice(const std::string& where, const Option& option, Node node, OptionValue& value) {
  const auto text = node.text();
  const auto space = std::min(text.find(' '), text.size());
  const auto found = std::ranges::find_if(
      option.choices, [&](auto choice) { return equal_without_case(choice, text.substr(0, space)); });
  if (found == option.choices.end()) return expected(where, expectation(option), node);
  TimedValue timed{.kind = static_cast<std::uint64_t>(found - option.choices.begin())};
  const auto period_at = std::min(text.find_first_not_of(' ', space), text.size());
  if (found + 1 == option.choices.end()) {
    const auto period = parse_duration(text.substr(period_at));
    if (!period || *period < option.min || *period > option.max || *period % 1'000 != 0) {
      return expected(where, fmt::format("{} TIME ({})", *found, expectation(option)), node);
    }
    timed.milliseconds = *period;
  } else if (space != text.size()) {
    return expected(where, fmt::format("{} alone, or {} TIME", *found, option.choices.back()), node);
  }
  value = timed;
  return true;
}

bool ValueReader::read_servers(const std::string& where, const Option& option, Node node, OptionValue& value) {
  const bool list = node.kind() == NodeKind::sequence;
  if (!list && (!node.is_scalar() || node.text().empty())) return expected(where, expectation(option), node);
  if (list && !fits(where, node)) return false;
  std::vector<Endpoint> endpoints;
  bool good = true;
  for (Node item = list ? node.first() : node; item && !out_.full(); item = list ? item.next() : Node()) {
    const auto endpoint = Endpoint::parse(item.text(), dns_port);
    if (!item.is_scalar() || item.text().empty()) {
      good = expected(where, "ADDRESS or ADDRESS@PORT", item);
    } else if (!endpoint) {
      out_.error(item.at(), Errc::bad_value, fmt::format("{}: {}", where, endpoint.error().detail));
      good = false;
    } else if (std::ranges::find(endpoints, *endpoint) != endpoints.end()) {
      out_.error(item.at(), Errc::bad_value, fmt::format("{}: {} stands twice", where, endpoint->text()));
      good = false;
    } else {
      endpoints.push_back(*endpoint);
    }
  }
  if (good && endpoints.empty()) return expected(where, "at least one address", node);
  value = std::move(endpoints);
  return good;
}

bool ValueReader::read_addresses(const std::string& where, const Option& option, Node node, OptionValue& value) {
  const bool list = node.kind() == NodeKind::sequence;
  if (!list && (!node.is_scalar() || node.text().empty())) return expected(where, expectation(option), node);
  std::vector<IpAddress> addresses;
  for (Node item = list ? node.first() : node; item; item = list ? item.next() : Node()) {
    const auto address = IpAddress::parse(item.text());
    if (!item.is_scalar() || item.text().empty()) return expected(where, "ADDRESS", item);
    if (!address) {
      out_.error(item.at(), Errc::bad_value, fmt::format("{}: {}", where, address.error().detail));
      return false;
    }
    if (std::ranges::find(addresses, address->is_v4(), &IpAddress::is_v4) != addresses.end()) {
      out_.error(item.at(), Errc::bad_value,
                 fmt::format("{}: '{}' is a second {} address, expected one of each family at most", where,
                             address->text(), address->is_v4() ? "IPv4" : "IPv6"));
      return false;
    }
    addresses.push_back(*address);
  }
  value = std::move(addresses);
  return true;
}

bool ValueReader::read_groups(const std::string& where, const Option& option, Node node, OptionValue& value) {
  if (node.kind() != NodeKind::mapping) return expected(where, expectation(option), node);
  if (!fits(where, node)) return false;
  GroupMap groups;
  bool good = true;
  for (Node key = node.first(); key && !out_.full(); key = key.next().next()) {
    const Node name = key.next();
    // RFC 9432 section 4.4.2: the value is one character-string, RFC 1035 section 3.3 bounds it.
    if (key.text().empty() || key.text().size() > 255) {
      good = expected(where, "a group of 1 to 255 octets", key);
    } else if (!name.is_scalar() || name.text().empty()) {
      good = expected(where, "the name of a template", name);
    } else if (!config_.templates.contains(name.text())) {
      good = no_such_template(where, name);
    } else if (!groups.emplace(key.text(), name.text()).second) {
      out_.error(key.at(), Errc::syntax, fmt::format("{}: group {} stands twice", where, key.describe()));
      good = false;
    }
  }
  value = std::move(groups);
  return good;
}

bool ValueReader::no_such_template(const std::string& where, Node node) {
  std::vector<std::string_view> known;
  for (const auto& [name, policy] : config_.templates) known.push_back(name);
  return no_such(node, fmt::format("{}: there is no template {}", where, node.describe()), node.text(), known);
}

std::string ValueReader::path(std::string_view text) const {
  if (text.find('\0') != std::string_view::npos) return {};
  return (std::filesystem::path(config_.directory) / text).lexically_normal().string();
}

bool ValueReader::read_text(const std::string& where, const Option& option, Node node, OptionValue& value) {
  if (node.text().find('\0') != std::string_view::npos) return expected(where, expectation(option), node);
  if (option.type == ValueType::path) {
    value = path(node.text());
    return true;
  }
  if (option.type == ValueType::template_name && !config_.templates.contains(node.text())) {
    return no_such_template(where, node);
  }
  value = std::string(node.text());
  return true;
}

bool ValueReader::read_key_name(const std::string& where, Node node, OptionValue& value) {
  const auto name = Name::parse(node.text());
  if (const auto key = name ? config_.find_key(*name) : nullptr) {
    value = key;
    return true;
  }
  std::vector<std::string> names;
  for (const auto& [known, key] : config_.keys) names.push_back(known.text());
  return no_such(node, fmt::format("{}: there is no key {}", where, node.describe()), node.text(),
                 {names.begin(), names.end()});
}

bool ValueReader::read_endpoints(const std::string& where, Node node, OptionValue& value) {
  std::vector<Endpoint> endpoints;
  bool good = true;
  for (Node item = node.first(); item && !out_.full(); item = item.next()) {
    if (!item.is_scalar()) {
      good = expected(where, "ADDRESS@PORT", item);
      continue;
    }
    const auto endpoint = Endpoint::parse(item.text());
    if (!endpoint) {
      out_.error(item.at(), Errc::bad_value, fmt::format("{}: {}", where, endpoint.error().detail));
      good = false;
    } else if (std::ranges::find(endpoints, *endpoint) != endpoints.end()) {
      out_.error(item.at(), Errc::bad_value, fmt::format("{}: {} stands twice", where, endpoint->text()));
      good = false;
    } else {
      endpoints.push_back(*endpoint);
    }
  }
  value = std::move(endpoints);
  return good;
}

bool ValueReader::read_prefixes(const std::string& where, Node node, OptionValue& value) {
  std::vector<Prefix> prefixes;
  bool good = true;
  for (Node item = node.first(); item && !out_.full(); item = item.next()) {
    const auto prefix = item.is_scalar() ? Prefix::parse(item.text()) : fail(Errc::bad_value, "");
    if (prefix) {
      prefixes.push_back(*prefix);
    } else if (!item.is_scalar()) {
      good = expected(where, "ADDRESS or ADDRESS/LENGTH", item);
    } else {
      out_.error(item.at(), Errc::bad_value, fmt::format("{}: {}", where, prefix.error().detail));
      good = false;
    }
  }
  value = std::move(prefixes);
  return good;
}

// What the kernel takes for a name (dev_valid_name); whether there is one is known where the server runs.
bool ValueReader::read_interfaces(const std::string& where, Node node, OptionValue& value) {
  constexpr std::size_t longest = 15;
  std::vector<std::string> names;
  bool good = true;
  for (Node item = node.first(); item && !out_.full(); item = item.next()) {
    const std::string_view name = item.is_scalar() ? item.text() : "";
    const bool strange =
        std::ranges::any_of(name, [](char c) { return c == '/' || c == ':' || c <= ' ' || c == 0x7f; });
    if (name.empty() || name.size() > longest || strange || name == "." || name == "..") {
      good = expected(where, "the name of a network interface, such as eth0", item);
    } else if (std::ranges::find(names, name) != names.end()) {
      out_.error(item.at(), Errc::bad_value, fmt::format("{}: {} stands twice", where, name));
      good = false;
    } else {
      names.emplace_back(name);
    }
  }
  value = std::move(names);
  return good;
}

bool ValueReader::read_access_rules(const std::string& where, Node node, OptionValue& value) {
  std::vector<AccessRule> rules;
  bool good = true;
  for (Node item = node.first(); item && !out_.full(); item = item.next()) {
    if (!item.is_scalar()) {
      good = expected(where, "an access rule (ADDRESS, ADDRESS/LENGTH, key NAME, or both)", item);
      continue;
    }
    auto rule = AccessRule::parse(item.text());
    if (!rule) {
      out_.error(item.at(), Errc::bad_value, fmt::format("{}: {}", where, rule.error().detail));
      good = false;
    } else if (rule->key && !config_.find_key(*rule->key)) {
      std::vector<std::string> names;
      for (const auto& [known, key] : config_.keys) names.push_back(known.text());
      const auto name = rule->key->text();
      good = no_such(item, fmt::format("{}: there is no key '{}'", where, name), name, {names.begin(), names.end()});
    } else {
      rules.push_back(std::move(*rule));
    }
  }
  value = std::move(rules);
  return good;
}

bool ValueReader::read_peers(const std::string& where, Node node, OptionValue& value) {
  std::vector<PeerConfig> peers;
  bool good = true;
  for (Node item = node.first(); item && !out_.full(); item = item.next()) {
    auto peer = peer_reference(where, item);
    if (!peer) {
      good = false;
    } else if (std::ranges::find(peers, *peer) != peers.end()) {
      out_.error(item.at(), Errc::bad_value, fmt::format("{}: {} stands twice", where, peer->name));
      good = false;
    } else {
      peers.push_back(std::move(*peer));
    }
  }
  value = std::move(peers);
  return good;
}

std::optional<PeerConfig> ValueReader::peer_reference(const std::string& where, Node node) {
  if (node.kind() == NodeKind::mapping) return peer(node, false);
  if (!node.is_scalar() || node.text().empty()) {
    expected(where, "a name under primaries, ADDRESS@PORT, or a mapping", node);
    return std::nullopt;
  }
  if (const auto named = config_.primaries.find(node.text()); named != config_.primaries.end()) return named->second;
  const auto endpoint = Endpoint::parse(node.text(), dns_port);
  if (endpoint) return PeerConfig{.name = endpoint->text(), .endpoints = {*endpoint}};
  if (node.text().find('@') != std::string_view::npos) {
    out_.error(node.at(), Errc::bad_value, fmt::format("{}: {}", where, endpoint.error().detail));
    return std::nullopt;
  }
  std::vector<std::string_view> known;
  for (const auto& [name, entry] : config_.primaries) known.push_back(name);
  no_such(node,
          fmt::format("{}: {} is neither the name of a primary nor an address (ADDRESS@PORT)", where, node.describe()),
          node.text(), known);
  return std::nullopt;
}

std::optional<PeerConfig> ValueReader::peer(Node mapping, bool name_required) {
  const auto& peers = section("primaries");
  PeerConfig peer;
  bool good = true;
  for (const auto& setting : settings(mapping, peers, name_required)) good = apply(peers, setting, &peer) && good;
  good = good && source_fits(mapping, peer);
  // One with a name is kept in spite of a mistake, so that those who refer to it do not add to the list of mistakes.
  if (peer.name.empty() && (!good || name_required || peer.endpoints.empty())) return std::nullopt;
  if (peer.name.empty()) peer.name = peer.endpoints.front().text();
  return peer;
}

// A source that no address of the primary can be reached from is a slip.
bool ValueReader::source_fits(Node mapping, const PeerConfig& peer) {
  for (const auto& source : peer.source) {
    const auto same_family = [&](const Endpoint& to) { return to.address.is_v4() == source.is_v4(); };
    if (std::ranges::any_of(peer.endpoints, same_family)) continue;
    out_.error(mapping.at(), Errc::bad_value,
               fmt::format("primaries[].source: '{}' is an {} address, but none under address is", source.text(),
                           source.is_v4() ? "IPv4" : "IPv6"));
    return false;
  }
  return true;
}

}  // namespace understudy::config
