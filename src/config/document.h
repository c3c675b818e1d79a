// A YAML document as a compact tree of text: the part of YAML that a configuration needs.
//
// Reads libyaml's events. Scalars stay text, for only the schema knows their types. One document a file; anchors,
// aliases, tags and keys that are not text are refused; depth, number of nodes and length of a scalar are bounded, so a
// hostile file costs memory in proportion to its size at most. Duplicate keys are the reader's to find. A Node refers
// to its Document. Thread-safe to read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"

namespace understudy::config {

enum class NodeKind : std::uint8_t { scalar, sequence, mapping };

class Document;

class Node {
 public:
  Node() = default;
  Node(const Document* document, std::uint32_t index) : document_(document), index_(index) {}

  explicit operator bool() const { return index_ != 0; }
  [[nodiscard]] NodeKind kind() const;
  [[nodiscard]] bool is_scalar() const { return kind() == NodeKind::scalar; }
  /// Nothing was written: `key:` alone.
  [[nodiscard]] bool is_missing() const;
  [[nodiscard]] Position at() const;
  /// A scalar's text, empty for the others.
  [[nodiscard]] std::string_view text() const;
  /// The first item of a sequence, or the first key of a mapping, whose value is the key's next(). False if there is
  /// none.
  [[nodiscard]] Node first() const;
  [[nodiscard]] Node next() const;
  /// "a list", "a mapping", or the scalar in quotes, shortened: for messages.
  [[nodiscard]] std::string describe() const;
  /// Appends a form that two nodes share exactly if they say the same.
  void append_canonical(std::string& out) const;

 private:
  const Document* document_ = nullptr;
  std::uint32_t index_ = 0;
};

class Document {
 public:
  static constexpr std::size_t max_text = std::size_t{256} << 20;
  static constexpr std::size_t max_scalar = 4'096;
  static constexpr std::size_t max_depth = 16;
  static constexpr std::size_t max_nodes = 20'000'000;

  /// Reports mistakes to `out`; the tree is of use only if there was none.
  static Document parse(std::string_view text, Diagnostics& out);

  /// False if the text holds nothing.
  [[nodiscard]] Node root() const { return {this, nodes_.size() > 1 ? 1U : 0U}; }

 private:
  friend class Node;
  friend class DocumentBuilder;
  struct Entry {
    Position at;
    std::uint32_t text_start = 0, text_size = 0;
    std::uint32_t first = 0, next = 0;
    NodeKind kind = NodeKind::scalar;
    bool plain = false;
  };

  std::vector<Entry> nodes_{Entry{}};  // entry 0 stands for "none"
  std::string text_;                   // of all scalars
};

}  // namespace understudy::config
