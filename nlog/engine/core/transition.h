// What is left to do when one program takes the place of another, beside evaluating.
//
// The rules that differ are evaluated as changes like any other (nlog/transition.py), under a
// program `during` of the rules of both. But what is kept beside a row, in Table::Count, depends on
// how its table is kept up to date: how often the row is derived, or its rank in a recursion. So
// where a table joins a recursion its rows are ranked first, and where it leaves one they are
// counted afterwards.
//
// Ranks: a row of a table that is not recursive rests on rows of strata before its own, and a row
// of a recursive one on rows of lower rank. So a row's rank, or 0, beyond all ranks of the strata
// before is a rank for the recursion that its table joins.
//
// Where a recursion over optima is put together anew or taken apart, neither will do: what is kept
// beside its rows has a meaning of its own (aggregate_recursion.h). Its strata are renewed under
// `during`: emptied and derived from the tables below by the rules of the new program alone, within
// the same commit, so that the changes are the true ones again.
//
// Cost: nothing for tables that stay as they are. Ranking visits the rows of all tables of a
// recursion that is put together anew; counting runs all rules of a table that left one.

#ifndef NLOG_ENGINE_CORE_TRANSITION_H_
#define NLOG_ENGINE_CORE_TRANSITION_H_

#include <cstdint>
#include <vector>

#include "commit_state.h"
#include "program.h"

namespace nlog::core {

// Ranks the rows of the tables that are in one recursion under `during` and were not under
// `before`; adds these tables to `touched`. Requires: nothing was evaluated yet. Throws
// CapacityError if a rank has no room.
void RankForRecursion(const Program& before, const Program& during, CommitState& state,
                      std::vector<std::uint32_t>& touched);

// Counts the derivations of the rows of the tables that are recursive under `before` or `during`,
// and not under `after`; adds these tables to `touched`. Requires: `during` was evaluated. Throws
// Interrupted.
void CountAfterRecursion(const Program& before, const Program& during, const Program& after,
                         CommitState& state, std::vector<std::uint32_t>& touched);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_TRANSITION_H_
