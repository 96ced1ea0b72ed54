// Keeping a recursive stratum up to date by the ranks of its rows (ranks.h).
//
//   1. Take: rows that lost a derivation they rested on, and have no other that is known to hold
//      without them, lose the new view (deletion.h).
//   2. Rederive: a row taken away that some rule derived when it went gets the new view back if one
//      still does, from rows in the new view.
//   3. Insert: whatever is derived, in the new view, from a row that came, from the absence of a
//      row that went, or from a row derived back, is added; so is what is derived from those, and
//      so on.
//
// Counting cannot serve here, for rows may derive each other in a circle and keep their counts up.
// Rows that were taken away and came back do not show in the table's delta.
//
// Exact: afterwards the stratum's tables hold the least model of its rules over the new view of the
// tables below, and every row a founded derivation. Negated atoms are always of tables below.
// Cost: step 3 is semi-naive, in proportion to the derivations of the rows it touches; for step 1
// see deletion.h; step 2 reads, for each row taken away, what the check plans of its rules read.

#ifndef NLOG_ENGINE_CORE_RECURSION_H_
#define NLOG_ENGINE_CORE_RECURSION_H_

#include "commit_state.h"
#include "program.h"

namespace nlog::core {

// Changes the new view of the stratum's tables, and ranks. Requires: the stratum is recursive and
// the tables below that it reads are sealed. Throws Interrupted and CapacityError.
void MaintainByRanks(const Stratum& stratum, CommitState& state);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_RECURSION_H_
