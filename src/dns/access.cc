#include "dns/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace understudy {
namespace {

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const auto start = text.find_first_not_of(" \t");
    if (start == std::string_view::npos) return words;
    text.remove_prefix(start);
    const auto end = std::min(text.find_first_of(" \t"), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

}  // namespace

Result<AccessRule> AccessRule::parse(std::string_view text) {
  const auto words = words_of(text);
  AccessRule rule;
  std::size_t next = 0;
  if (next < words.size() && words[next] != "key") {
    US_ASSIGN(rule.prefix, Prefix::parse(words[next]));
    ++next;
  }
  if (next + 2 == words.size() && words[next] == "key") {
    auto name = Name::parse(words[next + 1]);
    if (!name) return fail(Errc::bad_value, fmt::format("'{}' is not a key name", words[next + 1]));
    rule.key = *name;
    next += 2;
  }
  if (next == 0 || next != words.size()) {
    return fail(Errc::bad_value,
                fmt::format("'{}' is not an access rule: ADDRESS, ADDRESS/LENGTH, key NAME, or both", text));
  }
  return rule;
}

bool AccessRule::matches(const IpAddress& from, std::optional<NameView> verified_key) const {
  if (!prefix && !key) return false;
  if (prefix && !prefix->contains(from)) return false;
  return !key || (verified_key && key->view().equals(*verified_key));
}

std::string AccessRule::text() const {
  std::string out;
  if (prefix) out = prefix->text();
  if (key) out += (prefix ? " key " : "key ") + key->text();
  return out;
}

bool access_allowed(std::span<const AccessRule> rules, const IpAddress& from, std::optional<NameView> verified_key) {
  return std::ranges::any_of(rules, [&](const AccessRule& rule) { return rule.matches(from, verified_key); });
}

}  // namespace understudy
