#include "server/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "net/sockets.h"

namespace understudy {

namespace {

Result<const passwd*> find_user(const std::string& user) {
  const passwd* entry = ::getpwnam(user.c_str());
  if (entry == nullptr) return fail(Errc::not_found, fmt::format("server.user: there is no user {}", user));
  if (::getuid() != entry->pw_uid && ::getuid() != 0) {
    return fail(Errc::refused, fmt::format("server.user: only root can become {}", user));
  }
  return entry;
}

Error cannot_become(const std::string& user) {
  return {Errc::refused, fmt::format("cannot become user {}: {}", user, system_words(errno))};
}

}  // namespace

void make_directory_of(const std::string& path, const std::string& user) {
  const auto directory = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (directory.empty() || !std::filesystem::create_directories(directory, error)) return;
  const passwd* entry = user.empty() ? nullptr : ::getpwnam(user.c_str());
  if (entry != nullptr) (void)!::chown(directory.c_str(), entry->pw_uid, entry->pw_gid);
}

Result<void> act_as_user(const std::string& user, const std::string& directory) {
  US_ASSIGN(const passwd* entry, find_user(user));
  if (::getuid() == entry->pw_uid) return {};
  std::error_code error;
  if (std::filesystem::create_directories(directory, error) &&
      ::chown(directory.c_str(), entry->pw_uid, entry->pw_gid) != 0) {
    return fail(Errc::io, fmt::format("cannot give {} to {}: {}", directory, user, system_words(errno)));
  }
  if (::initgroups(user.c_str(), entry->pw_gid) != 0 || ::setegid(entry->pw_gid) != 0 ||
      ::seteuid(entry->pw_uid) != 0) {
    return std::unexpected(cannot_become(user));
  }
  return {};
}

void act_as_root() {
  if (::getuid() == 0) (void)::seteuid(0);
}

Result<void> become_user(const std::string& user) {
  US_ASSIGN(const passwd* entry, find_user(user));
  if (::getuid() == entry->pw_uid) return {};
  act_as_root();
  if (::initgroups(user.c_str(), entry->pw_gid) != 0 || ::setgid(entry->pw_gid) != 0 || ::setuid(entry->pw_uid) != 0) {
    return std::unexpected(cannot_become(user));
  }
  if (entry->pw_uid != 0 && ::setuid(0) == 0)
    return fail(Errc::internal, fmt::format("became {} but could still be root", user));
  return {};
}

SignalHold::SignalHold(std::initializer_list<int> signals) {
  sigset_t held;
  sigemptyset(&held);
  for (const int number : signals) sigaddset(&held, number);
  ::pthread_sigmask(SIG_BLOCK, &held, &before_);
}

void SignalHold::release() {
  if (!held_) return;
  held_ = false;
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void notify_service_manager(const std::string& state) {
  const char* path = ::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (path == nullptr || std::strlen(path) >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // the abstract namespace
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return;
  const timeval patience{1, 0};  // a manager that hangs must not hang us
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  (void)::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), size);
}

void open_standard_files() {
  int fd = 0;
  do {
    fd = ::open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) ::close(fd);
}

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace understudy
