// Service parameters of SVCB and HTTPS in text (RFC 9460 section 2.1 and appendix A), both ways.
//
// A value that does not fit its key is printed in the generic form keyNNNNN="..." and so kept as it is.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "base/encoding.h"
#include "dns/rdata_parse.h"
#include "dns/rdata_text.h"

namespace understudy {
namespace {

enum class Value : std::uint8_t { octets, keys, protocols, nothing, number, numbers, ipv4_list, ipv6_list, base64 };

struct Key {
  std::uint16_t number;
  std::string_view text;
  Value value;
};

// Registry "Service Parameter Keys (SvcParamKeys)".
constexpr auto keys = std::to_array<Key>({
    {0, "mandatory", Value::keys},
    {1, "alpn", Value::protocols},
    {2, "no-default-alpn", Value::nothing},
    {3, "port", Value::number},
    {4, "ipv4hint", Value::ipv4_list},
    {5, "ech", Value::base64},
    {6, "ipv6hint", Value::ipv6_list},
    {7, "dohpath", Value::octets},
    {8, "ohttp", Value::nothing},
    {9, "tls-supported-groups", Value::numbers},
});
constexpr std::uint16_t mandatory = 0;
constexpr std::size_t max_value_size = 65535;

const Key* find_key(std::uint16_t number) {
  return number < keys.size() ? &keys[number] : nullptr;
}

std::string key_text(std::uint16_t number) {
  const Key* key = find_key(number);
  return key != nullptr ? std::string(key->text) : fmt::format("key{}", number);
}

std::optional<std::uint16_t> key_number(std::string_view text) {
  const auto found = std::ranges::find(keys, text, &Key::text);
  if (found != keys.end()) return found->number;
  if (!text.starts_with("key")) return std::nullopt;
  text.remove_prefix(3);
  if (text.size() > 1 && text.starts_with('0')) return std::nullopt;
  const auto number = parse_decimal(text, 0xffff);
  if (!number) return std::nullopt;
  return static_cast<std::uint16_t>(*number);
}

/// RFC 9460 section 8: keys that are there, in ascending order, without "mandatory" itself.
bool mandatory_is_sound(ByteView value, const std::map<std::uint16_t, ByteView>& params) {
  if (value.empty() || value.size() % 2 != 0) return false;
  int last = mandatory;
  for (std::size_t i = 0; i < value.size(); i += 2) {
    const std::uint16_t key = load_u16(&value[i]);
    if (key <= last || !params.contains(key)) return false;
    last = key;
  }
  return true;
}

/// Separates list items.
void next_item(bool& first, std::string& out) {
  if (!first) out += ',';
  first = false;
}

/// RFC 9460 section 7.1.1: in a list of strings, commas and backslashes inside an item are escaped, before the escapes
/// of a quoted string are applied.
bool print_protocols(ByteReader& r, std::string& out) {
  Bytes list;
  while (!r.at_end()) {
    const ByteView protocol = r.bytes(r.u8());
    if (!r.ok() || protocol.empty()) return false;
    if (!list.empty()) list.push_back(',');
    for (const std::uint8_t octet : protocol) {
      if (octet == ',' || octet == '\\') list.push_back('\\');
      list.push_back(octet);
    }
  }
  append_quotable(out, list);
  return !list.empty();
}

template <typename F>
bool print_list(ByteReader& r, std::string& out, F&& item) {
  bool first = true;
  while (!r.at_end()) {
    next_item(first, out);
    if (!item(r, out) || !r.ok()) return false;
  }
  return !first;
}

bool print_u16(ByteReader& r, std::string& out) {
  out += std::to_string(r.u16());
  return true;
}

bool print_key(ByteReader& r, std::string& out) {
  out += key_text(r.u16());
  return true;
}

/// False if the value does not fit its kind.
bool print_value(Value kind, ByteView value, std::string& out) {
  ByteReader r(value);
  switch (kind) {
    case Value::octets:
      append_quotable(out, value);
      return !value.empty();
    case Value::keys:
      return print_list(r, out, print_key);
    case Value::protocols:
      return print_protocols(r, out);
    case Value::nothing:
      return value.empty();
    case Value::number:
      return value.size() == 2 && print_u16(r, out);
    case Value::numbers:
      return print_list(r, out, print_u16);
    case Value::ipv4_list:
      return print_list(r, out, print_ipv4);
    case Value::ipv6_list:
      return print_list(r, out, print_ipv6);
    case Value::base64:
      append_base64(out, value);
      return !value.empty();
  }
  return false;
}

void print_param(std::uint16_t number, ByteView value, bool is_sound, std::string& out) {
  const Key* key = find_key(number);
  std::string text;
  const bool known = key != nullptr && is_sound && print_value(key->value, value, text);
  if (!known) {
    text.clear();
    append_quotable(text, value);
  }
  out += known ? std::string(key->text) : fmt::format("key{}", number);
  if (text.empty()) return;
  out += "=\"";
  out += text;
  out += '"';
}

/// Splits at commas that no backslash protects, and resolves the backslashes.
std::optional<std::vector<Bytes>> split_list(ByteView value) {
  std::vector<Bytes> items(1);
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == ',') {
      items.emplace_back();
      continue;
    }
    if (value[i] == '\\' && ++i == value.size()) return std::nullopt;
    items.back().push_back(value[i]);
  }
  if (std::ranges::any_of(items, &Bytes::empty)) return std::nullopt;
  return items;
}

bool parse_keys(ByteView value, Bytes& wire) {
  std::vector<std::uint16_t> numbers;
  const auto items = split_list(value);
  if (!items) return false;
  for (const Bytes& item : *items) {
    const auto number = key_number(text_of(item));
    if (!number || *number == mandatory) return false;
    numbers.push_back(*number);
  }
  std::ranges::sort(numbers);
  if (std::ranges::adjacent_find(numbers) != numbers.end()) return false;
  for (const std::uint16_t number : numbers) append_u16(wire, number);
  return true;
}

bool parse_protocols(ByteView value, Bytes& wire) {
  const auto items = split_list(value);
  if (!items) return false;
  for (const Bytes& item : *items) {
    if (item.size() > 255) return false;
    append_u8(wire, static_cast<std::uint8_t>(item.size()));
    append(wire, item);
  }
  return true;
}

bool append_u16_text(std::string_view text, Bytes& wire) {
  const auto number = parse_decimal(text, 0xffff);
  if (number) append_u16(wire, static_cast<std::uint16_t>(*number));
  return number.has_value();
}

template <typename F>
bool parse_list(ByteView value, Bytes& wire, F&& item) {
  std::string_view text = text_of(value);
  while (true) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (!item(text.substr(0, comma), wire)) return false;
    if (comma == text.size()) return true;
    text.remove_prefix(comma + 1);
  }
}

bool parse_value(Value kind, ByteView value, Bytes& wire) {
  switch (kind) {
    case Value::octets:
      append(wire, value);
      return !value.empty();
    case Value::keys:
      return parse_keys(value, wire);
    case Value::protocols:
      return parse_protocols(value, wire);
    case Value::nothing:
      return value.empty();
    case Value::number:
      return append_u16_text(text_of(value), wire);
    case Value::numbers:
      return parse_list(value, wire, append_u16_text);
    case Value::ipv4_list:
      return parse_list(value, wire, append_ipv4);
    case Value::ipv6_list:
      return parse_list(value, wire, append_ipv6);
    case Value::base64: {
      Base64Decoder decoder(wire);
      return !value.empty() && decoder.feed(text_of(value)) && decoder.finish();
    }
  }
  return false;
}

std::string_view expected_value(Value kind) {
  switch (kind) {
    case Value::octets:
      return "a value that is not empty";
    case Value::keys:
      return "a list of keys like alpn,port, each once";
    case Value::protocols:
      return "a list of protocols like h2,h3";
    case Value::nothing:
      return "no value";
    case Value::number:
      return "a number of 0 to 65535";
    case Value::numbers:
      return "a list of numbers of 0 to 65535";
    case Value::ipv4_list:
      return "a list of IPv4 addresses";
    case Value::ipv6_list:
      return "a list of IPv6 addresses";
    case Value::base64:
      return "a value in base64";
  }
  return "a value";
}

}  // namespace

/// RFC 9460 section 2.2 wants keys in ascending order, each once; anything else has no text form.
bool print_svc_params(ByteReader& r, std::string& out) {
  std::map<std::uint16_t, ByteView> params;
  int last = -1;
  while (!r.at_end()) {
    const std::uint16_t key = r.u16();
    const ByteView value = r.bytes(r.u16());
    if (!r.ok() || key <= last) return false;
    params.emplace(key, value);
    last = key;
  }
  bool first = true;
  for (const auto& [key, value] : params) {
    if (!first) out += ' ';
    first = false;
    print_param(key, value, key != mandatory || mandatory_is_sound(value, params), out);
  }
  return r.ok();
}

/// KEY, KEY=value or KEY="value"; appends key and value to `param`, in which the key takes the first two octets.
bool RdataParser::svc_param(Bytes& param) {
  constexpr std::string_view expected = "a parameter like port=443";
  const TextToken& head = token();
  const std::string_view text = head.text();
  const std::size_t equals = std::min(text.find('='), text.size());
  const auto number = head.quoted ? std::nullopt : key_number(text.substr(0, equals));
  if (!number) return mistake(expected);
  append_u16(param, *number);
  std::string_view value = text.substr(std::min(equals + 1, text.size()));
  std::size_t value_token = position_;
  const bool more = position_ + 1 < tokens_.size() && tokens_[position_ + 1].adjacent;
  if (more && equals + 1 == text.size() && tokens_[position_ + 1].quoted) {
    value_token = ++position_;
    value = token().text();
  }
  Bytes decoded;
  if (!decode_string(value, max_value_size, decoded)) return mistake("a value with well-formed escapes");
  const Key* key = text.starts_with("key") ? nullptr : find_key(*number);
  if (key == nullptr) {
    append(param, decoded);
  } else if (!parse_value(key->value, decoded, param)) {
    position_ = value_token;
    return mistake(fmt::format("{} for {}", expected_value(key->value), key->text));
  }
  ++position_;
  if (!at_end() && token().adjacent) return mistake("a blank before the next parameter");
  return true;
}

bool RdataParser::svc_params() {
  std::map<std::uint16_t, Bytes> params;
  bool mandatory_named = false;  // key0 is taken as it is
  while (!at_end()) {
    const std::size_t start = position_;
    mandatory_named |= token().text().starts_with("mandatory");
    Bytes param;
    if (!svc_param(param)) return false;
    const std::uint16_t key = load_u16(param.data());
    if (!params.emplace(key, Bytes(param.begin() + 2, param.end())).second) {
      position_ = start;
      return mistake(fmt::format("{} only once", key_text(key)));
    }
  }
  for (const auto& [key, value] : params) {
    if (value.size() > max_value_size) return mistake("values of at most 65535 octets");
    if (key == mandatory && mandatory_named) {
      for (std::size_t i = 0; i < value.size(); i += 2) {
        const std::uint16_t wanted = load_u16(&value[i]);
        if (!params.contains(wanted)) return mistake(key_text(wanted) + ", which is mandatory here");
      }
    }
    append_u16(out_, key);
    append_u16(out_, static_cast<std::uint16_t>(value.size()));
    append(out_, value);
  }
  return true;
}

}  // namespace understudy
