// Folders, ports and service managers for the tests of this layer.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "base/address.h"
#include "config/parser.h"
#include "net/sockets.h"

namespace understudy {

using namespace std::chrono_literals;

class Folder {
 public:
  Folder() {
    static std::atomic<int> count{0};
    path_ = std::filesystem::temp_directory_path() /
            ("understudy-server-" + std::to_string(getpid()) + "-" + std::to_string(++count));
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string operator/(std::string_view name) const { return (path_ / name).string(); }
  std::string write(std::string_view name, std::string_view text) const {
    std::ofstream(path_ / name) << text;
    return *this / name;
  }

 private:
  std::filesystem::path path_;
};

inline Endpoint loopback(std::uint16_t port) {
  return {IpAddress::v4(127, 0, 0, 1), port};
}

/// A port of 127.0.0.1 that was free for UDP and TCP a moment ago.
inline std::uint16_t free_port() {
  while (true) {
    std::uint16_t port = 0;
    {
      const auto tcp = open_tcp_listener(loopback(0));
      port = local_endpoint(tcp->get())->port;
    }
    if (check_address_free(loopback(port))) return port;
  }
}

inline bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = 20s) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

/// Stands for systemd: NOTIFY_SOCKET names it as long as it lives.
class ServiceManager {
 public:
  explicit ServiceManager(const std::string& path, bool abstract_name = false)
      : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path + (abstract_name ? 1 : 0), sizeof address.sun_path - 2);
    const auto size = offsetof(sockaddr_un, sun_path) + path.size() + (abstract_name ? 1 : 0);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(size)), 0);
    setenv("NOTIFY_SOCKET", ((abstract_name ? "@" : "") + path).c_str(), 1);
  }
  ~ServiceManager() { unsetenv("NOTIFY_SOCKET"); }
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  /// The next message, or "" if none comes in time.
  [[nodiscard]] std::string next(std::chrono::milliseconds limit = 20s) const {
    pollfd p{fd_.get(), POLLIN, 0};
    if (poll(&p, 1, static_cast<int>(limit.count())) != 1) return "";
    char text[512];
    const ssize_t size = recv(fd_.get(), text, sizeof text, 0);
    return size < 0 ? "" : std::string(text, static_cast<std::size_t>(size));
  }

 private:
  UniqueFd fd_;
};

inline LoadedConfig parsed(std::string_view text, const std::string& directory = "/etc/us") {
  auto loaded = parse_config(text, "test.yaml", directory);
  EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().detail);
  return loaded ? *loaded : LoadedConfig{std::make_shared<const Config>(), {}};
}

}  // namespace understudy
