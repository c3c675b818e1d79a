// A whole server in this process: what starts, answers, is steered, reloads and stops.
#include "server/server.h"

#include <gmock/gmock.h>

#include <csignal>
#include <future>
#include <nlohmann/json.hpp>

#include "base/largest_allocation.h"
#include "base/log.h"
#include "net/unix_client.h"
#include "server_fixture.h"

namespace understudy {
namespace {

using nlohmann::json;

constexpr std::string_view zone_text = "@ 300 SOA ns host 1 3600 600 86400 60\n@ 300 NS ns\nns 300 A 192.0.2.1\n";

/// The question for an SOA record, in wire form.
Bytes soa_query(std::string_view name) {
  Bytes query{0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  append(query, Name::parse(name).value().wire());
  append_u16(query, 6);
  append_u16(query, 1);
  return query;
}

/// rcode, or -1 without an answer. `answers` gets the number of records in the answer section.
int ask(std::uint16_t port, std::string_view name, bool tcp = false, unsigned* answers = nullptr) {
  const UniqueFd fd(socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
  sockaddr_storage to{};
  const socklen_t size = loopback(port).to_sockaddr(to);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&to), size) != 0) return -1;
  Bytes query = soa_query(name);
  if (tcp) query.insert(query.begin(), {0, static_cast<std::uint8_t>(query.size())});
  if (send(fd.get(), query.data(), query.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(query.size())) return -1;
  pollfd p{fd.get(), POLLIN, 0};
  std::uint8_t response[4096];
  const std::size_t head = tcp ? 2 : 0;
  if (poll(&p, 1, 5000) != 1) return -1;
  if (recv(fd.get(), response, sizeof response, 0) < static_cast<ssize_t>(head + 12)) return -1;
  if (answers != nullptr) *answers = load_u16(response + head + 6);
  return response[head + 3] & 15;
}

std::string http_get(std::uint16_t port, const std::string& path) {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage to{};
  const socklen_t size = loopback(port).to_sockaddr(to);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&to), size) != 0) return "";
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
  std::string response;
  char chunk[4096];
  for (ssize_t n = 0; (n = recv(fd.get(), chunk, sizeof chunk, 0)) > 0;) {
    response.append(chunk, static_cast<std::size_t>(n));
  }
  return response;
}

class ServerTest : public testing::Test {
 protected:
  ServerTest() : manager_(folder_ / "notify") {
    set_log_level(LogLevel::error);
    folder_.write("a.zone", zone_text);
  }
  ~ServerTest() override {
    stop();
    set_log_level(LogLevel::info);
  }

  /// The configuration; `zones` in flow form, `more` are sections.
  [[nodiscard]] std::string text(const std::string& zones, const std::string& more = "") const {
    return "server: {listen: [127.0.0.1@" + std::to_string(port_) + "], workers: 1, log-level: error}\n" +
           "storage: {directory: store}\ncontrol: {socket: control.sock}\nzones: [" + zones + "]\n" + more;
  }
  std::string configure(const std::string& zones, const std::string& more = "") const {
    return folder_.write("understudy.yaml", text(zones, more));
  }

  Result<std::unique_ptr<Server>> create() {
    const std::string path = folder_ / "understudy.yaml";
    auto loaded = load_config(path);
    EXPECT_TRUE(loaded) << loaded.error().detail;
    return Server::create(path, std::move(*loaded));
  }
  /// Starts it in a thread of its own and waits until it is ready.
  void start() {
    thread_ = std::thread([this] {
      auto server = create();
      ASSERT_TRUE(server) << server.error().text();
      (*server)->run();
    });
    ASSERT_EQ(manager_.next(), "READY=1");
  }
  void stop() {
    if (!thread_.joinable()) return;
    command({{"command", "stop"}});
    thread_.join();
  }
  /// Why it does not start.
  std::string complaint() {
    const auto server = create();
    EXPECT_FALSE(server);
    return server ? "" : server.error().text();
  }

  std::vector<json> command(const json& request) {
    std::vector<json> lines;
    auto client = UnixClient::connect(folder_ / "control.sock");
    if (!client || !client->send_line(request.dump())) return {{{"done", true}, {"error", "no connection"}}};
    do {
      const auto line = client->read_line(20s);
      if (!line) {
        lines.push_back({{"done", true}, {"error", line.error().text()}});
      } else {
        lines.push_back(json::parse(*line));
      }
    } while (!lines.back().contains("done"));
    return lines;
  }
  std::string reload() {
    const auto lines = command({{"command", "conf reload"}});
    EXPECT_TRUE(manager_.next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    EXPECT_EQ(manager_.next(), "READY=1");
    std::string said;
    for (const auto& line : lines) {
      if (line.contains("text")) said += (said.empty() ? "" : "\n") + line["text"].get<std::string>();
    }
    return said;
  }

  const Folder folder_;
  const ServiceManager manager_;
  const std::uint16_t port_ = free_port();
  std::thread thread_;
};

TEST_F(ServerTest, AnswersOverUdpAndTcp) {
  configure("{name: a.example., file: a.zone}");
  start();
  for (const bool tcp : {false, true}) {
    unsigned answers = 0;
    EXPECT_EQ(ask(port_, "a.example.", tcp, &answers), 0);
    EXPECT_EQ(answers, 1U);
    EXPECT_EQ(ask(port_, "absent.a.example.", tcp), 3);
    EXPECT_EQ(ask(port_, "b.example.", tcp), 5);
  }
}

TEST_F(ServerTest, TakesCommands) {
  configure("{name: a.example., file: a.zone}, {name: b.example., primaries: [127.0.0.1@9]}");
  start();
  auto lines = command({{"command", "zone list"}});
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0]["row"]["name"], "a.example.");
  EXPECT_EQ(lines[0]["row"]["state"], "ok");
  EXPECT_EQ(lines[0]["row"]["serial"], 1);
  EXPECT_EQ(lines[0]["row"]["records"], 3);
  EXPECT_EQ(lines[0]["row"]["type"], "file");
  EXPECT_EQ(lines[1]["row"]["state"], "empty");
  EXPECT_EQ(lines[1]["row"]["type"], "secondary");
  lines = command({{"command", "zone export"}, {"zones", {"a.example."}}});
  EXPECT_TRUE(lines.at(0)["text"].get<std::string>().starts_with("a.example.\t300\tIN\tSOA\t")) << lines[0];
  lines = command({{"command", "zone export"}, {"zones", {"b.example."}}});
  EXPECT_NE(lines.at(0)["error"].get<std::string>().find("no version of zone b.example."), std::string::npos);
  lines = command({{"command", "zone export"}, {"zones", {"c.example."}}});
  EXPECT_NE(lines.at(0)["error"].get<std::string>().find("no zone c.example."), std::string::npos);
  lines = command({{"command", "zone refresh"}, {"zones", {"b.example."}}});
  EXPECT_NE(lines.at(0)["error"].get<std::string>().find("127.0.0.1@9"), std::string::npos);
  EXPECT_EQ(lines.at(1)["failed"], 1);
  folder_.write("a.zone", std::string(zone_text) + "www 300 A 192.0.2.2\n");
  lines = command({{"command", "zone retransfer"}, {"zones", {"a.example."}}});
  EXPECT_EQ(lines.at(1)["failed"], 0) << lines[0];
  EXPECT_EQ(ask(port_, "www.a.example."), 0);
}

TEST_F(ServerTest, MemoryThatRunsOutForACommandIsItsOutcome) {
  if (!LargestAllocation::works) GTEST_SKIP() << "a sanitizer has its own memory";
  configure("{name: a.example, file: a.zone}");
  start();
  std::string larger(zone_text);
  larger.replace(larger.find("host 1"), 6, "host 2");
  for (int i = 0; i < 20'000; ++i) larger += "h" + std::to_string(i) + " 300 A 192.0.2.1\n";
  folder_.write("a.zone", larger);
  command({{"command", "zone refresh"}, {"zones", {"a.example."}}, {"wait", true}});
  const json diff{{"command", "zone diff"}, {"zones", {"a.example."}}, {"from_serial", 2}, {"to_serial", 1}};
  const json old{{"command", "zone export"}, {"zones", {"a.example."}}, {"serial", 1}};
  ASSERT_TRUE(eventually([&] { return !command(diff).back().contains("error"); }));
  for (const json& each : {diff, old}) {
    std::vector<json> lines;
    {
      const LargestAllocation limit(std::size_t{128} << 10);
      lines = command(each);
    }
    EXPECT_THAT(lines.back().value("error", ""), ::testing::ContainsRegex("out of memory: .*a.example.*MiB.*try it"));
    EXPECT_FALSE(command(each).back().contains("error"));
  }
}

TEST_F(ServerTest, AnswersHttp) {
  const auto port = free_port();
  configure("{name: a.example., file: a.zone}",
            "http: {listen: [127.0.0.1@" + std::to_string(port) + "], zone-metrics: yes}\n");
  start();
  EXPECT_NE(http_get(port, "/healthz").find("\r\n\r\nalive\n"), std::string::npos);
  EXPECT_NE(http_get(port, "/readyz").find("\r\n\r\nready\n"), std::string::npos);
  const std::string metrics = http_get(port, "/metrics");
  EXPECT_NE(metrics.find("application/openmetrics-text"), std::string::npos);
  EXPECT_NE(metrics.find("understudy_ready 1\n"), std::string::npos);
  EXPECT_NE(metrics.find("understudy_zone_serial{zone=\"a.example.\"} 1\n"), std::string::npos);
  EXPECT_TRUE(http_get(port, "/nothing").starts_with("HTTP/1.1 404 ")) << http_get(port, "/nothing");
}

TEST_F(ServerTest, ListingsAreFilteredAndCutHere) {
  configure(
      "{name: a.example., file: a.zone}, {name: b.example., primaries: [127.0.0.1@9]}, "
      "{name: c.test., file: a.zone}");
  start();
  const auto names = [&](json request) {
    request["command"] = "zone list";
    std::string all;
    for (const auto& line : command(request)) {
      if (line.contains("row")) all += line["row"]["name"].get<std::string>() + " ";
      if (line.contains("next")) all += "next " + line["next"].get<std::string>();
    }
    return all;
  };
  EXPECT_EQ(names({{"match", "*.example"}}), "a.example. b.example. ");
  EXPECT_EQ(names({{"match", "*.example"}, {"state", "empty"}}), "b.example. ");
  EXPECT_EQ(names({{"limit", 1}}), "a.example. next b.example.");
  EXPECT_EQ(names({{"limit", 2}, {"from", "b.example."}}), "b.example. c.test. ");
  EXPECT_EQ(names({{"limit", 1}, {"match", "*.test"}}), "c.test. ");
}

TEST_F(ServerTest, ReloadNamesWhatChangesAndWhatNeedsARestart) {
  configure("{name: a.example., file: a.zone}");
  start();
  EXPECT_EQ(reload(), "nothing changed");
  configure("{name: a.example., file: a.zone}, {name: b.example., file: a.zone}", "http: {zone-metrics: yes}\n");
  const auto told = command({{"command", "conf diff"}});
  ASSERT_EQ(told.size(), 3U);
  EXPECT_EQ(told[1]["text"], "zone b.example. is added");
  EXPECT_EQ(ask(port_, "b.example."), 5) << "nothing is done";
  EXPECT_EQ(reload(), "http.zone-metrics: false -> true\nzone b.example. is added");
  EXPECT_EQ(command({{"command", "conf diff"}}).at(0)["text"], "nothing would change");
  EXPECT_TRUE(eventually([&] { return ask(port_, "b.example.") == 0; }));
  const std::string other = "http: {listen: [127.0.0.1@" + std::to_string(free_port()) + "], zone-metrics: yes}\n";
  configure("{name: b.example., file: a.zone}", other);
  const std::string said = reload();
  EXPECT_NE(said.find("http.listen: "), std::string::npos) << said;
  EXPECT_NE(said.find(" (needs a restart)\n"), std::string::npos) << said;
  EXPECT_NE(said.find("zone a.example. is removed"), std::string::npos) << said;
  EXPECT_TRUE(eventually([&] { return ask(port_, "a.example.") == 5; }));
  const std::string again = reload();
  EXPECT_NE(again.find("http.listen: "), std::string::npos) << "it still waits for a restart: " << again;
  EXPECT_EQ(again.find('\n'), std::string::npos) << again;
  configure("{name: b.example., file: a.zone}", "http: {zone-metrics: yes}\n");
  EXPECT_EQ(reload().find("needs a restart"), std::string::npos) << "back to what it runs with";
  EXPECT_EQ(reload(), "nothing changed");
}

TEST_F(ServerTest, ReloadIsAllOrNothing) {
  configure("{name: a.example., file: a.zone}");
  start();
  configure("{name: b.example., file: a.zone}, {name: c..example., file: a.zone}", "https: {}\n");
  const auto lines = command({{"command", "conf reload"}});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["failed"], 1);
  const auto error = lines[0]["error"].get<std::string>();
  EXPECT_TRUE(error.starts_with(folder_ / "understudy.yaml:")) << error;
  EXPECT_NE(error.find("c..example."), std::string::npos) << error;
  EXPECT_NE(error.find("https"), std::string::npos) << error;
  EXPECT_EQ(ask(port_, "a.example."), 0);
  EXPECT_EQ(ask(port_, "b.example."), 5);
  std::filesystem::remove(folder_ / "understudy.yaml");
  EXPECT_EQ(command({{"command", "conf reload"}}).at(0)["failed"], 1);
  EXPECT_EQ(ask(port_, "a.example."), 0);
}

TEST_F(ServerTest, AReloadThatWouldStopZonesAddedByCommandsIsRefused) {
  const auto primary = [](const std::string& name) { return "{name: " + name + ", address: 127.0.0.1@1}"; };
  const std::string both = "primaries: [" + primary("p") + ", " + primary("q") + "]\n";
  const std::string templates = "templates: [{name: default, primaries: [p]}, {name: other, primaries: [p]}]\n";
  configure("{name: a.example., file: a.zone}", both + templates);
  start();
  const json names = {"r0.example.", "r1.example."};
  ASSERT_EQ(command({{"command", "zone add"}, {"zones", names}, {"template", "other"}, {"wait", false}}).size(), 3U);
  ASSERT_EQ(
      command({{"command", "zone add"}, {"zones", {"r2.example."}}, {"primaries", {"q"}}, {"wait", false}}).size(), 2U);
  const auto refused = [&](const std::string& more, const std::string& why) {
    configure("{name: b.example., file: a.zone}", more);
    const std::string told = command({{"command", "conf diff"}}).rbegin()[1]["text"];
    EXPECT_EQ(told, "a reload would be refused: " + why);
    const auto lines = command({{"command", "conf reload"}});
    ASSERT_EQ(lines.size(), 1U) << "nothing is announced that is not done";
    EXPECT_EQ(lines[0]["failed"], 1);
    EXPECT_NE(lines[0]["error"].get<std::string>().find("nothing is changed: " + why), std::string::npos) << lines[0];
    EXPECT_EQ(ask(port_, "r0.example."), 2);
    EXPECT_EQ(ask(port_, "r2.example."), 2);
    EXPECT_EQ(ask(port_, "a.example."), 0);
    EXPECT_EQ(ask(port_, "b.example."), 5);
  };
  const std::string fewer = "templates: [{name: default, primaries: [p]}]\n";
  refused(both + fewer,
          "template other is used by 2 zones that were added at run time (r0.example., r1.example.): add it again, or "
          "remove them first with `understudy zone remove`");
  refused("primaries: [" + primary("p") + "]\n" + templates,
          "primary q is used by a zone that was added at run time (r2.example.): add it again, or remove them first "
          "with `understudy zone remove`");
  refused(both + "templates: [{name: default, primaries: [p]}, {name: other}]\n",
          "template other has no primaries any more, and is used by 2 zones that were added at run time (r0.example., "
          "r1.example.): give it some, or remove them first with `understudy zone remove`");
  for (int i = 0; i < 6; ++i) EXPECT_NE(manager_.next(), "") << "RELOADING and READY";
  command({{"command", "zone remove"}, {"zones", names}});
  configure("{name: a.example., file: a.zone}", both + fewer);
  EXPECT_EQ(reload(), "template other is removed");
  EXPECT_EQ(ask(port_, "r0.example."), 5);
  EXPECT_EQ(ask(port_, "r2.example."), 2);
}

TEST_F(ServerTest, SignalsReloadAndStop) {
  configure("{name: a.example., file: a.zone}");
  start();
  configure("{name: a.example., file: a.zone}, {name: b.example., file: a.zone}");
  kill(getpid(), SIGHUP);
  EXPECT_TRUE(manager_.next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
  EXPECT_EQ(manager_.next(), "READY=1");
  EXPECT_TRUE(eventually([&] { return ask(port_, "b.example.") == 0; }));
  kill(getpid(), SIGTERM);
  EXPECT_EQ(manager_.next(), "STOPPING=1");
  thread_.join();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "control.sock"));
  EXPECT_TRUE(check_address_free(loopback(port_)));
}

TEST_F(ServerTest, SignalBeforeItRunsIsNotLost) {
  configure("{name: a.example., file: a.zone}, {name: b.example., primaries: [127.0.0.1@9]}");
  thread_ = std::thread([this] {
    auto server = create();
    ASSERT_TRUE(server) << server.error().text();
    pthread_kill(pthread_self(), SIGTERM);
    (*server)->run();
  });
  thread_.join();
  std::string last;
  for (std::string next; !(next = manager_.next(100ms)).empty();) last = next;
  EXPECT_EQ(last, "STOPPING=1");
}

TEST_F(ServerTest, NeedNotRun) {
  configure("{name: a.example., file: a.zone}");
  {
    EXPECT_TRUE(create());
  }
  start();
  EXPECT_EQ(ask(port_, "a.example."), 0);
}

TEST_F(ServerTest, StartsAgainAfterAStop) {
  configure("{name: a.example., file: a.zone}");
  for (int i = 0; i < 3; ++i) {
    start();
    EXPECT_EQ(ask(port_, "a.example."), 0);
    stop();
    EXPECT_EQ(manager_.next(), "STOPPING=1");
  }
}

TEST_F(ServerTest, StopCommandIsAnsweredAndItsConnectionEndsLast) {
  configure("{name: a.example., file: a.zone}");
  start();
  auto client = UnixClient::connect(folder_ / "control.sock");
  ASSERT_TRUE(client);
  ASSERT_TRUE(client->send_line(R"({"command": "stop"})"));
  EXPECT_EQ(client->read_line(20s).value_or("nothing"), R"({"text":"stopping"})");
  EXPECT_EQ(client->read_line(20s).value_or("nothing"), R"({"done":true,"failed":0})");
  const auto end = client->read_line(20s);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Errc::connection_closed);
  EXPECT_TRUE(check_address_free(loopback(port_))) << "all is closed by then";
  thread_.join();
  EXPECT_TRUE(create()) << "the directory is free again";
}

// A primary that takes the connection and says nothing: whoever waits for the outcome learns that it was cancelled.
TEST_F(ServerTest, StopTellsThoseWhoWait) {
  const auto primary = free_port();
  const auto hung = open_tcp_listener(loopback(primary));
  ASSERT_TRUE(hung);
  configure("{name: a.example., primaries: [127.0.0.1@" + std::to_string(primary) + "]}",
            "transfer: {probe-timeout: 60s}\n");
  start();
  auto waiting =
      std::async(std::launch::async, [&] { return command({{"command", "zone refresh"}, {"zones", {"a.example."}}}); });
  EXPECT_EQ(waiting.wait_for(300ms), std::future_status::timeout);
  const auto begun = std::chrono::steady_clock::now();
  stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
  const auto lines = waiting.get();
  ASSERT_EQ(lines.size(), 2U) << lines.at(0);
  EXPECT_EQ(lines[0]["zone"], "a.example.");
  EXPECT_TRUE(lines[0].contains("error")) << lines[0];
  EXPECT_EQ(lines[1]["failed"], 1);
}

// A listing in the middle of its way to a client that does not read must not outlive the server.
TEST_F(ServerTest, StopsWithAListingUnderWay) {
  std::string zones;
  for (int i = 0; i < 5000; ++i) {
    zones +=
        (i == 0 ? "" : ", ") + std::string("{name: z") + std::to_string(i) + ".example., primaries: [127.0.0.1@9]}";
  }
  configure(zones);
  start();
  std::vector<UnixClient> clients;
  for (int i = 0; i < 10; ++i) {
    auto client = UnixClient::connect(folder_ / "control.sock");
    ASSERT_TRUE(client);
    ASSERT_TRUE(client->send_line(R"({"command": "zone list"})"));
    clients.push_back(std::move(*client));
  }
  ASSERT_TRUE(clients[0].read_line(20s));
  kill(getpid(), SIGTERM);
  thread_.join();
}

TEST_F(ServerTest, OneServerADirectory) {
  configure("{name: a.example., file: a.zone}");
  start();
  const auto other = folder_.write("other.yaml", "server: {listen: [127.0.0.1@" + std::to_string(free_port()) +
                                                     "], log-level: error}\nstorage: {directory: store}\n"
                                                     "control: {socket: other.sock}\n");
  auto loaded = load_config(other);
  ASSERT_TRUE(loaded);
  const auto second = Server::create(other, std::move(*loaded));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::already_locked);
  EXPECT_NE(second.error().text().find("in use by another server"), std::string::npos) << second.error().text();
  EXPECT_NE(second.error().text().find(folder_ / "store"), std::string::npos) << second.error().text();
  EXPECT_EQ(ask(port_, "a.example."), 0) << "the first goes on";
}

TEST_F(ServerTest, AddressInUse) {
  configure("");
  const auto taken = open_udp_socket(loopback(port_));
  ASSERT_TRUE(taken);
  const std::string said = complaint();
  EXPECT_NE(said.find(loopback(port_).text()), std::string::npos) << said;
  EXPECT_NE(said.find("in use"), std::string::npos) << said;
}

TEST_F(ServerTest, HttpAddressInUse) {
  const auto port = free_port();
  configure("", "http: {listen: [127.0.0.1@" + std::to_string(port) + "]}\n");
  const auto taken = open_tcp_listener(loopback(port));
  ASSERT_TRUE(taken);
  const std::string said = complaint();
  EXPECT_NE(said.find(loopback(port).text()), std::string::npos) << said;
  EXPECT_NE(said.find("in use"), std::string::npos) << said;
}

TEST_F(ServerTest, DirectoryThatCannotBe) {
  folder_.write("store", "a file");
  configure("");
  const std::string said = complaint();
  EXPECT_NE(said.find(folder_ / "store"), std::string::npos) << said;
}

TEST_F(ServerTest, SocketThatCannotBe) {
  configure("");
  folder_.write("control.sock", "a file");
  const std::string said = complaint();
  EXPECT_NE(said.find(folder_ / "control.sock"), std::string::npos) << said;
  EXPECT_TRUE(std::filesystem::is_regular_file(folder_ / "control.sock")) << "it is left alone";
}

TEST_F(ServerTest, SocketOfAnotherServer) {
  configure("");
  start();
  const auto other = folder_.write("other.yaml", "server: {listen: [127.0.0.1@" + std::to_string(free_port()) +
                                                     "], log-level: error}\nstorage: {directory: other}\n"
                                                     "control: {socket: control.sock}\n");
  auto loaded = load_config(other);
  ASSERT_TRUE(loaded);
  const auto second = Server::create(other, std::move(*loaded));
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text().find(folder_ / "control.sock"), std::string::npos) << second.error().text();
  EXPECT_EQ(command({{"command", "zone list"}}).at(0)["failed"], 0) << "the first is still reached";
}

TEST_F(ServerTest, UnknownUser) {
  folder_.write("understudy.yaml",
                "server: {user: no-such-user-here, log-level: error}\nstorage: {directory: store}\n");
  const std::string said = complaint();
  EXPECT_NE(said.find("no-such-user-here"), std::string::npos) << said;
}

}  // namespace
}  // namespace understudy
