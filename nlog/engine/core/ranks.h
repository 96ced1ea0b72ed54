// Ranks: what makes the rows of a recursive stratum rest on each other without circles.
//
// Rows that derive each other in a circle would keep each other alive for ever. So each row has a
// rank, a positive number, and between commits
//
//   every row has a derivation in which all rows of its own stratum rank lower: a founded one.
//
// Rows of other strata count as rank 0. Along founded derivations ranks fall, so they end at rows
// that rest on other strata alone: the tables hold nothing that does not follow. A new row ranks
// kRankStep above the rows it was first derived from. The steps leave room: a row that must rest on
// higher rows from now on rises kRankNudge above them, and most rows that rest on it need not move.
// A rank is no distance, and nothing lowers one when a shorter derivation comes.
//
// Ranks stay below 2^28, so that tables keep them in place. When a new row's would not, all ranks
// of the stratum are numbered anew, in the same order and evenly below half the limit; which keeps
// the law above, since only the order counts. A row that would have to rise too high is taken away
// instead and derived back, as deletion.h allows of any row.
//
// Cost: no memory, since a rank stands where a row of a counting stratum keeps its count, and is
// rolled back with it. Numbering anew takes O(n log n) for n rows, at most once in 2^19 further
// levels of recursion or 2^23 rises of rows above rows that rose.
//
// The idea is that of Even and Shiloach's levels ("An On-Line Edge-Deletion Problem", JACM 1981),
// carried from paths to rules, and thinned to labels with gaps, as in the order-maintenance
// problem.

#ifndef NLOG_ENGINE_CORE_RANKS_H_
#define NLOG_ENGINE_CORE_RANKS_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "capacities.h"
#include "program.h"
#include "table.h"

namespace nlog::core {

using Rank = std::int64_t;

inline constexpr Rank kRankStep = Rank{1} << 8;
inline constexpr Rank kRankNudge = Rank{1} << 4;

// The rank of a stored row, visible or not.
inline Rank RankOf(const Table& table, RowId row) { return table.Count(row); }
inline void SetRank(Table& table, RowId row, Rank rank) {
  table.AddCount(row, rank - table.Count(row));
}

// A row of one of the stratum's own tables, which is given by its place among them.
struct OwnRow {
  std::uint32_t own;
  RowId row;
};

// The rows of its own stratum that a rule's body rests on in the binding a pipeline is at, without
// the one it starts at. To be told of each row that matches; see executor.h.
class Footing {
 public:
  // Of a pipeline of a rule of the stratum. The tables must outlive it.
  Footing(const Pipeline& pipeline, const Stratum& stratum, std::span<const Table> tables);

  void Trace(std::uint32_t position, RowId row) { rows_[position] = row; }

  // The highest rank among the rows; 0 if there are none.
  Rank Highest() const {
    Rank highest = 0;
    for (const Atom& atom : atoms_) {
      highest = std::max(highest, RankOf(*atom.table, rows_[atom.position]));
    }
    return highest;
  }

  // The rows that rank `limit` or higher.
  std::vector<OwnRow> RowsFrom(Rank limit) const;

 private:
  struct Atom {
    std::uint32_t position;
    std::uint32_t own;
    const Table* table;
  };

  std::vector<Atom> atoms_;
  // By the position of the atom.
  std::vector<RowId> rows_;
};

// Changes the ranks of all rows of a stratum that are in the new view to ones from kRankStep to
// half of `rank_max`, or little more than their number if there are more; keeps their order, and
// knows afterwards which rank became which.
class Renumbering {
 public:
  // Throws CapacityError if there is no room for another step, which takes as many ranks.
  Renumbering(const Stratum& stratum, std::span<Table> tables, Rank rank_max);

  // Requires: a row in the new view had the rank `before`, or it is 0, which stays 0.
  Rank After(Rank before) const;

 private:
  Rank Place(std::size_t place) const { return kRankStep + static_cast<Rank>(place) * spacing_; }

  // Distinct and ascending.
  std::vector<Rank> before_;
  Rank spacing_ = 1;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_RANKS_H_
