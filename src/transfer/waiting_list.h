// Who waits to be told something: any number, told a few at a time.
//
// A wait is in two chains, that of its list and that of its waiter, so that giving up one's waits and moving a whole
// list cost what they touch and no more. A waiter that goes, or a list, takes its waits with it. On one thread.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace understudy {

class Waiter;
class WaitingList;

enum class WaitsFor : std::uint8_t {
  another_check,  // its own failed, or was not made
  first_answer,   // it stands in the queue for the first check
};

namespace detail {

using WaitHook = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
struct Wait : WaitHook {
  Waiter* waiter = nullptr;
  const WaitingList* began_in = nullptr;
  WaitsFor what = WaitsFor::another_check;
  std::unique_ptr<Wait> next;  // of the same waiter
};

}  // namespace detail

class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  virtual ~Waiter() = default;

  /// Called once for each wait.
  virtual void primary_answers(WaitsFor what) = 0;
  void stop_waiting() { waits_.reset(); }
  void stop_waiting(WaitsFor what);
  [[nodiscard]] bool waits() const { return waits_ != nullptr; }

 private:
  friend class WaitingList;
  template <typename F>
  void end_waits(F&& which);

  std::unique_ptr<detail::Wait> waits_;
};

class WaitingList {
 public:
  /// Once, however often it is called before the waiter is told.
  void add(Waiter& waiter, WaitsFor what);
  /// Appends those of `other`, which has none afterwards.
  void take_all(WaitingList& other) { waits_.splice(waits_.end(), other.waits_); }
  /// Tells the first so many, as far as there are any.
  void tell(std::size_t count);
  [[nodiscard]] bool empty() const { return waits_.empty(); }

 private:
  boost::intrusive::list<detail::Wait, boost::intrusive::constant_time_size<false>> waits_;
};

}  // namespace understudy
