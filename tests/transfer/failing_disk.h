// A file system of RocksDB whose tables cannot be read, or on which nothing can be written, as long as a test wants
// that.
#pragma once

#include <rocksdb/env.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

namespace understudy {

class FailingDisk final : public rocksdb::EnvWrapper {
 public:
  FailingDisk() : EnvWrapper(rocksdb::Env::Default()) {}
  const char* Name() const override { return "FailingDisk"; }

  std::atomic<bool> fails{false};
  std::atomic<int> failures{0};
  std::atomic<bool> writes_fail{false};

  rocksdb::Status NewRandomAccessFile(const std::string& name, std::unique_ptr<rocksdb::RandomAccessFile>* file,
                                      const rocksdb::EnvOptions& options) override {
    std::unique_ptr<rocksdb::RandomAccessFile> real;
    rocksdb::Status status = target()->NewRandomAccessFile(name, &real, options);
    if (status.ok()) *file = std::make_unique<File>(*this, std::move(real));
    return status;
  }

  rocksdb::Status NewWritableFile(const std::string& name, std::unique_ptr<rocksdb::WritableFile>* file,
                                  const rocksdb::EnvOptions& options) override {
    if (writes_fail) return rocksdb::Status::IOError("the disk does not answer");
    std::unique_ptr<rocksdb::WritableFile> real;
    rocksdb::Status status = target()->NewWritableFile(name, &real, options);
    if (status.ok()) *file = std::make_unique<Written>(*this, std::move(real));
    return status;
  }

 private:
  class Written final : public rocksdb::WritableFileWrapper {
   public:
    Written(FailingDisk& disk, std::unique_ptr<rocksdb::WritableFile> real)
        : WritableFileWrapper(real.get()), disk_(disk), real_(std::move(real)) {}
    rocksdb::Status Append(const rocksdb::Slice& data) override {
      if (disk_.writes_fail) return rocksdb::Status::IOError("the disk does not answer");
      return real_->Append(data);
    }
    rocksdb::Status Append(const rocksdb::Slice& data, const rocksdb::DataVerificationInfo&) override {
      return Append(data);
    }

   private:
    FailingDisk& disk_;
    const std::unique_ptr<rocksdb::WritableFile> real_;
  };

  class File final : public rocksdb::RandomAccessFile {
   public:
    File(FailingDisk& disk, std::unique_ptr<rocksdb::RandomAccessFile> real) : disk_(disk), real_(std::move(real)) {}
    rocksdb::Status Read(std::uint64_t offset, std::size_t size, rocksdb::Slice* result, char* scratch) const override {
      if (!disk_.fails) return real_->Read(offset, size, result, scratch);
      ++disk_.failures;
      return rocksdb::Status::IOError("the disk does not answer");
    }

   private:
    FailingDisk& disk_;
    const std::unique_ptr<rocksdb::RandomAccessFile> real_;
  };
};

}  // namespace understudy
