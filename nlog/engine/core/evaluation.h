// The evaluation of one commit: brings every derived table up to date with the changed input
// tables, a stratum at a time, in order.
//
// Errors of functions. Between the old and the new view the pipelines see bindings that hold in
// neither, and a function may fail for one: `10 / n` when the row that made n zero goes away in
// the same transaction that adds another row to join with. A binding for which a function fails
// therefore just emits nothing; as that depends on the binding alone, the sums still come out
// right. Afterwards each rule in which something failed is evaluated over the whole new view, and
// if it fails there, too, then so does the commit. Whether a state is in error thus does not depend
// on how one came to it, and the whole evaluation is paid only by commits that look wrong.
//
// Cost: proportional to the strata that read a changed table, and the work in them.

#ifndef NLOG_ENGINE_CORE_EVALUATION_H_
#define NLOG_ENGINE_CORE_EVALUATION_H_

#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "interner.h"
#include "interrupt.h"
#include "program.h"
#include "table.h"
#include "work.h"

namespace nlog::core {

// A function failed in a binding that holds in the new view. The text says what a user did, such as
// "integer overflow: 9223372036854775807 + 1".
class EvaluationError : public std::runtime_error {
 public:
  EvaluationError(int rule, const std::string& text) : std::runtime_error(text), rule_(rule) {}

  // The number of the rule.
  int rule() const { return rule_; }

 private:
  int rule_;
};

// Evaluates `program` after a change of the input tables `touched`; leaves all tables sealed.
//
// Adds to `touched`, even when it throws, the derived tables that must be committed or rolled back.
// Throws EvaluationError, Interrupted, InternalError, std::bad_alloc, std::length_error.
Work Evaluate(const Program& program, std::span<Table> tables, Interner& interner,
              std::vector<std::uint32_t>& touched, const ShouldStop& should_stop);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_EVALUATION_H_
