#include "net/unix_client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "net/unix_address.h"

namespace understudy {
namespace {

constexpr std::size_t line_limit = std::size_t{1} << 30;
constexpr std::size_t read_size = 64 << 10;

Error connect_error(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
    case ECONNREFUSED:
      return {Errc::not_running, fmt::format("nobody listens at {}", path)};
    case EACCES:
    case EPERM:
      return {Errc::refused,
              fmt::format("{}: {}; run this as root or as the server's user", path, system_words(error))};
    default:
      return {Errc::io, fmt::format("{}: {}", path, system_words(error))};
  }
}

}  // namespace

Result<UnixClient> UnixClient::connect(const std::string& path) {
  US_ASSIGN(const sockaddr_un address, unix_address(path));
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return fail(Errc::io, system_words(errno));
  while (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno != EINTR) return std::unexpected(connect_error(path, errno));
  }
  return UnixClient(std::move(fd), path);
}

Result<> UnixClient::send_line(std::string_view line) {
  std::string text(line);
  text += '\n';
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::send(fd_.get(), text.data() + done, text.size() - done, MSG_NOSIGNAL);
    if (n >= 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      return fail(Errc::connection_closed, fmt::format("{}: {}", path_, system_words(errno)));
    }
  }
  return {};
}

Result<std::string> UnixClient::read_line(std::optional<std::chrono::milliseconds> timeout) {
  using Clock = std::chrono::steady_clock;
  const auto end = timeout ? std::optional(Clock::now() + *timeout) : std::nullopt;
  std::size_t searched = consumed_;
  while (true) {
    const std::size_t newline = buffer_.find('\n', searched);
    if (newline != std::string::npos) {
      std::string line = buffer_.substr(consumed_, newline - consumed_);
      consumed_ = newline + 1;
      return line;
    }
    buffer_.erase(0, consumed_);
    consumed_ = 0;
    searched = buffer_.size();
    if (buffer_.size() > line_limit) return fail(Errc::byte_limit, fmt::format("{}: a line without end", path_));

    int wait = -1;
    if (end) {
      wait = static_cast<int>(
          std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(*end - Clock::now()).count()));
    }
    pollfd readable{fd_.get(), POLLIN, 0};
    const int ready = poll(&readable, 1, wait);
    if (ready == 0) return fail(Errc::timed_out, path_);
    std::array<char, read_size> chunk;
    const ssize_t n = ready < 0 ? -1 : recv(fd_.get(), chunk.data(), chunk.size(), 0);
    if (n > 0) {
      buffer_.append(chunk.data(), static_cast<std::size_t>(n));
    } else if (n == 0) {
      return fail(Errc::connection_closed, fmt::format("{}: the server closed the connection", path_));
    } else if (errno != EINTR) {
      return fail(Errc::connection_closed, fmt::format("{}: {}", path_, system_words(errno)));
    }
  }
}

}  // namespace understudy
