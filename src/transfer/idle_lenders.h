// Lends the permits of transfers to which nothing comes, so that those that hang hold up only themselves: after a
// second, or much sooner if somebody waits for the room. Where that is not enough, they are given up after the second.
//
// One timer looks at all of them, as long as there are any: one for each transfer would cost more than a small zone
// does otherwise. On the transfer thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "transfer/limits.h"
#include "xfr/transfer_reader.h"

namespace understudy {

class IdleLenders {
 public:
  explicit IdleLenders(boost::asio::io_context& io) : timer_(io) {}

  /// For one transfer; all that it refers to must outlive it.
  class Lender {
   public:
    /// `give_up` ends the transfer, and with it maybe this at once; called once at the most.
    Lender(IdleLenders& lenders, Lanes::Permit& permit, const TransferCounts& counts, std::function<void()> give_up);
    ~Lender();
    Lender(const Lender&) = delete;
    Lender& operator=(const Lender&) = delete;

   private:
    friend class IdleLenders;
    void look();
    [[nodiscard]] bool is_to_be_given_up();

    IdleLenders& lenders_;
    Lanes::Permit& permit_;
    const TransferCounts& counts_;
    const std::function<void()> give_up_;
    std::size_t place_;  // in the list
    bool is_new_ = true;
    bool is_given_up_ = false;
    std::uint64_t seen_ = 0;
    int idle_looks_ = 0;
  };

 private:
  void set_timer();
  void look_at_all();

  boost::asio::steady_timer timer_;
  bool is_set_ = false;
  std::vector<Lender*> all_;
};

}  // namespace understudy
