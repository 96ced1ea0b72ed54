// Keeping an aggregate up to date: one row for each group of another table's rows.
//
// The rows that came to the source and those that went from it are sorted by their group. Of each
// group that any is of, the new row is worked out from the old one and from those:
//
//   count, sum   from the old value and the change
//   distinct     likewise, where an index tells which values are new, and which are gone
//   min, max     the old value or one that came; the group is read again if the old value went
//   list, set    the old list, with what is new merged into it and without what is gone
//
// A group without rows has no row. An aggregate whose row stays as it was changes nothing.
//
// A sum is worked out in 128 bits, and has no value only if the whole of it does not fit 64, in
// whatever order its parts came.
//
// Cost: in proportion to the rows of the source that changed; for min and max the rows of a group
// whose value went; for list and set the length of the lists that change, each of which is interned
// anew. 12 bytes a changed row while it runs.

#ifndef NLOG_ENGINE_CORE_AGGREGATION_H_
#define NLOG_ENGINE_CORE_AGGREGATION_H_

#include "commit_state.h"
#include "program.h"

namespace nlog::core {

// Changes the new view of the aggregation's table. Requires: the source is sealed. Throws
// GroupError for a sum that does not fit, and Interrupted.
void MaintainAggregation(const Aggregation& aggregation, bool is_renewed, CommitState& state);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_AGGREGATION_H_
