// Transactions of a database that fail anywhere: at each allocation, and at each question whether
// to go on. Afterwards rows, views and counts are what they were before, and the same changes go
// through as if nothing had happened, to what a database computes that is given all rows at once.

#include <algorithm>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <stdexcept>
#include <variant>
#include <vector>

#include "check.h"
#include "failing_allocations.h"
#include "nlog/engine/core/database.h"
#include "random_plans.h"

namespace nlog::core {
namespace {

using WordRow = std::vector<Word>;
// By table and row: its count.
using State = std::map<std::pair<std::uint32_t, WordRow>, std::int64_t>;

struct Change {
  std::uint32_t table;
  bool is_insert;
  WordRow row;
};
using Changes = std::vector<Change>;

WordRow WordsOf(const Table& table, RowId row) {
  WordRow words;
  for (std::size_t column = 0; column < table.width(); ++column) {
    words.push_back(table.Row(row)[column]);
  }
  return words;
}

State StateOf(const Database& database) {
  State state;
  for (std::uint32_t number = 0; number < database.table_count(); ++number) {
    const Table& table = database.table(number);
    CHECK(!table.touched());
    for (RowId row = 0; row < table.row_limit(); ++row) {
      if (table.Visible(row, View::kOld) || table.Visible(row, View::kNew)) {
        CHECK(table.Visible(row, View::kOld) && table.Visible(row, View::kNew));
        state[{number, WordsOf(table, row)}] = table.Count(row);
      }
    }
  }
  return state;
}

void Stage(Database& database, const Changes& changes) {
  for (const Change& change : changes) {
    if (change.is_insert) {
      database.Insert(change.table, change.row.data());
    } else {
      database.Delete(change.table, change.row.data());
    }
  }
}

Changes RandomChanges(std::mt19937& random, Word values) {
  Changes changes;
  const std::size_t count = 1 + random() % 6;
  for (std::size_t i = 0; i < count; ++i) {
    changes.push_back(
        {test::kInputs[random() % 2], random() % 5 < 3, {random() % values, random() % values}});
  }
  return changes;
}

// The rows of a state, without counts: those of recursive tables tell how a row came to be there.
std::vector<std::pair<std::uint32_t, WordRow>> RowsOf(const State& state) {
  std::vector<std::pair<std::uint32_t, WordRow>> rows;
  for (const auto& [row, count] : state) {
    rows.push_back(row);
  }
  return rows;
}

// A database that gets all input rows of `database` at once.
std::unique_ptr<Database> Recomputed(const Plan& plan, const Database& database) {
  auto fresh = std::make_unique<Database>(plan, std::make_shared<Interner>());
  for (const std::uint32_t input : test::kInputs) {
    const Table& table = database.table(input);
    for (const RowId row : database.Select(input, {})) {
      fresh->Insert(input, WordsOf(table, row).data());
    }
  }
  fresh->Commit();
  return fresh;
}

// Makes the changes fail at each allocation in turn, until they succeed; how often they failed.
int CommitThroughFailures(Database& database, const Changes& changes) {
  const State before = StateOf(database);
  for (int failures = 0;; ++failures) {
    try {
      const test::FailingAllocation failing(failures);
      Stage(database, changes);
      database.Prepare();
    } catch (const std::bad_alloc&) {
      database.Rollback();
      CHECK(StateOf(database) == before);
      continue;
    }
    const test::FailingAllocation failing(0);
    database.Publish();
    return failures;
  }
}

TEST(WhereverMemoryEndsATransactionLeavesNoTrace) {
  std::mt19937 random(20260);
  int failures = 0;
  for (int trial = 0; trial < 12; ++trial) {
    const Plan plan = test::RandomPlan(random, 6);
    Database database(plan, std::make_shared<Interner>());
    for (int transaction = 0; transaction < 6; ++transaction) {
      failures += CommitThroughFailures(database, RandomChanges(random, 3));
      const std::unique_ptr<Database> recomputed = Recomputed(plan, database);
      const Database& fresh = *recomputed;
      CHECK(RowsOf(StateOf(database)) == RowsOf(StateOf(fresh)));
    }
  }
  CHECK(failures > 1000);
}

TEST(WheneverATransactionIsStoppedItLeavesNoTrace) {
  std::mt19937 random(7);
  int stops = 0;
  for (int trial = 0; trial < 4; ++trial) {
    const Plan plan = test::RandomPlan(random, 6);
    Database database(plan, std::make_shared<Interner>());
    for (int transaction = 0; transaction < 2; ++transaction) {
      Changes changes;
      for (int round = 0; round < 45; ++round) {
        const Changes more = RandomChanges(random, 45);
        changes.insert(changes.end(), more.begin(), more.end());
      }
      const State before = StateOf(database);
      for (int stop_at = 1;; ++stop_at) {
        int asked = 0;
        Stage(database, changes);
        try {
          database.Prepare([&] { return ++asked == stop_at; });
        } catch (const Interrupted&) {
          ++stops;
          CHECK(StateOf(database) == before);
          continue;
        }
        database.Publish();
        break;
      }
      const std::unique_ptr<Database> recomputed = Recomputed(plan, database);
      const Database& fresh = *recomputed;
      CHECK(RowsOf(StateOf(database)) == RowsOf(StateOf(fresh)));
    }
  }
  CHECK(stops > 10);
}

TEST(WhatIsPreparedIsSeenWhenItIsPublished) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 20; ++trial) {
    const Plan plan = test::RandomPlan(random, 6);
    Database database(plan, std::make_shared<Interner>());
    for (int transaction = 0; transaction < 6; ++transaction) {
      const Changes changes = RandomChanges(random, 4);
      std::map<std::uint32_t, std::size_t> sizes;
      for (std::uint32_t table = 0; table < test::kTables; ++table) {
        sizes[table] = database.table(table).size();
      }
      Stage(database, changes);
      const std::vector<std::shared_ptr<Delta>> deltas = database.Prepare();
      for (std::uint32_t table = 0; table < test::kTables; ++table) {
        CHECK(database.Select(table, {}).size() == sizes[table]);
      }
      database.Publish();
      for (const std::shared_ptr<Delta>& delta : deltas) {
        sizes[delta->table()] += delta->inserted_count();
        sizes[delta->table()] -= delta->deleted_count();
        CHECK(database.table(delta->table()).size() == sizes[delta->table()]);
      }
    }
  }
}

// The same rules with other indexes in another order.
Plan Rearranged(Plan plan) {
  const auto rearrange = [&plan](StartPlan& start) {
    for (StepPlan& step : start.pipeline.steps) {
      if (auto* lookup = std::get_if<LookupPlan>(&step)) {
        const std::size_t last = plan.tables[lookup->table].indexes.size() - 1;
        lookup->index = static_cast<std::uint32_t>(last - lookup->index);
      }
    }
  };
  for (StratumPlan& stratum : plan.strata) {
    for (RulePlan& rule : stratum.rules) {
      std::ranges::for_each(rule.deltas, rearrange);
      std::ranges::for_each(rule.verifies, rearrange);
      if (rule.check) {
        rearrange(*rule.check);
      }
    }
  }
  for (TablePlan& table : plan.tables) {
    std::ranges::reverse(table.indexes);
    const std::vector<std::uint32_t> second{1};
    if (table.width() == 2 && std::ranges::find(table.indexes, second) == table.indexes.end()) {
      table.indexes.push_back(second);
    }
  }
  return plan;
}

TEST(AnotherPlanTakesThePlaceOrMemoryEndsAndNothingChanges) {
  std::mt19937 random(14);
  int failures = 0;
  for (int trial = 0; trial < 12; ++trial) {
    const Plan plan = test::RandomPlan(random, 6);
    Database database(plan, std::make_shared<Interner>());
    for (int transaction = 0; transaction < 6; ++transaction) {
      const Changes changes = RandomChanges(random, 3);
      const Plan next = transaction % 2 == 0 ? Rearranged(plan) : plan;
      Stage(database, changes);
      for (int allocations = 0;; ++allocations) {
        try {
          const test::FailingAllocation failing(allocations);
          database.Replan(next);
          break;
        } catch (const std::bad_alloc&) {
          ++failures;
        }
      }
      for (std::uint32_t table = 0; table < test::kTables; ++table) {
        CHECK(database.table(table).indexes().size() == next.tables[table].indexes.size());
      }
      if (transaction % 3 == 2) {
        database.Rollback();
      } else {
        database.Commit();
      }
      CommitThroughFailures(database, RandomChanges(random, 3));
      const std::unique_ptr<Database> recomputed = Recomputed(plan, database);
      CHECK(RowsOf(StateOf(database)) == RowsOf(StateOf(*recomputed)));
    }
  }
  CHECK(failures > 1000);
}

TEST(APreparedTransactionTakesNoMore) {
  std::mt19937 random(1);
  Database database(test::RandomPlan(random, 0), std::make_shared<Interner>());
  const WordRow row{1, 2};
  database.Insert(1, row.data());
  database.Prepare();
  int refused = 0;
  for (const auto& attempt : std::vector<void (*)(Database&, const Word*)>{
           [](Database& d, const Word* words) { d.Insert(1, words); },
           [](Database& d, const Word* words) { d.Delete(1, words); },
           [](Database& d, const Word*) { d.Prepare(); }}) {
    try {
      attempt(database, row.data());
    } catch (const std::logic_error&) {
      ++refused;
    }
  }
  CHECK(refused == 3);
  database.Rollback();
  CHECK(database.Commit().empty());
  CHECK(database.table(1).size() == 0);
}

}  // namespace
}  // namespace nlog::core
