// Keeping a stratum without recursion up to date by counting derivations (Gupta, Mumick and
// Subrahmanian: "Maintaining Views Incrementally", SIGMOD 1993, section 4).
//
// The change of a rule's body is the sum, over its atoms, of the change of that atom joined with
// the new content of the atoms before it and the old content of those after it. Each binding found
// adds its sign to the count of the row it derives; a row is there while its count is positive.
//
// Cost: proportional to the bindings of the body that hold an atom that changed, and what the join
// order needs to find them; nothing is done for atoms that did not change.

#ifndef NLOG_ENGINE_CORE_COUNTING_H_
#define NLOG_ENGINE_CORE_COUNTING_H_

#include "commit_state.h"
#include "program.h"

namespace nlog::core {

// Changes the counts and the new view of the stratum's tables. Requires: the stratum is not
// recursive and the tables it reads are sealed.
void MaintainByCounting(const Stratum& stratum, CommitState& state);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_COUNTING_H_
