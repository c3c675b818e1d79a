#include "config/parser.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "config_fixture.h"

namespace understudy {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::StartsWith;

TEST(ParseConfig, DefaultsOfEveryOption) {
  const auto config = parsed("{}");
  EXPECT_EQ(config->source, "c");
  EXPECT_EQ(config->directory, "/etc/us");
  const auto& server = config->server;
  ASSERT_EQ(server.listen.size(), 2U);
  EXPECT_EQ(server.listen[0].text(), "0.0.0.0@53");
  EXPECT_EQ(server.listen[1].text(), "::@53");
  EXPECT_EQ(server.workers, 0U);
  EXPECT_EQ(server.user, "");
  EXPECT_EQ(server.log_level, LogLevel::info);
  EXPECT_EQ(server.udp_max_size, 1'232);
  EXPECT_EQ(server.tcp_max_clients, 1'000U);
  EXPECT_EQ(server.tcp_max_clients_per_address, 100U);
  EXPECT_EQ(server.tcp_idle_timeout, std::chrono::seconds(10));
  EXPECT_EQ(server.tcp_write_timeout, std::chrono::seconds(10));
  EXPECT_EQ(server.tcp_max_pipelined, 100U);
  EXPECT_EQ(config->storage.directory, "/var/lib/understudy");
  EXPECT_EQ(config->control.socket, "/run/understudy/control.sock");
  EXPECT_TRUE(config->http.listen.empty());
  EXPECT_FALSE(config->http.zone_metrics);
  const auto& transfer = config->transfer;
  EXPECT_EQ(transfer.max_concurrent, 64U);
  EXPECT_EQ(transfer.max_concurrent_per_primary, 16U);
  EXPECT_EQ(transfer.probe_timeout, std::chrono::seconds(5));
  EXPECT_EQ(transfer.stall_timeout, std::chrono::seconds(5));
  EXPECT_EQ(transfer.min_rate, 512U);
  EXPECT_EQ(transfer.max_records, 50'000'000U);
  EXPECT_EQ(transfer.max_size, 8ULL << 30);
  EXPECT_EQ(transfer.notify_tries, 5U);
  EXPECT_EQ(transfer.notify_timeout, std::chrono::seconds(3));
  EXPECT_TRUE(config->keys.empty());
  EXPECT_TRUE(config->primaries.empty());
  EXPECT_TRUE(config->zones.empty());
  ASSERT_EQ(config->templates.size(), 1U);
  EXPECT_EQ(*config->templates.at("default"), ZonePolicy{});
  EXPECT_EQ(ZonePolicy{}.refresh_min, std::chrono::seconds(2));
  EXPECT_EQ(ZonePolicy{}.expire_max, ZonePolicy::no_bound);
}

TEST(ParseConfig, AWholeConfiguration) {
  const auto config = parsed(R"(
server:
  listen: [127.0.0.1@5300, "::1@5300"]
  workers: auto
storage:
  directory: /var/lib/us
control:
  socket: control.sock
http:
  listen: [127.0.0.1@8053]
zones:
  - name: example.com.
  - {name: example.net., primaries: [hidden2]}
  - {name: local.example., file: local.example.zone}
templates:
  - name: default
    primaries: [hidden1, hidden2]
    allow-notify: [192.0.2.0/24]
    allow-transfer: []
    notify: []
primaries:
  - {name: hidden1, address: 192.0.2.1@53, key: transfer.example.}
  - {name: hidden2, address: 192.0.2.2@54}
keys:
  - {name: transfer.example., algorithm: hmac-sha256, secret: c2VjcmV0LW9mLTI0LW9jdGV0cy0h}
)");
  EXPECT_EQ(config->control.socket, "/etc/us/control.sock");
  ASSERT_EQ(config->zones.size(), 3U);
  const auto* zone = config->find_zone(name_of("EXAMPLE.com."));
  ASSERT_NE(zone, nullptr);
  ASSERT_EQ(zone->policy->primaries.size(), 2U);
  const auto& key = zone->policy->primaries[0].key;
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(text_of(key->secret), "secret-of-24-octets-!");
  EXPECT_EQ(zone->policy->allow_notify.at(0).text(), "192.0.2.0/24");
  EXPECT_EQ(config->find_zone(name_of("example.org.")), nullptr);
}

TEST(ParseConfig, SectionsMayBeLeftEmpty) {
  const auto config = parsed("server:\nstorage:\ncontrol:\nhttp:\ntransfer:\nkeys:\nprimaries:\ntemplates:\nzones:\n");
  EXPECT_TRUE(config->zones.empty());
  EXPECT_EQ(config->server.listen.size(), 2U);
}

TEST(ParseConfig, ShapeOfTheFile) {
  EXPECT_EQ(mistakes(""), "c: the file is empty, expected a mapping ('server:', 'zones:', ...)");
  EXPECT_EQ(mistakes("# nothing\n"), "c: the file is empty, expected a mapping ('server:', 'zones:', ...)");
  EXPECT_EQ(mistakes("hello"), "c:1:1: expected a mapping ('server:', 'zones:', ...), not 'hello'");
  EXPECT_EQ(mistakes("- a\n"), "c:1:1: expected a mapping ('server:', 'zones:', ...), not a list");
  EXPECT_EQ(mistakes("server: 5"), "c:1:9: server: expected a mapping, not '5'");
  EXPECT_EQ(mistakes("server: []"), "c:1:9: server: expected a mapping, not a list");
  EXPECT_EQ(mistakes("zones: {}"), "c:1:8: zones: expected a list, not a mapping");
  EXPECT_EQ(mistakes("keys: k"), "c:1:7: keys: expected a list, not 'k'");
  EXPECT_EQ(mistakes("keys: [k]"),
            "c:1:8: keys[]: expected a mapping such as {name: transfer.example., algorithm: hmac-sha256, secret: "
            "c2VjcmV0LW9mLTI0LW9jdGV0cy0h}, not 'k'");
  EXPECT_EQ(mistakes("primaries: [[]]"),
            "c:1:13: primaries[]: expected a mapping such as {name: hidden1, address: 192.0.2.1@53, key: "
            "transfer.example.}, not a list");
  EXPECT_EQ(mistakes("templates: [t]"),
            "c:1:13: templates[]: expected a mapping such as {name: default, primaries: [hidden1], allow-transfer: "
            "[192.0.2.0/24 key transfer.example.]}, not 't'");
}

TEST(ParseConfig, KeysAtTheTop) {
  EXPECT_EQ(mistakes("zone: []"),
            "c:1:1: unknown key 'zone', nearest is 'zones'; expected one of server, storage, control, http, transfer, "
            "keys, primaries, templates, zones, catalogs");
  EXPECT_EQ(mistakes("options: {}"),
            "c:1:1: unknown key 'options'; expected one of server, storage, control, http, transfer, keys, primaries, "
            "templates, zones, catalogs");
  EXPECT_EQ(mistakes("zones: []\nserver: {}\nzones: []\n"), "c:3:1: zones stands twice, first in line 1");
}

TEST(ParseConfig, CodesOfErrors) {
  EXPECT_EQ(parse_config("primaries: [{name: p, address: 192.0.2.1, transport: tls}]", "c", "/").error().code,
            Errc::unsupported);
  EXPECT_EQ(parse_config("zone: []", "c", "/").error().code, Errc::unknown_key);
  EXPECT_EQ(parse_config("{", "c", "/").error().code, Errc::syntax);
  EXPECT_EQ(parse_config("server: {workers: x}", "c", "/").error().code, Errc::bad_value);
}

TEST(ParseConfig, DeclaredTwice) {
  const std::string_view secret = "secret: MDEyMzQ1Njc4OWFiY2RlZg==";
  EXPECT_EQ(
      mistakes("keys:\n  - {name: k., " + std::string(secret) + "}\n  - {name: K, " + std::string(secret) + "}\n"),
      "c:3:5: key 'k.' is declared twice, first in line 2");
  EXPECT_EQ(mistakes("primaries:\n  - {name: p, address: 192.0.2.1}\n  - {name: p, address: 192.0.2.2}\n"),
            "c:3:5: primary 'p' is declared twice, first in line 2");
  EXPECT_EQ(mistakes("templates:\n  - {name: t}\n  - {name: default}\n  - {name: t}\n"),
            "c:4:5: template 't' is declared twice, first in line 2");
  EXPECT_EQ(mistakes("zones:\n  - {name: b., file: x}\n  - {name: a., file: y}\n  - {name: B, file: z}\n  - {name: b, "
                     "file: z}\n"),
            "c:4:5: zone 'B.' is declared twice, first in line 2\nc:5:5: zone 'b.' is declared twice, first in line 2");
}

TEST(ParseConfig, APrimarysNameIsNoAddress) {
  EXPECT_EQ(mistakes("primaries: [{name: 192.0.2.1, address: 192.0.2.2}]"),
            "c:1:13: primaries[].name: '192.0.2.1' looks like an address, expected a name to refer to");
  EXPECT_EQ(mistakes("primaries: [{name: a@b, address: 192.0.2.2}]"),
            "c:1:13: primaries[].name: 'a@b' looks like an address, expected a name to refer to");
}

TEST(ParseConfig, Addresses) {
  EXPECT_EQ(mistakes("server: {listen: []}"), "c:1:18: server.listen: expected at least one ADDRESS@PORT");
  EXPECT_EQ(mistakes("server: {listen: [127.0.0.1@53]}\nhttp: {listen: [127.0.0.1@80, 127.0.0.1@53]}"),
            "c:2:16: http.listen: 127.0.0.1@53 is also in server.listen, expected another port");
  EXPECT_EQ(mistakes("http: {listen: [0.0.0.0@53]}"),
            "c:1:16: http.listen: 0.0.0.0@53 is also in server.listen, expected another port");
}

TEST(ParseConfig, SocketPathsHaveALimit) {
  EXPECT_EQ(mistakes("control: {socket: /" + std::string(106, 's') + "}"), "");
  EXPECT_EQ(mistakes("control: {socket: /" + std::string(107, 's') + "}"),
            "c:1:19: control.socket: the path has 108 octets, expected at most 107");
}

TEST(ParseConfig, AllMistakesOfAFileAtOnceInItsOrder) {
  EXPECT_EQ(mistakes("zones:\n  - {name: a., file: x, max-size: y}\nserver:\n  workers: none\nhttp: {listen: [z]}\n"),
            "c:2:35: zones[].max-size: expected a size from 1KiB to 16TiB, such as 4096, 64KiB or 2GiB, not 'y'\n"
            "c:4:12: server.workers: expected auto or a number from 1 to 1024, not 'none'\n"
            "c:5:17: http.listen: 'z' is not an address of the form ADDRESS@PORT");
}

TEST(ParseConfig, TwentyMistakesAreShown) {
  std::string text = "zones:\n";
  for (int i = 0; i < 1'000; ++i) text += "  - {name: z" + std::to_string(i) + ".}\n";
  const auto detail = mistakes(text);
  EXPECT_EQ(std::ranges::count(detail, '\n'), 20);
  EXPECT_THAT(detail, StartsWith("c:2:5: zone 'z0.' has neither"));
  EXPECT_THAT(detail, EndsWith("c: there are more than 20 mistakes, these are the first found"));
}

TEST(ParseConfig, Warnings) {
  EXPECT_THAT(
      warnings("keys:\n"
               "  - {name: good., secret: MDEyMzQ1Njc4OWFiY2RlZg==}\n"
               "  - {name: short., secret: c2VjcmV0}\n"
               "  - {name: old., algorithm: hmac-md5, secret: MDEyMzQ1Njc4OWFiY2RlZg==}\n"),
      ElementsAre("c:3:5: key 'short.' has a secret of 6 octets, which can be guessed; use 16 or more",
                  "c:4:5: key 'old.' uses hmac-md5, which is obsolete; use hmac-sha256 where the other side can"));
}

TEST(ParseConfig, AHundredThousandZones) {
  std::string text =
      "primaries: [{name: p, address: 127.0.0.1}]\ntemplates: [{name: default, primaries: [p]}]\nzones:\n";
  for (int i = 0; i < 100'000; ++i) {
    text += (i % 2 == 0 ? "  - name: zone-" : "  - zone-") + std::to_string(i * 7919 % 100'000) + ".example.\n";
  }
  const auto before = std::chrono::steady_clock::now();
  const auto config = parsed(text);
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
  ASSERT_EQ(config->zones.size(), 100'000U);
  EXPECT_TRUE(std::ranges::is_sorted(config->zones, {}, &ZoneConfig::name));
  EXPECT_NE(config->find_zone(name_of("zone-54321.example.")), nullptr);
  EXPECT_EQ(config->zones[0].policy.use_count(), 100'001);
  EXPECT_LT(seconds, 30.0);  // a sanitizer build on a busy machine; the release build takes well below a second
}

class LoadConfig : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/config-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    path_ = folder_ + "/us.yaml";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(std::string_view text) { std::ofstream(path_) << text; }

  std::string folder_, path_;
};

TEST_F(LoadConfig, ReadsAFile) {
  write("zones: [{name: a., file: a.zone}]\n");
  const auto loaded = load_config(path_);
  ASSERT_TRUE(loaded) << loaded.error().detail;
  EXPECT_EQ(loaded->config->source, path_);
  EXPECT_EQ(*loaded->config->zones[0].file, std::filesystem::path(folder_).lexically_normal().string() + "/a.zone");
  EXPECT_TRUE(loaded->warnings.empty());
}

TEST_F(LoadConfig, NamesTheFileInMistakes) {
  write("zone: []\n");
  EXPECT_THAT(load_config(path_).error().detail, StartsWith(path_ + ":1:1: unknown key 'zone'"));
}

TEST_F(LoadConfig, SaysWhyItCannotRead) {
  const auto missing = load_config(path_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::io);
  EXPECT_EQ(missing.error().detail, "cannot read " + path_ + ": No such file or directory");
  EXPECT_EQ(load_config(folder_).error().detail, "cannot read " + folder_ + ": Is a directory");
}

TEST_F(LoadConfig, WarnsOfSecretsThatEveryoneMayRead) {
  write("keys: [{name: k., secret: MDEyMzQ1Njc4OWFiY2RlZg==}]\n");
  chmod(path_.c_str(), 0640);
  EXPECT_TRUE(load_config(path_)->warnings.empty());
  chmod(path_.c_str(), 0644);
  EXPECT_THAT(load_config(path_)->warnings,
              ElementsAre(path_ + ": the file has secrets and everyone may read it; chmod o-r " + path_));
}

TEST(ParseZone, OneEntryForARunningServer) {
  const auto config = parsed("primaries: [{name: p, address: 192.0.2.1}]\ntemplates: [{name: t, primaries: [p]}]\n");
  const auto zone = parse_zone("{name: a.example., template: t}", *config);
  ASSERT_TRUE(zone) << zone.error().detail;
  EXPECT_EQ(zone->name().text(), "a.example.");
  EXPECT_EQ(zone->policy, config->templates.at("t"));
  EXPECT_EQ(parse_zone("{name: b., primaries: [p, 192.0.2.2]}", *config)->policy->primaries.size(), 2U);
  EXPECT_EQ(*parse_zone("{name: c., file: c.zone}", *config)->file, "/etc/us/c.zone");
}

TEST(ParseZone, Mistakes) {
  const auto detail = [](std::string_view text) {
    const auto zone = parse_zone(text, Config{});
    return zone ? "accepted" : zone.error().detail;
  };
  EXPECT_EQ(detail(""), "zone: expected a zone's name or a mapping");
  EXPECT_EQ(detail("a."),
            "zone:1:1: zone 'a.' has neither primaries nor a file, expected primaries here or in template "
            "'default'");
  EXPECT_EQ(detail("{name: a., primaries: [q]}"),
            "zone:1:24: zones[].primaries: 'q' is neither the name of a primary nor an address (ADDRESS@PORT)");
  EXPECT_EQ(detail("{"),
            "zone:2:1: not YAML: did not find expected node content while parsing a flow node (from line 2)");
}

}  // namespace
}  // namespace understudy
