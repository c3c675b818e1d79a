#include "server/workers.h"

#include <gtest/gtest.h>

#include "server_fixture.h"

namespace understudy {
namespace {

// A server without zones.
class NoZones final : public AnswerEnvironment {
 public:
  [[nodiscard]] const ZoneTable* table() const override { return nullptr; }
  [[nodiscard]] const AnswerSettings* settings() const override { return &settings_; }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  void notify(NameView /*zone*/, const IpAddress& /*from*/, std::optional<Serial> /*serial*/) override {}

 private:
  AnswerSettings settings_{.keys = std::make_shared<const TsigKeyring>()};
  SystemClock clock_;
};

std::shared_ptr<const Config> listening(std::uint16_t port, unsigned count = 2) {
  return parsed("server: {listen: [127.0.0.1@" + std::to_string(port) + "], workers: " + std::to_string(count) + "}")
      .config;
}

// example. SOA, id 0x1234
constexpr std::uint8_t query[] = {0x12, 0x34, 0,   0,   0,   1,   0,   0, 0, 0, 0, 0, 7,
                                  'e',  'x',  'a', 'm', 'p', 'l', 'e', 0, 0, 6, 0, 1};

int rcode_by_udp(std::uint16_t port) {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage to{};
  const socklen_t size = loopback(port).to_sockaddr(to);
  sendto(fd.get(), query, sizeof query, 0, reinterpret_cast<sockaddr*>(&to), size);
  pollfd p{fd.get(), POLLIN, 0};
  std::uint8_t answer[512];
  if (poll(&p, 1, 5000) != 1 || recv(fd.get(), answer, sizeof answer, 0) < 12) return -1;
  return answer[3] & 15;
}

TEST(WorkersTest, AnswerOnceStarted) {
  NoZones environment;
  const auto port = free_port();
  auto workers = Workers::create(*listening(port), environment);
  ASSERT_TRUE(workers) << workers.error().text();
  (*workers)->start();
  EXPECT_EQ(rcode_by_udp(port), 2) << "SERVFAIL until the first zones are known";
  const auto totals = (*workers)->totals();
  EXPECT_EQ(totals.udp.size(), 2U);
  EXPECT_EQ(totals.streams.size(), 2U);
  EXPECT_EQ(totals.answers.size(), 4U);
  std::uint64_t queries = 0;
  for (const auto* counters : totals.answers) queries += counters->queries[0];
  EXPECT_EQ(queries, 1U);
  (*workers)->stop();
  (*workers)->stop();
  EXPECT_TRUE(check_address_free(loopback(port))) << "a stopped worker has closed its sockets";
}

TEST(WorkersTest, NeedNotBeStarted) {
  NoZones environment;
  const auto port = free_port();
  {
    EXPECT_TRUE(Workers::create(*listening(port), environment));
  }
  EXPECT_TRUE(check_address_free(loopback(port)));
}

TEST(WorkersTest, AddressInUseIsNamed) {
  NoZones environment;
  const auto port = free_port();
  for (const bool by_tcp : {false, true}) {
    const auto other = by_tcp ? open_tcp_listener(loopback(port)) : open_udp_socket(loopback(port));
    ASSERT_TRUE(other);
    const auto workers = Workers::create(*listening(port), environment);
    ASSERT_FALSE(workers);
    EXPECT_NE(workers.error().text().find(loopback(port).text()), std::string::npos) << workers.error().text();
    EXPECT_NE(workers.error().text().find("in use"), std::string::npos) << workers.error().text();
  }
}

}  // namespace
}  // namespace understudy
