#include "net/xdp_program.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <set>

#include "base/log.h"
#include "net/sockets.h"
#include "net/xdp_layout.h"

namespace understudy {
namespace {

// Aligned for the library, which reads its structures in place.
alignas(8) constexpr unsigned char program_object[] = {
#include <xdp_program_object.inc>
};

// What the library has to say goes with our own lines: its reasons for a failure are worth reading, but not as errors
// of ours, which we write where we know what they mean.
int log_of_library(enum libbpf_print_level, const char* format, va_list arguments) {
  if (!log_enabled(LogLevel::debug)) return 0;
  char text[512];
  const int size = std::vsnprintf(text, sizeof text, format, arguments);
  if (size <= 0) return 0;
  std::string_view line(text, std::min<std::size_t>(static_cast<std::size_t>(size), sizeof text - 1));
  while (line.ends_with('\n')) line.remove_suffix(1);
  log_debug("libbpf: {}", line);
  return 0;
}

/// Options of the library: all zero but for the size, by which it knows the version.
template <typename Options>
Options no_options() {
  Options options;
  std::memset(&options, 0, sizeof options);
  options.sz = sizeof options;
  return options;
}

std::string program_name(std::uint32_t id) {
  const UniqueFd fd(bpf_prog_get_fd_by_id(id));
  bpf_prog_info info{};
  std::uint32_t size = sizeof info;
  if (!fd.is_open() || bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0 || info.name[0] == '\0') return "no name";
  return info.name;
}

Error load_failure(int error_number) {
  const std::string words = system_words(error_number);
  if (error_number == EPERM || error_number == EACCES) {
    return {Errc::refused, "the program cannot be loaded: " + words + "; CAP_BPF and CAP_NET_ADMIN are needed"};
  }
  return {Errc::unsupported, "the kernel does not take the program: " + words};
}

us_xdp_v4_key v4_key(const Endpoint& endpoint) {
  us_xdp_v4_key key{};
  std::memcpy(&key.address, endpoint.address.bytes().data(), sizeof key.address);
  key.port = htons(endpoint.port);
  return key;
}

us_xdp_v6_key v6_key(const Endpoint& endpoint) {
  us_xdp_v6_key key{};
  std::memcpy(key.address, endpoint.address.bytes().data(), sizeof key.address);
  key.port = htons(endpoint.port);
  return key;
}

}  // namespace

std::string_view xdp_mode_text(XdpMode mode) {
  return mode == XdpMode::native ? "native" : "generic";
}

struct XdpProgram::Impl {
  bpf_object* object = nullptr;
  int program = -1, v4_addresses = -1, v6_addresses = -1, sockets = -1;  // the object's
  us_xdp_counters* counters = nullptr;                                   // the map's memory, one a queue
  std::size_t counters_size = 0;
  unsigned queues = 0;
  UniqueFd link;
  std::set<Endpoint> endpoints;  // as they are in the maps

  ~Impl();
  Result<> load();
  Result<> map_counters();
  bool change(const Endpoint& endpoint, bool add) const;
};

XdpProgram::Impl::~Impl() {
  link.reset();
  if (counters != nullptr) munmap(counters, counters_size);
  if (object != nullptr) bpf_object__close(object);
}

Result<> XdpProgram::Impl::load() {
  libbpf_set_print(log_of_library);
  auto options = no_options<bpf_object_open_opts>();
  options.object_name = "understudy";
  object = bpf_object__open_mem(program_object, sizeof program_object, &options);
  if (object == nullptr) return fail(Errc::internal, "the program cannot be read: " + system_words(errno));
  for (const char* per_queue : {"sockets", "counters"}) {
    bpf_map* map = bpf_object__find_map_by_name(object, per_queue);
    if (map == nullptr || bpf_map__set_max_entries(map, queues) != 0) return fail(Errc::internal, per_queue);
  }
  if (const int error = bpf_object__load(object); error != 0) return std::unexpected(load_failure(-error));
  program = bpf_program__fd(bpf_object__find_program_by_name(object, "understudy"));
  v4_addresses = bpf_object__find_map_fd_by_name(object, "v4_addresses");
  v6_addresses = bpf_object__find_map_fd_by_name(object, "v6_addresses");
  sockets = bpf_object__find_map_fd_by_name(object, "sockets");
  return map_counters();
}

// Shared memory: whoever collects metrics needs neither a system call nor a privilege.
Result<> XdpProgram::Impl::map_counters() {
  const int fd = bpf_object__find_map_fd_by_name(object, "counters");
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  counters_size = (queues * sizeof(us_xdp_counters) + page - 1) / page * page;
  void* memory = mmap(nullptr, counters_size, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return fail(Errc::unsupported, "the program's counters: " + system_words(errno));
  counters = static_cast<us_xdp_counters*>(memory);
  return {};
}

bool XdpProgram::Impl::change(const Endpoint& endpoint, bool add) const {
  const auto act = [add](int map, const auto& key) {
    const std::uint8_t present = 1;
    return add ? bpf_map_update_elem(map, &key, &present, BPF_ANY) == 0 : bpf_map_delete_elem(map, &key) == 0;
  };
  return endpoint.address.is_v4() ? act(v4_addresses, v4_key(endpoint)) : act(v6_addresses, v6_key(endpoint));
}

XdpProgram::XdpProgram(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
XdpProgram::~XdpProgram() = default;

Result<std::unique_ptr<XdpProgram>> XdpProgram::load(unsigned queues) {
  auto impl = std::make_unique<Impl>();
  impl->queues = queues;
  US_TRY(impl->load());
  return std::unique_ptr<XdpProgram>(new XdpProgram(std::move(impl)));
}

Result<XdpMode> XdpProgram::attach(unsigned interface_index) {
  const int index = static_cast<int>(interface_index);
  auto there = no_options<bpf_xdp_query_opts>();
  if (bpf_xdp_query(index, 0, &there) == 0) {
    for (const std::uint32_t id : {there.prog_id, there.drv_prog_id, there.hw_prog_id, there.skb_prog_id}) {
      if (id == 0) continue;
      return fail(Errc::refused, fmt::format("another XDP program is attached: {} (id {}); take it off with "
                                             "`ip link set ... xdp off`, or end the program that holds it",
                                             program_name(id), id));
    }
  }
  int error = 0;
  for (const XdpMode mode : {XdpMode::native, XdpMode::generic}) {
    auto options = no_options<bpf_link_create_opts>();
    options.flags = mode == XdpMode::native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
    impl_->link = UniqueFd(bpf_link_create(impl_->program, index, BPF_XDP, &options));
    if (impl_->link.is_open()) return mode;
    error = errno;
    log_debug("XDP, {} mode: {}", xdp_mode_text(mode), system_words(error));
    if (error == EPERM || error == EBUSY || error == EEXIST) break;  // the other mode would fare no better
  }
  const std::string words = system_words(error);
  if (error == EPERM)
    return fail(Errc::refused, "the program may not be attached: " + words + "; CAP_NET_ADMIN is needed");
  if (error == EINVAL)
    return fail(Errc::unsupported, "the program cannot be attached: " + words + "; Linux 5.9 is needed");
  return fail(Errc::unsupported, "the program cannot be attached: " + words);
}

Result<> XdpProgram::set_endpoints(std::span<const Endpoint> endpoints) {
  const std::set<Endpoint> wanted(endpoints.begin(), endpoints.end());
  std::string failed;
  int error = 0;
  const auto change = [&](const Endpoint& endpoint, bool add) {
    const bool done = impl_->change(endpoint, add);
    if (!done && failed.empty()) {
      error = errno;
      failed = endpoint.text();
    }
    return done;
  };
  for (auto it = impl_->endpoints.begin(); it != impl_->endpoints.end();) {
    it = !wanted.contains(*it) && change(*it, false) ? impl_->endpoints.erase(it) : std::next(it);
  }
  for (const Endpoint& endpoint : wanted) {
    if (!impl_->endpoints.contains(endpoint) && change(endpoint, true)) impl_->endpoints.insert(endpoint);
  }
  if (!failed.empty()) return fail(Errc::io, fmt::format("{}: {}", failed, system_words(error)));
  return {};
}

Result<> XdpProgram::set_socket(unsigned queue, int socket) {
  if (bpf_map_update_elem(impl_->sockets, &queue, &socket, BPF_ANY) != 0) {
    return fail(Errc::io, fmt::format("queue {}: {}", queue, system_words(errno)));
  }
  return {};
}

XdpPassed XdpProgram::counters(unsigned queue) const {
  us_xdp_counters& counted = impl_->counters[queue];
  const auto read = [](__u64& value) { return std::uint64_t{__atomic_load_n(&value, __ATOMIC_RELAXED)}; };
  return {read(counted.passed), read(counted.without_socket)};
}

Result<std::uint32_t> XdpProgram::try_frame(ByteView frame) {
  auto options = no_options<bpf_test_run_opts>();
  options.data_in = frame.data();
  options.data_size_in = static_cast<std::uint32_t>(frame.size());
  options.repeat = 1;
  if (const int error = bpf_prog_test_run_opts(impl_->program, &options); error != 0) {
    return fail(Errc::io, system_words(-error));
  }
  return options.retval;
}

}  // namespace understudy
