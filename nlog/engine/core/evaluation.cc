// See evaluation.h.

#include "evaluation.h"

#include <chrono>
#include <map>
#include <set>

#include "aggregate_recursion.h"
#include "aggregation.h"
#include "commit_state.h"
#include "concurrency.h"
#include "counting.h"
#include "recursion.h"
#include "verification.h"

namespace nlog::core {
namespace {

// Seals a table, and marks the strata that read it if it changed.
void SealAndMark(std::uint32_t number, const Program& program, CommitState& state,
                 std::vector<bool>& is_marked) {
  Table& table = state.table(number);
  table.Seal();
  state.work().inserted += table.came().size();
  state.work().deleted += table.went().size();
  if (!table.came().empty() || !table.went().empty()) {
    for (const std::uint32_t reader : program.readers(number)) {
      is_marked[reader] = true;
    }
  }
}

// Takes all rows of a stratum out of the new view, as if nothing had ever been kept beside them.
void Empty(const Stratum& stratum, CommitState& state) {
  for (const std::uint32_t number : stratum.tables) {
    Table& table = state.table(number);
    for (RowId row = 0; row < table.row_limit(); ++row) {
      if (table.Visible(row, View::kNew)) {
        table.SetNew(row, false);
        table.AddCount(row, -table.Count(row));
      }
    }
  }
}

// From how many changed rows on a stratum is worth a thread.
constexpr std::size_t kRowsPerThread = 20'000;

void MaintainUntimed(const Stratum& stratum, CommitState& state) {
  if (stratum.aggregation) {
    MaintainAggregation(*stratum.aggregation, stratum.is_renewed, state);
  } else if (!stratum.optima.empty()) {
    MaintainOptima(stratum, state);
  } else if (stratum.is_recursive) {
    MaintainByRanks(stratum, state);
  } else {
    MaintainByCounting(stratum, state);
  }
  VerifySuspects(state);
}

// The numbers of the rules that fill a stratum, each once.
std::set<int> RulesOf(const Stratum& stratum) {
  std::set<int> numbers;
  if (stratum.aggregation) {
    numbers.insert(stratum.aggregation->number);
  }
  for (const Rule& rule : stratum.rules) {
    numbers.insert(rule.number);
  }
  return numbers;
}

void Maintain(const Stratum& stratum, CommitState& state) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  std::map<int, RuleWork>& works = state.work().by_rule;
  std::map<int, std::uint64_t> weights;
  for (const int number : RulesOf(stratum)) {
    const auto found = works.find(number);
    weights[number] = found == works.end() ? 0 : found->second.weight();
  }
  if (stratum.is_renewed) {
    Empty(stratum, state);
  }
  MaintainUntimed(stratum, state);
  std::uint64_t whole = 0;
  for (auto& [number, weight] : weights) {
    const auto found = works.find(number);
    weight = found == works.end() ? 0 : found->second.weight() - weight;
    whole += weight;
  }
  const auto elapsed =
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
  for (const auto& [number, weight] : weights) {
    if (weight > 0) {
      const double share = static_cast<double>(weight) / static_cast<double>(whole);
      works[number].nanoseconds += static_cast<std::uint64_t>(share * static_cast<double>(elapsed));
    }
  }
}

bool IsLarge(const Stratum& stratum, std::span<const Table> tables) {
  std::size_t changed = 0;
  for (const Rule& rule : stratum.rules) {
    for (const Pipeline& delta : rule.deltas) {
      if (delta.own == Pipeline::kNotOwn) {
        changed += tables[delta.table].came().size() + tables[delta.table].went().size();
      }
    }
  }
  return changed >= kRowsPerThread;
}

// Maintains strata of one level, those side by side that may be and are worth it.
void MaintainAll(std::span<const Stratum* const> strata, bool is_concurrent, Interner& interner,
                 CommitState& state) {
  std::vector<const Stratum*> beside;
  for (const Stratum* stratum : strata) {
    if (is_concurrent && stratum->is_independent && IsLarge(*stratum, state.tables())) {
      beside.push_back(stratum);
    } else {
      Maintain(*stratum, state);
    }
  }
  if (beside.size() < 2) {
    for (const Stratum* stratum : beside) {
      Maintain(*stratum, state);
    }
    return;
  }
  std::vector<Work> works(beside.size());
  RunConcurrently(
      beside.size(),
      [&](std::size_t i, const ShouldStop& should_stop) {
        CommitState own(state.tables(), interner, should_stop, nullptr, state.rank_max());
        Maintain(*beside[i], own);
        works[i] = std::move(own.work());
      },
      state.should_stop());
  for (const Work& work : works) {
    state.Account(work);
  }
}

}  // namespace

Work Evaluate(const Program& program, std::span<Table> tables, Interner& interner,
              std::vector<std::uint32_t>& touched, const ShouldStop& should_stop,
              bool is_concurrent, ForeignFunctions* foreign, std::int64_t rank_max) {
  CommitState state(tables, interner, should_stop, foreign, rank_max);
  std::vector<bool> is_marked(program.strata().size(), false);
  for (const std::uint32_t table : touched) {
    SealAndMark(table, program, state, is_marked);
  }
  std::vector<const Stratum*> marked;
  for (const std::vector<std::uint32_t>& level : program.levels()) {
    marked.clear();
    for (const std::uint32_t number : level) {
      if (const Stratum& stratum = program.strata()[number];
          is_marked[number] || stratum.is_renewed) {
        touched.insert(touched.end(), stratum.tables.begin(), stratum.tables.end());
        marked.push_back(&stratum);
      }
    }
    MaintainAll(marked, is_concurrent, interner, state);
    for (const Stratum* stratum : marked) {
      for (const std::uint32_t table : stratum->tables) {
        SealAndMark(table, program, state, is_marked);
      }
    }
  }
  return std::move(state.work());
}

}  // namespace nlog::core
