// What the evaluation of one commit knows and keeps account of, shared by the ways of keeping a
// stratum up to date (counting.h, recursion.h).

#ifndef NLOG_ENGINE_CORE_COMMIT_STATE_H_
#define NLOG_ENGINE_CORE_COMMIT_STATE_H_

#include <span>
#include <vector>

#include "capacities.h"
#include "foreign.h"
#include "functions.h"
#include "interner.h"
#include "interrupt.h"
#include "program.h"
#include "table.h"
#include "work.h"

namespace nlog::core {

// A row from which a delta plan met a function that failed.
struct Suspect {
  const Rule* rule;
  const Pipeline* delta;
  RowId row;
};

class CommitState {
 public:
  // All arguments must outlive the state.
  CommitState(std::span<Table> tables, Interner& interner, const ShouldStop& should_stop,
              ForeignFunctions* foreign, std::int64_t rank_max = kRankMax)
      : context_(interner, foreign),
        should_stop_(should_stop),
        tables_(tables),
        rank_max_(rank_max) {}

  std::span<Table> tables() const { return tables_; }
  Table& table(std::uint32_t number) const { return tables_[number]; }
  FunctionContext& context() { return context_; }
  const ShouldStop& should_stop() const { return should_stop_; }
  // The highest rank of a row.
  std::int64_t rank_max() const { return rank_max_; }
  Work& work() { return work_; }

  // Adds to the accounts of a rule and of the commit.
  void Account(int rule, const RuleWork& work) {
    work_.by_rule[rule] += work;
    work_.total += work;
  }
  void Account(const Rule& rule, const RuleWork& work) { Account(rule.number, work); }

  // Adds the work of another state of this commit.
  void Account(const Work& work) { work_ += work; }

  // Remembers the row that `delta`, of `rule`, has started from, if a function failed since the
  // last call of this or of ForgetFailures.
  void NoteFailure(const Rule& rule, const Pipeline& delta, RowId row) {
    if (context_.has_failure()) [[unlikely]] {
      context_.TakeFailure();
      suspects_.push_back({&rule, &delta, row});
    }
  }
  void ForgetFailures() { context_.TakeFailure(); }

  // Where functions failed, in bindings that need not hold in the new view.
  std::span<const Suspect> suspects() const { return suspects_; }
  void ForgetSuspects() { suspects_.clear(); }
  // Forgets those noted at rows that the new view had for a while only.
  void ForgetSuspectsThatWent() {
    std::erase_if(suspects_, [this](const Suspect& suspect) {
      return tables_[suspect.delta->table].Visible(suspect.row, View::kNew) ==
             suspect.delta->is_negated;
    });
  }

 private:
  FunctionContext context_;
  const ShouldStop& should_stop_;
  std::span<Table> tables_;
  const std::int64_t rank_max_;
  Work work_;
  std::vector<Suspect> suspects_;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_COMMIT_STATE_H_
