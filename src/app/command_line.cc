#include "app/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iterator>

#include "control/server_control.h"

namespace understudy {
namespace {

std::string not_a_name(const std::string& text) {
  const auto name = Name::parse(text);
  return name ? "" : fmt::format("{} is not a zone name: {}", text, name.error().text());
}

const CLI::Validator zone_name(not_a_name, "", "zone name");
const CLI::Validator zone_name_or_input([](const std::string& text) { return text == "-" ? "" : not_a_name(text); }, "",
                                        "zone name");

const CLI::Range at_least_one(std::uint64_t{1}, std::uint64_t{1'000'000'000});

CLI::App* add_group(CLI::App& app, const char* name, const char* help) {
  CLI::App* group = app.add_subcommand(name, help);
  group->require_subcommand(1);
  return group;
}

CLI::App* add_verb(CLI::App* group, const char* verb, const char* help, CommandLine& line) {
  CLI::App* command = group->add_subcommand(verb, help);
  command->callback(
      [&line, command, group] { line.request.command = fmt::format("{} {}", group->get_name(), command->get_name()); });
  return command;
}

CLI::Option* add_names(CLI::App* command, CommandLine& line, const char* what = "ZONE") {
  return command->add_option(what, line.request.zones, "names")->check(zone_name);
}

CLI::Option* add_name(CLI::App* command, CommandLine& line) {
  const auto take = [&line](const std::string& name) { line.request.zones = {name}; };
  return command->add_option_function<std::string>("ZONE", take, "name")->check(zone_name)->required();
}

void add_listings(CLI::App* zone, CommandLine& line) {
  CliRequest& request = line.request;
  const auto add = [&](const char* verb, const char* help) {
    CLI::App* command = add_verb(zone, verb, help, line);
    CLI::Option* names = add_names(command, line);
    CLI::Option* state = command->add_option("--state", request.state, "only zones in this state");
    if (command->get_name() == "list") {
      command->add_flag("--stored", request.stored, "zones that are stored, but not served")
          ->excludes(names)
          ->excludes(state);
    }
    state->check(CLI::IsMember(std::vector<std::string>(std::begin(zone_states), std::end(zone_states))));
    command->add_option("--match", request.match, "only zones whose name fits a pattern with * and ?");
    command->add_option("--from", request.from, "begin at this name")->check(zone_name);
    command->add_option("--limit", request.limit, "at most so many zones")->check(at_least_one);
  };
  add("list", "one line a zone");
  add("status", "all that is known of a zone");
}

// Commands that name many zones at once, also from a list.
void add_provisioning(CLI::App* zone, CommandLine& line) {
  CliRequest& request = line.request;
  const auto add = [&](const char* verb, const char* help) {
    CLI::App* command = add_verb(zone, verb, help, line);
    auto* names = command->add_option("ZONE", request.zones, "names; - reads them from standard input, one a line");
    names->check(zone_name_or_input);
    auto* file = command->add_option("--file", line.name_files, "file with more names, one a line")->expected(1);
    command->callback([&line, command, names, file] {
      if (names->count() + file->count() == 0) throw CLI::RequiredError("ZONE, - or --file");
      line.request.command = fmt::format("zone {}", command->get_name());
    });
    return command;
  };
  CLI::App* added = add("add", "serve more zones, also after a restart");
  added->add_option("-t,--template", request.template_name, "template that they begin with");
  added->add_option("-p,--primary", request.primaries, "primary to take them from, by name or ADDRESS@PORT; repeatable")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add("remove", "serve zones no more that `zone add` added")
      ->add_flag("--forget", request.forget, "delete their stored data, too, also of zones that nothing serves");
}

void add_zone_verbs(CLI::App& app, CommandLine& line) {
  CliRequest& request = line.request;
  CLI::App* zone = add_group(app, "zone", "look at zones and act on them");
  add_listings(zone, line);
  add_names(add_verb(zone, "refresh", "ask the primaries now (a zone from a file: read it again)", line), line)
      ->required();
  add_names(add_verb(zone, "retransfer", "take the whole zone again, whatever its serial", line), line)->required();
  add_provisioning(zone, line);
  CLI::App* exported = add_verb(zone, "export", "the zone as a zone file, on standard output", line);
  add_name(exported, line);
  exported->add_option("--serial", request.serial, "a kept version instead of the current one");
  add_name(add_verb(zone, "history", "the versions that are kept", line), line);
  CLI::App* diff = add_verb(zone, "diff", "the records that differ between two kept versions", line);
  add_name(diff, line);
  diff->add_option("FROM", request.from_serial, "serial")->required();
  diff->add_option("TO", request.to_serial, "serial, newer or older")->required();
}

void add_transfer_verbs(CLI::App& app, CommandLine& line) {
  CliRequest& request = line.request;
  CLI::App* transfer = add_group(app, "transfer", "what happened in transfers");
  CLI::App* list = add_verb(transfer, "list", "the last transfers, the newest first", line);
  add_names(list, line)->expected(0, 1);
  list->add_flag("--failed", request.failed, "only those that failed");
  list->add_option("--limit", request.limit, "at most so many (default 50)")->check(at_least_one);
  list->add_option("--before", request.before, "only those with a lower id");
  CLI::App* explain = add_verb(transfer, "explain", "one transfer, message by message if it failed", line);
  explain->add_option("ID", request.id, "as in the list")->required();
}

void add_catalog_verbs(CLI::App& app, CommandLine& line) {
  CLI::App* catalog = add_group(app, "catalog", "catalogs that zones are taken from");
  add_names(add_verb(catalog, "list", "one line a catalog", line), line, "NAME");
  add_names(add_verb(catalog, "status", "all that is known of a catalog", line), line, "NAME");
  CLI::App* accept = add_verb(catalog, "accept", "apply an update that is held", line);
  add_names(accept, line, "NAME")->required();
  CLI::Option* update =
      accept->add_option("--serial", line.request.serial, "only if the update of this serial is held");
  accept->add_option("--all-of", line.request.all_of, "only if all members of the list of this serial would go")
      ->excludes(update);
}

void add_compare(CLI::App& app, CommandLine& line) {
  CompareRequest& request = line.compare;
  CLI::App* compare = app.add_subcommand("compare", "ask a primary and this server the same, and show what differs");
  compare->callback([&line] { line.request.command = "compare"; });
  compare->add_option("ZONE", request.zone, "name")->check(zone_name)->required();
  compare->add_option("--against", request.against,
                      "ADDRESS[@PORT] to compare with (default: the zone's first primary)");
  compare->add_option("--queries", request.queries,
                      "file of questions, a NAME TYPE [no-edns] a line (default: drawn from the zone)");
  compare->add_option("--tsig", request.key, "key of --config by which the questions to the primary are signed");
  compare->add_option("--limit", request.limit, "at most so many questions drawn from the zone (default 10000)")
      ->check(at_least_one);
  compare->add_option("--rate", request.rate, "questions a second (default 1000)")->check(CLI::Range(1U, 100'000U));
}

void add_conf_verbs(CLI::App& app, CommandLine& line) {
  CLI::App* conf = add_group(app, "conf", "the configuration");
  add_verb(conf, "check", "find every mistake in a configuration file; needs no server", line)
      ->add_option("FILE", line.request.file, "configuration file")
      ->required();
  add_verb(conf, "diff", "what a reload would change; nothing is changed", line)
      ->add_option("FILE", line.request.file, "configuration file (default: the server's own)");
  add_verb(conf, "reload", "read the configuration again", line);
}

}  // namespace

std::optional<int> parse_command_line(int argc, char** argv, CommandLine& line) {
  CLI::App app{"Talks to a running understudyd, and checks configurations."};
  std::string output = "text";
  bool no_wait = false;
  app.set_version_flag("--version", "understudy " UNDERSTUDY_VERSION);
  app.add_option("-s,--socket", line.socket, "control socket of the server");
  app.add_option("-c,--config", line.config, "configuration of the server, which names its control socket");
  app.add_option("-o,--output", output, "text or json")->check(CLI::IsMember({"text", "json"}));
  app.add_flag("--no-wait", no_wait, "queue the command and do not wait for its outcome");
  app.require_subcommand(1);
  app.fallthrough();
  add_zone_verbs(app, line);
  add_transfer_verbs(app, line);
  add_catalog_verbs(app, line);
  add_conf_verbs(app, line);
  add_compare(app, line);
  app.add_subcommand("stop", "stop the server and wait until it has stopped")->callback([&] {
    line.request.command = "stop";
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  line.request.wait = !no_wait;
  line.request.as_json = output == "json";
  line.compare.as_json = line.request.as_json;
  return std::nullopt;
}

}  // namespace understudy
