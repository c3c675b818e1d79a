// Runs the tables in tests/answer/cases and tests/conformance: zone text, questions, expected messages. A new case is a
// new file, or a new `ask` in one; nothing here needs to change. tests/answer/cases/README.md has the grammar.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "answer/answer_fixture.h"
#include "base/encoding.h"

namespace understudy {
namespace {

using namespace answer_fixture;

std::vector<std::string> words(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

struct Ask {
  Query query;
  Bytes raw;  // instead of the query
  std::string key;
  std::int64_t clock_skew = 0;
  bool broken_mac = false, wrong_secret = false;
  bool udp = true, tcp = true;
  std::string peer = "192.0.2.99";
  int line = 0;
  std::vector<std::string> expected;
};

Bytes from_hex(std::string_view text) {
  return hex_decode(text).value();
}

std::uint16_t u16(const std::string& text) {
  return static_cast<std::uint16_t>(std::stoul(text, nullptr, 0));
}

void set_option(Ask& ask, const std::string& word) {
  const std::size_t equals = word.find('=');
  const std::string key = word.substr(1, equals - 1),
                    value = equals == std::string::npos ? "" : word.substr(equals + 1);
  Query& q = ask.query;
  static const std::map<std::string, Opcode> opcodes = {{"iquery", Opcode::IQUERY},
                                                        {"status", Opcode::STATUS},
                                                        {"notify", Opcode::NOTIFY},
                                                        {"update", Opcode::UPDATE},
                                                        {"dso", Opcode::DSO}};
  const std::map<std::string, std::function<void()>> known = {
      {"edns", [&] { q.edns = true; }},
      {"do", [&] { q.edns = q.dnssec_ok = true; }},
      {"size", [&] { q.edns = true, q.udp_size = u16(value); }},
      {"version", [&] { q.edns = true, q.version = static_cast<std::uint8_t>(u16(value)); }},
      {"z", [&] { q.edns = true, q.z_flags = u16(value); }},
      {"opts", [&] { q.edns = true, q.opts = u16(value); }},
      {"option",
       [&] {
         q.edns = true;
         const std::size_t colon = value.find(':');
         append_edns_option(q.options, u16(value.substr(0, colon)), from_hex(value.substr(colon + 1)));
       }},
      {"opcode", [&] { q.flags |= opcode_bits(opcodes.at(value)); }},
      {"flags", [&] { q.flags |= u16(value); }},
      {"serial",  // an SOA as the sender of an IXFR or NOTIFY gives it
       [&] {
         auto& section = value.starts_with("answer:") ? q.answers : q.authority;
         const std::string serial = value.substr(value.find(':') + 1);
         section.push_back(zone_fixture::record(q.qname + " 0 IN SOA . . " + serial + " 1 1 1 1"));
       }},
      {"key", [&] { ask.key = value; }},
      {"broken-mac", [&] { ask.broken_mac = true; }},
      {"wrong-secret", [&] { ask.wrong_secret = true; }},
      {"skew", [&] { ask.clock_skew = std::stoll(value); }},
      {"udp", [&] { ask.tcp = false; }},
      {"tcp", [&] { ask.udp = false; }},
      {"from", [&] { ask.peer = value; }},
  };
  const auto found = known.find(key);
  if (found == known.end()) throw std::runtime_error("unknown option +" + key);
  found->second();
}

// One file.
class CaseFile {
 public:
  explicit CaseFile(const std::filesystem::path& path) : in_(path) {}

  void read(TestServer& server) {
    for (std::string line; next(line);) {
      const auto word = words(line);
      if (word.empty() || word[0][0] == '#') continue;
      if (word[0] == "zone") {
        read_zone(server, word);
      } else if (word[0] == "history") {
        read_history(server, word.at(1));
      } else if (word[0] == "server") {
        set_server(server.environment.mutable_settings(), word);
      } else if (word[0] == "ask" || word[0] == "raw") {
        read_ask(line, word);
      } else {
        throw std::runtime_error("line " + std::to_string(line_) + ": neither zone, history, server, ask nor raw");
      }
    }
  }
  [[nodiscard]] const std::vector<Ask>& asks() const { return asks_; }

 private:
  bool next(std::string& line) {
    ++line_;
    return static_cast<bool>(std::getline(in_, line));
  }

  // server SETTING VALUE
  static void set_server(AnswerSettings& settings, const std::vector<std::string>& word) {
    const std::string& value = word.at(2);
    if (word[1] == "cookie-secret") {
      settings.edns.cookies = std::make_shared<const CookieSecrets>(std::vector{SipKey::from(from_hex(value))});
    } else if (word[1] == "cookies" && value == "required") {
      settings.edns.cookies_required = true;
    } else if (word[1] == "cookies" && value == "required-or-tcp") {
      settings.edns.cookies_required = settings.edns.none_to_tcp = true;
    } else if (word[1] == "nsid") {
      settings.edns.nsid.assign(value.begin(), value.end());
    } else if (word[1] == "report-agent") {
      settings.edns.report_agent = name(value);
    } else if (word[1] == "version") {
      settings.chaos.version = value;
    } else if (word[1] == "identity") {
      settings.chaos.identity = value;
    } else if (word[1] == "minimal-responses") {
      settings.minimal_responses = value == "yes";
    } else if (word[1] == "follow-aliases") {
      settings.follows_aliases = value == "yes";
    } else if (word[1] == "nsec3-max-iterations") {
      settings.nsec3_max_iterations = static_cast<std::uint16_t>(std::stoul(value));
    } else {
      throw std::runtime_error("unknown setting " + word[1]);
    }
  }

  // zone NAME [not-loaded|expired] [expires-in SECONDS] [transfer RULE] [notify RULE]
  void read_zone(TestServer& server, const std::vector<std::string>& word) {
    ZoneAccess access;
    std::string state;
    std::optional<std::int64_t> expires_in;
    for (std::size_t i = 2; i < word.size(); ++i) {
      if (word[i] == "transfer" || word[i] == "notify") {
        auto& rules = word[i] == "transfer" ? access.transfer : access.notify;
        std::string text = word.at(++i);
        if (text == "key") text += " " + word.at(++i);
        rules.push_back(AccessRule::parse(text).value());
      } else if (word[i] == "expires-in") {
        expires_in = std::stoll(word.at(++i));
      } else {
        state = word[i];
      }
    }
    if (state == "not-loaded" || state == "expired") {
      ZoneSlot& slot = server.environment.add_slot(word.at(1), std::move(access));
      if (state == "expired") slot.set_expired();
      return;
    }
    std::string text;
    for (std::string line; next(line) && line != "end";) text += line + "\n";
    ZoneSlot& slot = server.environment.add_zone(word.at(1), "$TTL 3600\n" + text, std::move(access));
    if (expires_in)
      slot.set_expires(static_cast<double>(server.environment.clock().mono_ns()) / 1e9 +
                       static_cast<double>(*expires_in));
  }

  // history NAME, then "- RECORD" and "+ RECORD" of one difference after the other, each beginning with "- @ ... SOA".
  void read_history(TestServer& server, const std::string& zone) {
    std::vector<std::shared_ptr<const ZoneDelta>> deltas;
    ZoneDeltaBuilder builder(name(zone));
    for (std::string line; next(line) && line != "end";) {
      const Record r = zone_fixture::record("$TTL 3600\n" + line.substr(2), zone);
      if (line[0] == '-' && r.type == RRType::SOA && builder.count() != 0) deltas.push_back(builder.finish().value());
      if (line[0] == '-') {
        builder.remove(r.owner, r.type, r.ttl, r.rdata);
      } else {
        builder.add(r.owner, r.type, r.ttl, r.rdata);
      }
    }
    deltas.push_back(builder.finish().value());
    ZoneSlot* slot = server.environment.table()->find_exact(HashedName(name(zone)));
    slot->publish(slot->current(), std::make_shared<const ZoneHistory>(std::move(deltas)));
  }

  void read_ask(const std::string& first, const std::vector<std::string>& word) {
    Ask ask;
    ask.line = line_;
    if (word[0] == "raw") {
      ask.raw = from_hex(word.at(1));
    } else {
      ask.query.qname = word.at(1) == "-" ? "" : word.at(1);
      ask.query.type = type_from_text(word.at(2)).value();
      for (std::size_t i = 3; i < word.size(); ++i) {
        if (word[i][0] == '+') {
          set_option(ask, word[i]);
        } else {
          ask.query.klass = class_from_text(word[i]).value();
        }
      }
    }
    for (std::string line; next(line) && !line.empty();) {
      if (line[0] != '#') ask.expected.push_back(normalized(line));
    }
    if (ask.expected.empty()) throw std::runtime_error("nothing is expected of " + first);
    complete(ask);
    asks_.push_back(std::move(ask));
  }

  static bool has(const Ask& ask, std::string_view what) {
    return std::any_of(ask.expected.begin(), ask.expected.end(),
                       [&](const auto& line) { return line.starts_with(what); });
  }
  // What an expectation need not say: the question as asked, and a plain OPT for an OPT.
  static void complete(Ask& ask) {
    if (!ask.raw.empty() || ask.expected[0] == "none" || ask.expected[0].starts_with("transfer")) return;
    const Query& q = ask.query;
    if (!q.qname.empty() && !has(ask, "question:") && !has(ask, "no question")) {
      ask.expected.push_back("question: " + q.qname + " " + class_text(q.klass) + " " + type_text(q.type));
    }
    std::erase(ask.expected, "no question");
    if (q.edns && !has(ask, "edns:") && !has(ask, "no edns")) {
      ask.expected.push_back(std::string("edns: size 1232") + (q.dnssec_ok ? " do" : ""));
    }
    std::erase(ask.expected, "no edns");
  }

  // Records in the form that they are printed in.
  static std::string normalized(const std::string& line) {
    for (const std::string section : {"answer:", "authority:", "additional:"}) {
      if (!line.starts_with(section)) continue;
      std::string text = line.substr(section.size() + 1);
      const std::size_t chaos = text.find(" CH ");  // which zone files do not have
      if (chaos != std::string::npos) text.replace(chaos, 4, " IN ");
      Record record = zone_fixture::record(text);
      if (chaos != std::string::npos) record.klass = RRClass::CH;
      return section + " " + record.text();
    }
    return line;
  }

  std::ifstream in_;
  int line_ = 0;
  std::vector<Ask> asks_;
};

Bytes message_of(const Ask& ask, const TestServer& server) {
  if (!ask.raw.empty()) return ask.raw;
  Bytes message = ask.query.bytes();
  if (ask.key.empty()) return message;
  const TsigKey key{name(ask.key), TsigAlgorithm::hmac_sha256, Bytes(32, ask.wrong_secret ? 0x18 : 0x17)};
  const auto now = server.environment.clock().wall_seconds() + ask.clock_skew;
  EXPECT_TRUE(sign_request(message, key, static_cast<std::uint64_t>(now)));
  if (ask.broken_mac)
    message[message.size() - 10] ^= 1;  // the last octet of the MAC: id, error and other are behind it
  return message;
}

// What kind of transfer begins: differences have a second SOA at once (RFC 1995 section 4).
std::vector<std::string> transfer_lines(ResponseSource& source) {
  Bytes first;
  if (source.next(first) != ResponseSource::Step::message) return {"no message"};
  const auto message = MessageView::parse(first);
  if (!message) return {"unreadable: " + message.error().text()};
  std::vector<RRType> types;
  message->for_each_record([&](const RecordView& record) {
    types.push_back(record.type);
    return types.size() < 2;
  });
  const bool differences = types == std::vector{RRType::SOA, RRType::SOA};
  std::vector<std::string> lines = {differences ? "transfer of differences" : "transfer"};
  if (message->edns() && !message->edns()->options.empty()) lines.push_back(edns_text(*message->edns()));
  return lines;
}

std::vector<std::string> outcome(TestServer& server, ByteView message, Transport transport) {
  server.environment.notified.clear();
  const Bytes response = server.ask(message, transport);
  std::vector<std::string> lines;
  if (transport == Transport::tcp && server.rest != nullptr) {
    lines = transfer_lines(*server.rest);
  } else if (response.empty()) {
    lines.emplace_back("none");
  } else {
    lines = message_lines(response);
  }
  for (const std::string& n : server.environment.notified) lines.push_back("notified: " + n);
  return lines;
}

std::string sorted(std::vector<std::string> lines) {
  std::sort(lines.begin(), lines.end());
  return joined(lines);
}

void run(const std::filesystem::path& path) {
  SCOPED_TRACE(path.filename().string());
  TestServer server;
  CaseFile file(path);
  ASSERT_NO_THROW(file.read(server)) << path;
  ASSERT_FALSE(file.asks().empty()) << "a table without questions";
  for (const Ask& ask : file.asks()) {
    SCOPED_TRACE(path.filename().string() + ":" + std::to_string(ask.line));
    server.set_peer(ask.peer);
    const Bytes message = message_of(ask, server);
    for (const bool fast : {true, false}) {
      server.set_fast_path(fast);
      for (const Transport transport : {Transport::udp, Transport::tcp}) {
        if (!(transport == Transport::udp ? ask.udp : ask.tcp)) continue;
        EXPECT_EQ(sorted(outcome(server, message, transport)), sorted(ask.expected))
            << (fast ? "fast path" : "slow path") << (transport == Transport::udp ? ", UDP" : ", TCP");
      }
    }
  }
}

void run_all(const std::filesystem::path& folder, std::size_t at_least) {
  std::set<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt") paths.insert(entry.path());
  }
  ASSERT_GE(paths.size(), at_least);
  for (const auto& path : paths) run(path);
}

TEST(CasesTest, EveryTable) {
  run_all(TEST_DATA_DIR "/answer/cases", 10);
}

// What the RFCs themselves show as examples.
TEST(CasesTest, EveryExampleOfTheRfcs) {
  run_all(TEST_DATA_DIR "/conformance", 6);
}

}  // namespace
}  // namespace understudy
