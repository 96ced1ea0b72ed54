// See random_plans.h.

#include "random_plans.h"

#include <string>
#include <variant>
#include <vector>

#include "nlog/engine/core/values.h"

namespace nlog::core::test {
namespace {

constexpr std::uint32_t kByFirst = 0;
constexpr std::uint32_t kBySecond = 1;

// Registers: x, y, z of h(x, z) :- a(x, y), b(y, z). Two are loaded at the start.
PipelinePlan Pipe(std::vector<StepPlan> steps, std::vector<std::uint32_t> head) {
  const bool has_lookup = !steps.empty() && std::holds_alternative<LookupPlan>(steps[0]);
  return {has_lookup ? 3u : 2u, {}, std::move(steps), std::move(head)};
}

RulePlan Copy(int number, std::uint32_t head, std::uint32_t from, bool is_turned) {
  const std::uint32_t first = is_turned ? 1 : 0;
  return {number,
          head,
          {{from, 0, false, {{0, 0}, {1, 1}}, {}, Pipe({}, {first, 1 - first})}},
          {},
          StartPlan{head,
                    -1,
                    false,
                    {{0, first}, {1, 1 - first}},
                    {},
                    Pipe({ExistsPlan{from, {0, 1}, false, 0}}, {})}};
}

RulePlan Join(int number, std::uint32_t head, std::uint32_t a, std::uint32_t b) {
  const StartPlan from_a{a,     0,
                         false, {{0, 0}, {1, 1}},
                         {},    Pipe({LookupPlan{b, kByFirst, {1}, {{1, 2}}, {}, 1}}, {0, 2})};
  const StartPlan from_b{b,     1,
                         false, {{0, 1}, {1, 2}},
                         {},    Pipe({LookupPlan{a, kBySecond, {1}, {{0, 0}}, {}, 0}}, {0, 2})};
  const StartPlan check{
      head,
      -1,
      false,
      {{0, 0}, {1, 2}},
      {},
      Pipe({LookupPlan{a, kByFirst, {0}, {{1, 1}}, {}, 0}, ExistsPlan{b, {1, 2}, false, 1}}, {})};
  return {number, head, {from_a, from_b}, {}, check};
}

RulePlan Subtract(int number, std::uint32_t head, std::uint32_t a, std::uint32_t b) {
  const StartPlan from_a{
      a, 0, false, {{0, 0}, {1, 1}}, {}, Pipe({ExistsPlan{b, {0, 1}, true, 1}}, {0, 1})};
  const StartPlan from_b{
      b, 1, true, {{0, 0}, {1, 1}}, {}, Pipe({ExistsPlan{a, {0, 1}, false, 0}}, {0, 1})};
  const StartPlan check{
      head,  -1,
      false, {{0, 0}, {1, 1}},
      {},    Pipe({ExistsPlan{a, {0, 1}, false, 0}, ExistsPlan{b, {0, 1}, true, 1}}, {})};
  return {number, head, {from_a, from_b}, {}, check};
}

// A rule of `head` that reads tables below `lowest`, or below `own_end` where that is recursion.
RulePlan RandomRule(std::mt19937& random, int number, std::uint32_t head, std::uint32_t lowest,
                    std::uint32_t own_end) {
  const auto below = [&](std::uint32_t end) {
    return 1 + static_cast<std::uint32_t>(random() % (end - 1));
  };
  const std::uint32_t a = below(own_end);
  switch (random() % 4) {
    case 0:
      return Copy(number, head, a, random() % 2 == 0);
    case 1:
      return Subtract(number, head, a, below(lowest));
    default:
      return Join(number, head, a, below(own_end));
  }
}

}  // namespace

Plan RandomPlan(std::mt19937& random, int rules) {
  Plan plan;
  plan.tables.push_back({"$unit", TableKind::kInput, {}, {}});
  for (std::uint32_t table = 1; table < kTables; ++table) {
    plan.tables.push_back({"t" + std::to_string(table),
                           table <= 2 ? TableKind::kInput : TableKind::kOutput,
                           {TypeOf(TypeKind::kInt), TypeOf(TypeKind::kInt)},
                           {{0}, {1}}});
  }
  plan.strata = {{false, {3}, {}}, {true, {4, 5}, {}}, {false, {6}, {}}};
  const auto add = [&](std::uint32_t head, int number) {
    StratumPlan& stratum = plan.strata[head == 3 ? 0 : head == 6 ? 2 : 1];
    const std::uint32_t lowest = stratum.tables.front();
    const std::uint32_t own_end = stratum.is_recursive ? lowest + 2 : lowest;
    stratum.rules.push_back(RandomRule(random, number, head, lowest, own_end));
    if (!stratum.is_recursive) {
      stratum.rules.back().check.reset();
    }
  };
  for (std::uint32_t head = 3; head < kTables; ++head) {
    add(head, static_cast<int>(head));
  }
  for (int number = 0; number < rules; ++number) {
    add(3 + static_cast<std::uint32_t>(random() % 4), static_cast<int>(kTables) + number);
  }
  return plan;
}

}  // namespace nlog::core::test
