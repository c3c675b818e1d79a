#include "transfer/attempt.h"

#include <gmock/gmock.h>

#include "base/log.h"
#include "zone/zone_fixture.h"

namespace understudy {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Attempt axfr_attempt() {
  Attempt attempt;
  attempt.zone = *Name::parse("example.");
  attempt.peer = {"hidden1", *Endpoint::parse("192.0.2.1@53"), nullptr};
  attempt.asked = "AXFR";
  attempt.transport = "TCP";
  attempt.ours = Serial{5};
  attempt.announced = Serial{6};
  attempt.received = Serial{6};
  attempt.counts.records = 12;
  attempt.counts.messages = 2;
  attempt.counts.octets = 512;
  attempt.seconds = 0.0125;
  return attempt;
}

template <typename F>
std::string logged(F&& f) {
  ::testing::internal::CaptureStderr();
  f();
  return ::testing::internal::GetCapturedStderr();
}

TEST(Attempt, ASuccessNamesAllFacts) {
  const std::string line = logged([] { log_transferred(axfr_attempt()); });
  EXPECT_THAT(line,
              AllOf(HasSubstr("info"), HasSubstr("zone example."), HasSubstr("AXFR"), HasSubstr("hidden1"),
                    HasSubstr("192.0.2.1@53"), HasSubstr("TCP"), HasSubstr("unsigned"), HasSubstr("5 -> 6"),
                    HasSubstr("12 records"), HasSubstr("2 messages"), HasSubstr("512 octets"), HasSubstr("0.01")));
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
}

TEST(Attempt, AFailureNamesReasonAndRemedy) {
  Attempt attempt = axfr_attempt();
  auto key = std::make_shared<TsigKey>();
  key->name = *Name::parse("transfer.example.");
  attempt.peer.key = key;
  const std::string line = logged([&] { log_failed(attempt, {Errc::tsig_bad_time, "290 s apart"}); });
  EXPECT_THAT(line, AllOf(HasSubstr("warn"), HasSubstr("failed"), HasSubstr("key transfer.example."),
                          HasSubstr("290 s apart"), HasSubstr("clocks")));
}

TEST(Attempt, UpToDateIsForDebugging) {
  EXPECT_THAT(logged([] { log_current(axfr_attempt()); }), IsEmpty());
}

TEST(Attempt, APrimaryBehindIsSaidOnce) {
  EXPECT_THAT(logged([] { log_behind(axfr_attempt(), true); }), HasSubstr("primary behind"));
  EXPECT_THAT(logged([] { log_behind(axfr_attempt(), false); }), IsEmpty());
}

TEST(Attempt, OneWarningForEverythingOdd) {
  Attempt attempt = axfr_attempt();
  attempt.counts.out_of_zone = 2;
  attempt.counts.duplicates = 3;
  ZoneBuilder::Report report;
  report.oddities = {"both.example.: CNAME beside other data"};
  report.oddity_count = 4;
  const std::string line = logged([&] { log_oddities(attempt, report); });
  EXPECT_THAT(line, AllOf(HasSubstr("warn"), HasSubstr("2 outside the zone"), HasSubstr("3 duplicates"),
                          HasSubstr("both.example."), HasSubstr("3 more")));
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  EXPECT_THAT(logged([] { log_oddities(axfr_attempt(), {}); }), IsEmpty());
}

TEST(Attempt, TooManyIterationsAreSaidOnce) {
  const auto zone_of = [](int iterations) {
    const auto param = "@ NSEC3PARAM 1 0 " + std::to_string(iterations) + " -\n";
    const auto nsec3 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa NSEC3 1 0 " + std::to_string(iterations) +
                       " - aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa SOA\n";
    return zone_fixture::build(zone_fixture::apex_text() + param + nsec3);
  };
  const auto few = zone_of(150), many = zone_of(2501);
  EXPECT_THAT(logged([&] { log_iterations(nullptr, *many, 150); }),
              AllOf(HasSubstr("warn"), HasSubstr("example."), HasSubstr("2501"), HasSubstr("nsec3-max-iterations")));
  EXPECT_THAT(logged([&] { log_iterations(few.get(), *many, 150); }), Not(IsEmpty()));
  EXPECT_THAT(logged([&] { log_iterations(many.get(), *many, 150); }), IsEmpty());
  EXPECT_THAT(logged([&] { log_iterations(nullptr, *few, 150); }), IsEmpty());
}

TEST(Attempt, AZoneThatIsTooLargeForAnotherReasonIsNoCaseForMaxRecordsAlone) {
  const std::string line = logged([&] { log_failed(axfr_attempt(), {Errc::record_limit, "out of memory"}); });
  EXPECT_THAT(line, AllOf(HasSubstr("larger than allowed"), HasSubstr("max-records"), HasSubstr("memory are limits")));
}

TEST(Attempt, EveryReasonATransferFailsForHasAdvice) {
  for (int code = 0; code <= static_cast<int>(Errc::storage); ++code) {
    const Errc errc = static_cast<Errc>(code);
    const bool is_transfer = errc >= Errc::wrong_id && errc <= Errc::too_slow;
    const bool is_signature = errc >= Errc::tsig_missing && errc <= Errc::tsig_peer_error;
    if (is_transfer || is_signature || errc == Errc::io || errc == Errc::cancelled)
      EXPECT_THAT(advice_text(errc), Not(IsEmpty())) << errc_text(errc);
  }
}

}  // namespace
}  // namespace understudy
