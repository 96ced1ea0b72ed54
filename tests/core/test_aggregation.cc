// Aggregates over a hand-made plan, beside a twin that works everything out again from a list of
// the rows. The domain is small, so that groups come and go and values meet.

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "check.h"
#include "nlog/engine/core/database.h"
#include "nlog/engine/core/values.h"

namespace nlog::core {
namespace {

constexpr std::uint32_t kSource = 0;
constexpr std::uint32_t kHead = 1;
constexpr Word kInt = TypeOf(TypeKind::kInt);

// The type of lists of numbers, in an interner that knows it.
constexpr Word kList = kPlainTypes;

std::shared_ptr<Interner> InternerOfLists() {
  auto interner = std::make_shared<Interner>();
  CHECK(interner->InternTuple({{static_cast<Word>(TypeKind::kList), kInt}}) == kList);
  return interner;
}

// head(g, count(), count(v), sum(v), min(v), max(v), list(v), set(v)) of source(g, v, x).
Plan AggregatesPlan() {
  const AggregatePlan aggregate{.number = 3,
                                .source = kSource,
                                .head = kHead,
                                .group = 1,
                                .index = 0,
                                .functions = {{"count", -1, kInt, -1},
                                              {"distinct", 1, kInt, 1},
                                              {"sum", 1, kInt, -1},
                                              {"min", 1, kInt, 0},
                                              {"max", 1, kInt, 0},
                                              {"list", 1, kInt, -1},
                                              {"set", 1, kInt, 1}}};
  return {{{"source", TableKind::kInput, {kInt, kInt, kInt}, {{0}, {0, 1}}},
           {"head", TableKind::kOutput, {kInt, kInt, kInt, kInt, kInt, kInt, kList, kList}, {{0}}}},
          {{false, {kHead}, {}, aggregate}}};
}

using WordRow = std::vector<Word>;

std::set<WordRow> RowsOf(const Database& database) {
  std::set<WordRow> rows;
  const Table& table = database.table(kHead);
  for (RowId row = 0; row < table.row_limit(); ++row) {
    if (table.Visible(row, View::kOld)) {
      WordRow words;
      for (std::size_t column = 0; column < table.width(); ++column) {
        words.push_back(table.Row(row)[column]);
      }
      rows.insert(words);
    }
  }
  return rows;
}

std::set<WordRow> Twin(const std::set<WordRow>& source, Interner& interner) {
  std::map<Word, std::vector<std::int64_t>> groups;
  for (const WordRow& row : source) {
    groups[row[0]].push_back(static_cast<std::int64_t>(row[1]));
  }
  std::set<WordRow> rows;
  for (auto& [group, values] : groups) {
    std::ranges::sort(values);
    WordRow row = {group,
                   values.size(),
                   0,
                   0,
                   static_cast<Word>(values.front()),
                   static_cast<Word>(values.back())};
    for (const std::int64_t value : values) {
      row[3] += static_cast<Word>(value);
    }
    row.push_back(interner.InternTuple(WordRow(values.begin(), values.end())));
    values.erase(std::ranges::unique(values).begin(), values.end());
    row[2] = values.size();
    row.push_back(interner.InternTuple(WordRow(values.begin(), values.end())));
    rows.insert(row);
  }
  return rows;
}

TEST(an_aggregate_is_its_twin) {
  const auto interner = InternerOfLists();
  Database database(AggregatesPlan(), interner);
  std::set<WordRow> source;
  std::mt19937 random(7);
  for (int commit = 0; commit < 400; ++commit) {
    std::set<WordRow> changed = source;
    for (std::uint32_t i = 0; i < 1 + random() % 6; ++i) {
      const WordRow row = {random() % 3, static_cast<Word>(static_cast<int>(random() % 5) - 2),
                           random() % 2};
      if (random() % 2 == 0) {
        database.Insert(kSource, row.data());
        changed.insert(row);
      } else {
        database.Delete(kSource, row.data());
        changed.erase(row);
      }
    }
    if (random() % 5 == 0) {
      database.Rollback();
    } else {
      database.Commit();
      source = changed;
    }
    CHECK(RowsOf(database) == Twin(source, *interner));
  }
}

TEST(a_sum_that_does_not_fit_names_its_group_and_changes_nothing) {
  const auto interner = InternerOfLists();
  Database database(AggregatesPlan(), interner);
  const Word most = std::numeric_limits<std::int64_t>::max();
  const std::vector<WordRow> rows = {{5, most, 0}, {5, most, 1}, {6, 1, 1}};
  database.Insert(kSource, rows[0].data());
  database.Commit();
  const std::set<WordRow> before = RowsOf(database);
  database.Insert(kSource, rows[1].data());
  database.Insert(kSource, rows[2].data());
  bool has_failed = false;
  try {
    database.Commit();
  } catch (const GroupError& error) {
    has_failed = error.rule() == 3 && error.table() == kHead &&
                 error.group() == std::vector<GroupError::Value>{{0, 5}};
  }
  CHECK(has_failed);
  CHECK(RowsOf(database) == before);
}

bool IsRefused(const Plan& plan) {
  try {
    Database(plan, InternerOfLists());
    return false;
  } catch (const PlanError&) {
    return true;
  }
}

TEST(a_faulty_aggregate_is_refused) {
  const auto is_refused = [](auto change) {
    Plan plan = AggregatesPlan();
    change(plan.strata.front(), *plan.strata.front().aggregate);
    return IsRefused(plan);
  };
  CHECK(!is_refused([](StratumPlan&, AggregatePlan&) {}));
  CHECK(is_refused([](StratumPlan& stratum, AggregatePlan&) { stratum.is_recursive = true; }));
  CHECK(is_refused([](StratumPlan& stratum, AggregatePlan&) { stratum.tables = {kSource}; }));
  CHECK(is_refused([](StratumPlan&, AggregatePlan& plan) { plan.source = 9; }));
  CHECK(is_refused([](StratumPlan&, AggregatePlan& plan) { plan.source = kHead; }));
  CHECK(is_refused([](StratumPlan&, AggregatePlan& plan) { plan.group = 2; }));
  CHECK(is_refused([](StratumPlan&, AggregatePlan& plan) { plan.index = 1; }));
  CHECK(is_refused([](StratumPlan&, AggregatePlan& plan) { plan.functions.pop_back(); }));
  CHECK(is_refused([](StratumPlan&, AggregatePlan& plan) { plan.functions[0].function = "avg"; }));
  CHECK(is_refused([](StratumPlan&, AggregatePlan& plan) { plan.functions[2].column = 3; }));
  CHECK(is_refused([](StratumPlan&, AggregatePlan& plan) { plan.functions[3].index = 1; }));
  CHECK(is_refused([](StratumPlan&, AggregatePlan& plan) { plan.functions[6].index = -1; }));
}

TEST(records_and_lists_have_an_order) {
  Interner interner;
  const auto type = [&](TypeKind kind, WordRow parts) {
    parts.insert(parts.begin(), static_cast<Word>(kind));
    return interner.InternTuple(parts);
  };
  const Word lists = type(TypeKind::kList, {type(TypeKind::kInt, {})});
  const Word records =
      type(TypeKind::kRecord, {interner.InternText("pair"), type(TypeKind::kStr, {}), lists});
  const Word b = interner.InternText("b");
  const Word a = interner.InternText("a");
  const Word none = interner.InternTuple({});
  const Word one = interner.InternTuple(WordRow{1});
  const Word minus = interner.InternTuple(WordRow{static_cast<Word>(-1), 5});
  const auto record = [&](Word text, Word list) {
    return interner.InternTuple(WordRow{text, list});
  };
  const std::vector<Word> ascending = {record(a, none), record(a, minus), record(a, one),
                                       record(b, none), record(b, one)};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      CHECK(CompareValues(interner, records, ascending[i], ascending[j]) == (i <=> j));
    }
  }
}

}  // namespace
}  // namespace nlog::core
