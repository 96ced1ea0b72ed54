// Keeping a recursive stratum of optima up to date: tables that hold, for each group, the least or
// the greatest value that rules derive, where the rules read these very values.
//
// The language accepts such rules only if a better value of a row that is read always gives a
// strictly better value of the head (check/monotone.py). So there is one best solution (Ross and
// Sagiv, PODS 1992), and each row of it has a derivation from rows of it. A row keeps a *rank*,
// where counting strata keep the count: more than the ranks of the rows that some derivation of its
// value rests on. Rows that support each other in a circle cannot have ranks, so ranks tell support
// from mere agreement.
//
//   1. Withdraw: a row of which any derivation is lost is suspect. Suspects are judged by rank, the
//      lowest first: one that still has a derivation of its value from rows of lower ranks stays.
//      Any other loses the new view, and what was derived from it, at no lower rank, is suspect.
//   2. Improve: what the groups of withdrawn rows can have from rows that are left, and what
//   follows
//      from changes below, are candidates. The best candidate is settled first (Dijkstra, where no
//      step makes a value better): it replaces the row of its group if it is better, and what is
//      derived from it are candidates.
//
// Strictness is what keeps ranks true in step 2: when a row improves, all that was derived from it
// improves, and gets its rank anew.
//
// If a chain of improvements is longer than there are groups, it went through one group twice, and
// bettered it; it would do so for ever. That is an error (GroupError), and so is the loss of
// nothing.
//
// Exact: afterwards the stratum's tables hold the best solution of its rules over the new view of
// the tables below. Cost: step 1 is in proportion to the derivations lost and those of the judged;
// step 2 to the derivations of the rows that changed, times the logarithm of the candidates, each
// of which takes its words and 32 bytes while it waits. Ranks are at most kRankMax; rows beyond it
// have that rank, are never judged to support each other, and so are withdrawn and settled again
// where others would stay: exact, but slower.

#ifndef NLOG_ENGINE_CORE_AGGREGATE_RECURSION_H_
#define NLOG_ENGINE_CORE_AGGREGATE_RECURSION_H_

#include "commit_state.h"
#include "program.h"

namespace nlog::core {

// Changes the new view and the ranks of the stratum's tables. Requires: the stratum has optima, and
// the tables below that it reads are sealed. Throws GroupError and Interrupted.
void MaintainOptima(const Stratum& stratum, CommitState& state);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_AGGREGATE_RECURSION_H_
