#include "control/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <vector>

#include "control/request.h"
#include "control/rows.h"

namespace understudy {
namespace {

using Output = std::shared_ptr<CommandOutput>;
using Request = ControlRequest;

constexpr std::size_t page_size = 500;        // zones a piece of a listing
constexpr std::size_t examined_size = 1'000;  // zones that a piece looks at, for those that a filter wants
constexpr std::size_t most_transfers = 10'000;
constexpr std::size_t most_stored = 10'000;  // zones that are not served, in one listing

void finish(CommandOutput& output, std::size_t failed = 0, std::string_view error = {}) {
  output.write(last_line(failed, error));
  output.done();
}

// Said beside the zone's name.
constexpr std::string_view no_such_zone = "this server has no such zone; see `understudy zone list`";

// All zones, a page at a time, so that a million of them neither stall the server nor fill its memory.
void list_all(ServerControl& server, const Request& request, CommandOutput& output) {
  struct Listing {
    std::optional<Name> from;
    std::uint64_t left;
  };
  auto at = std::make_shared<Listing>(request.from, request.limit.value_or(~std::uint64_t{0}));
  output.stream([&server, at, filter = request.filter](std::string& piece) {
    const auto limit = static_cast<std::size_t>(std::min<std::uint64_t>(at->left, page_size));
    auto page = server.zones(at->from, filter, limit, examined_size);
    const WallSeconds now = server.now();
    for (const ZoneRow& row : page.rows) piece += row_line(row, now);
    at->left -= page.rows.size();
    if (page.next && at->left != 0) {
      at->from = std::move(page.next);
      return true;
    }
    piece += last_line(0, {}, page.next ? json_text(page.next->text()) : "");
    return false;
  });
  output.done();
}

// A page at a time off the disk, each asked for when the one before is written.
class StoredListing : public std::enable_shared_from_this<StoredListing> {
 public:
  StoredListing(ServerControl& server, const Request& request, Output output)
      : server_(server),
        output_(std::move(output)),
        from_(request.from),
        pattern_(request.filter.pattern),
        left_(static_cast<std::size_t>(std::min<std::uint64_t>(request.limit.value_or(most_stored), most_stored))) {}

  void go_on() {
    server_.stored_zones(from_, pattern_, std::min(left_, page_size),
                         [self = shared_from_this()](const Result<StoredRows>& page) { self->take(page); });
  }

 private:
  void take(const Result<StoredRows>& page) {
    if (!page) return finish(*output_, 1, page.error().text());
    std::string piece;
    for (const StoredRow& row : page->rows) piece += row_line(row);
    left_ -= std::min(left_, page->rows.size());
    from_ = page->next;
    const bool more = from_ && left_ != 0;
    if (!more) piece += last_line(0, {}, from_ ? json_text(from_->text()) : "");
    output_->write(piece);
    if (more) return go_on();
    output_->done();
  }

  ServerControl& server_;
  const Output output_;
  std::optional<Name> from_;
  const std::string pattern_;
  std::size_t left_;
};

void list_stored(ServerControl& server, const Request& request, const Output& output) {
  if (!request.zones.empty() || !request.filter.state.empty()) {
    return finish(*output, 1, "zones that are only stored have no state; find them by --match");
  }
  std::make_shared<StoredListing>(server, request, output)->go_on();
}

void show_zones(ServerControl& server, const Request& request, const Output& output) {
  if (request.limit == 0) return finish(*output, 1, "limit must be at least 1");
  if (request.stored) return list_stored(server, request, output);
  if (request.zones.empty()) return list_all(server, request, *output);
  std::size_t failed = 0;
  for (const Name& name : request.zones) {
    if (const auto zone = server.zone(name); !zone) {
      ++failed;
      output->write(zone_error_line(name, no_such_zone));
    } else if (request.filter.matches(*zone)) {
      output->write(row_line(*zone, server.now()));
    }
  }
  finish(*output, failed);
}

// The outcomes of several zones, from whichever threads know them; the response ends with the last of them.
class Outcomes {
 public:
  Outcomes(Output output, std::size_t zones) : output_(std::move(output)), left_(zones) {}
  void add(const Name& zone, const Result<std::string>& outcome) {
    if (outcome) {
      output_->write(zone_text_line(zone, *outcome));
    } else {
      fail(zone, outcome.error().text());
      return;
    }
    one_less();
  }
  void fail(const Name& zone, std::string_view error) {
    ++failed_;
    output_->write(zone_error_line(zone, error));
    one_less();
  }

 private:
  void one_less() {
    if (--left_ == 0) finish(*output_, failed_);
  }

  const Output output_;
  std::atomic<std::size_t> left_, failed_{0};
};

void refresh(ServerControl& server, const Request& request, bool whole, const Output& output) {
  if (request.zones.empty()) return finish(*output, 1, "which zone? Name at least one");
  auto outcomes = std::make_shared<Outcomes>(output, request.zones.size());
  for (const Name& name : request.zones) {
    if (!server.zone(name)) {
      outcomes->fail(name, no_such_zone);
    } else if (request.wait) {
      server.refresh(name, whole, [name, outcomes](const auto& outcome) { outcomes->add(name, outcome); });
    } else {
      server.refresh(name, whole, [](const auto&) {});
      outcomes->add(name, "queued");
    }
  }
}

void refresh_zones(ServerControl& server, const Request& request, const Output& output) {
  refresh(server, request, false, output);
}

void retransfer_zones(ServerControl& server, const Request& request, const Output& output) {
  refresh(server, request, true, output);
}

void add_zones(ServerControl& server, const Request& request, const Output& output) {
  if (request.zones.empty()) return finish(*output, 1, "which zone? Name at least one");
  auto outcomes = std::make_shared<Outcomes>(output, request.zones.size());
  server.add_zones(request.zones, request.settings, request.wait,
                   [outcomes](const Name& name, const auto& outcome) { outcomes->add(name, outcome); });
}

void remove_zones(ServerControl& server, const Request& request, const Output& output) {
  if (request.zones.empty()) return finish(*output, 1, "which zone? Name at least one");
  auto outcomes = std::make_shared<Outcomes>(output, request.zones.size());
  server.remove_zones(request.zones, request.forget,
                      [outcomes](const Name& name, const auto& outcome) { outcomes->add(name, outcome); });
}

constexpr std::string_view one_zone = "which zone? Name exactly one";

// A response that is one outcome: `show` writes a good one.
template <typename T, typename Show>
std::function<void(Result<T>)> answered_by(const Output& output, Show show) {
  return [output, show = std::move(show)](Result<T> outcome) {
    if (!outcome) return finish(*output, 1, outcome.error().text());
    show(*output, std::move(*outcome));
  };
}

void export_zone(ServerControl& server, const Request& request, const Output& output) {
  if (request.zones.size() != 1) return finish(*output, 1, one_zone);
  using Source = std::unique_ptr<TextSource>;
  server.export_zone(request.zones[0], request.serial, answered_by<Source>(output, [](CommandOutput& out, Source from) {
                       out.stream([text = std::shared_ptr<TextSource>(std::move(from))](std::string& piece) {
                         std::string raw;
                         const bool more = text->next(raw);
                         if (!raw.empty()) piece += text_line(raw);
                         if (!more) piece += last_line();
                         return more;
                       });
                       out.done();
                     }));
}

void show_comparison_points(ServerControl& server, const Request& request, const Output& output) {
  if (request.zones.size() != 1) return finish(*output, 1, one_zone);
  const auto points = server.comparison(request.zones[0]);
  if (!points) return finish(*output, 1, points.error().text());
  output->write(row_line(*points));
  finish(*output);
}

void show_history(ServerControl& server, const Request& request, const Output& output) {
  if (request.zones.size() != 1) return finish(*output, 1, one_zone);
  using Rows = std::vector<HistoryRow>;
  server.history(request.zones[0], answered_by<Rows>(output, [](CommandOutput& out, const Rows& rows) {
                   for (const auto& row : rows) out.write(row_line(row));
                   finish(out);
                 }));
}

void show_difference(ServerControl& server, const Request& request, const Output& output) {
  if (request.zones.size() != 1) return finish(*output, 1, one_zone);
  if (!request.from_serial || !request.to_serial) {
    return finish(*output, 1, "between which serials? See `understudy zone history ZONE`");
  }
  using Source = std::unique_ptr<DifferenceSource>;
  server.difference(request.zones[0], *request.from_serial, *request.to_serial,
                    answered_by<Source>(output, [](CommandOutput& out, Source from) {
                      out.stream([lines = std::shared_ptr<DifferenceSource>(std::move(from))](std::string& piece) {
                        std::vector<DifferenceLine> some;
                        const bool more = lines->next(some);
                        for (const auto& line : some) piece += row_line(line);
                        if (!more) piece += last_line();
                        return more;
                      });
                      out.done();
                    }));
}

void list_transfers(ServerControl& server, const Request& request, const Output& output) {
  if (request.zones.size() > 1) return finish(*output, 1, "of which zone? Name one at most");
  TransferQuery query{.failed_only = request.failed, .before = request.before};
  if (!request.zones.empty()) query.zone = request.zones[0];
  if (request.limit) query.limit = static_cast<std::size_t>(std::min<std::uint64_t>(*request.limit, most_transfers));
  if (query.limit == 0) return finish(*output, 1, "limit must be at least 1");
  server.transfers(query, answered_by<TransferPage>(output, [](CommandOutput& out, const TransferPage& page) {
                     for (const auto& row : page.rows) out.write(row_line(row));
                     out.write(last_line(0, {}, page.before ? std::to_string(*page.before) : ""));
                     out.done();
                   }));
}

void explain_transfer(ServerControl& server, const Request& request, const Output& output) {
  if (!request.id) return finish(*output, 1, "which transfer? Give its id; see `understudy transfer list`");
  server.transfer(*request.id, answered_by<TransferDetail>(output, [](CommandOutput& out, const TransferDetail& found) {
    out.write(row_line(found));
    finish(out);
  }));
}

constexpr std::string_view no_such_catalog =
    "this server takes zones from no such catalog; see `understudy catalog list`";

void show_catalogs(ServerControl& server, const Request& request, const Output& output) {
  const auto catalogs = server.catalogs();
  std::size_t failed = 0;
  if (request.zones.empty()) {
    for (const auto& catalog : catalogs) output->write(row_line(catalog));
  }
  for (const Name& name : request.zones) {
    const auto found = std::ranges::find(catalogs, name, &CatalogRow::name);
    if (found == catalogs.end()) {
      ++failed;
      output->write(zone_error_line(name, no_such_catalog));
    } else {
      output->write(row_line(*found));
    }
  }
  finish(*output, failed);
}

void accept_catalogs(ServerControl& server, const Request& request, const Output& output) {
  if (request.zones.empty()) return finish(*output, 1, "which catalog? Name at least one");
  if ((request.serial || request.all_of) && request.zones.size() != 1) {
    return finish(*output, 1, "the serial is of one catalog: name one");
  }
  if (request.serial && request.all_of) return finish(*output, 1, "either an update or all of a list: name one serial");
  const auto catalogs = server.catalogs();
  auto outcomes = std::make_shared<Outcomes>(output, request.zones.size());
  for (const Name& name : request.zones) {
    if (std::ranges::find(catalogs, name, &CatalogRow::name) == catalogs.end()) {
      outcomes->fail(name, no_such_catalog);
    } else {
      server.accept_catalog(name, request.serial, request.all_of,
                            [name, outcomes](const auto& outcome) { outcomes->add(name, outcome); });
    }
  }
}

// The mistakes of a file have a line each, which says all.
void finish_with_mistakes(CommandOutput& output, const Error& error) {
  finish(output, 1, error.detail.empty() ? error.text() : error.detail);
}

void compare_configuration(ServerControl& server, const Request& request, const Output& output) {
  const auto lines = server.compare_configuration(request.file);
  if (!lines) return finish_with_mistakes(*output, lines.error());
  for (const auto& each : *lines) output->write(text_line(each));
  if (lines->empty()) output->write(text_line("nothing would change"));
  finish(*output);
}

void reload(ServerControl& server, const Request& /*request*/, const Output& output) {
  const auto will = [&output](const std::vector<std::string>& lines) {
    for (const auto& each : lines) output->write(text_line(each));
  };
  server.reload(will, [output](const Result<std::string>& outcome) {
    if (!outcome) return finish_with_mistakes(*output, outcome.error());
    if (!outcome->empty()) output->write(text_line(*outcome));
    finish(*output);
  });
}

void stop(ServerControl& server, const Request& /*request*/, const Output& output) {
  output->write(text_line("stopping"));
  finish(*output);
  server.stop();
}

struct Command {
  std::string_view name;
  void (*run)(ServerControl&, const Request&, const Output&);
};

constexpr Command commands[] = {
    {"zone list", show_zones},
    {"zone status", show_zones},
    {"zone refresh", refresh_zones},
    {"zone retransfer", retransfer_zones},
    {"zone add", add_zones},
    {"zone remove", remove_zones},
    {"zone export", export_zone},
    {"zone history", show_history},
    {"zone diff", show_difference},
    {"compare", show_comparison_points},
    {"transfer list", list_transfers},
    {"transfer explain", explain_transfer},
    {"catalog list", show_catalogs},
    {"catalog status", show_catalogs},
    {"catalog accept", accept_catalogs},
    {"conf diff", compare_configuration},
    {"conf reload", reload},
    {"stop", stop},
};

}  // namespace

void run_command(ServerControl& server, std::string_view text, const Output& output) {
  const auto request = read_control_request(text);
  if (!request) return finish(*output, 1, request.error().text());
  const auto* command = std::ranges::find(commands, request->command, &Command::name);
  if (command != std::end(commands)) return command->run(server, *request, output);
  std::string known;
  for (const auto& each : commands) known += fmt::format("{}{}", known.empty() ? "" : ", ", each.name);
  finish(*output, 1, fmt::format("there is no command '{}' here, only: {}", request->command, known));
}

}  // namespace understudy
