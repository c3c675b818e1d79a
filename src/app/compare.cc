#include "app/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "app/compare_report.h"
#include "base/clock.h"
#include "config/parser.h"
#include "control/comparison.h"
#include "control/question_sampler.h"
#include "dns/rdata.h"
#include "dns/tsig.h"
#include "net/exchange.h"

namespace understudy {
namespace {

namespace asio = boost::asio;
using json = nlohmann::json;
using std::chrono::milliseconds;

constexpr unsigned at_once = 16;  // questions that are open
constexpr unsigned tries = 3;     // by UDP
constexpr milliseconds patience{2'000};
constexpr std::uint16_t udp_size = 1'232;
constexpr std::size_t udp_size_without_edns = 512;

struct Target {
  Endpoint endpoint;
  std::shared_ptr<const TsigKey> key;
};

// One question to one server: by UDP, and by TCP where that was cut short or got no answer.
class Asker {
 public:
  explicit Asker(Target target) : target_(std::move(target)) {}

  asio::awaitable<Result<Bytes>> ask(const ComparedQuestion& question) {
    Result<Bytes> answer = fail(Errc::timed_out, "no answer");
    for (unsigned i = 0; i < tries; ++i) {
      answer = co_await ask_once(question, false);
      if (answer || answer.error().code != Errc::timed_out) break;
    }
    if (answer && (Header::read(*answer)->flags & Header::tc) == 0) co_return answer;
    co_return co_await ask_by_tcp(question);
  }

  asio::awaitable<Result<Bytes>> ask_by_tcp(const ComparedQuestion& question) { return ask_once(question, true); }

 private:
  asio::awaitable<Result<Bytes>> ask_once(const ComparedQuestion& question, bool by_tcp) {
    Bytes query(max_message_size);
    const auto id = static_cast<std::uint16_t>(random_());
    MessageWriter writer(query, query.size());
    writer.set_header(id, 0);
    writer.add_question(question.name, question.type, RRClass::IN);
    if (question.edns) writer.add_opt(udp_size, Rcode::NOERROR, true, {});
    query.resize(writer.size());
    std::optional<TsigStream> signature;
    if (target_.key) {
      auto mac = sign_request(query, *target_.key, now());
      if (!mac) co_return std::unexpected(mac.error());
      signature.emplace(target_.key, std::move(*mac));
    }
    const auto is_answer = [&](ByteView message) {
      const auto read = MessageView::parse(message);
      return read && read->header().id == id && read->header().is_response() && read->question() &&
             read->question()->name == question.name && read->question()->type == question.type;
    };
    Result<Bytes> answer =
        by_tcp ? co_await by_stream(query) : co_await udp_exchange(target_.endpoint, query, patience, is_answer);
    if (answer && !is_answer(*answer)) {
      co_return fail(Errc::bad_header,
                     fmt::format("{}: an answer that is none to {}", target_.endpoint.text(), question.text()));
    }
    if (answer && signature) {
      const auto message = MessageView::parse(*answer);
      auto good = signature->verify(*message, now());
      if (good) good = signature->finish();
      if (!good) co_return std::unexpected(good.error());
    }
    co_return answer;
  }

  asio::awaitable<Result<Bytes>> by_stream(ByteView query) {
    TcpExchange connection(co_await asio::this_coro::executor);
    if (auto up = co_await connection.connect(target_.endpoint, patience); !up) co_return std::unexpected(up.error());
    if (auto sent = co_await connection.send(query, patience); !sent) co_return std::unexpected(sent.error());
    const auto answer = co_await connection.receive({.stall = patience, .deadline = std::nullopt});
    if (!answer) co_return std::unexpected(answer.error());
    co_return Bytes(answer->begin(), answer->end());
  }

  static std::uint64_t now() { return static_cast<std::uint64_t>(SystemClock().wall_seconds()); }

  const Target target_;
  std::random_device random_;
};

// All questions, a few at a time, and what their answers differ in.
class Run {
 public:
  Run(const Target& ours, const Target& theirs, std::vector<ComparedQuestion> questions, unsigned rate,
      CompareReport& report)
      : report_(report),
        ours_(ours),
        theirs_(theirs),
        questions_(std::move(questions)),
        gap_(std::chrono::nanoseconds(std::chrono::seconds(1)) / rate) {}

  CompareOutcome run() {
    next_at_ = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < at_once; ++i) asio::co_spawn(context_, work(), asio::detached);
    context_.run();
    return outcome_;
  }

  /// The first one; empty if all were answered.
  [[nodiscard]] const std::string& unanswered_by() const { return unanswered_by_; }

 private:
  asio::awaitable<void> work() {
    asio::steady_timer timer(context_);
    while (next_ < questions_.size()) {
      const ComparedQuestion& question = questions_[next_++];
      timer.expires_at(next_at_ = std::max(next_at_ + gap_, std::chrono::steady_clock::now()));
      co_await timer.async_wait(asio::use_awaitable);
      auto here = co_await ours_.ask(question);
      auto there = co_await theirs_.ask(question);
      if (!question.edns && here && there && !compared(*here, *there).differences.empty()) {
        // Servers leave out what does not fit without saying so: some the SOA record, some glue.
        auto whole_here = co_await ours_.ask_by_tcp(question);
        auto whole_there = co_await theirs_.ask_by_tcp(question);
        if (whole_here && whole_there && std::max(whole_here->size(), whole_there->size()) > udp_size_without_edns) {
          here = std::move(whole_here);
          there = std::move(whole_there);
        }
      }
      take(question, here, there);
    }
  }

  static Comparison compared(ByteView here, ByteView there) {
    return compare_responses(*MessageView::parse(here), *MessageView::parse(there));
  }

  void take(const ComparedQuestion& question, const Result<Bytes>& here, const Result<Bytes>& there) {
    ++outcome_.asked;
    if (!here || !there) {
      ++outcome_.unanswered;
      const std::string why = fmt::format("{}: {}", here ? "there" : "here", (here ? there : here).error().text());
      if (unanswered_by_.empty()) unanswered_by_ = why;
      return report_.add_unanswered(question, why);
    }
    const Comparison found = compared(*here, *there);
    if (!found.proofs.empty()) ++outcome_.proof_apart;
    ++(found.differences.empty() ? outcome_.same : found.ttl_only() ? outcome_.ttl_only : outcome_.different);
    report_.add(question, found);
  }

  CompareReport& report_;
  asio::io_context context_{1};
  Asker ours_, theirs_;
  const std::vector<ComparedQuestion> questions_;
  const std::chrono::nanoseconds gap_;
  std::size_t next_ = 0;
  std::chrono::steady_clock::time_point next_at_;
  CompareOutcome outcome_;
  std::string unanswered_by_;
};

// The serial in an answer to a question for the SOA.
Result<std::uint32_t> serial_of(const Target& target, const Name& zone) {
  Asker asker(target);
  asio::io_context context(1);
  Result<std::uint32_t> serial = fail(Errc::timed_out, "no answer");
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        const auto answer = co_await asker.ask({zone, RRType::SOA});
        if (!answer) {
          serial = std::unexpected(answer.error());
          co_return;
        }
        const auto message = MessageView::parse(*answer);
        serial = fail(Errc::rcode, fmt::format("{}: no SOA of {} but {}", target.endpoint.text(), zone.text(),
                                               rcode_text(message->rcode())));
        message->for_each_record([&](const RecordView& record) {
          if (record.section != Section::answer || record.type != RRType::SOA) return true;
          if (const auto rdata = record.rdata()) serial = soa_view(*rdata).serial;
          return false;
        });
      },
      asio::detached);
  context.run();
  return serial;
}

// One request to the server; `take` gets each line of the response but the last.
Result<void> ask_server(const CliConnection& server, json request,
                        const std::function<Result<void>(const json&)>& take) {
  US_TRY(server.send(request.dump()));
  Result<void> taken;
  while (true) {
    US_ASSIGN(const std::string line, server.next());
    const json answer = json::parse(line, nullptr, false);
    if (!answer.is_object()) return fail(Errc::bad_value, "the server's answer is not of this protocol");
    if (answer.contains("error")) return fail(Errc::not_found, answer["error"].get<std::string>());
    if (answer.contains("done")) return taken;
    if (taken) taken = take(answer);
  }
}

struct Points {
  Target ours, theirs;
  std::string primary;
  std::optional<std::uint32_t> serial;
};

Result<std::shared_ptr<const TsigKey>> find_key(const std::string& text, const std::string& config) {
  if (text.empty()) return nullptr;
  if (config.empty()) {
    return fail(Errc::usage,
                fmt::format("the secret of key {} is in the configuration: name it with --config FILE", text));
  }
  US_ASSIGN(const Name name, Name::parse(text));
  US_ASSIGN(const LoadedConfig loaded, load_config(config));
  auto key = loaded.config->find_key(name);
  if (!key) return fail(Errc::usage, fmt::format("{} has no key {}", config, text));
  return key;
}

// Where a server listens on all addresses, it is asked on the loopback interface.
Endpoint reachable(Endpoint endpoint) {
  if (endpoint.address == IpAddress()) endpoint.address = IpAddress::v4(127, 0, 0, 1);
  if (endpoint.address == IpAddress::any_v6()) endpoint.address = *IpAddress::parse("::1");
  return endpoint;
}

Result<Points> find_points(const CompareRequest& request, const std::string& config, const CliConnection& server) {
  json row;
  US_TRY(
      ask_server(server, {{"command", "compare"}, {"zones", {request.zone}}}, [&](const json& answer) -> Result<void> {
        row = answer.value("row", json());
        return {};
      }));
  Points points;
  const json listen = row.value("listen", json::array());
  if (listen.empty()) return fail(Errc::not_found, "this server listens nowhere");
  US_ASSIGN(const Endpoint ours, Endpoint::parse(listen[0].get<std::string>()));
  points.ours.endpoint = reachable(ours);
  if (row["serial"].is_number()) points.serial = row["serial"].get<std::uint32_t>();
  const auto text = [&](const char* member) { return row[member].is_string() ? row[member].get<std::string>() : ""; };
  const std::string address = request.against.empty() ? text("address") : request.against;
  if (address.empty()) {
    return fail(Errc::usage, fmt::format("no primary of {} is known; name one with --against ADDRESS", request.zone));
  }
  US_ASSIGN(points.theirs.endpoint, Endpoint::parse(address, std::uint16_t{53}));
  if (request.against.empty()) points.primary = text("primary");
  US_ASSIGN(points.theirs.key, find_key(request.key, config));
  return points;
}

Result<std::string> read_file(const std::string& path) {
  std::FILE* file = path == "-" ? stdin : std::fopen(path.c_str(), "re");
  if (file == nullptr) return fail(Errc::io, fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  std::string text;
  char part[65536];
  for (std::size_t size = 0; (size = std::fread(part, 1, sizeof part, file)) > 0;) text.append(part, size);
  if (file != stdin) std::fclose(file);
  return text;
}

// `possible`: how many there are to draw from.
Result<std::vector<ComparedQuestion>> find_questions(const CompareRequest& request, const Name& zone,
                                                     const CliConnection& server,
                                                     std::optional<std::uint64_t>& possible) {
  if (!request.queries.empty()) {
    US_ASSIGN(const std::string text, read_file(request.queries));
    return read_questions(text, request.queries == "-" ? "standard input" : request.queries, zone);
  }
  QuestionSampler sampler(request.limit);
  US_TRY(ask_server(server, {{"command", "zone export"}, {"zones", {request.zone}}},
                    [&](const json& answer) { return sampler.take(answer.value("text", "")); }));
  auto questions = sampler.questions();
  possible = sampler.seen();
  return questions;
}

Result<int> run_comparison(const CompareRequest& request, const std::string& config, const CliConnection& server) {
  US_ASSIGN(const Name zone, Name::parse(request.zone));
  US_ASSIGN(const Points points, find_points(request, config, server));
  US_ASSIGN(const std::uint32_t here, serial_of(points.ours, zone));
  US_ASSIGN(const std::uint32_t there, serial_of(points.theirs, zone));
  CompareSubject subject{zone.text(), points.ours.endpoint.text(), points.theirs.endpoint.text(), points.primary, 0,
                         std::nullopt};
  US_ASSIGN(std::vector<ComparedQuestion> questions, find_questions(request, zone, server, subject.possible));
  if (questions.empty()) return fail(Errc::usage, "there is nothing to ask");
  subject.chosen = questions.size();
  CompareReport report(request.as_json, stdout);
  report.begin(subject, here, there);
  Run run(points.ours, points.theirs, std::move(questions), request.rate, report);
  const CompareOutcome outcome = run.run();
  report.end(outcome, {here, serial_of(points.ours, zone)}, {there, serial_of(points.theirs, zone)});
  if (outcome.unanswered > 0) return fail(Errc::timed_out, run.unanswered_by());
  return outcome.different + outcome.ttl_only == 0 ? 0 : 1;
}

}  // namespace

int compare(const CompareRequest& request, const std::string& config, const CliConnection& server) {
  const auto status = run_comparison(request, config, server);
  std::fflush(stdout);
  if (status) return *status;
  fmt::print(stderr, "understudy: {}\n", status.error().text());
  return 2;
}

}  // namespace understudy
