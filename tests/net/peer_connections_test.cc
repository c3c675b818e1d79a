#include "net/peer_connections.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "peer_pool.h"

namespace understudy {
namespace {

// --------------------------------------------------------------------------------------------------- Kept connections

TEST(PeerConnections, KeepsAConnectionForTheNextRequest) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool;
  for (std::uint8_t i = 0; i < 5; ++i) {
    const auto asked = pool.get(server.address, {.fill = i});
    ASSERT_EQ(asked->messages.size(), 1U) << asked->detail;
    EXPECT_EQ(asked->messages[0], message(asked->ids.at(0), 32, i));
  }
  EXPECT_EQ(server.connections, 1);
  const PeerConnectionCounts counts = pool.connections.counts();
  EXPECT_EQ(counts.opened, 1U);
  EXPECT_EQ(counts.requests, 5U);
  EXPECT_EQ(counts.reused, 4U);
  EXPECT_EQ(counts.repeated, 0U);
  EXPECT_EQ(counts.idle, 1U);
}

TEST(PeerConnections, ClosesWhatIsIdleTooLong) {
  std::atomic<int> closed{0};
  Server server([&](int fd, int) {
    answer_all(fd);
    ++closed;
  });
  Pool pool({.idle_timeout = 100ms});
  EXPECT_FALSE(pool.get(server.address)->error);
  pool.run_for(50ms);
  EXPECT_FALSE(pool.get(server.address)->error);
  pool.run_for(70ms);
  EXPECT_EQ(closed, 0) << "the time begins anew with every request";
  EXPECT_TRUE(pool.until([&] { return closed == 1; }));
  EXPECT_EQ(pool.connections.counts().open, 0U);

  pool.connections.set_idle_timeout({server.address}, 0ms);
  EXPECT_FALSE(pool.get(server.address)->error);
  EXPECT_TRUE(pool.until([&] { return closed == 2; }));
  pool.connections.set_idle_timeout({server.address}, std::nullopt);
  EXPECT_FALSE(pool.get(server.address)->error);
  EXPECT_EQ(pool.connections.counts().idle, 1U);
}

TEST(PeerConnections, KeepsABoundedNumber) {
  std::vector<std::unique_ptr<Server>> servers;
  for (int i = 0; i < 5; ++i) servers.push_back(std::make_unique<Server>([](int fd, int) { answer_all(fd); }));
  {
    Pool pool({.max_idle = 3});
    for (const auto& server : servers) EXPECT_FALSE(pool.get(server->address)->error);
    EXPECT_EQ(pool.connections.counts().idle, 3U);
    EXPECT_EQ(pool.connections.counts().open, 3U);
    EXPECT_FALSE(pool.get(servers[4]->address)->error);
    EXPECT_EQ(servers[4]->connections, 1) << "the longest idle ones were closed";
    EXPECT_FALSE(pool.get(servers[0]->address)->error);
    EXPECT_EQ(servers[0]->connections, 2);
  }
}

TEST(PeerConnections, APeerThatClosesAnIdleConnectionIsAskedOnAFreshOne) {
  Server server([](int fd, int) {
    give(fd, framed(receive_message(fd)));
    std::this_thread::sleep_for(30ms);
  });
  Pool pool;
  for (int i = 0; i < 4; ++i) {
    EXPECT_FALSE(pool.get(server.address)->error);
    pool.run_for(80ms);
    EXPECT_EQ(pool.connections.counts().open, 0U);
  }
  EXPECT_EQ(pool.connections.counts().repeated, 0U);
}

TEST(PeerConnections, APeerThatClosesAfterEachAnswerIsNoTrouble) {
  Server server([](int fd, int) { give(fd, framed(receive_message(fd))); });
  Pool pool;
  for (int i = 0; i < 50; ++i) {
    const auto asked = pool.get(server.address);
    EXPECT_FALSE(asked->error) << asked->detail;
  }
  EXPECT_EQ(pool.connections.counts().opened, 50U);
}

TEST(PeerConnections, ARequestOnADyingConnectionIsRepeatedAndThePeerRemembered) {
  Server server([](int fd, int) {
    give(fd, framed(receive_message(fd)));
    receive_message(fd);  // and closes without an answer
  });
  Pool pool;
  for (int i = 0; i < 8; ++i) {
    const auto asked = pool.get(server.address);
    EXPECT_FALSE(asked->error) << asked->detail;
  }
  const PeerConnectionCounts counts = pool.connections.counts();
  EXPECT_EQ(counts.repeated, 2U) << "after two of them nothing is kept for this peer";
  EXPECT_EQ(counts.opened, 8U);
  EXPECT_EQ(counts.idle, 0U);
}

TEST(PeerConnections, ARepeatedRequestHasAnotherIdAndIsNotRepeatedAgain) {
  Server server([](int fd, int number) {
    if (number == 0) give(fd, framed(receive_message(fd)));
    receive_message(fd);
  });
  Pool pool;
  EXPECT_FALSE(pool.get(server.address)->error);
  const auto asked = pool.get(server.address);
  EXPECT_EQ(asked->error, Errc::connection_closed);
  EXPECT_NE(asked->detail.find(server.address.text()), std::string::npos) << asked->detail;
  EXPECT_EQ(asked->ids.size(), 2U);
  EXPECT_EQ(server.connections, 2);
}

TEST(PeerConnections, AFreshConnectionThatIsClosedIsAFailure) {
  Server server([](int fd, int) { receive_message(fd); });
  Pool pool;
  const auto asked = pool.get(server.address);
  EXPECT_EQ(asked->error, Errc::connection_closed);
  EXPECT_EQ(asked->ids.size(), 1U);
  EXPECT_EQ(server.connections, 1);
}

TEST(PeerConnections, AnAnswerThatBreaksOffIsAFailure) {
  Server server([](int fd, int) {
    for (int i = 0; i < 2; ++i) {
      const Bytes request = receive_message(fd);
      give(fd, framed(request));
      if (i == 0) continue;
      give(fd, Bytes{0, 50, request[0], request[1], 3});
    }
  });
  Pool pool;
  EXPECT_FALSE(pool.get(server.address)->error);
  const auto asked = pool.get(server.address, {.messages = 3});
  EXPECT_EQ(asked->error, Errc::connection_closed);
  EXPECT_NE(asked->detail.find("inside a message"), std::string::npos) << asked->detail;
  EXPECT_EQ(asked->messages.size(), 1U);
  EXPECT_EQ(server.connections, 1) << "what has begun is not repeated";
}

TEST(PeerConnections, APeerThatIgnoresTheSecondRequestIsAskedOnAFreshConnection) {
  Server server([](int fd, int) {
    give(fd, framed(receive_message(fd)));
    hang(fd);
  });
  Pool pool({.hesitation = 100ms});
  for (int i = 0; i < 3; ++i) {
    const auto asked = pool.get(server.address);
    EXPECT_FALSE(asked->error) << asked->detail;
    EXPECT_EQ(asked->took >= 100ms, i != 0);
  }
  for (int i = 0; i < 3; ++i) EXPECT_LT(pool.get(server.address)->took, 100ms) << "it is known by now";
}

// ------------------------------------------------------------------------------------------------------- Many at once

TEST(PeerConnections, AnswersMayInterleaveAndComeInAnyOrder) {
  Server server([](int fd, int) {
    std::vector<Bytes> requests;
    for (int i = 0; i < 3; ++i) requests.push_back(receive_message(fd));
    Bytes stream;
    for (std::uint8_t part = 0; part < 4; ++part) {
      for (auto request = requests.rbegin(); request != requests.rend(); ++request) {
        if (request->back() == 2 && part == 3) continue;
        append(stream, framed(message(id_of(*request), 3000 + part, request->back())));
      }
    }
    for (std::size_t at = 0; at < stream.size(); at += 1777) {
      give(fd, ByteView(stream).subspan(at, std::min<std::size_t>(1777, stream.size() - at)));
    }
    hang(fd);
  });
  Pool pool(one_connection());
  std::vector<std::shared_ptr<Asked>> all;
  for (std::uint8_t i = 1; i <= 3; ++i) {
    all.push_back(pool.ask(server.address, {.fill = i, .messages = i == 2 ? 3U : 4U}));
  }
  EXPECT_TRUE(pool.until([&] { return all[0]->over && all[1]->over && all[2]->over; }));
  for (std::uint8_t i = 1; i <= 3; ++i) {
    const Asked& asked = *all[i - 1U];
    EXPECT_FALSE(asked.error) << asked.detail;
    ASSERT_EQ(asked.messages.size(), i == 2 ? 3U : 4U);
    for (std::size_t part = 0; part < asked.messages.size(); ++part) {
      EXPECT_EQ(asked.messages[part], message(asked.ids.at(0), 3000 + part, i));
    }
  }
  EXPECT_EQ(server.connections, 1);
  EXPECT_EQ(pool.connections.counts().pipelined, 2U);
}

TEST(PeerConnections, WaitsWhenAllIsFull) {
  std::atomic<int> most{0};
  Server server([&](int fd, int) {
    while (true) {
      Bytes first = receive_message(fd);
      if (first.empty()) return;
      std::this_thread::sleep_for(20ms);
      int ready = 1;
      std::vector<Bytes> requests{first};
      while (readable(fd, 0ms)) {
        Bytes next = receive_message(fd);
        if (next.empty()) return;
        requests.push_back(next);
        ++ready;
      }
      most = std::max(most.load(), ready);
      for (const Bytes& request : requests) give(fd, framed(request));
    }
  });
  Pool pool({.max_connections = 2, .max_pipelined = 3});
  std::vector<std::shared_ptr<Asked>> all;
  for (std::uint8_t i = 0; i < 40; ++i) all.push_back(pool.ask(server.address, {.fill = i}));
  EXPECT_TRUE(pool.until([&] { return pool.connections.counts().waiting == 34; }));
  EXPECT_TRUE(pool.until([&] { return all_over(all); }));
  for (const auto& asked : all) EXPECT_FALSE(asked->error) << asked->detail;
  EXPECT_EQ(server.connections, 2);
  EXPECT_LE(most, 3);
}

TEST(PeerConnections, SaysThatNoConnectionWasFree) {
  Server server([](int fd, int) { hang(fd); });
  Pool pool({.max_connections = 1, .max_pipelined = 1, .hesitation = 5s});
  const auto first = pool.ask(server.address);
  const auto second = pool.get(server.address, {.limits = {.stall = 100ms, .deadline = std::nullopt}});
  EXPECT_EQ(second->error, Errc::timed_out);
  EXPECT_NE(second->detail.find("free"), std::string::npos) << second->detail;
  EXPECT_FALSE(first->over);
}

TEST(PeerConnections, NobodyWaitsBehindAHungRequest) {
  // In order, and the first one hangs: only another connection helps.
  Server server([](int fd, int) {
    while (true) {
      const Bytes request = receive_message(fd);
      if (request.empty()) return;
      if (request.back() == 1) return hang(fd);
      give(fd, framed(request));
    }
  });
  Pool pool({.max_connections = 1, .hesitation = 150ms});
  const auto hung = pool.ask(server.address, {.fill = 1});
  std::vector<std::shared_ptr<Asked>> others;
  for (std::uint8_t i = 2; i < 6; ++i) others.push_back(pool.ask(server.address, {.fill = i}));
  EXPECT_TRUE(pool.until([&] { return all_over(others); }));
  for (const auto& asked : others) {
    EXPECT_FALSE(asked->error) << asked->detail;
    EXPECT_LT(asked->took, 2s);
  }
  EXPECT_FALSE(hung->over);
  const auto later = pool.get(server.address, {.fill = 9});
  EXPECT_FALSE(later->error) << later->detail;
  EXPECT_LT(later->took, 100ms);
}

TEST(PeerConnections, AHundredHungRequestsDoNotDelayAHealthyOne) {
  Server server([](int fd, int) {
    while (true) {
      const Bytes request = receive_message(fd);
      if (request.empty()) return;
      if (request.back() == 1) return hang(fd);
      give(fd, framed(request));
    }
  });
  Pool pool({.max_connections = 16, .hesitation = 100ms});
  std::vector<std::shared_ptr<Asked>> hung;
  for (int i = 0; i < 100; ++i) hung.push_back(pool.ask(server.address, {.fill = 1}));
  EXPECT_TRUE(pool.until([&] { return pool.connections.counts().open >= 100; }));
  pool.run_for(150ms);
  const auto healthy = pool.get(server.address, {.fill = 2});
  EXPECT_FALSE(healthy->error) << healthy->detail;
  EXPECT_LT(healthy->took, 100ms);
}

TEST(PeerConnections, AThousandRequestsOverSixteenConnections) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool({.max_connections = 16, .max_pipelined = 8});
  std::vector<std::shared_ptr<Asked>> all;
  for (int i = 0; i < 1000; ++i) all.push_back(pool.ask(server.address, {.fill = static_cast<std::uint8_t>(i % 251)}));
  EXPECT_TRUE(pool.until([&] { return all_over(all); }));
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(all[i]->messages.size(), 1U) << all[i]->detail;
    EXPECT_EQ(all[i]->messages[0], message(all[i]->ids.at(0), 32, static_cast<std::uint8_t>(i % 251)));
  }
  EXPECT_EQ(server.connections, 16);
  EXPECT_EQ(pool.connections.counts().idle, 16U);
}

/// How many connections sixteen requests at once take where the answers before had so many octets.
int connections_after_answers_of(std::size_t octets) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool;
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(pool.get(server.address, {.size = octets})->error);
  EXPECT_EQ(server.connections, 1);
  std::vector<std::shared_ptr<Asked>> all;
  for (int i = 0; i < 16; ++i) all.push_back(pool.ask(server.address, {.size = octets}));
  EXPECT_TRUE(pool.until([&] { return all_over(all); }));
  for (const auto& asked : all) EXPECT_EQ(asked->messages.size(), 1U) << asked->detail;
  return server.connections;
}

TEST(PeerConnections, SmallAnswersShareAConnection) {
  EXPECT_EQ(connections_after_answers_of(1000), 1);
  EXPECT_GT(connections_after_answers_of(40'000), 8);
}

TEST(PeerConnections, LargeAnswersAmongSmallOnesMakeTheNextSpread) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool;
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(pool.get(server.address)->error);
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(pool.get(server.address, {.size = 65'535})->error);
  std::vector<std::shared_ptr<Asked>> all;
  for (int i = 0; i < 4; ++i) all.push_back(pool.ask(server.address));
  EXPECT_TRUE(pool.until([&] { return all_over(all); }));
  EXPECT_EQ(server.connections, 4);
}

TEST(PeerConnections, IdsAreNotUsedAgainSoonAndCannotBeGuessed) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool;
  std::vector<std::uint16_t> ids;
  int steps_of_one = 0;
  for (int i = 0; i < 1500; ++i) {
    ids.push_back(pool.get(server.address)->ids.at(0));
    const std::size_t from = ids.size() > 64 ? ids.size() - 64 : 0;
    const std::set<std::uint16_t> last(ids.begin() + static_cast<std::ptrdiff_t>(from), ids.end());
    ASSERT_EQ(last.size(), ids.size() - from);
    if (i > 0 && static_cast<std::uint16_t>(ids.back() - ids[ids.size() - 2] + 1) <= 2) ++steps_of_one;
  }
  EXPECT_LT(steps_of_one, 10);
  EXPECT_EQ(server.connections, 1);
}

TEST(PeerConnections, PassesLargeMessagesBothWays) {
  Server server([](int fd, int) {
    std::this_thread::sleep_for(100ms);  // until the socket's buffers are full
    answer_all(fd);
  });
  Pool pool({.max_connections = 1, .max_pipelined = 200});
  std::vector<std::shared_ptr<Asked>> all;
  for (std::uint8_t i = 0; i < 150; ++i) all.push_back(pool.ask(server.address, {.fill = i, .size = 65535}));
  EXPECT_TRUE(pool.until([&] { return all_over(all); }));
  for (std::uint8_t i = 0; i < 150; ++i) {
    ASSERT_EQ(all[i]->messages.size(), 1U) << all[i]->detail;
    EXPECT_EQ(all[i]->messages[0], message(all[i]->ids.at(0), 65535, i));
  }
}
}  // namespace
}  // namespace understudy
