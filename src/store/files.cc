#include "store/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace understudy {

FileDescriptor::~FileDescriptor() {
  if (file_ >= 0) ::close(file_);
}

std::unexpected<Error> fail_with_errno(const std::string& what, const std::string& path) {
  const int error = errno;
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return fail(full ? Errc::storage_full : Errc::io,
              fmt::format("{} {}: {}", what, path, std::generic_category().message(error)));
}

Result<void> write_all(int file, ByteView octets, const std::string& path) {
  while (!octets.empty()) {
    const ssize_t n = ::write(file, octets.data(), octets.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_with_errno("cannot write", path);
    octets = octets.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> sync_directory_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const FileDescriptor file(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.valid() || ::fsync(file.get()) != 0) return fail_with_errno("cannot sync", parent);
  return {};
}

Result<FileDescriptor> lock_file(const std::string& path, const std::string& directory) {
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!file.valid()) return fail_with_errno("cannot write", path);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_with_errno("cannot lock", path);
    char holder[24] = {};
    const ssize_t n = ::pread(file.get(), holder, sizeof(holder) - 1, 0);
    std::string who(holder, n > 0 ? static_cast<std::size_t>(n) : 0);
    while (!who.empty() && who.back() == '\n') who.pop_back();
    const bool number = !who.empty() && who.find_first_not_of("0123456789") == std::string::npos;
    return fail(Errc::already_locked, number ? fmt::format("{} (process {})", directory, who) : directory);
  }
  // Who holds it, for people and for the message above. That it cannot be written (a full disk) does not matter.
  const std::string own = fmt::format("{}\n", ::getpid());
  if (::ftruncate(file.get(), 0) == 0 && ::pwrite(file.get(), own.data(), own.size(), 0) < 0) errno = 0;
  return file;
}

void PlacedFile::take(const std::string& path) {
  path_ = path;
  file_ = FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status{};
  if (!file_.valid() || ::fstat(file_.get(), &status) != 0) {
    path_.clear();
    return;
  }
  device_ = status.st_dev;
  number_ = status.st_ino;
}

bool PlacedFile::in_place() const {
  if (path_.empty()) return true;
  struct stat status{};
  if (::stat(path_.c_str(), &status) != 0) return errno != ENOENT && errno != ENOTDIR;
  return status.st_dev == device_ && status.st_ino == number_;
}

Result<void> make_directory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error && !std::filesystem::is_directory(path, error) && !error) {
    error = std::make_error_code(std::errc::not_a_directory);
  }
  if (error) return fail(Errc::io, fmt::format("cannot make the directory {}: {}", path, error.message()));
  return {};
}

}  // namespace understudy
