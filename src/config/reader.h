// From nodes of the document to typed members, as the schema says.
//
// Everything that concerns one value stands here: its form, its bounds, and that the key, primary or template it names
// exists. What concerns several values stands in parser.cc. Mistakes go to the Diagnostics; a false or empty result
// means that one was reported. Not thread-safe.
#pragma once

#include <optional>
#include <vector>

#include "config/config.h"
#include "config/diagnostics.h"
#include "config/document.h"
#include "config/schema.h"

namespace understudy::config {

struct Setting {
  const Option* option;
  Node value;
};

class ValueReader {
 public:
  /// Names are looked up in `config` as it stands at each call, so sections may be added between calls.
  ValueReader(const Config& config, Diagnostics& out) : config_(config), out_(out) {}

  /// The settings of one mapping of `section`. Unknown, repeated and missing keys are reported.
  std::vector<Setting> settings(Node mapping, const Section& section, bool name_required = true);
  /// Reads the value and stores it in the structure that the option binds to.
  bool apply(const Section& section, const Setting& setting, void* object);
  /// One entry of `primaries`, or a mapping in the place of a reference, which needs no name.
  std::optional<PeerConfig> peer(Node mapping, bool name_required);
  /// The value as a file's path, made absolute by the configuration's directory. Empty if it is not one.
  std::string path(std::string_view text) const;

 private:
  bool read(const std::string& where, const Option& option, Node node, OptionValue& value);
  bool fits(const std::string& where, Node list);
  bool read_scalar(const std::string& where, const Option& option, Node node, OptionValue& value);
  bool read_integer(const std::string& where, const Option& option, Node node, OptionValue& value);
  bool read_text(const std::string& where, const Option& option, Node node, OptionValue& value);
  bool read_key_name(const std::string& where, Node node, OptionValue& value);
  bool read_timed_choice(const std::string& where, const Option& option, Node node, OptionValue& value);
  bool read_servers(const std::string& where, const Option& option, Node node, OptionValue& value);
  bool read_addresses(const std::string& where, const Option& option, Node node, OptionValue& value);
  bool read_groups(const std::string& where, const Option& option, Node node, OptionValue& value);
  bool read_endpoints(const std::string& where, Node node, OptionValue& value);
  bool read_prefixes(const std::string& where, Node node, OptionValue& value);
  bool read_interfaces(const std::string& where, Node node, OptionValue& value);
  bool read_access_rules(const std::string& where, Node node, OptionValue& value);
  bool read_peers(const std::string& where, Node node, OptionValue& value);
  std::optional<PeerConfig> peer_reference(const std::string& where, Node node);
  bool unknown_key(Node key, const Section& section);
  bool expected(const std::string& where, std::string_view what, Node node);
  bool no_such_template(const std::string& where, Node node);
  bool source_fits(Node mapping, const PeerConfig& peer);
  bool no_such(Node node, std::string text, std::string_view name, const std::vector<std::string_view>& known);

  const Config& config_;
  Diagnostics& out_;
};

}  // namespace understudy::config
