// Random plans over tables of two columns, for tests that need many programs and mean none of them.
//
// Tables: `$unit`, two inputs, then derived tables: one that is counted, two that derive each
// other, one that is counted above them. Rules copy, turn round, join, and subtract what lies
// below.

#ifndef NLOG_TESTS_CORE_RANDOM_PLANS_H_
#define NLOG_TESTS_CORE_RANDOM_PLANS_H_

#include <cstdint>
#include <random>

#include "nlog/engine/core/plan.h"

namespace nlog::core::test {

inline constexpr std::uint32_t kInputs[] = {1, 2};
inline constexpr std::uint32_t kTables = 7;

// `rules` rules beside the one that each derived table has.
Plan RandomPlan(std::mt19937& random, int rules);

}  // namespace nlog::core::test

#endif  // NLOG_TESTS_CORE_RANDOM_PLANS_H_
