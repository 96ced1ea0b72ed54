// See evaluation.h.

#include "evaluation.h"

#include <algorithm>

#include "commit_state.h"
#include "counting.h"
#include "executor.h"
#include "recursion.h"

namespace nlog::core {
namespace {

struct DiscardSink {
  static constexpr bool kTraces = false;
  bool Emit(const Word*) { return false; }
};

// Throws EvaluationError if a function fails anywhere in the rule's body in the new view.
void Verify(const Rule& rule, CommitState& state) {
  const auto start = std::ranges::find(rule.deltas, false, &Pipeline::is_negated);
  const Table& source = state.table(start->table);
  DiscardSink sink;
  Executor<DiscardSink> executor(state.tables(), *start, kAllNew, state.context(),
                                 state.should_stop(), sink);
  for (RowId row = 0; row < source.row_limit(); ++row) {
    if (!source.Visible(row, View::kNew)) {
      continue;
    }
    executor.Run(source.Row(row));
    const std::string failure = state.context().TakeFailure();
    if (!failure.empty()) {
      throw EvaluationError(rule.number, failure);
    }
  }
}

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
    if (stratum.is_recursive) {
      MaintainByRederiving(stratum, state);
    } else {
      MaintainByCounting(stratum, state);
    }
    for (const Rule* rule : state.suspects()) {
      Verify(*rule, state);
    }
    state.ForgetSuspects();
    for (const std::uint32_t table : stratum.tables) {
      SealAndMark(table, program, state, is_marked);
    }
  }
  return std::move(state.work());
}

}  // namespace nlog::core
