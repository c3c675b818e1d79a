// The control socket, both ends.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <fstream>
#include <future>

#include "net/unix_client.h"
#include "net/unix_server.h"
#include "peers.h"

namespace understudy {
namespace {

namespace asio = boost::asio;

class UnixSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/understudy-test-XXXXXX";
    folder_ = mkdtemp(name);
    path_ = folder_ + "/control.sock";
  }
  void TearDown() override {
    stop();
    std::filesystem::remove_all(folder_);
  }

  /// What the requests do: "echo TEXT", "lines N", "later TEXT", "stream N", "hang", "drop", "flood".
  void handle(std::string_view request, std::shared_ptr<ControlReply> reply) {
    ++requests_;
    const std::string text(request);
    if (text.starts_with("lines ")) {
      for (int i = 0; i < std::stoi(text.substr(6)); ++i) reply->write(std::to_string(i) + "\n");
    } else if (text.starts_with("later ")) {
      std::thread([reply, text] {
        std::this_thread::sleep_for(30ms);
        reply->write(text + "\n");
        reply->done();
      }).detach();
      return;
    } else if (text.starts_with("stream ")) {
      reply->write("first\n");
      reply->stream([i = 0, n = std::stoi(text.substr(7)), this](std::string& out) mutable {
        ++pieces_;
        out += "line " + std::to_string(i) + std::string(80, '.') + "\n";
        return ++i < n;
      });
      reply->write("last\n");
    } else if (text == "hang") {
      held_ = reply;
      return;
    } else if (text == "drop") {
      return;
    } else if (text == "too large") {
      reply->stream([](std::string& piece) -> bool {
        piece += "begin\n";
        throw std::bad_alloc();
      });
    } else if (text == "flood") {
      const std::string megabyte(1 << 20, 'x');
      for (int i = 0; i < 100; ++i) reply->write(megabyte);
    } else {
      reply->write(text + "\n");
    }
    reply->done();
  }

  Result<> start(const UnixServerOptions& options = {}) {
    auto server = UnixServer::create(
        context_, path_, [this](std::string_view r, std::shared_ptr<ControlReply> reply) { handle(r, reply); },
        options);
    if (!server) return std::unexpected(server.error());
    server_ = std::move(*server);
    thread_ = std::thread([this] { context_.run(); });
    return {};
  }
  void stop() {
    if (!thread_.joinable()) return;
    asio::post(context_, [this] {
      held_.reset();
      server_.reset();
      work_.reset();
    });
    thread_.join();
  }
  void on_server_thread(std::function<void()> action) {
    std::promise<void> ready;
    asio::post(context_, [&] {
      action();
      ready.set_value();
    });
    ready.get_future().wait();
  }

  UnixClient client() {
    auto out = UnixClient::connect(path_);
    EXPECT_TRUE(out) << out.error().text();
    return std::move(*out);
  }
  std::string ask(UnixClient& client, std::string_view request) {
    EXPECT_TRUE(client.send_line(request));
    auto line = client.read_line(10s);
    return line ? *line : line.error().text();
  }
  [[nodiscard]] UniqueFd raw_client() const {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }

  std::string folder_;
  std::string path_;
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
  std::unique_ptr<UnixServer> server_;
  std::shared_ptr<ControlReply> held_;  // server thread
  std::atomic<int> requests_{0};
  std::atomic<int> pieces_{0};
  std::thread thread_;
};

TEST_F(UnixSocketTest, AnswersRequestsOneAfterTheOther) {
  ASSERT_TRUE(start());
  UnixClient c = client();
  EXPECT_EQ(ask(c, "echo one"), "echo one");
  EXPECT_EQ(ask(c, "echo two"), "echo two");
  ASSERT_TRUE(c.send_line("later three"));
  ASSERT_TRUE(c.send_line("echo four"));
  ASSERT_TRUE(c.send_line(""));
  EXPECT_EQ(*c.read_line(10s), "later three");
  EXPECT_EQ(*c.read_line(10s), "echo four");
  EXPECT_EQ(*c.read_line(10s), "");
}

TEST_F(UnixSocketTest, ManyRequestsInOnePieceDoNotNest) {
  ASSERT_TRUE(start());
  const UniqueFd fd = raw_client();
  std::string text;
  for (int i = 0; i < 50000; ++i) text += "e\n";
  std::thread writer([&] { send_all(fd.get(), view_of(text)); });
  EXPECT_EQ(text_of(receive_exactly(fd.get(), text.size())), text);
  writer.join();
}

TEST_F(UnixSocketTest, StreamsLargeResponsesWithoutPilingThemUp) {
  ASSERT_TRUE(start());
  UnixClient c = client();
  constexpr int count = 200'000;  // 18 MB
  ASSERT_TRUE(c.send_line("stream " + std::to_string(count)));
  EXPECT_EQ(*c.read_line(10s), "first");
  std::this_thread::sleep_for(100ms);
  EXPECT_LT(pieces_, count / 4) << "more was made than the client could take";
  for (int i = 0; i < count; ++i) {
    const auto line = c.read_line(10s);
    ASSERT_TRUE(line) << line.error().text();
    ASSERT_TRUE(line->starts_with("line " + std::to_string(i) + "."));
  }
  EXPECT_EQ(*c.read_line(10s), "last");
  EXPECT_EQ(ask(c, "echo after"), "echo after");
}

TEST_F(UnixSocketTest, MemoryThatRunsOutCutsOffTheResponse) {
  ASSERT_TRUE(start());
  UnixClient c = client();
  ASSERT_TRUE(c.send_line("too large"));
  const auto line = c.read_line(10s);
  ASSERT_FALSE(line);
  EXPECT_NE(line.error().code, Errc::timed_out) << line.error().text();
  UnixClient other = client();
  EXPECT_EQ(ask(other, "echo goes on"), "echo goes on");
}

TEST_F(UnixSocketTest, AClientThatDoesNotReadIsDisconnected) {
  UnixServerOptions options;
  options.write_timeout = 150ms;
  ASSERT_TRUE(start(options));
  const UniqueFd slow = raw_client();
  send_all(slow.get(), view_of("stream 100000000\n"));
  std::this_thread::sleep_for(600ms);
  const int pieces = pieces_;
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(pieces, pieces_);
  EXPECT_TRUE(closed_by_peer(slow.get()));

  const UniqueFd flooded = raw_client();
  send_all(flooded.get(), view_of("flood\n"));
  EXPECT_TRUE(closed_by_peer(flooded.get()));
}

TEST_F(UnixSocketTest, SeveralClientsAtOnce) {
  ASSERT_TRUE(start());
  UnixClient hanging = client();
  ASSERT_TRUE(hanging.send_line("hang"));
  UnixClient other = client();
  EXPECT_EQ(ask(other, "echo x"), "echo x");
  on_server_thread([&] {
    held_->write("at last\n");
    held_->done();
  });
  EXPECT_EQ(*hanging.read_line(10s), "at last");
}

TEST_F(UnixSocketTest, TheHandlerLearnsThatTheClientWentAway) {
  ASSERT_TRUE(start());
  {
    UnixClient c = client();
    ASSERT_TRUE(c.send_line("hang"));
    EXPECT_TRUE(eventually([&] { return requests_ == 1; }));
    on_server_thread([&] { EXPECT_TRUE(held_->connected()); });
  }
  EXPECT_TRUE(eventually([&] {
    bool connected = true;
    on_server_thread([&] { connected = held_->connected(); });
    return !connected;
  }));
  on_server_thread([&] {
    held_->write("nobody hears this");
    held_->done();
  });
}

TEST_F(UnixSocketTest, AClientMayFinishItsRequestsAndStillGetsTheResponses) {
  ASSERT_TRUE(start());
  const UniqueFd fd = raw_client();
  send_all(fd.get(), view_of("later a\necho b\n"));
  shutdown(fd.get(), SHUT_WR);
  EXPECT_EQ(text_of(receive_exactly(fd.get(), 1000)), "later a\necho b\n");
}

TEST_F(UnixSocketTest, AForgottenReplyClosesTheConnection) {
  ASSERT_TRUE(start());
  UnixClient c = client();
  ASSERT_TRUE(c.send_line("drop"));
  const auto line = c.read_line(10s);
  ASSERT_FALSE(line);
  EXPECT_EQ(line.error().code, Errc::connection_closed);
}

TEST_F(UnixSocketTest, LimitsTheRequest) {
  UnixServerOptions options;
  options.max_line = 1000;
  ASSERT_TRUE(start(options));
  UnixClient c = client();
  const std::string longest(1000, 'a');
  EXPECT_EQ(ask(c, longest), longest);
  ASSERT_TRUE(c.send_line(longest + "a"));
  EXPECT_EQ(c.read_line(10s).error().code, Errc::connection_closed);
  const UniqueFd endless = raw_client();
  send_all(endless.get(), Bytes(20000, 'a'));
  EXPECT_TRUE(closed_by_peer(endless.get()));
}

TEST_F(UnixSocketTest, LimitsConnectionsAndIdleness) {
  UnixServerOptions options;
  options.max_connections = 2;
  options.idle_timeout = 200ms;
  ASSERT_TRUE(start(options));
  UnixClient first = client();
  UnixClient second = client();
  EXPECT_EQ(ask(first, "echo 1"), "echo 1");
  EXPECT_EQ(ask(second, "echo 2"), "echo 2");
  const UniqueFd third = raw_client();
  EXPECT_TRUE(closed_by_peer(third.get()));
  ASSERT_TRUE(second.send_line("hang"));  // at work, not idle
  EXPECT_EQ(first.read_line(5s).error().code, Errc::connection_closed);
  EXPECT_EQ(second.read_line(300ms).error().code, Errc::timed_out);
  UnixClient again = client();
  EXPECT_EQ(ask(again, "echo 3"), "echo 3");
}

TEST_F(UnixSocketTest, TheFileIsForOwnerAndGroup) {
  const mode_t before = umask(0);
  ASSERT_TRUE(start());
  umask(before);
  struct stat status{};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0660U);
  stop();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixSocketTest, ReplacesTheSocketOfADeadServer) {
  {
    const UniqueFd dead(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(dead.get(), 1), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(path_));
  EXPECT_EQ(UnixClient::connect(path_).error().code, Errc::not_running);
  const auto started = start();
  ASSERT_TRUE(started) << started.error().text();
  UnixClient c = client();
  EXPECT_EQ(ask(c, "echo x"), "echo x");
}

TEST_F(UnixSocketTest, LeavesALivingServerAlone) {
  ASSERT_TRUE(start());
  asio::io_context other;
  const auto second = UnixServer::create(other, path_, [](auto, auto) {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::already_locked);
  EXPECT_NE(second.error().detail.find(path_), std::string::npos);
  UnixClient c = client();
  EXPECT_EQ(ask(c, "echo x"), "echo x");
}

TEST_F(UnixSocketTest, DoesNotRemoveWhatIsNoSocket) {
  std::ofstream(path_) << "precious";
  const auto started = start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().detail.find("not a socket"), std::string::npos) << started.error().detail;
  EXPECT_EQ(std::filesystem::file_size(path_), 8U);
}

TEST_F(UnixSocketTest, ErrorsNameThePath) {
  asio::io_context other;
  const auto nowhere = UnixServer::create(other, folder_ + "/none/control.sock", [](auto, auto) {});
  ASSERT_FALSE(nowhere);
  EXPECT_NE(nowhere.error().text().find("/none/control.sock"), std::string::npos);
  EXPECT_NE(nowhere.error().text().find("No such file"), std::string::npos) << nowhere.error().text();
  const auto long_path = UnixServer::create(other, folder_ + "/" + std::string(200, 'x'), [](auto, auto) {});
  EXPECT_EQ(long_path.error().code, Errc::bad_value);
  const auto client = UnixClient::connect(path_);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, Errc::not_running);
  EXPECT_NE(client.error().text().find(path_), std::string::npos) << client.error().text();
}

TEST_F(UnixSocketTest, StopsWithRequestsUnderWay) {
  ASSERT_TRUE(start());
  UnixClient hanging = client();
  ASSERT_TRUE(hanging.send_line("hang"));
  const UniqueFd streaming = raw_client();
  send_all(streaming.get(), view_of("stream 100000000\n"));
  EXPECT_TRUE(eventually([&] { return requests_ == 2; }));
  stop();
  EXPECT_EQ(hanging.read_line(10s).error().code, Errc::connection_closed);
  EXPECT_TRUE(closed_by_peer(streaming.get()));
}

}  // namespace
}  // namespace understudy
