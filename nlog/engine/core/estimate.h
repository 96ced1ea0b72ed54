// What a pipeline would cost, from the sizes that tables and indexes have now.
//
// A pipeline that starts at all rows of its table reads those, and for each binding so far as many
// rows of the next table as one key of its index has on average. Tests are taken to let every
// binding pass.

#ifndef NLOG_ENGINE_CORE_ESTIMATE_H_
#define NLOG_ENGINE_CORE_ESTIMATE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "program.h"
#include "table.h"

namespace nlog::core {

// About how many stored rows have one key in some columns, on average; all of them have that of no
// columns. An index on the columns knows; else it is inferred from a sample, by the estimator of
// Charikar, Chaudhuri, Motwani and Narasayya (2000): keys seen once in the sample stand for many,
// others for themselves. Requires: columns are in range and differ.
double RowsPerKey(const Table& table, const std::vector<std::uint32_t>& columns);

// About how many rows the pipeline reads if it starts at every row of the new view.
double EstimateRead(const Pipeline& pipeline, std::span<const Table> tables);

// The delta plan, of those that start at positive atoms, that reads the fewest rows if it starts at
// every row of the new view. Requires: the tables of the rule's body are sealed.
const Pipeline& CheapestStart(const Rule& rule, std::span<const Table> tables);

// What some of a rule's bindings gave: how many rows, and how many different ones.
struct Yield {
  std::size_t derived;
  std::size_t distinct;
};

// About how many different rows all bindings will give, when `whole` came from one in `parts` of
// them and `half` from half of these. Repetitions are taken to grow with the bindings in part in
// proportion (a binding repeats itself) and in part by the square (two give the same), as pairs in
// a sample do; that counts a row three bindings give too often, so a quarter of them comes back.
std::size_t ExtrapolateDistinct(const Yield& half, const Yield& whole, std::size_t parts);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_ESTIMATE_H_
