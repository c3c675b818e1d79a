// The command line's end of the control socket: plain blocking calls. Not thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/sockets.h"

namespace understudy {

class UnixClient {
 public:
  /// Errc::not_running if nobody listens at `path`, Errc::refused if we may not connect, Errc::io otherwise.
  static Result<UnixClient> connect(const std::string& path);

  /// Sends the text and a newline. Errc::connection_closed if the server went away.
  Result<> send_line(std::string_view line);

  /// The next line without its newline. Errc::connection_closed at the end of the stream, Errc::timed_out if the line
  /// is not complete in time (default: wait as long as the server lives), Errc::byte_limit if it is longer than 1 GiB.
  Result<std::string> read_line(std::optional<std::chrono::milliseconds> timeout = std::nullopt);

 private:
  UnixClient(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  UniqueFd fd_;
  std::string path_;
  std::string buffer_;  // received and not yet returned, from consumed_ on
  std::size_t consumed_ = 0;
};

}  // namespace understudy
