#include "transfer/spawn.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace understudy {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

asio::awaitable<void> end_at_once(int& ended) {
  ++ended;
  co_return;
}

asio::awaitable<void> wait_long(bool& cancelled) {
  co_await asio::this_coro::throw_if_cancelled(false);
  asio::steady_timer timer(co_await asio::this_coro::executor, 60s);
  boost::system::error_code error;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  cancelled = error == asio::error::operation_aborted;
}

TEST(Spawn, WhatIsCancelledEnds) {
  asio::io_context io;
  bool cancelled = false;
  const CancelSignal signal = spawn(io, wait_long(cancelled));
  asio::post(io, [&] { cancel(signal); });
  io.run();
  EXPECT_TRUE(cancelled);
}

TEST(Spawn, ACoroutineThatNeverWaitsMayBeForgottenAtOnce) {
  asio::io_context io;
  int ended = 0;
  for (int i = 0; i < 100; ++i) (void)spawn(io, end_at_once(ended));
  io.run();
  EXPECT_EQ(ended, 100);
}

TEST(Spawn, ItsEndDoesNotTouchTheNextOne) {
  asio::io_context io;
  int ended = 0;
  bool cancelled = false;
  CancelSignal signal;
  // As a zone does that asks its next primary as soon as the first has failed.
  const auto first = [&]() -> asio::awaitable<void> {
    ++ended;
    asio::post(io, [&] {
      signal = spawn(io, wait_long(cancelled));
      asio::post(io, [&] { asio::post(io, [&] { cancel(signal); }); });
    });
    co_return;
  };
  signal = spawn(io, first());
  io.run_for(10s);
  EXPECT_EQ(ended, 1);
  EXPECT_TRUE(cancelled);
}

TEST(Spawn, CancellingAfterTheEndDoesNothing) {
  asio::io_context io;
  int ended = 0;
  const CancelSignal signal = spawn(io, end_at_once(ended));
  io.run();
  cancel(signal);
  cancel(nullptr);
  EXPECT_EQ(ended, 1);
}

}  // namespace
}  // namespace understudy
