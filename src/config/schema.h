// The one declaration of every configuration option.
//
// The parser, `conf check`, the difference of two configurations, the reference manual and the JSON Schema all read the
// tables behind schema(): key, type, bounds, unit, one line of help, whether a reload applies it, and the member that
// it sets. The default is the member's initial value, so it is said once too. Constant data, thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "config/config.h"

namespace understudy::config {

enum class ValueType : std::uint8_t {
  text,
  path,  // relative to the configuration file
  boolean,
  number,
  size,           // octets
  timeout,        // milliseconds inside, may be below a second
  period,         // whole seconds
  choice,         // one of Option::choices; the index is the enumerator
  timed_choice,   // the same, but the last of them is followed by a time in whole seconds
  name,           // a domain name
  secret,         // base64
  key_name,       // the name of an entry under `keys`
  template_name,  // the name of an entry under `templates`
  servers,        // one or a list of ADDRESS or ADDRESS@PORT, port 53 if none is said
  addresses,      // one or a list of ADDRESS
  endpoints,      // list of ADDRESS@PORT
  prefixes,       // list of ADDRESS or ADDRESS/LENGTH
  interfaces,     // list of names of network interfaces
  access_rules,   // list of access rules
  peers,          // list of names under `primaries`, ADDRESS@PORT, or mappings
  groups,         // mapping of text to names of templates
};

/// A timed_choice on its way: the enumerator, and the time in milliseconds.
struct TimedValue {
  std::uint64_t kind = 0, milliseconds = 0;
  friend bool operator==(const TimedValue&, const TimedValue&) = default;
};
using GroupMap = std::map<std::string, std::string>;

/// A value on its way between text and member. Numbers, sizes, durations (milliseconds) and choices are the integer.
using OptionValue =
    std::variant<std::monostate, bool, std::uint64_t, TimedValue, std::string, Name, Bytes,
                 std::shared_ptr<const TsigKey>, std::vector<Endpoint>, std::vector<IpAddress>, std::vector<Prefix>,
                 std::vector<std::string>, std::vector<AccessRule>, std::vector<PeerConfig>, GroupMap>;

/// Access to one member of a structure whose type is known where the Option is declared.
struct Binding {
  void (*store)(void* object, OptionValue&& value) = nullptr;
  OptionValue (*load)(const void* object) = nullptr;
};

struct Option {
  std::string_view key;
  ValueType type;
  std::string_view help;
  Binding binding;
  std::string_view unit = {};
  std::uint64_t min = 0, max = 0;                  // number, size, timeout and period (milliseconds)
  std::span<const std::string_view> choices = {};  // choice, timed_choice
  std::string_view word = {};                      // a word that stands for `word_value`
  std::uint64_t word_value = 0;
  std::string_view default_note = {};  // where the default is not the member's initial value
  bool required = false;
  bool reloadable = true;
};

/// What one entry of `zones` says beside its policy.
struct ZoneEntry {
  Name name;
  std::string template_name = "default";
  std::string file;
};
/// What one entry of `templates` says beside its policy.
struct TemplateEntry {
  std::string name;
};

struct Section {
  std::string_view key;    // at the top of the file
  std::string_view entry;  // what one entry of a list is called; empty: the section is one mapping
  std::string_view help;
  std::span<const Option> options;
  std::span<const Option> policy = {};  // options of ZonePolicy that may stand here too
  const void* defaults = nullptr;       // a default-constructed structure that `options` bind to
  std::string_view example = {};

  [[nodiscard]] bool is_list() const { return !entry.empty(); }
  /// "server.workers", "zones[].file"
  [[nodiscard]] std::string path_of(const Option& option) const;
  /// Null if there is no such key here.
  [[nodiscard]] const Option* find(std::string_view option_key) const;
};

/// In the order in which they are read: what is referred to comes first.
std::span<const Section> schema();
/// The section of that key. Only for keys that exist.
const Section& section(std::string_view key);
/// A default ZonePolicy, whose values the options of `policy` show.
const ZonePolicy& default_policy();

/// What a value must look like, for error messages: "a number from 1 to 10".
std::string expectation(const Option& option);
/// A value as it would stand in the file.
std::string value_text(const Option& option, const OptionValue& value);

/// A key or value that other versions have or that people expect, and what to say about it.
struct Unsupported {
  std::string_view section;  // empty: the top of the file
  std::string_view key;
  std::string_view value;  // empty: the key as such
  std::string_view message;
};
std::span<const Unsupported> unsupported();

namespace detail {

template <typename T>
struct MemberOf;
template <typename Class, typename T>
struct MemberOf<T Class::*> {
  using Object = Class;
  using Type = T;
};

template <typename T>
inline constexpr bool is_timed_choice = false;
template <typename Kind>
inline constexpr bool is_timed_choice<TimedChoice<Kind>> = true;

template <typename T>
OptionValue load_value(const T& member) {
  if constexpr (std::is_same_v<T, std::chrono::seconds> || std::is_same_v<T, std::chrono::milliseconds>) {
    return static_cast<std::uint64_t>(std::chrono::milliseconds(member).count());
  } else if constexpr (std::is_enum_v<T> || (std::is_integral_v<T> && !std::is_same_v<T, bool>)) {
    return static_cast<std::uint64_t>(member);
  } else if constexpr (is_timed_choice<T>) {
    return TimedValue{static_cast<std::uint64_t>(member.kind),
                      static_cast<std::uint64_t>(std::chrono::milliseconds(member.period).count())};
  } else if constexpr (std::is_same_v<T, std::optional<Name>>) {
    return member ? OptionValue(*member) : OptionValue();
  } else {
    return member;
  }
}

template <typename T>
void store_value(T& member, OptionValue&& value) {
  if constexpr (std::is_same_v<T, std::chrono::seconds> || std::is_same_v<T, std::chrono::milliseconds>) {
    member = std::chrono::duration_cast<T>(std::chrono::milliseconds(std::get<std::uint64_t>(value)));
  } else if constexpr (std::is_enum_v<T> || (std::is_integral_v<T> && !std::is_same_v<T, bool>)) {
    member = static_cast<T>(std::get<std::uint64_t>(value));
  } else if constexpr (is_timed_choice<T>) {
    const auto& timed = std::get<TimedValue>(value);
    member.kind = static_cast<decltype(member.kind)>(timed.kind);
    member.period = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::milliseconds(timed.milliseconds));
  } else if constexpr (std::is_same_v<T, std::optional<Name>>) {
    if (std::holds_alternative<Name>(value)) {
      member = std::get<Name>(std::move(value));
    } else {
      member.reset();  // the word for none
    }
  } else {
    member = std::get<T>(std::move(value));
  }
}

}  // namespace detail

/// `bind<&ServerConfig::workers>`
template <auto Member>
inline constexpr Binding bind = {[](void* object, OptionValue&& value) {
                                   using Object = detail::MemberOf<decltype(Member)>::Object;
                                   detail::store_value(static_cast<Object*>(object)->*Member, std::move(value));
                                 },
                                 [](const void* object) {
                                   using Object = detail::MemberOf<decltype(Member)>::Object;
                                   return detail::load_value(static_cast<const Object*>(object)->*Member);
                                 }};

}  // namespace understudy::config
