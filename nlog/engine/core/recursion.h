// Keeping a recursive stratum up to date by deleting too much and deriving back (DRed; Gupta,
// Mumick and Subrahmanian: "Maintaining Views Incrementally", SIGMOD 1993, section 7).
//
//   1. Overdelete: whatever had a derivation, in the old view, from a row that went (or from the
//      absence of a row that came) loses the new view; so do the rows derived from those, and so
//      on.
//   2. Rederive: an overdeleted row that the body of some rule still derives, from rows in the new
//      view, gets it back.
//   3. Insert: whatever is derived, in the new view, from a row that came, from the absence of a
//   row
//      that went, or from a row derived back, is added; so is what is derived from those, and so
//      on.
//
// Counting cannot serve here, for rows may derive each other in a circle and keep their counts up.
// Rows that were overdeleted and came back do not show in the table's delta.
//
// Exact: afterwards the stratum's tables hold the least model of its rules over the new view of the
// tables below. Negated atoms are always of tables below.
// Cost: steps 1 and 3 are semi-naive, in proportion to the derivations of the rows they touch. Step
// 1 may delete much that step 3 brings back, when rows have many derivations.

#ifndef NLOG_ENGINE_CORE_RECURSION_H_
#define NLOG_ENGINE_CORE_RECURSION_H_

#include "commit_state.h"
#include "program.h"

namespace nlog::core {

// Changes the new view of the stratum's tables. Requires: the stratum is recursive and the tables
// below that it reads are sealed.
void MaintainByRederiving(const Stratum& stratum, CommitState& state);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_RECURSION_H_
