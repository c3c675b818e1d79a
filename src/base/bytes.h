// Cursors over octets in network byte order.
//
// ByteReader never reads past its end: a failed read sets a sticky flag, returns zero and leaves the position;
// callers check ok() once after a run of reads. ByteWriter appends to a caller's fixed buffer the same way.
// Neither owns memory; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace understudy {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

inline std::uint16_t load_u16(const std::uint8_t* p) {
  return static_cast<std::uint16_t>(p[0] << 8 | p[1]);
}
inline std::uint32_t load_u32(const std::uint8_t* p) {
  return static_cast<std::uint32_t>(p[0]) << 24 | static_cast<std::uint32_t>(p[1]) << 16 |
         static_cast<std::uint32_t>(p[2]) << 8 | p[3];
}
inline std::uint64_t load_u48(const std::uint8_t* p) {
  return static_cast<std::uint64_t>(load_u16(p)) << 32 | load_u32(p + 2);
}
inline void store_u16(std::uint8_t* p, std::uint16_t v) {
  p[0] = static_cast<std::uint8_t>(v >> 8);
  p[1] = static_cast<std::uint8_t>(v);
}
inline void store_u32(std::uint8_t* p, std::uint32_t v) {
  store_u16(p, static_cast<std::uint16_t>(v >> 16));
  store_u16(p + 2, static_cast<std::uint16_t>(v));
}
inline void store_u48(std::uint8_t* p, std::uint64_t v) {
  store_u16(p, static_cast<std::uint16_t>(v >> 32));
  store_u32(p + 2, static_cast<std::uint32_t>(v));
}

inline ByteView view_of(std::string_view s) {
  return {reinterpret_cast<const std::uint8_t*>(s.data()), s.size()};
}
inline std::string_view text_of(ByteView b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

/// Vector appenders, for wire data of unknown size.
inline void append(Bytes& out, ByteView b) {
  out.insert(out.end(), b.begin(), b.end());
}
inline void append_u8(Bytes& out, std::uint8_t v) {
  out.push_back(v);
}
inline void append_u16(Bytes& out, std::uint16_t v) {
  out.push_back(static_cast<std::uint8_t>(v >> 8));
  out.push_back(static_cast<std::uint8_t>(v));
}
inline void append_u32(Bytes& out, std::uint32_t v) {
  append_u16(out, static_cast<std::uint16_t>(v >> 16));
  append_u16(out, static_cast<std::uint16_t>(v));
}
inline void append_u48(Bytes& out, std::uint64_t v) {
  append_u16(out, static_cast<std::uint16_t>(v >> 32));
  append_u32(out, static_cast<std::uint32_t>(v));
}

class ByteReader {
 public:
  explicit ByteReader(ByteView data, std::size_t position = 0) : data_(data), position_(position) {
    if (position > data.size()) ok_ = false;
  }

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t position() const { return position_; }
  [[nodiscard]] std::size_t remaining() const { return ok_ ? data_.size() - position_ : 0; }
  [[nodiscard]] bool at_end() const { return remaining() == 0; }
  [[nodiscard]] ByteView data() const { return data_; }
  void fail() { ok_ = false; }
  void seek(std::size_t position) {
    if (position > data_.size()) {
      ok_ = false;
    } else {
      position_ = position;
    }
  }

  std::uint8_t u8() {
    if (!need(1)) return 0;
    return data_[position_++];
  }
  std::uint16_t u16() {
    if (!need(2)) return 0;
    position_ += 2;
    return load_u16(&data_[position_ - 2]);
  }
  std::uint32_t u32() {
    if (!need(4)) return 0;
    position_ += 4;
    return load_u32(&data_[position_ - 4]);
  }
  std::uint64_t u48() {
    if (!need(6)) return 0;
    position_ += 6;
    return load_u48(&data_[position_ - 6]);
  }
  ByteView bytes(std::size_t n) {
    if (!need(n)) return {};
    position_ += n;
    return data_.subspan(position_ - n, n);
  }
  ByteView rest() { return bytes(remaining()); }
  void skip(std::size_t n) { (void)bytes(n); }

 private:
  bool need(std::size_t n) {
    if (!ok_ || data_.size() - position_ < n) {
      ok_ = false;
      return false;
    }
    return true;
  }

  ByteView data_;
  std::size_t position_;
  bool ok_ = true;
};

class ByteWriter {
 public:
  explicit ByteWriter(MutableBytes buffer, std::size_t position = 0) : buffer_(buffer), position_(position) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t position() const { return position_; }
  [[nodiscard]] std::size_t remaining() const { return buffer_.size() - position_; }
  [[nodiscard]] ByteView written() const { return buffer_.first(position_); }
  [[nodiscard]] MutableBytes buffer() const { return buffer_; }
  /// Goes back to an earlier position and forgets a failure.
  void rewind(std::size_t position) {
    position_ = position;
    ok_ = true;
  }

  void u8(std::uint8_t v) {
    if (room(1)) buffer_[position_++] = v;
  }
  void u16(std::uint16_t v) {
    if (!room(2)) return;
    store_u16(&buffer_[position_], v);
    position_ += 2;
  }
  void u32(std::uint32_t v) {
    if (!room(4)) return;
    store_u32(&buffer_[position_], v);
    position_ += 4;
  }
  void u48(std::uint64_t v) {
    if (!room(6)) return;
    store_u48(&buffer_[position_], v);
    position_ += 6;
  }
  void bytes(ByteView b) {
    if (b.empty() || !room(b.size())) return;
    std::memcpy(&buffer_[position_], b.data(), b.size());
    position_ += b.size();
  }
  void patch_u16(std::size_t at, std::uint16_t v) { store_u16(&buffer_[at], v); }

 private:
  bool room(std::size_t n) {
    if (!ok_ || buffer_.size() - position_ < n) {
      ok_ = false;
      return false;
    }
    return true;
  }

  MutableBytes buffer_;
  std::size_t position_;
  bool ok_ = true;
};

}  // namespace understudy
