#include "config/parser.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>

#include "config/identity.h"
#include "config/zone_reader.h"

namespace understudy {
namespace config {
namespace {

constexpr std::size_t short_secret = 16;  // octets; fewer are within reach of guessing

/// Fills a Config, section by section in the order of the schema, so that names are known before they are used.
class ConfigReader {
 public:
  ConfigReader(Config& config, Diagnostics& out)
      : config_(config), out_(out), values_(config, out), zones_(config, out) {}

  void read(Node root) {
    if (root.kind() != NodeKind::mapping) {
      out_.error(root.at(), Errc::syntax,
                 fmt::format("expected a mapping ('server:', 'zones:', ...), not {}", root.describe()));
      return;
    }
    const auto found = find_sections(root);
    for (const auto& part : schema()) {
      const auto node = found.find(part.key);
      if (part.key == "templates") add_default_template();
      if (node == found.end() || node->second.is_missing() || out_.full()) continue;
      if (part.is_list()) {
        read_list(part, node->second);
      } else {
        read_mapping(part, node->second);
      }
    }
    check_addresses();
    check_identity();
    check_paths();
    finish_zones();
  }

 private:
  std::map<std::string_view, Node> find_sections(Node root);
  void read_mapping(const Section& part, Node node);
  void read_list(const Section& part, Node node);
  void read_key(Node node);
  void read_primary(Node node);
  void read_template(Node node);
  void read_catalog(Node node);
  void check_produced();
  void add_default_template();
  void check_addresses();
  void check_identity();
  void check_paths();
  void finish_zones();
  bool first_use(Node node, std::string_view what, const std::string& name);
  void* object_of(std::string_view section_key);

  Config& config_;
  Diagnostics& out_;
  ValueReader values_;
  ZoneReader zones_;
  std::map<std::string, Position> options_;               // where an option of a mapping section stands, by its path
  std::map<std::string, Position, std::less<>> entries_;  // where an entry of a list section stands, by kind and name
  std::vector<std::pair<ZoneConfig, Position>> read_zones_;
};

std::map<std::string_view, Node> ConfigReader::find_sections(Node root) {
  std::map<std::string_view, Node> found;
  std::vector<std::string_view> known;
  for (const auto& part : schema()) known.push_back(part.key);
  std::map<std::string_view, std::uint32_t> lines;
  for (Node key = root.first(); key && !out_.full(); key = key.next().next()) {
    if (const auto earlier = lines.find(key.text()); earlier != lines.end()) {
      out_.error(key.at(), Errc::syntax, fmt::format("{} stands twice, first in line {}", key.text(), earlier->second));
    } else if (std::ranges::find(known, key.text()) != known.end()) {
      lines.emplace(key.text(), key.at().line);
      found.emplace(key.text(), key.next());
    } else if (const auto later = std::ranges::find_if(
                   unsupported(), [&](const Unsupported& u) { return u.section.empty() && u.key == key.text(); });
               later != unsupported().end()) {
      out_.error(key.at(), Errc::unsupported, std::string(later->message));
    } else {
      const auto near = nearest(key.text(), known);
      out_.error(key.at(), Errc::unknown_key,
                 fmt::format("unknown key {}{}; expected one of {}", key.describe(),
                             near.empty() ? "" : fmt::format(", nearest is '{}'", near), fmt::join(known, ", ")));
    }
  }
  return found;
}

void* ConfigReader::object_of(std::string_view section_key) {
  if (section_key == "server") return &config_.server;
  if (section_key == "storage") return &config_.storage;
  if (section_key == "control") return &config_.control;
  if (section_key == "http") return &config_.http;
  return &config_.transfer;
}

void ConfigReader::read_mapping(const Section& part, Node node) {
  if (node.kind() != NodeKind::mapping) {
    out_.error(node.at(), Errc::bad_value, fmt::format("{}: expected a mapping, not {}", part.key, node.describe()));
    return;
  }
  for (const auto& setting : values_.settings(node, part)) {
    options_.emplace(part.path_of(*setting.option), setting.value.at());
    values_.apply(part, setting, object_of(part.key));
  }
}

void ConfigReader::read_list(const Section& part, Node node) {
  if (node.kind() != NodeKind::sequence) {
    out_.error(node.at(), Errc::bad_value, fmt::format("{}: expected a list, not {}", part.key, node.describe()));
    return;
  }
  if (part.key == "zones") zones_.find_produced(node);
  for (Node item = node.first(); item && !out_.full(); item = item.next()) {
    if (part.key == "zones") {
      if (auto zone = zones_.zone(item)) read_zones_.emplace_back(std::move(*zone), item.at());
    } else if (item.kind() != NodeKind::mapping) {
      out_.error(item.at(), Errc::bad_value,
                 fmt::format("{}[]: expected a mapping such as {}, not {}", part.key, part.example, item.describe()));
    } else if (part.key == "keys") {
      read_key(item);
    } else if (part.key == "primaries") {
      read_primary(item);
    } else if (part.key == "templates") {
      read_template(item);
    } else {
      read_catalog(item);
    }
  }
}

bool ConfigReader::first_use(Node node, std::string_view what, const std::string& name) {
  const auto [entry, is_new] = entries_.emplace(fmt::format("{} '{}'", what, name), node.at());
  if (is_new) return true;
  out_.error(node.at(), Errc::bad_value,
             fmt::format("{} is declared twice, first in line {}", entry->first, entry->second.line));
  return false;
}

void ConfigReader::read_key(Node node) {
  const auto& keys = section("keys");
  auto key = std::make_shared<TsigKey>();
  bool named = false;
  for (const auto& setting : values_.settings(node, keys)) {
    const bool good = values_.apply(keys, setting, key.get());
    named = named || (good && setting.option->key == "name");
  }
  if (!named) return;
  const auto name = key->name.text();
  if (!first_use(node, "key", key->name.lowered().text())) return;
  if (key->algorithm == TsigAlgorithm::hmac_md5) {
    out_.warn(node.at(),
              fmt::format("key '{}' uses hmac-md5, which is obsolete; use hmac-sha256 where the other side can", name));
  }
  if (!key->secret.empty() && key->secret.size() < short_secret) {
    out_.warn(node.at(), fmt::format("key '{}' has a secret of {} octets, which can be guessed; use {} or more", name,
                                     key->secret.size(), short_secret));
  }
  config_.keys.emplace(key->name, std::move(key));
}

void ConfigReader::read_primary(Node node) {
  auto peer = values_.peer(node, true);
  if (!peer || !first_use(node, "primary", peer->name)) return;
  if (peer->name.find('@') != std::string::npos || IpAddress::parse(peer->name)) {
    out_.error(node.at(), Errc::bad_value,
               fmt::format("primaries[].name: '{}' looks like an address, expected a name to refer to", peer->name));
    return;
  }
  auto name = peer->name;
  config_.primaries.emplace(std::move(name), std::move(*peer));
}

void ConfigReader::add_default_template() {
  auto policy = std::make_shared<ZonePolicy>();
  policy->max_records = config_.transfer.max_records;
  policy->max_size = config_.transfer.max_size;
  config_.templates.insert_or_assign(policy->template_name, policy);
}

void ConfigReader::read_template(Node node) {
  auto entry = zones_.template_entry(node);
  if (!entry || !first_use(node, "template", entry->first)) return;
  config_.templates.insert_or_assign(std::move(entry->first), std::move(entry->second));
}

// A catalog is a zone of this server like any other, too.
void ConfigReader::read_catalog(Node node) {
  auto catalog = zones_.catalog(node);
  if (!catalog) return;
  read_zones_.emplace_back(ZoneConfig(catalog->zone.view(), catalog->policy), node.at());
  config_.catalogs.push_back(std::move(*catalog));
}

void ConfigReader::check_produced() {
  for (const auto& [name, position] : zones_.produced()) {
    const auto* zone = config_.find_zone(name.view());
    if (zone != nullptr && zone->is_produced()) continue;
    out_.error(position, Errc::bad_value,
               zone == nullptr
                   ? fmt::format("catalog-produce: '{}' is not under zones, expected an entry there that says who may "
                                 "have the catalog: {{name: {}, allow-transfer: [...], notify: [...]}}",
                                 name.text(), name.text())
                   : fmt::format("catalog-produce: '{}' is a catalog that this server takes from others, expected a "
                                 "name of its own",
                                 name.text()));
  }
}

void ConfigReader::check_addresses() {
  if (config_.server.listen.empty()) {
    out_.error(options_["server.listen"], Errc::bad_value, "server.listen: expected at least one ADDRESS@PORT");
  }
  for (const auto& endpoint : config_.http.listen) {
    if (std::ranges::find(config_.server.listen, endpoint) == config_.server.listen.end()) continue;
    out_.error(options_["http.listen"], Errc::bad_value,
               fmt::format("http.listen: {} is also in server.listen, expected another port", endpoint.text()));
  }
}

void ConfigReader::check_identity() {
  const ServerConfig& server = config_.server;
  if (const auto octets = nsid_octets(server.nsid); !octets) {
    out_.error(options_["server.nsid"], Errc::bad_value, fmt::format("server.nsid: {}", octets.error().detail));
  }
  for (const auto& [path, text] :
       {std::pair{"server.version", &server.version}, {"server.identity", &server.identity}}) {
    if (text->size() <= max_chaos_text) continue;
    out_.error(options_[path], Errc::bad_value,
               fmt::format("{}: expected at most {} octets, not {}", path, max_chaos_text, text->size()));
  }
  if (server.report_channel && server.report_channel->is_root()) {
    out_.error(options_["server.report-channel"], Errc::bad_value,
               "server.report-channel: expected the domain of an agent or none, not the root");
  }
}

void ConfigReader::check_paths() {
  const auto& socket = config_.control.socket;
  constexpr std::size_t longest = sizeof(sockaddr_un{}.sun_path) - 1;
  if (socket.size() > longest) {
    out_.error(options_["control.socket"], Errc::bad_value,
               fmt::format("control.socket: the path has {} octets, expected at most {}", socket.size(), longest));
  }
}

void ConfigReader::finish_zones() {
  const auto before = [](const auto& a, const auto& b) {
    const auto order = a.first.name().compare(b.first.name());
    return order != 0 ? order < 0 : a.second < b.second;
  };
  if (!std::ranges::is_sorted(read_zones_, before)) std::ranges::sort(read_zones_, before);  // a list mostly is
  config_.zones.reserve(read_zones_.size());
  const std::pair<ZoneConfig, Position>* first = nullptr;
  for (auto& zone : read_zones_) {
    if (first != nullptr && first->first.name().equals(zone.first.name())) {
      out_.error(
          zone.second, Errc::bad_value,
          fmt::format("zone '{}' is declared twice, first in line {}", zone.first.name().text(), first->second.line));
    } else {
      first = &zone;
    }
  }
  if (out_.failed()) return;
  for (auto& zone : read_zones_) config_.zones.push_back(std::move(zone.first));
  check_produced();
}

Result<std::string> read_file(const std::string& path, bool& readable_by_all) {
  const auto failed = [&](int error) {
    return fail(Errc::io, fmt::format("cannot read {}: {}", path, std::strerror(error)));
  };
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return failed(errno);
  struct stat status{};
  readable_by_all = fstat(file, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & S_IROTH) != 0;
  std::string text;
  constexpr std::size_t step = 65'536;
  while (text.size() <= Document::max_text) {
    const auto used = text.size();
    text.resize(used + step);
    const auto got = read(file, text.data() + used, step);
    const int error = errno;
    text.resize(used + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && error == EINTR) continue;
    if (got <= 0) {
      close(file);
      if (got < 0) return failed(error);
      return text;
    }
  }
  close(file);
  return text;  // too large, which parse_config() says
}

Result<void> load_cookie_secrets(LoadedConfig& loaded) {
  const std::string path = loaded.config->server.cookie_secret_file;  // the configuration is replaced below
  if (path.empty()) return {};
  bool readable_by_all = false;
  US_ASSIGN(const std::string text, read_file(path, readable_by_all));
  auto config = std::make_shared<Config>(*loaded.config);
  US_ASSIGN(config->server.cookie_secrets, parse_cookie_secrets(text, path));
  loaded.config = std::move(config);
  if (readable_by_all) {
    loaded.warnings.push_back(
        fmt::format("{}: the file has secrets and everyone may read it; chmod o-r {}", path, path));
  }
  return {};
}

}  // namespace
}  // namespace config

Result<LoadedConfig> parse_config(std::string_view text, std::string_view label, std::string_view directory) {
  config::Diagnostics out{std::string(label)};
  auto result = std::make_shared<Config>();
  result->source = label;
  result->directory = directory;
  const auto document = config::Document::parse(text, out);
  if (!out.failed()) {
    if (!document.root()) {
      out.error({}, Errc::syntax, "the file is empty, expected a mapping ('server:', 'zones:', ...)");
    } else {
      config::ConfigReader(*result, out).read(document.root());
    }
  }
  if (out.failed()) return std::unexpected(out.take_error());
  return LoadedConfig{std::move(result), out.take_warnings()};
}

Result<LoadedConfig> load_config(const std::string& path) {
  bool readable_by_all = false;
  US_ASSIGN(const std::string text, config::read_file(path, readable_by_all));
  std::error_code ignored;
  const auto directory = std::filesystem::absolute(path, ignored).parent_path().lexically_normal();
  US_ASSIGN(auto loaded, parse_config(text, path, directory.string()));
  US_TRY(config::load_cookie_secrets(loaded));
  if (readable_by_all && !loaded.config->keys.empty()) {
    loaded.warnings.push_back(
        fmt::format("{}: the file has secrets and everyone may read it; chmod o-r {}", path, path));
  }
  return loaded;
}

Result<ZoneConfig> parse_zone(std::string_view text, const Config& running) {
  config::Diagnostics out("zone");
  const auto document = config::Document::parse(text, out);
  if (!out.failed()) {
    if (!document.root()) {
      out.error({}, Errc::syntax, "expected a zone's name or a mapping");
    } else if (auto zone = config::ZoneReader(running, out).zone(document.root())) {
      const auto& produce = zone->policy->catalog_produce;
      const auto* catalog = produce ? running.find_zone(produce->view()) : nullptr;
      if (!produce || (catalog != nullptr && catalog->is_produced())) return std::move(*zone);
      out.error(document.root().at(), Errc::bad_value,
                fmt::format("catalog-produce: this server does not produce a catalog '{}'", produce->text()));
    }
  }
  return std::unexpected(out.take_error());
}

}  // namespace understudy
