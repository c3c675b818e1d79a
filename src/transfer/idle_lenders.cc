#include "transfer/idle_lenders.h"

#include <chrono>
#include <utility>

namespace understudy {
namespace {

constexpr std::chrono::milliseconds interval{40};
constexpr int looks_before_lending = 25;

}  // namespace

IdleLenders::Lender::Lender(IdleLenders& lenders, Lanes::Permit& permit, const TransferCounts& counts,
                            std::function<void()> give_up)
    : lenders_(lenders), permit_(permit), counts_(counts), give_up_(std::move(give_up)), place_(lenders.all_.size()) {
  lenders.all_.push_back(this);
  lenders.set_timer();
}

IdleLenders::Lender::~Lender() {
  Lender* const last = lenders_.all_.back();
  lenders_.all_[place_] = last;
  last->place_ = place_;
  lenders_.all_.pop_back();
}

void IdleLenders::Lender::look() {
  if (std::exchange(is_new_, false)) return;  // it may have begun a moment ago
  const std::uint64_t before = std::exchange(seen_, counts_.octets);
  if (seen_ != before) {
    idle_looks_ = 0;
    permit_.take_back();
  } else if (++idle_looks_ >= looks_before_lending || permit_.is_wanted()) {
    permit_.lend(seen_);
  }
}

bool IdleLenders::Lender::is_to_be_given_up() {
  return !is_given_up_ && idle_looks_ >= looks_before_lending && permit_.makes_way();
}

void IdleLenders::look_at_all() {
  for (std::size_t i = 0; i < all_.size(); ++i) all_[i]->look();
  // Whoever is given up may be gone at once, and the list another one.
  for (std::size_t i = 0; i < all_.size();) {
    Lender& lender = *all_[i];
    if (!lender.is_to_be_given_up()) {
      ++i;
      continue;
    }
    lender.is_given_up_ = true;
    const auto give_up = lender.give_up_;
    give_up();
    i = 0;
  }
}

void IdleLenders::set_timer() {
  if (std::exchange(is_set_, true)) return;
  timer_.expires_after(interval);
  timer_.async_wait([this](const boost::system::error_code& error) {
    is_set_ = false;
    if (error) return;
    look_at_all();
    if (!all_.empty()) set_timer();
  });
}

}  // namespace understudy
