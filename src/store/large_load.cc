#include "store/large_load.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/thread_name.h"
#include "store/crc32c.h"
#include "store/load_errors.h"
#include "store/state.h"
#include "store/version_codec.h"

namespace understudy {

namespace {

constexpr std::uint32_t blocks_worth_a_thread = 64;  // 4 MiB: less is read before another thread has begun
constexpr int nice_of_helpers = 10;
constexpr std::size_t slots_a_thread = 2;  // one is encoded while another waits to be added

class LargeLoad {
 public:
  LargeLoad(const Database& database, const VersionHead& head, ZoneBuilder& builder, unsigned threads)
      : head_(head), builder_(builder), rows_(database, head.base) {
    for (std::size_t i = 0; i < threads * slots_a_thread; ++i) slots_.push_back(std::make_unique<Slot>(head.name));
  }

  Result<BlocksRead> run(unsigned threads) {
    {
      std::vector<std::jthread> helpers;  // their end is waited for
      helpers.reserve(threads);
      while (helpers.size() + 1 < threads && start_helper(helpers)) continue;
      work();
    }
    US_TRY(std::move(outcome_));
    return read_;
  }

 private:
  /// A block on its way from the disk to the builder.
  struct Slot {
    explicit Slot(NameView apex) : block(apex) {}
    std::string key, value;
    EncodedBlock block;
    Result<void> outcome;
    bool is_done = false;  // guarded by mutex_: it waits to be added
  };

  bool start_helper(std::vector<std::jthread>& helpers) {
    try {
      helpers.emplace_back([this] {
        name_this_thread("us-load");
        // Behind what answers, which has these cores too once the server is up.
        ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice_of_helpers);
        work();
      });
    } catch (const std::exception&) {  // no thread or no memory: fewer do the work
      return false;
    }
    return true;
  }

  // Throws nothing: all that fails is the outcome of a block.
  void work() {
    while (Slot* slot = take()) {
      if (slot->outcome) slot->outcome = without_exceptions([&] { return encode(*slot); });
      add_in_order(*slot);
    }
  }

  /// The next block, read; null: there are no more, or are not needed.
  Slot* take() {
    const std::lock_guard reading(reading_);
    Slot* slot = next_free();
    if (slot == nullptr) return nullptr;
    bool found = true;
    slot->outcome = without_exceptions([&] { return read(*slot, found); });
    const std::lock_guard lock(mutex_);
    if (!found) return nullptr;
    ++taken_;
    return slot;
  }

  /// With reading_; waits for it. Null: something has failed.
  Slot* next_free() {
    std::unique_lock lock(mutex_);
    added_some_.wait(lock, [&] { return !outcome_ || taken_ - added_ < slots_.size(); });
    return outcome_ ? slots_[taken_ % slots_.size()].get() : nullptr;
  }

  /// With reading_, as what is copied is valid until the next row is read. `found`: there was one, or an error.
  Result<void> read(Slot& slot, bool& found) {
    std::string_view key, value;
    found = rows_.next(key, value);
    if (!found) {
      const rocksdb::Status status = rows_.status();
      found = !status.ok();
      return found ? unreadable(head_, status) : Result<void>{};
    }
    if (key != large_block_key(head_.base, taken_)) return not_as_stored(head_, "a block is missing");
    slot.key = key;
    slot.value = value;
    return {};
  }

  Result<void> encode(Slot& slot) {
    const auto content = unseal(slot.key, slot.value);
    if (!content) return not_as_stored(head_, fmt::format("the checksum of block {} is wrong", number_of(slot)));
    const auto encoded = slot.block.read(*content);
    return encoded ? encoded : not_as_stored(head_, encoded.error().text());
  }

  [[nodiscard]] static std::uint32_t number_of(const Slot& slot) {
    return load_u32(view_of(slot.key).last(sizeof(std::uint32_t)).data());
  }

  /// This block if it is its turn, and all behind it that are done. If another thread is at that, it will come to it.
  void add_in_order(Slot& slot) {
    std::unique_lock lock(mutex_);
    slot.is_done = true;
    if (adding_) return;
    adding_ = true;
    while (Slot* next = next_done()) {
      lock.unlock();
      Result<void> added = next->outcome ? without_exceptions([&] { return add(*next); }) : std::move(next->outcome);
      lock.lock();
      next->is_done = false;
      ++added_;
      if (!added) outcome_ = std::move(added);
      added_some_.notify_all();
    }
    adding_ = false;
  }

  /// With mutex_.
  Slot* next_done() {
    Slot* next = slots_[added_ % slots_.size()].get();
    return outcome_ && next->is_done ? next : nullptr;
  }

  /// One thread at a time.
  Result<void> add(const Slot& slot) {
    read_.digest = crc32c(read_.digest, view_of(slot.value).last(sizeof read_.digest));
    ++read_.count;
    return as_stored(head_, slot.block.add_to(builder_));
  }

  const VersionHead& head_;
  ZoneBuilder& builder_;                      // of the thread that adds
  BlocksRead read_;                           // the same
  std::vector<std::unique_ptr<Slot>> slots_;  // block n is in the slot n modulo their number
  std::mutex reading_;                        // taken before mutex_
  LargeBlocks rows_;                          // guarded by reading_
  std::mutex mutex_;
  std::condition_variable added_some_;
  std::uint32_t taken_ = 0;  // blocks; guarded by both, either is enough to look
  std::uint32_t added_ = 0;  // guarded by mutex_
  bool adding_ = false;      // guarded by mutex_
  Result<void> outcome_;     // guarded by mutex_
};

unsigned cores_of_this_process() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  return ::sched_getaffinity(0, sizeof cores, &cores) == 0 ? static_cast<unsigned>(CPU_COUNT(&cores)) : 1;
}

/// Threads that load large versions at present. Where several are loaded at once, they share the cores.
std::atomic<unsigned> busy_threads = 0;

class ShareOfCores {
 public:
  explicit ShareOfCores(unsigned wanted) {
    const unsigned busy = busy_threads.load(std::memory_order_relaxed), cores = cores_of_this_process();
    count_ = std::clamp(cores > busy ? cores - busy : 1, 1U, std::max(1U, wanted));
    busy_threads.fetch_add(count_, std::memory_order_relaxed);
  }
  ~ShareOfCores() { busy_threads.fetch_sub(count_, std::memory_order_relaxed); }
  ShareOfCores(const ShareOfCores&) = delete;
  ShareOfCores& operator=(const ShareOfCores&) = delete;

  [[nodiscard]] unsigned count() const { return count_; }

 private:
  unsigned count_;
};

}  // namespace

Result<BlocksRead> add_large_version(const Database& database, const VersionHead& head, ZoneBuilder& builder) {
  const ShareOfCores share(head.blocks / blocks_worth_a_thread);
  return add_large_version(database, head, builder, share.count());
}

Result<BlocksRead> add_large_version(const Database& database, const VersionHead& head, ZoneBuilder& builder,
                                     unsigned threads) {
  return LargeLoad(database, head, builder, threads).run(threads);
}

}  // namespace understudy
