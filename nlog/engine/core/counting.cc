// See counting.h. Emitted rows go straight to the head's table, which no pipeline of the stratum
// reads.

#include "counting.h"

#include "executor.h"

namespace nlog::core {
namespace {

struct CountSink {
  static constexpr bool kTraces = false;

  Table& head;
  std::int64_t weight;
  std::uint64_t emitted = 0;

  bool Emit(const Word* row) {
    ++emitted;
    head.AddCount(head.Obtain(row), weight);
    return false;
  }
};

// Runs a delta plan from `rows`, each of which adds `weight` to what it derives. Failures matter
// where that is positive: else the rows are none of the new view.
void Apply(const Rule& rule, const Pipeline& delta, std::span<const RowId> rows,
           std::int64_t weight, CommitState& state) {
  if (rows.empty()) {
    return;
  }
  CountSink sink{.head = state.table(rule.head), .weight = weight};
  Executor<CountSink> executor(state.tables(), delta, kTelescope, state.context(),
                               state.should_stop(), sink);
  for (const RowId row : rows) {
    executor.Run(state.table(delta.table).Row(row));
    if (weight > 0) {
      state.NoteFailure(rule, delta, row);
    }
  }
  state.ForgetFailures();
  RuleWork work = executor.work();
  (weight > 0 ? work.derived : work.retracted) = sink.emitted;
  state.Account(rule, work);
}

}  // namespace

void MaintainByCounting(const Stratum& stratum, CommitState& state) {
  for (const Rule& rule : stratum.rules) {
    for (const Pipeline& delta : rule.deltas) {
      const Table& source = state.table(delta.table);
      Apply(rule, delta, source.came(), delta.is_negated ? -1 : 1, state);
      Apply(rule, delta, source.went(), delta.is_negated ? 1 : -1, state);
    }
  }
  for (const std::uint32_t table : stratum.tables) {
    state.table(table).SettleCounts();
  }
}

}  // namespace nlog::core
