// Small helpers around file descriptors and paths, with errors as values.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"

namespace understudy {

/// Owns a file descriptor.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int file) : file_(file) {}
  FileDescriptor(FileDescriptor&& other) noexcept : file_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(file_, other.file_);
    return *this;
  }
  ~FileDescriptor();

  [[nodiscard]] bool valid() const { return file_ >= 0; }
  [[nodiscard]] int get() const { return file_; }
  int release() { return std::exchange(file_, -1); }

 private:
  int file_ = -1;
};

/// "WHAT PATH: the system's words"; Errc::storage_full if errno says that the disk or a quota is full, else io.
std::unexpected<Error> fail_with_errno(const std::string& what, const std::string& path);

/// Writes all octets or fails; a part may have been written then.
Result<void> write_all(int file, ByteView octets, const std::string& path);

/// Makes renames and new files beside `path` durable.
Result<void> sync_directory_of(const std::string& path);

/// Takes the lock file `path` for this object's lifetime (flock: also excludes a second opener in this process).
/// Errc::already_locked with the holder's process number if it wrote one, io, storage_full.
Result<FileDescriptor> lock_file(const std::string& path, const std::string& directory);

/// A file that was at a path once, and whether it still is. It is held open, so its number is not used again meanwhile.
class PlacedFile {
 public:
  /// Takes what is at `path` now; what cannot be opened counts as being in its place.
  void take(const std::string& path);
  [[nodiscard]] bool in_place() const;

 private:
  std::string path_;
  FileDescriptor file_;
  std::uint64_t device_ = 0;
  std::uint64_t number_ = 0;
};

/// Makes the directory with its parents if they are missing. Errc::io.
Result<void> make_directory(const std::string& path);

}  // namespace understudy
