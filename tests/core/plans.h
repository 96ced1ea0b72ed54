// Plans written by hand for the tests of the core: the closure of a graph.

#ifndef NLOG_TESTS_CORE_PLANS_H_
#define NLOG_TESTS_CORE_PLANS_H_

#include <vector>

#include "nlog/engine/core/plan.h"
#include "nlog/engine/core/values.h"

namespace nlog::core {

inline constexpr std::uint32_t kEdge = 0;
inline constexpr std::uint32_t kReach = 1;
inline constexpr std::uint32_t kUnit = 2;

using WordRow = std::vector<Word>;

inline constexpr Word kInt = TypeOf(TypeKind::kInt);
inline std::vector<Word> Ints(std::size_t width) { return std::vector<Word>(width, kInt); }

inline TablePlan InputPlan() { return {"edge", TableKind::kInput, Ints(2), {{0}, {1}, {}}}; }
inline TablePlan OutputPlan() { return {"reach", TableKind::kOutput, Ints(2), {{1}}}; }
inline TablePlan UnitPlan() { return {"$unit", TableKind::kInternal, {}, {}}; }

// reach(a, b) :- edge(a, b).
inline RulePlan CopyRule() {
  const StartPlan delta{kEdge, 0, false, {{0, 0}, {1, 1}}, {}, {2, {}, {}, {0, 1}}};
  const StartPlan check{kReach,           -1, false,
                        {{0, 0}, {1, 1}}, {}, {2, {}, {ExistsPlan{kEdge, {0, 1}, false, 0}}, {}}};
  return {0, kReach, {delta}, {}, check};
}

// reach(a, c) :- reach(a, b), edge(b, c).
inline RulePlan StepRule() {
  const StartPlan from_reach{kReach, 0,
                             false,  {{0, 0}, {1, 1}},
                             {},     {3, {}, {LookupPlan{kEdge, 0, {1}, {{1, 2}}, {}, 1}}, {0, 2}}};
  const StartPlan from_edge{kEdge, 1,
                            false, {{0, 1}, {1, 2}},
                            {},    {3, {}, {LookupPlan{kReach, 0, {1}, {{0, 0}}, {}, 0}}, {0, 2}}};
  const StartPlan check{
      kReach,
      -1,
      false,
      {{0, 0}, {1, 2}},
      {},
      {3,
       {},
       {LookupPlan{kEdge, 1, {2}, {{0, 1}}, {}, 1}, ExistsPlan{kReach, {0, 1}, false, 0}},
       {}}};
  return {1, kReach, {from_reach, from_edge}, {}, check};
}

inline Plan ReachPlan() {
  return {{InputPlan(), OutputPlan(), UnitPlan()}, {{true, {kReach}, {CopyRule(), StepRule()}}}};
}

}  // namespace nlog::core

#endif  // NLOG_TESTS_CORE_PLANS_H_
