// Finding the rows of a recursive stratum that no longer hold, among those that lost a derivation.
//
// By the law of ranks.h a row needs looking at only when it loses a founded derivation, one from
// rows that rank lower. Such rows are shaken. They are judged in the order of their ranks, so that
// what ranks lower than the row at hand is settled: it stays as it is until this is over.
//
//   1. If a rule still derives the row from settled rows, it stays, and nothing else happens.
//   2. Else a search goes backward through rows that rank as high or higher, always from a row to
//      lower ones, until all it rests on is settled. A row found so is firm: it holds whatever
//      becomes of the row at hand. If firm rows derive that, it stays, and rises above them; rows
//      that rested on it and no longer rank above it are shaken.
//   3. Else the row is taken away, and the rows that rested on it are shaken.
//
// Why firm rows stay so: each has a derivation from lower rows that are settled or firm. The lowest
// of them rests on settled rows alone, so step 1 keeps it where it is; then the next; and so on.
//
// The search of step 2 is the backward half of Motik, Nenov, Piro and Horrocks, "Incremental Update
// of Datalog Materialisation: the Backward/Forward Algorithm" (AAAI 2015); ranks cut it short, as
// counts of derivations from other strata do in Hu, Motik and Horrocks, "Optimised Maintenance of
// Datalog Materialisations" (AAAI 2018). The search is bounded and may miss a way, so a row taken
// away may hold: the caller must try it again when all shaken rows are judged.
//
// Cost: for each shaken row, what its rules' check plans read, and kSearchMax times that at most in
// the search; for each row that rises or goes, the derivations it has a part in. Every row is
// searched from once a commit at most, but for what a search that succeeded left in doubt. Memory
// in proportion to the rows looked at.

#ifndef NLOG_ENGINE_CORE_DELETION_H_
#define NLOG_ENGINE_CORE_DELETION_H_

#include <vector>

#include "commit_state.h"
#include "program.h"
#include "table.h"

namespace nlog::core {

// Takes the new view from rows that may no longer hold. Afterwards every row in the new view has a
// founded derivation there. Gives, by the place of their table in the stratum, the rows taken away
// that some rule may still derive from what is left; the others can only follow from rows to come.
// Requires: the stratum is recursive, its tables are as the last commit left them, and the tables
// below that it reads are sealed. Throws Interrupted.
std::vector<std::vector<RowId>> TakeUnfounded(const Stratum& stratum, CommitState& state);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_DELETION_H_
