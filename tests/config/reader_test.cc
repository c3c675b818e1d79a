// Every way in which one value can be wrong, by the exact words that the user reads.
#include "config/reader.h"

#include <gtest/gtest.h>

#include "config_fixture.h"

namespace understudy {
namespace {

struct Case {
  std::string_view text, mistakes;
};

class ReaderMistakes : public testing::TestWithParam<Case> {};

TEST_P(ReaderMistakes, AreNamed) {
  EXPECT_EQ(mistakes(GetParam().text), GetParam().mistakes) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Scalars, ReaderMistakes,
    testing::Values(
        Case{"server: {workers: many}", "c:1:19: server.workers: expected auto or a number from 1 to 1024, not 'many'"},
        Case{"server: {workers: 0}", "c:1:19: server.workers: expected auto or a number from 1 to 1024, not '0'"},
        Case{"server: {workers: 1025}", "c:1:19: server.workers: expected auto or a number from 1 to 1024, not '1025'"},
        Case{"server: {workers: }", "c:1:19: server.workers: expected auto or a number from 1 to 1024, not nothing"},
        Case{"server: {workers: [4]}", "c:1:19: server.workers: expected auto or a number from 1 to 1024, not a list"},
        Case{"server: {workers: {}}",
             "c:1:19: server.workers: expected auto or a number from 1 to 1024, not a mapping"},
        Case{"server: {log-level: loud}",
             "c:1:21: server.log-level: expected one of debug, info, warning, error, not 'loud'"},
        Case{"server: {xdp: eth0}", "c:1:15: server.xdp: expected a list of names of network interfaces, not 'eth0'"},
        Case{"server: {xdp: [eth0, lo, eth0]}", "c:1:26: server.xdp: eth0 stands twice"},
        Case{"server: {xdp: [a/b]}",
             "c:1:16: server.xdp: expected the name of a network interface, such as eth0, not 'a/b'"},
        Case{"server: {xdp: [sixteen-octets-x]}",
             "c:1:16: server.xdp: expected the name of a network interface, such as eth0, not 'sixteen-octets-x'"},
        Case{"server: {xdp: [[eth0]]}",
             "c:1:16: server.xdp: expected the name of a network interface, such as eth0, not a list"},
        Case{"server: {user: ''}", "c:1:16: server.user: expected text, not ''"},
        Case{"server: {user: \"a\\0b\"}", "c:1:16: server.user: expected text, not 'a\\x00b'"},
        Case{"storage: {directory: \"a\\0b\"}", "c:1:22: storage.directory: expected a path, not 'a\\x00b'"},
        Case{"http: {zone-metrics: maybe}", "c:1:22: http.zone-metrics: expected true or false, not 'maybe'"},
        Case{"server: {tcp-idle-timeout: 99ms}",
             "c:1:28: server.tcp-idle-timeout: expected a time from 100ms to 1h, such as 500ms, 10s or 2m, not '99ms'"},
        Case{"server: {tcp-idle-timeout: 2h}",
             "c:1:28: server.tcp-idle-timeout: expected a time from 100ms to 1h, such as 500ms, 10s or 2m, not '2h'"},
        Case{"transfer: {max-size: 1kb}",
             "c:1:22: transfer.max-size: expected a size from 1KiB to 16TiB, such as 4096, 64KiB or 2GiB, not '1kb'"},
        Case{"transfer: {min-rate: none}",
             "c:1:22: transfer.min-rate: expected off or a size from 1 to 16TiB, such as "
             "4096, 64KiB or 2GiB, not 'none'"},
        Case{
            "zones: [{name: a., file: f, refresh-min: 1500ms}]",
            "c:1:42: zones[].refresh-min: expected a time in whole seconds from 1s to 4294967295s, such as 30s, 5m, 1h "
            "or 2d, not '1500ms'"},
        Case{
            "zones: [{name: a., file: f, expire-max: never}]",
            "c:1:41: zones[].expire-max: expected none or a time in whole seconds from 1s to 4294967295s, such as 30s, "
            "5m, 1h or 2d, not 'never'"},
        Case{"zones: [{name: a..b, file: f}]",
             "c:1:16: zones[].name: expected a domain name (an empty label), not 'a..b'"},
        Case{"zones: [{name: a., file: }]", "c:1:26: zones[].file: expected a path, not nothing"},
        Case{"zones: [{name: a., file: f, template: x}]", "c:1:39: zones[].template: there is no template 'x'"},
        Case{"zones: [{name: a., file: f, template: defualt}]",
             "c:1:39: zones[].template: there is no template 'defualt', nearest is 'default'"}));

INSTANTIATE_TEST_SUITE_P(
    Keys, ReaderMistakes,
    testing::Values(
        Case{"keys: [{name: k.}]", "c:1:8: keys[].secret is missing, expected base64"},
        Case{"keys: [{secret: MDEyMzQ1Njc4OWFiY2RlZg==}]", "c:1:8: keys[].name is missing, expected a domain name"},
        Case{"keys: [{name: k., secret: hunter2!}]", "c:1:27: keys[].secret: expected base64 with its padding"},
        Case{"keys: [{name: k., secret: ''}]", "c:1:27: keys[].secret: expected base64, not ''"},
        Case{"keys: [{name: k., algorithm: md5, secret: MDEyMzQ1Njc4OWFiY2RlZg==}]",
             "c:1:30: keys[].algorithm: expected one of hmac-md5, hmac-sha1, hmac-sha224, hmac-sha256, hmac-sha384, "
             "hmac-sha512, not 'md5'"},
        Case{"primaries: [{name: p, address: 192.0.2.1, key: k.}]", "c:1:48: primaries[].key: there is no key 'k.'"},
        Case{"keys: [{name: transfer.example., secret: MDEyMzQ1Njc4OWFiY2RlZg==}]\n"
             "primaries: [{name: p, address: 192.0.2.1, key: transfers.example.}]",
             "c:2:48: primaries[].key: there is no key 'transfers.example.', nearest is 'transfer.example.'"}));

INSTANTIATE_TEST_SUITE_P(
    Addresses, ReaderMistakes,
    testing::Values(
        Case{"server: {listen: 127.0.0.1@53}",
             "c:1:18: server.listen: expected a list of ADDRESS@PORT, not '127.0.0.1@53'"},
        Case{"server: {listen: [127.0.0.1]}", "c:1:19: server.listen: '127.0.0.1' has no port, write 127.0.0.1@PORT"},
        Case{"server: {listen: ['127.0.0.1:53']}",
             "c:1:19: server.listen: '127.0.0.1:53' is not an address of the form ADDRESS@PORT"},
        Case{"server: {listen: [127.0.0.1@0]}", "c:1:19: server.listen: '0' is not a port (1 to 65535)"},
        Case{"server: {listen: [[]]}", "c:1:19: server.listen: expected ADDRESS@PORT, not a list"},
        Case{"server: {listen: [127.0.0.1@53, '::ffff:127.0.0.1@53']}",
             "c:1:33: server.listen: 127.0.0.1@53 stands twice"},
        Case{"primaries: [{name: p, address: primary.example}]",
             "c:1:32: primaries[].address: 'primary.example' is not an address of the form ADDRESS or ADDRESS@PORT"},
        Case{"primaries: [{name: p}]",
             "c:1:13: primaries[].address is missing, expected ADDRESS, ADDRESS@PORT, or a list of these"}));

INSTANTIATE_TEST_SUITE_P(
    AccessRules, ReaderMistakes,
    testing::Values(
        Case{"zones: [{name: a., file: f, allow-transfer: 192.0.2.1}]",
             "c:1:45: zones[].allow-transfer: expected a list of access rules (ADDRESS, ADDRESS/LENGTH, key NAME, or "
             "both), not '192.0.2.1'"},
        Case{"zones: [{name: a., file: f, allow-transfer: [any]}]",
             "c:1:46: zones[].allow-transfer: 'any' is not an address or a prefix (ADDRESS/LENGTH)"},
        Case{
            "zones: [{name: a., file: f, allow-notify: [{}]}]",
            "c:1:44: zones[].allow-notify: expected an access rule (ADDRESS, ADDRESS/LENGTH, key NAME, or both), not a "
            "mapping"},
        Case{"zones: [{name: a., file: f, allow-notify: [192.0.2.1 key k.]}]",
             "c:1:44: zones[].allow-notify: there is no key 'k.'"},
        Case{"keys: [{name: key1., secret: MDEyMzQ1Njc4OWFiY2RlZg==}]\n"
             "zones: [{name: a., file: f, allow-notify: [key key2.]}]",
             "c:2:44: zones[].allow-notify: there is no key 'key2.', nearest is 'key1.'"}));

INSTANTIATE_TEST_SUITE_P(
    Peers, ReaderMistakes,
    testing::Values(
        Case{
            "zones: [{name: a., primaries: p}]",
            "c:1:31: zones[].primaries: expected a list of names under primaries, of ADDRESS@PORT, or of mappings, not "
            "'p'"},
        Case{"zones: [{name: a., primaries: [hidden]}]",
             "c:1:32: zones[].primaries: 'hidden' is neither the name of a primary nor an address (ADDRESS@PORT)"},
        Case{"primaries: [{name: hidden1, address: 192.0.2.1}]\nzones: [{name: a., primaries: [hiden1]}]",
             "c:2:32: zones[].primaries: 'hiden1' is neither the name of a primary nor an address (ADDRESS@PORT), "
             "nearest is "
             "'hidden1'"},
        Case{"zones: [{name: a., primaries: [192.0.2.1@dns]}]",
             "c:1:32: zones[].primaries: 'dns' is not a port (1 to 65535)"},
        Case{"zones: [{name: a., primaries: ['']}]",
             "c:1:32: zones[].primaries: expected a name under primaries, ADDRESS@PORT, or a mapping, not ''"},
        Case{"zones: [{name: a., primaries: [[]]}]",
             "c:1:32: zones[].primaries: expected a name under primaries, ADDRESS@PORT, or a mapping, not a list"},
        Case{"zones: [{name: a., primaries: [192.0.2.1, 192.0.2.1@53]}]",
             "c:1:43: zones[].primaries: 192.0.2.1@53 stands twice"},
        Case{"zones: [{name: a., primaries: [{key: k.}]}]",
             "c:1:32: primaries[].address is missing, expected ADDRESS, ADDRESS@PORT, or a list of these\n"
             "c:1:38: primaries[].key: there is no key 'k.'"},
        Case{"zones: [{name: a., file: f, notify: [{address: 192.0.2.1, prot: 53}]}]",
             "c:1:59: unknown key 'prot' in primaries; expected one of name, address, source, key, transport, ixfr, "
             "ixfr-udp"},
        Case{"primaries: [{name: p, address: 192.0.2.1, transport: udp}]",
             "c:1:54: primaries[].transport: expected one of tcp, not 'udp'"},
        Case{"primaries: [{name: p, address: 192.0.2.1, transport: tls}]",
             "c:1:54: primaries[].transport: transport tls is not supported by this version, expected tcp (protect the "
             "transfer by a key)"},
        Case{
            "primaries: [{name: p, address: 192.0.2.1, transport: quic}]",
            "c:1:54: primaries[].transport: transport quic is not supported by this version, expected tcp (protect the "
            "transfer by a key)"},
        Case{"primaries: [{name: p, address: 192.0.2.1, tls-name: x.}]",
             "c:1:43: transport tls, and with it tls-name, is not supported by this version"}));

INSTANTIATE_TEST_SUITE_P(
    KeysOfMappings, ReaderMistakes,
    testing::Values(
        Case{"storage: {dierctory: x}",
             "c:1:11: unknown key 'dierctory' in storage, nearest is 'directory'; expected one of directory"},
        Case{"http: {port: 80}", "c:1:8: unknown key 'port' in http; expected one of listen, zone-metrics"},
        Case{"templates: [{name: t, file: x}]",
             "c:1:23: unknown key 'file' in templates; expected one of name, primaries, "
             "allow-notify, allow-transfer, notify, refresh-min, refresh-max, retry-min, retry-max, expire-min, "
             "expire-max, max-records, max-size, serial-backwards, check-all-primaries, on-expire, history-versions, "
             "history-size, catalog-produce"},
        Case{"server:\n  workers: 1\n  user: x\n  workers: 2\n",
             "c:4:3: server.workers stands twice, first in line 2"}));

TEST(Reader, AValueIsTextUntilTheSchemaGivesItAType) {
  const auto config =
      parsed("zones:\n  - {name: no., file: yes}\n  - {name: 1.0, file: null}\n  - {name: ~, file: 0x1}\n");
  ASSERT_EQ(config->zones.size(), 3U);
  EXPECT_EQ(*config->find_zone(name_of("no."))->file, "/etc/us/yes");
  EXPECT_EQ(*config->find_zone(name_of("1.0."))->file, "/etc/us/null");
  EXPECT_EQ(*config->find_zone(name_of("~."))->file, "/etc/us/0x1");
}

TEST(Reader, ListsAreBounded) {
  std::string list;
  for (int i = 1; i <= 1'000; ++i) list += "127.0.0.1@" + std::to_string(i) + ", ";
  EXPECT_EQ(mistakes("server: {listen: [" + list + "]}"), "");
  EXPECT_EQ(mistakes("server: {listen: [" + list + "127.0.0.2@53]}"),
            "c:1:18: server.listen: expected at most 1000 entries");
}

TEST(Reader, ChoicesWithoutCase) {
  EXPECT_EQ(parsed("server: {log-level: Debug}")->server.log_level, LogLevel::debug);
  const auto config = parsed("keys: [{name: k., algorithm: HMAC-SHA512, secret: MDEyMzQ1Njc4OWFiY2RlZg==}]");
  EXPECT_EQ(config->find_key(name_of("K."))->algorithm, TsigAlgorithm::hmac_sha512);
}

TEST(Reader, RelativePathsBeginAtTheFile) {
  const auto config =
      parsed("storage: {directory: db/../data}\ncontrol: {socket: /run/x}\nzones: [{name: a., file: ../z}]");
  EXPECT_EQ(config->storage.directory, "/etc/us/data");
  EXPECT_EQ(config->control.socket, "/run/x");
  EXPECT_EQ(*config->zones[0].file, "/etc/z");
}

}  // namespace
}  // namespace understudy
