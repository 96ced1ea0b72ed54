// The evaluation of one commit: brings every derived table up to date with the changed input
// tables, a stratum at a time, in order; where much has changed, those that do not depend on each
// other side by side.
//
// A function that fails makes its binding emit nothing; whether the commit fails is decided when a
// stratum is done (verification.h).
//
// Cost: proportional to the strata that read a changed table, and the work in them.

#ifndef NLOG_ENGINE_CORE_EVALUATION_H_
#define NLOG_ENGINE_CORE_EVALUATION_H_

#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "foreign.h"
#include "interner.h"
#include "interrupt.h"
#include "program.h"
#include "table.h"
#include "work.h"

namespace nlog::core {

// A rule fails in the new view. The text says what a user did, such as
// "integer overflow: 9223372036854775807 + 1".
class EvaluationError : public std::runtime_error {
 public:
  EvaluationError(int rule, const std::string& text) : std::runtime_error(text), rule_(rule) {}

  // The number of the rule.
  int rule() const { return rule_; }

 private:
  int rule_;
};

// A group of which an aggregate has no value.
class GroupError : public EvaluationError {
 public:
  // A column and its word.
  using Value = std::pair<std::uint32_t, Word>;

  GroupError(int rule, const std::string& text, std::uint32_t table, std::vector<Value> group)
      : EvaluationError(rule, text), table_(table), group_(std::move(group)) {}

  // The columns of a row of `table` that tell the group.
  std::uint32_t table() const { return table_; }
  const std::vector<Value>& group() const { return group_; }

 private:
  std::uint32_t table_;
  std::vector<Value> group_;
};

// Evaluates `program` after a change of the input tables `touched`; leaves all tables sealed.
//
// If it `is_concurrent`, several threads may work on it; the calling one asks `should_stop` while
// the others change the tables.
//
// Adds to `touched`, even when it throws, the derived tables that must be committed or rolled back.
// Throws EvaluationError, Interrupted, InternalError, std::bad_alloc, CapacityError, and what
// foreign functions throw.
Work Evaluate(const Program& program, std::span<Table> tables, Interner& interner,
              std::vector<std::uint32_t>& touched, const ShouldStop& should_stop,
              bool is_concurrent, ForeignFunctions* foreign, std::int64_t rank_max);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_EVALUATION_H_
