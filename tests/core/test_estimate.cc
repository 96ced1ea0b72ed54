// What a sample tells of the whole, where the whole is known.

#include <random>
#include <vector>

#include "check.h"
#include "nlog/engine/core/estimate.h"

namespace nlog::core {
namespace {

constexpr std::size_t kParts = 16;

// How many times too many different values a sample of draws from `values` numbers makes of them.
double Excess(std::size_t draws, std::size_t values) {
  std::mt19937 random(1);
  std::vector<bool> is_seen(values, false);
  std::size_t distinct = 0;
  Yield half{};
  Yield whole{};
  for (std::size_t i = 1; i <= draws; ++i) {
    const std::size_t value = random() % values;
    distinct += is_seen[value] ? 0 : 1;
    is_seen[value] = true;
    if (i == draws / kParts / 2) {
      half = {i, distinct};
    } else if (i == draws / kParts) {
      whole = {i, distinct};
    }
  }
  return static_cast<double>(ExtrapolateDistinct(half, whole, kParts)) /
         static_cast<double>(distinct);
}

TEST(RowsThatRarelyRepeatAreExpectedClosely) {
  CHECK(ExtrapolateDistinct({50, 50}, {100, 100}, kParts) == 1600);
  CHECK(Excess(1'000'000, 10'000'000) > 0.97 && Excess(1'000'000, 10'000'000) < 1.04);
  CHECK(Excess(1'000'000, 1'500'000) > 0.9 && Excess(1'000'000, 1'500'000) < 1.15);
}

TEST(RowsThatOftenRepeatAreNotExpectedByTheirDerivations) {
  CHECK(Excess(1'000'000, 1'000) <= 1.26);
  CHECK(ExtrapolateDistinct({50, 1}, {100, 1}, kParts) <= kParts);
  CHECK(ExtrapolateDistinct({0, 0}, {0, 0}, kParts) == 0);
}

}  // namespace
}  // namespace nlog::core
