// See evaluation.h.

#include "evaluation.h"

#include "aggregate_recursion.h"
#include "aggregation.h"
#include "commit_state.h"
#include "counting.h"
#include "recursion.h"
#include "verification.h"

namespace nlog::core {
namespace {

// Seals a table, and marks the strata that read it if it changed.
void SealAndMark(std::uint32_t number, const Program& program, CommitState& state,
                 std::vector<bool>& is_marked) {
  Table& table = state.table(number);
  table.Seal();
  state.work().inserted += table.came().size();
  state.work().deleted += table.went().size();
  if (!table.came().empty() || !table.went().empty()) {
    for (const std::uint32_t reader : program.readers(number)) {
      is_marked[reader] = true;
    }
  }
}

}  // namespace

Work Evaluate(const Program& program, std::span<Table> tables, Interner& interner,
              std::vector<std::uint32_t>& touched, const ShouldStop& should_stop) {
  CommitState state(tables, interner, should_stop);
  std::vector<bool> is_marked(program.strata().size(), false);
  for (const std::uint32_t table : touched) {
    SealAndMark(table, program, state, is_marked);
  }
  for (std::size_t number = 0; number < program.strata().size(); ++number) {
    if (!is_marked[number]) {
      continue;
    }
    const Stratum& stratum = program.strata()[number];
    touched.insert(touched.end(), stratum.tables.begin(), stratum.tables.end());
    if (stratum.aggregation) {
      MaintainAggregation(*stratum.aggregation, state);
    } else if (!stratum.optima.empty()) {
      MaintainOptima(stratum, state);
    } else if (stratum.is_recursive) {
      MaintainByRanks(stratum, state);
    } else {
      MaintainByCounting(stratum, state);
    }
    VerifySuspects(state);
    for (const std::uint32_t table : stratum.tables) {
      SealAndMark(table, program, state, is_marked);
    }
  }
  return std::move(state.work());
}

}  // namespace nlog::core
