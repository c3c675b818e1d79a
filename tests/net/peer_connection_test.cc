#include "net/peer_connection.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "peer_pool.h"

namespace understudy {
namespace {

// ---------------------------------------------------------------------------------------------- What was not asked for

TEST(PeerConnections, AnotherIdThanAskedForEndsTheOnlyRequest) {
  Server server([](int fd, int) {
    const Bytes request = receive_message(fd);
    give(fd, framed(message(static_cast<std::uint16_t>(id_of(request) + 1))));
    hang(fd);
  });
  Pool pool;
  const auto asked = pool.get(server.address);
  EXPECT_EQ(asked->error, Errc::wrong_id);
  EXPECT_TRUE(asked->messages.empty());
  EXPECT_EQ(pool.connections.counts().open, 0U);
}

/// Two requests at once; the server sends this many messages for nobody before it answers both.
void strangers(std::size_t count, int connections) {
  Server server([count](int fd, int number) {
    const Bytes one = receive_message(fd);
    const Bytes two = receive_message(fd, 300ms);
    if (number == 0) {
      std::uint16_t id = 0;
      for (std::size_t i = 0; i < count; ++i) {
        do ++id;
        while (id == id_of(one) || id == id_of(two));
        give(fd, framed(i % 5 == 0 ? Bytes(i % 2, 1) : message(id)));
      }
    }
    give(fd, framed(one));
    if (!two.empty()) give(fd, framed(two));
    hang(fd);
  });
  Pool pool(one_connection());
  const auto one = pool.ask(server.address, {.fill = 1});
  const auto two = pool.ask(server.address, {.fill = 2});
  EXPECT_TRUE(pool.until([&] { return one->over && two->over; }));
  EXPECT_FALSE(one->error) << one->detail;
  EXPECT_FALSE(two->error) << two->detail;
  EXPECT_EQ(server.connections, connections);
  EXPECT_GE(pool.connections.counts().dropped, std::min<std::size_t>(count, 16));
}

TEST(PeerConnections, DropsMessagesThatAreNobodys) {
  strangers(16, 1);
}

TEST(PeerConnections, ClosesAConnectionWithTooManyOfThem) {
  strangers(40, 3);  // each of the two is repeated on a connection of its own
}

TEST(PeerConnections, DataOnAnIdleConnectionClosesIt) {
  Server server([](int fd, int) {
    const Bytes request = receive_message(fd);
    give(fd, framed(request));
    std::this_thread::sleep_for(50ms);
    give(fd, framed(request));
    EXPECT_TRUE(closed_by_peer(fd));
  });
  Pool pool;
  EXPECT_FALSE(pool.get(server.address)->error);
  EXPECT_EQ(pool.connections.counts().idle, 1U);
  EXPECT_TRUE(pool.until([&] { return pool.connections.counts().open == 0; }));
}

TEST(PeerConnections, MoreBehindTheLastMessageIsRefused) {
  for (const bool whole : {true, false}) {
    Server server([whole](int fd, int) {
      const Bytes request = receive_message(fd);
      Bytes both = framed(request);
      append(both, whole ? framed(request) : Bytes{0});
      give(fd, both);
      hang(fd);
    });
    Pool pool;
    const auto asked = pool.get(server.address);
    EXPECT_EQ(asked->error, Errc::extra_records);
    EXPECT_EQ(pool.connections.counts().open, 0U);
  }
}

TEST(PeerConnections, MoreOfAFinishedAnswerAmongOthersIsRefused) {
  Server server([](int fd, int) {
    const Bytes one = receive_message(fd);
    const Bytes two = receive_message(fd);
    Bytes stream;
    for (const Bytes* part : {&one, &two, &one}) append(stream, framed(*part));
    give(fd, stream);
    hang(fd);
  });
  Pool pool(one_connection());
  const auto one = pool.ask(server.address, {.fill = 1});
  const auto two = pool.ask(server.address, {.fill = 2, .messages = 1});
  EXPECT_TRUE(pool.until([&] { return one->over && two->over; }));
  EXPECT_EQ(one->error, Errc::extra_records);
  EXPECT_FALSE(two->error == Errc::extra_records) << two->detail;
}

// ------------------------------------------------------------------------------------------------------------ Giving
// up

TEST(PeerConnections, CancellingTheOnlyRequestClosesItsConnection) {
  std::atomic<bool> closed{false};
  Server server([&](int fd, int) {
    receive_message(fd);
    closed = closed_by_peer(fd);
  });
  Pool pool;
  const auto asked = pool.ask(server.address);
  pool.run_for(50ms);
  asked->signal.emit(asio::cancellation_type::terminal);
  EXPECT_TRUE(pool.until([&] { return asked->over; }));
  EXPECT_EQ(asked->error, Errc::cancelled);
  EXPECT_TRUE(pool.until([&] { return closed.load(); }));
}

TEST(PeerConnections, CancellingOneOfSeveralLeavesTheOthersAlone) {
  std::atomic<bool> go{false};
  Server server([&](int fd, int) {
    const Bytes one = receive_message(fd);
    const Bytes two = receive_message(fd);
    give(fd, framed(one));
    EXPECT_TRUE(eventually([&] { return go.load(); }));
    for (int i = 0; i < 5; ++i) {
      give(fd, framed(one));
      give(fd, framed(two));
    }
    EXPECT_TRUE(closed_by_peer(fd)) << "something could still come for the first, so it is not kept";
  });
  Pool pool(one_connection());
  const auto one = pool.ask(server.address, {.fill = 1, .messages = 6});
  const auto two = pool.ask(server.address, {.fill = 2, .messages = 5});
  EXPECT_TRUE(pool.until([&] { return one->messages.size() == 1; }));
  one->signal.emit(asio::cancellation_type::terminal);
  EXPECT_TRUE(pool.until([&] { return one->over; }));
  EXPECT_EQ(one->error, Errc::cancelled);
  go = true;
  EXPECT_TRUE(pool.until([&] { return two->over; }));
  EXPECT_FALSE(two->error) << two->detail;
  EXPECT_EQ(two->messages.size(), 5U);
  EXPECT_EQ(one->messages.size(), 1U);
  EXPECT_GE(pool.connections.counts().dropped, 4U);
}

TEST(PeerConnections, AnEndlessAnswerThatNobodyWantsHoldsUpNobody) {
  std::atomic<bool> go{false};
  Server server([&](int fd, int number) {
    if (number != 0) return answer_all(fd);
    const Bytes one = receive_message(fd);
    receive_message(fd);
    EXPECT_TRUE(eventually([&] { return go.load(); }));
    const Bytes part = framed(message(id_of(one), 60'000));
    for (int i = 0; i < 1000; ++i) {
      if (::send(fd, part.data(), part.size(), MSG_NOSIGNAL) <= 0) return;
    }
    ADD_FAILURE() << "60 MB were read for nobody";
  });
  Pool pool(one_connection());
  const auto one = pool.ask(server.address, {.fill = 1});
  const auto two = pool.ask(server.address, {.fill = 2});
  pool.run_for(50ms);
  one->signal.emit(asio::cancellation_type::terminal);
  EXPECT_TRUE(pool.until([&] { return one->over; }));
  go = true;
  EXPECT_TRUE(pool.until([&] { return two->over; }));
  EXPECT_FALSE(two->error) << two->detail;
  EXPECT_EQ(two->ids.size(), 2U);
}

TEST(PeerConnections, CancelsARequestThatWaits) {
  Server server([](int fd, int) { hang(fd); });
  Pool pool({.max_connections = 1, .max_pipelined = 1});
  const auto first = pool.ask(server.address);
  const auto second = pool.ask(server.address);
  EXPECT_TRUE(pool.until([&] { return pool.connections.counts().waiting == 1; }));
  second->signal.emit(asio::cancellation_type::terminal);
  EXPECT_TRUE(pool.until([&] { return second->over; }));
  EXPECT_EQ(second->error, Errc::cancelled);
  EXPECT_EQ(pool.connections.counts().waiting, 0U);
  EXPECT_FALSE(first->over);
}

TEST(PeerConnections, AnErrorOfTheTakerEndsTheRequest) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool;
  const auto asked = pool.get(server.address, {.take = [](ByteView) { return fail(Errc::bad_rdata, "x"); }});
  EXPECT_EQ(asked->error, Errc::bad_rdata);
  EXPECT_EQ(pool.connections.counts().open, 0U) << "who knows what would follow";
}

TEST(PeerConnections, ARequestThatCannotBeMadeCostsNothing) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool;
  const auto asked = pool.get(server.address, {.size = 65536});
  EXPECT_EQ(asked->error, Errc::no_space);
  EXPECT_FALSE(pool.get(server.address)->error);
  EXPECT_EQ(pool.connections.counts().requests, 1U);
}

TEST(PeerConnections, StopsInEveryState) {
  Server quiet([](int fd, int) { hang(fd); });
  Server healthy([](int fd, int) { answer_all(fd); });
  const FullBacklog full;
  Pool pool({.max_connections = 1, .max_pipelined = 2});
  const auto idle = pool.get(healthy.address);
  std::vector<std::shared_ptr<Asked>> all;
  for (int i = 0; i < 3; ++i) all.push_back(pool.ask(quiet.address));  // two are sent, one waits
  for (int i = 0; i < 2; ++i) all.push_back(pool.ask(full.address));   // connecting
  pool.run_for(50ms);
  const PeerConnectionCounts counts = pool.connections.counts();
  EXPECT_EQ(counts.open, 3U);
  EXPECT_EQ(counts.idle, 1U);
  EXPECT_EQ(counts.waiting, 1U);
  pool.connections.stop();
  EXPECT_TRUE(pool.until([&] { return all_over(all); }, 1s));
  for (const auto& asked : all) {
    EXPECT_EQ(asked->error, Errc::cancelled);
    EXPECT_FALSE(asked->detail.empty());
  }
  EXPECT_EQ(pool.connections.counts().open, 0U);
  EXPECT_EQ(pool.get(healthy.address)->error, Errc::cancelled);
}

TEST(PeerConnections, CanBeStoppedByATaker) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool(one_connection());
  const auto other = pool.ask(server.address, {.messages = 2});
  const auto asked = pool.ask(server.address, {.take = [&](ByteView) {
                                pool.connections.stop();
                                return Next::done;
                              }});
  EXPECT_TRUE(pool.until([&] { return asked->over && other->over; }));
  EXPECT_EQ(asked->error, Errc::cancelled);
  EXPECT_EQ(other->error, Errc::cancelled);
}

TEST(PeerConnections, MayBeDestroyedWhileSomethingIsUnderWay) {
  Server server([](int fd, int) { hang(fd); });
  auto context = std::make_unique<asio::io_context>();
  auto connections = std::make_unique<PeerConnections>(context->get_executor());
  for (int i = 0; i < 3; ++i) {
    asio::co_spawn(
        *context,
        [](PeerConnections& pool, Endpoint peer) -> asio::awaitable<void> {
          PeerRequest request;
          request.make = [](std::uint16_t id) -> Result<Bytes> { return message(id); };
          request.take = [](ByteView) -> Result<Next> { return Next::done; };
          const Result<> done = co_await pool.exchange({peer}, std::move(request));
          EXPECT_EQ(done.error().code, Errc::cancelled);
        }(*connections, server.address),
        [](const std::exception_ptr& thrown) { EXPECT_FALSE(thrown); });
  }
  context->run_for(50ms);
  connections.reset();
  context.reset();  // the coroutines have not been resumed
}

// ---------------------------------------------------------------------------------------------------------------
// Limits

TEST(PeerConnections, NoticesAStall) {
  Server server([](int fd, int) {
    const Bytes request = receive_message(fd);
    give(fd, framed(request));
    give(fd, Bytes{0, 50, request[0]});
    hang(fd);
  });
  Pool pool;
  const auto asked = pool.get(server.address, {.messages = 2, .limits = {.stall = 150ms, .deadline = std::nullopt}});
  EXPECT_EQ(asked->error, Errc::stalled);
  EXPECT_NE(asked->detail.find(server.address.text()), std::string::npos) << asked->detail;
  EXPECT_EQ(asked->messages.size(), 1U);
  EXPECT_GE(asked->took, 150ms);
  EXPECT_LT(asked->took, 3s);
}

TEST(PeerConnections, TheFirstOctetHasATimeOfItsOwn) {
  Server silent([](int fd, int) { hang(fd); });
  Pool pool;
  Question question{.limits = {.stall = 10s, .first_octet_by = SteadyClock::now() + 150ms, .deadline = std::nullopt}};
  const auto nothing = pool.get(silent.address, question);
  EXPECT_EQ(nothing->error, Errc::stalled);
  EXPECT_LT(nothing->took, 3s);

  Server slow([](int fd, int) {
    const Bytes stream = framed(receive_message(fd));
    give(fd, ByteView(stream).first(1));
    std::this_thread::sleep_for(600ms);
    give(fd, ByteView(stream).subspan(1));
  });
  question.limits.first_octet_by = SteadyClock::now() + 400ms;
  EXPECT_FALSE(pool.get(slow.address, question)->error) << "what has begun may take its time";
}

void trickle(int fd) {
  const Bytes stream = framed(message(id_of(receive_message(fd)), 5000));
  for (const std::uint8_t octet : stream) {
    if (::send(fd, &octet, 1, MSG_NOSIGNAL) != 1) return;
    std::this_thread::sleep_for(5ms);
  }
}

TEST(PeerConnections, NoticesATrickle) {
  Server server([](int fd, int) { trickle(fd); });
  Pool pool;
  const auto asked =
      pool.get(server.address,
               {.limits = {.stall = 1s, .minimum_rate = 10'000, .rate_window = 200ms, .deadline = std::nullopt}});
  EXPECT_EQ(asked->error, Errc::too_slow);
  EXPECT_GE(asked->took, 200ms);
  EXPECT_LT(asked->took, 3s);
}

TEST(PeerConnections, KeepsToADeadline) {
  Server server([](int fd, int) { trickle(fd); });
  Pool pool;
  const auto asked = pool.get(server.address, {.limits = {.stall = 1s, .deadline = SteadyClock::now() + 200ms}});
  EXPECT_EQ(asked->error, Errc::timed_out);
  EXPECT_LT(asked->took, 3s);
}

TEST(PeerConnections, IsPatientWithASteadyPeer) {
  Server server([](int fd, int) {
    const std::uint16_t id = id_of(receive_message(fd));
    for (int i = 0; i < 20; ++i) {
      give(fd, framed(message(id, 1000)));
      std::this_thread::sleep_for(25ms);
    }
  });
  Pool pool;
  const auto asked =
      pool.get(server.address,
               {.messages = 20,
                .limits = {.stall = 400ms, .minimum_rate = 2'000, .rate_window = 150ms, .deadline = std::nullopt}});
  EXPECT_EQ(asked->messages.size(), 20U) << asked->detail;
}

TEST(PeerConnections, DoesNotBlameThePeerForATakerThatIsBusy) {
  Server server([](int fd, int) {
    const std::uint16_t id = id_of(receive_message(fd));
    for (int i = 0; i < 3; ++i) {
      give(fd, framed(message(id, 1000)));
      std::this_thread::sleep_for(20ms);
    }
    hang(fd);
  });
  Pool pool;
  int taken = 0;
  const auto asked =
      pool.get(server.address,
               {.limits = {.stall = 100ms, .minimum_rate = 10'000, .rate_window = 100ms, .deadline = std::nullopt},
                .take = [&](ByteView) {
                  std::this_thread::sleep_for(200ms);
                  return ++taken < 3 ? Next::more : Next::done;
                }});
  EXPECT_EQ(asked->messages.size(), 3U) << asked->detail;
}

TEST(PeerConnections, ARequestBehindAnotherIsNotTakenForHung) {
  Server server([](int fd, int) {
    const Bytes one = receive_message(fd);
    const Bytes two = receive_message(fd);
    for (int i = 0; i < 20; ++i) {
      give(fd, framed(one));
      std::this_thread::sleep_for(30ms);
    }
    give(fd, framed(two));
    hang(fd);
  });
  Pool pool({.max_connections = 1, .hesitation = 150ms});
  const ReceiveLimits limits{.stall = 300ms, .first_octet_by = SteadyClock::now() + 400ms, .deadline = std::nullopt};
  const auto one = pool.ask(server.address, {.fill = 1, .messages = 20, .limits = limits});
  const auto two = pool.ask(server.address, {.fill = 2, .limits = limits});
  EXPECT_TRUE(pool.until([&] { return two->over; }));
  EXPECT_FALSE(one->error) << one->detail;
  EXPECT_FALSE(two->error) << two->detail;
  EXPECT_EQ(server.connections, 1);
}

TEST(PeerConnections, AStalledAnswerIsJudgedByItsOwnProgress) {
  Server server([](int fd, int) {
    const Bytes one = receive_message(fd);
    const Bytes two = receive_message(fd);
    give(fd, framed(one));
    for (int i = 0; i < 40; ++i) {
      give(fd, framed(two));
      std::this_thread::sleep_for(20ms);
    }
    hang(fd);
  });
  Pool pool(one_connection());
  const auto one =
      pool.ask(server.address, {.fill = 1, .messages = 2, .limits = {.stall = 250ms, .deadline = std::nullopt}});
  const auto two = pool.ask(server.address, {.fill = 2, .messages = 40});
  EXPECT_TRUE(pool.until([&] { return one->over; }));
  EXPECT_EQ(one->error, Errc::stalled);
  EXPECT_LT(one->took, 700ms);
  EXPECT_TRUE(pool.until([&] { return two->over; }));
  EXPECT_FALSE(two->error) << two->detail;
}

// -----------------------------------------------------------------------------------------------------------
// Connecting

TEST(PeerConnections, SaysThatNobodyListens) {
  Endpoint unused;
  {
    const auto listener = open_tcp_listener(loopback());
    unused = *local_endpoint(listener->get());
  }
  Pool pool;
  const auto asked = pool.get(unused);
  EXPECT_EQ(asked->error, Errc::connect_failed);
  EXPECT_NE(asked->detail.find(unused.text()), std::string::npos) << asked->detail;
  EXPECT_NE(asked->detail.find("refused"), std::string::npos) << asked->detail;
}

TEST(PeerConnections, SaysThatNoDescriptorIsLeft) {
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "that sanitizer opens pipes to look at objects and takes them for damaged if it cannot";
#endif
  Pool pool;
  std::shared_ptr<Asked> asked = pool.get(loopback(5300));  // asio has its own descriptors from now on
  {
    const NoDescriptors none;
    asked = pool.get(loopback(5300));
  }
  EXPECT_EQ(asked->error, Errc::io);
  EXPECT_NE(asked->detail.find("raise the limit of open files"), std::string::npos) << asked->detail;
}

TEST(PeerConnections, GivesUpConnectingInTime) {
  const FullBacklog full;
  Pool pool;
  const auto asked = pool.get(
      full.address, {.limits = {.stall = 10s, .first_octet_by = SteadyClock::now() + 200ms, .deadline = std::nullopt}});
  EXPECT_EQ(asked->error, Errc::timed_out);
  EXPECT_NE(asked->detail.find("no connection"), std::string::npos) << asked->detail;
  EXPECT_LT(asked->took, 2s);
}

TEST(PeerConnections, UsesTheSourceAddress) {
  Server server([](int fd, int) { answer_all(fd); });
  Pool pool;
  const IpAddress source = IpAddress::v4(127, 0, 0, 9);
  EXPECT_FALSE(pool.get(server.address, {.source = source})->error);
  EXPECT_FALSE(pool.get(server.address, {.source = source})->error);
  EXPECT_FALSE(server.other_source);
  EXPECT_EQ(server.connections, 1);
  EXPECT_FALSE(pool.get(server.address)->error);
  EXPECT_EQ(server.connections, 2) << "another source is another connection";
  const auto foreign = pool.get(server.address, {.source = IpAddress::v4(192, 0, 2, 1)});
  EXPECT_EQ(foreign->error, Errc::connect_failed);
  EXPECT_NE(foreign->detail.find("assign"), std::string::npos) << foreign->detail;
}

}  // namespace
}  // namespace understudy
