#include "config/document.h"

#include <fmt/format.h>
#include <yaml.h>

#include <algorithm>
#include <memory>

namespace understudy::config {
namespace {

Position position_of(const yaml_mark_t& mark) {
  return {static_cast<std::uint32_t>(mark.line + 1), static_cast<std::uint32_t>(mark.column + 1)};
}

Position position_of_offset(std::string_view text, std::size_t offset) {
  const auto before = text.substr(0, std::min(offset, text.size()));
  const auto line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return {static_cast<std::uint32_t>(std::ranges::count(before, '\n') + 1),
          static_cast<std::uint32_t>(before.size() - line_start + 1)};
}

class Parser {
 public:
  explicit Parser(std::string_view text) {
    ok_ = yaml_parser_initialize(&parser_) == 1;
    if (!ok_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~Parser() {
    if (ok_) yaml_parser_delete(&parser_);
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  bool next(yaml_event_t& event) { return ok_ && yaml_parser_parse(&parser_, &event) == 1; }
  [[nodiscard]] const yaml_parser_t& state() const { return parser_; }

 private:
  yaml_parser_t parser_{};
  bool ok_ = false;
};

struct Event {
  yaml_event_t data{};
  ~Event() { yaml_event_delete(&data); }
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
};

std::string quoted(std::string_view text) {
  constexpr std::size_t shown = 60;
  std::string out = "'";
  for (const char c : text.substr(0, shown)) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) {
      out += fmt::format("\\x{:02x}", octet);
    } else {
      out += c;
    }
  }
  return out + (text.size() > shown ? "...'" : "'");
}

}  // namespace

/// Turns events into entries. One object per document.
class DocumentBuilder {
 public:
  DocumentBuilder(std::string_view text, Diagnostics& out) : text_(text), out_(out) {}

  Document build() {
    Parser parser(text_);
    while (true) {
      Event event;
      if (!parser.next(event.data)) {
        report(parser.state());
        break;
      }
      if (event.data.type == YAML_STREAM_END_EVENT || !take(event.data)) break;
    }
    return std::move(document_);
  }

 private:
  struct Open {
    std::uint32_t node;
    std::uint32_t last_child = 0;
    bool key_next = true;  // mappings only
  };

  void report(const yaml_parser_t& state) {
    const std::string problem = state.problem != nullptr ? state.problem : "out of memory";
    if (state.error == YAML_READER_ERROR) {
      out_.error(position_of_offset(text_, state.problem_offset), Errc::syntax,
                 fmt::format("not UTF-8 text: {}", problem));
      return;
    }
    std::string text = fmt::format("not YAML: {}", problem);
    if (state.context != nullptr) {
      text += fmt::format(" {}", state.context);
      if (state.context_mark.line != 0 || state.context_mark.column != 0) {
        text += fmt::format(" (from line {})", state.context_mark.line + 1);
      }
    }
    if (problem == "did not find expected node content" && line_holds(state.problem_mark.line, "::")) {
      text += "; quote an address that begins with a colon";
    }
    out_.error(position_of(state.problem_mark), Errc::syntax, std::move(text));
  }

  [[nodiscard]] bool line_holds(std::size_t line, std::string_view what) const {
    auto rest = text_;
    for (; line > 0 && rest.find('\n') != std::string_view::npos; --line) rest.remove_prefix(rest.find('\n') + 1);
    return rest.substr(0, rest.find('\n')).find(what) != std::string_view::npos;
  }

  /// False ends the reading.
  bool take(const yaml_event_t& event) {
    const auto at = position_of(event.start_mark);
    switch (event.type) {
      case YAML_DOCUMENT_START_EVENT:
        if (documents_++ == 0) return true;
        out_.error(at, Errc::syntax, "a second YAML document starts here, expected one document in a file");
        return false;
      case YAML_ALIAS_EVENT:
        out_.error(at, Errc::syntax,
                   "an alias (*name) stands here, expected the value itself; share settings by a template");
        return add({.at = at});
      case YAML_SCALAR_EVENT:
        return take_scalar(event, at);
      case YAML_SEQUENCE_START_EVENT:
        refuse_decoration(at, event.data.sequence_start.anchor, event.data.sequence_start.tag);
        return open({.at = at, .kind = NodeKind::sequence});
      case YAML_MAPPING_START_EVENT:
        refuse_decoration(at, event.data.mapping_start.anchor, event.data.mapping_start.tag);
        return open({.at = at, .kind = NodeKind::mapping});
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        open_.pop_back();
        return true;
      default:
        return true;
    }
  }

  bool take_scalar(const yaml_event_t& event, Position at) {
    const auto& scalar = event.data.scalar;
    refuse_decoration(at, scalar.anchor, scalar.tag);
    if (scalar.length > Document::max_scalar) {
      out_.error(at, Errc::bad_value,
                 fmt::format("a value has {} octets, expected at most {}", scalar.length, Document::max_scalar));
      return false;
    }
    const auto start = static_cast<std::uint32_t>(document_.text_.size());
    document_.text_.append(reinterpret_cast<const char*>(scalar.value), scalar.length);
    return add({.at = at,
                .text_start = start,
                .text_size = static_cast<std::uint32_t>(scalar.length),
                .plain = scalar.style == YAML_PLAIN_SCALAR_STYLE});
  }

  void refuse_decoration(Position at, const yaml_char_t* anchor, const yaml_char_t* tag) {
    if (anchor != nullptr) {
      out_.error(at, Errc::syntax,
                 "an anchor (&name) stands here, expected the value itself; share settings by a template");
    }
    if (tag != nullptr) {
      out_.error(at, Errc::syntax,
                 "a tag (!name) stands here, expected the value itself; every value is text to begin with");
    }
  }

  bool add(Document::Entry entry) {
    auto& nodes = document_.nodes_;
    if (nodes.size() > Document::max_nodes) {
      out_.error(entry.at, Errc::bad_value, fmt::format("the file has more than {} values", Document::max_nodes));
      return false;
    }
    const auto index = static_cast<std::uint32_t>(nodes.size());
    nodes.push_back(entry);
    if (open_.empty()) return true;
    auto& parent = open_.back();
    if (nodes[parent.node].kind == NodeKind::mapping) {
      if (parent.key_next && entry.kind != NodeKind::scalar) {
        out_.error(entry.at, Errc::syntax, "a list or mapping stands here, expected a key");
        return false;
      }
      parent.key_next = !parent.key_next;
    }
    (parent.last_child == 0 ? nodes[parent.node].first : nodes[parent.last_child].next) = index;
    parent.last_child = index;
    return true;
  }

  bool open(Document::Entry entry) {
    if (!add(entry)) return false;
    if (open_.size() == Document::max_depth) {
      out_.error(entry.at, Errc::syntax,
                 fmt::format("lists and mappings are nested more than {} deep", Document::max_depth));
      return false;
    }
    open_.push_back({static_cast<std::uint32_t>(document_.nodes_.size() - 1)});
    return true;
  }

  std::string_view text_;
  Diagnostics& out_;
  Document document_;
  std::vector<Open> open_;
  unsigned documents_ = 0;
};

Document Document::parse(std::string_view text, Diagnostics& out) {
  if (text.size() > max_text) {
    out.error({}, Errc::bad_value, fmt::format("the file has {} octets, expected at most {}", text.size(), max_text));
    return {};
  }
  return DocumentBuilder(text, out).build();
}

NodeKind Node::kind() const {
  return document_->nodes_[index_].kind;
}

bool Node::is_missing() const {
  const auto& entry = document_->nodes_[index_];
  return entry.kind == NodeKind::scalar && entry.plain && entry.text_size == 0;
}

Position Node::at() const {
  return document_->nodes_[index_].at;
}

std::string_view Node::text() const {
  const auto& entry = document_->nodes_[index_];
  return std::string_view(document_->text_).substr(entry.text_start, entry.text_size);
}

Node Node::first() const {
  return {document_, document_->nodes_[index_].first};
}

Node Node::next() const {
  return {document_, document_->nodes_[index_].next};
}

std::string Node::describe() const {
  switch (kind()) {
    case NodeKind::sequence:
      return "a list";
    case NodeKind::mapping:
      return "a mapping";
    case NodeKind::scalar:
      break;
  }
  return is_missing() ? "nothing" : quoted(text());
}

void Node::append_canonical(std::string& out) const {
  if (is_scalar()) {
    out += fmt::format("{}:", text().size());
    out += text();
    return;
  }
  out += kind() == NodeKind::sequence ? '[' : '{';
  for (Node child = first(); child; child = child.next()) child.append_canonical(out);
  out += ']';
}

}  // namespace understudy::config
