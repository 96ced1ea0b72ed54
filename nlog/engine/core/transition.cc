// See transition.h.

#include "transition.h"

#include <algorithm>
#include <set>

#include "estimate.h"
#include "executor.h"
#include "ranks.h"

namespace nlog::core {
namespace {

bool AreSame(std::vector<std::uint32_t> one, std::vector<std::uint32_t> other) {
  std::ranges::sort(one);
  std::ranges::sort(other);
  return one == other;
}

// Whether a table is derived anew.
bool IsRenewed(std::uint32_t table, const Program& program) {
  return std::ranges::any_of(program.strata(), [table](const Stratum& stratum) {
    return stratum.is_renewed && stratum.has(table);
  });
}

std::set<std::uint32_t> RecursiveTables(const Program& program) {
  std::set<std::uint32_t> tables;
  for (const Stratum& stratum : program.strata()) {
    if (stratum.is_recursive) {
      tables.insert(stratum.tables.begin(), stratum.tables.end());
    }
  }
  return tables;
}

// Lifts the ranks of all rows of some tables above `floor`; the highest then.
Rank Lift(const std::vector<std::uint32_t>& tables, bool is_ranked, Rank floor,
          CommitState& state) {
  Rank highest = floor;
  for (const std::uint32_t number : tables) {
    Table& table = state.table(number);
    for (RowId row = 0; row < table.row_limit(); ++row) {
      if (!table.Visible(row, View::kOld)) {
        continue;
      }
      const Rank rank = floor + (is_ranked ? RankOf(table, row) : kRankStep);
      if (rank > state.rank_max()) {
        throw CapacityError(CapacityError::What::kRanks, static_cast<std::size_t>(state.rank_max()),
                            number);
      }
      SetRank(table, row, rank);
      highest = std::max(highest, rank);
    }
  }
  return highest;
}

struct CountingSink {
  static constexpr bool kTraces = false;

  Table& head;

  bool Emit(const Word* words) {
    const RowId row = head.Find(words);
    Require(row != kNoRow && head.Visible(row, View::kNew), "a rule derives what is not there");
    head.AddCount(row, 1);
    return false;
  }
};

void Count(const Rule& rule, CommitState& state) {
  const Pipeline& start = CheapestStart(rule, state.tables());
  const Table& source = state.table(start.table);
  CountingSink sink{state.table(rule.head)};
  Executor<CountingSink> executor(state.tables(), start, kAllNew, state.context(),
                                  state.should_stop(), sink);
  for (RowId row = 0; row < source.row_limit(); ++row) {
    if (source.Visible(row, View::kNew)) {
      executor.Run(source.Row(row));
    }
  }
  state.ForgetFailures();
  state.Account(rule, executor.work());
}

}  // namespace

void RankForRecursion(const Program& before, const Program& during, CommitState& state,
                      std::vector<std::uint32_t>& touched) {
  for (const Stratum& joined : during.strata()) {
    const bool is_known = std::ranges::any_of(before.strata(), [&](const Stratum& stratum) {
      return stratum.is_recursive && AreSame(stratum.tables, joined.tables);
    });
    if (!joined.is_recursive || joined.is_renewed || is_known) {
      continue;
    }
    Rank highest = 0;
    for (const Stratum& stratum : before.strata()) {
      std::vector<std::uint32_t> tables;
      std::ranges::copy_if(stratum.tables, std::back_inserter(tables), [&](std::uint32_t table) {
        return std::ranges::find(joined.tables, table) != joined.tables.end();
      });
      touched.insert(touched.end(), tables.begin(), tables.end());
      highest = Lift(tables, stratum.is_recursive, highest, state);
    }
  }
}

void CountAfterRecursion(const Program& before, const Program& during, const Program& after,
                         CommitState& state, std::vector<std::uint32_t>& touched) {
  std::set<std::uint32_t> recursive = RecursiveTables(before);
  recursive.merge(RecursiveTables(during));
  for (const Stratum& stratum : after.strata()) {
    if (stratum.is_recursive || !recursive.contains(stratum.tables.front()) ||
        IsRenewed(stratum.tables.front(), during)) {
      continue;
    }
    const std::uint32_t number = stratum.tables.front();
    touched.push_back(number);
    Table& table = state.table(number);
    for (RowId row = 0; row < table.row_limit(); ++row) {
      if (table.Visible(row, View::kNew)) {
        table.AddCount(row, -table.Count(row));
      }
    }
    for (const Rule& rule : stratum.rules) {
      Count(rule, state);
    }
  }
}

}  // namespace nlog::core
