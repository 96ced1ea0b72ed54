// Verification: whether a rule fails, which decides whether a commit may stand.
//
// A rule fails in a state if there is a binding of its body for which some function has no value
// and nothing that has one excludes the binding. In full: a row for every positive atom, all
// agreeing on their variables; a variable that no atom gives a value has that of any equality which
// has one; every condition and every equality whose sides have values is true; every negated atom
// whose columns have values is absent; and at least one function that is given values has none.
// That depends on the state alone, not on how one came to it, nor on the order of a body.
//
// During maintenance, pipelines also meet failures that are none: in bindings that hold neither
// before nor after, and in those that a literal yet to be reached excludes. So a failure there only
// makes the row that its delta plan started from suspect, and the binding emits nothing; as each
// binding with a failure emits nothing in every plan, the sums come out right. Once the stratum is
// done, the verify plan that belongs to the delta plan decides, in the new view, whether the rule
// fails for a binding with that row.
//
// That misses nothing. If the state before was sound, then a binding for which the rule fails now
// has a row that changed; the delta plan that starts from the last of them, in the order of
// maintenance, sees all the others, and is stopped by nothing else, since all that has a value
// holds; so it meets the failure.
//
// How a verify plan is run: positive atoms are joined as ever. For each binding the remaining steps
// are then taken again and again, for as long as values are gained: a call whose arguments have no
// value, or which fails, leaves its result without one; steps that read it are passed over; an
// equality gives one side the value of the other; what is false, or there and should not be, ends
// the binding.
//
// Cost: that of the join from the suspect rows, which is accounted as the rule's work; nothing if
// no function failed. Joins use the indexes of delta plans as far as they go, so they may read more
// rows than those. 24 bytes for each suspect row until its stratum is done.

#ifndef NLOG_ENGINE_CORE_VERIFICATION_H_
#define NLOG_ENGINE_CORE_VERIFICATION_H_

#include "commit_state.h"

namespace nlog::core {

// Decides about the suspects of the stratum that was just evaluated, and forgets them. Throws
// EvaluationError for the first of whose bindings one fails, and Interrupted.
void VerifySuspects(CommitState& state);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_VERIFICATION_H_
