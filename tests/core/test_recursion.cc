// Recursive strata by ranks: after every commit the closure is that of a naive twin, and every row
// has a derivation from rows that rank lower, which is what later commits rely on. Also the ways
// that no program takes by chance: ranks at their limit, and what a rollback leaves of them.

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "check.h"
#include "nlog/engine/core/evaluation.h"
#include "nlog/engine/core/ranks.h"
#include "plans.h"

namespace nlog::core {
namespace {

using Edge = std::pair<Word, Word>;

// reach(a, c) :- reach(a, b), reach(b, c).
RulePlan JoinRule() {
  const StartPlan first{kReach, 0,
                        false,  {{0, 0}, {1, 1}},
                        {},     {3, {}, {LookupPlan{kReach, 1, {1}, {{1, 2}}, {}, 1}}, {0, 2}}};
  const StartPlan second{kReach, 1,
                         false,  {{0, 1}, {1, 2}},
                         {},     {3, {}, {LookupPlan{kReach, 0, {1}, {{0, 0}}, {}, 0}}, {0, 2}}};
  const StartPlan check{
      kReach,
      -1,
      false,
      {{0, 0}, {1, 2}},
      {},
      {3,
       {},
       {LookupPlan{kReach, 1, {0}, {{1, 1}}, {}, 0}, ExistsPlan{kReach, {1, 2}, false, 1}},
       {}}};
  return {1, kReach, {first, second}, {}, check};
}

Plan LinearPlan() { return {{InputPlan(), OutputPlan()}, ReachPlan().strata}; }
Plan JoinPlan() {
  TablePlan output = OutputPlan();
  output.indexes.push_back({0});
  return {{InputPlan(), output}, {{true, {kReach}, {CopyRule(), JoinRule()}}}};
}

// The tables of a plan and their evaluation, open to the test.
class Engine {
 public:
  explicit Engine(const Plan& plan) : tables_(TablesOf(plan)), program_(plan, {*interner_, {}}) {}

  void Insert(Edge edge) {
    const WordRow row{edge.first, edge.second};
    tables_[kEdge].SetNew(tables_[kEdge].Obtain(row.data()), true);
    edges_.insert(edge);
  }
  void Delete(Edge edge) {
    const WordRow row{edge.first, edge.second};
    const RowId found = tables_[kEdge].Find(row.data());
    if (found != kNoRow) {
      tables_[kEdge].SetNew(found, false);
    }
    edges_.erase(edge);
  }

  Work Run(const ShouldStop& should_stop = {}) {
    std::vector<std::uint32_t> touched{kEdge};
    return Evaluate(program_, tables_, *interner_, touched, should_stop, false, nullptr, kRankMax);
  }
  Work Commit() {
    Work work = Run();
    for (Table& table : tables_) {
      table.Commit();
    }
    return work;
  }
  void Rollback() {
    for (Table& table : tables_) {
      table.Rollback();
    }
  }

  Table& reach() { return tables_[kReach]; }
  const Stratum& stratum() const { return program_.strata().front(); }
  std::span<Table> tables() { return tables_; }

  // The rows of the closure with their ranks.
  std::map<Edge, Rank> Ranks() {
    std::map<Edge, Rank> ranks;
    for (RowId row = 0; row < reach().row_limit(); ++row) {
      if (reach().Visible(row, View::kNew)) {
        ranks[{reach().Row(row)[0], reach().Row(row)[1]}] = RankOf(reach(), row);
      }
    }
    return ranks;
  }

  // Whether the closure is right and every row has a derivation from lower ones: an edge, or rows
  // (a, b) and (b, c), where the second may be an edge if the plan is linear.
  bool IsSound(bool is_linear) {
    const std::map<Edge, Rank> ranks = Ranks();
    const auto is_lower = [&](Edge edge, Rank rank) {
      const auto found = ranks.find(edge);
      return found != ranks.end() && found->second < rank;
    };
    std::set<Edge> rows;
    for (const auto& [row, rank] : ranks) {
      rows.insert(row);
      const bool is_founded =
          edges_.contains(row) || std::ranges::any_of(ranks, [&](const auto& entry) {
            const Edge rest{entry.first.second, row.second};
            return entry.first.first == row.first && entry.second < rank &&
                   (is_linear ? edges_.contains(rest) : is_lower(rest, rank));
          });
      if (!is_founded || rank <= 0 || rank > kRankMax) {
        return false;
      }
    }
    return rows == Closure();
  }

 private:
  static std::vector<Table> TablesOf(const Plan& plan) {
    std::vector<Table> tables;
    for (const TablePlan& table : plan.tables) {
      tables.emplace_back(table.width());
      for (const auto& columns : table.indexes) {
        tables.back().AddIndex(columns);
      }
    }
    return tables;
  }

  std::set<Edge> Closure() const {
    std::set<Edge> rows = edges_;
    for (std::size_t before = 0; before < rows.size();) {
      before = rows.size();
      for (const Edge& row : std::set(rows)) {
        for (const Edge& edge : edges_) {
          if (row.second == edge.first) {
            rows.insert({row.first, edge.second});
          }
        }
      }
    }
    return rows;
  }

  std::unique_ptr<Interner> interner_ = std::make_unique<Interner>();
  std::vector<Table> tables_;
  Program program_;
  std::set<Edge> edges_;
};

void ToggleEdges(const Plan& plan, bool is_linear) {
  std::mt19937 random(7);
  for (Word nodes = 2; nodes < 8; ++nodes) {
    Engine engine(plan);
    for (int step = 0; step < 150; ++step) {
      for (unsigned change = random() % 4; change < 4; ++change) {
        const Edge edge{random() % nodes, random() % nodes};
        if (random() % 5 < 2) {
          engine.Insert(edge);
        } else {
          engine.Delete(edge);
        }
      }
      engine.Commit();
      CHECK(engine.IsSound(is_linear));
    }
  }
}

TEST(RanksFallAlongDerivations) {
  ToggleEdges(LinearPlan(), true);
  ToggleEdges(JoinPlan(), false);
}

TEST(ACycleWithAWayRoundStaysAndItsRowsRise) {
  Engine engine(LinearPlan());
  constexpr Word kNodes = 30;
  for (Word node = 0; node < kNodes; ++node) {
    engine.Insert({node, (node + 1) % kNodes});
  }
  engine.Insert({3, 100});
  engine.Insert({100, 4});
  engine.Commit();
  const std::map<Edge, Rank> before = engine.Ranks();
  engine.Delete({3, 4});
  const Work work = engine.Commit();
  CHECK(work.deleted == 1 && work.inserted == 0 && work.rederived == 0);
  CHECK(work.total.rows_read + work.total.probes < 20 * kNodes);
  const std::map<Edge, Rank> after = engine.Ranks();
  CHECK(after.at({3, 4}) > after.at({3, 100}));
  CHECK(std::ranges::all_of(
      after, [&](const auto& entry) { return entry.second >= before.at(entry.first); }));
  CHECK(engine.IsSound(true));
}

// A chain of `nodes` whose rows rank one above the other up to the limit.
Engine ChainAtTheLimit(const Plan& plan, Word nodes) {
  Engine engine(plan);
  for (Word node = 0; node + 1 < nodes; ++node) {
    engine.Insert({node, node + 1});
  }
  engine.Commit();
  std::set<Rank> ranks;
  for (const auto& [row, rank] : engine.Ranks()) {
    ranks.insert(rank);
  }
  Table& reach = engine.reach();
  for (RowId row = 0; row < reach.row_limit(); ++row) {
    const auto above = std::distance(ranks.upper_bound(RankOf(reach, row)), ranks.end());
    SetRank(reach, row, kRankMax - above);
  }
  reach.Seal();
  reach.Commit();
  return engine;
}

TEST(RanksAtTheLimitAreNumberedAnew) {
  for (const Plan& plan : {LinearPlan(), JoinPlan()}) {
    const bool is_linear = plan.tables[kReach].indexes.size() == 1;
    Engine engine = ChainAtTheLimit(plan, 20);
    CHECK(engine.IsSound(is_linear));
    const std::map<Edge, Rank> before = engine.Ranks();
    CHECK(before.at({0, 19}) == kRankMax);
    // What a rollback restores, though all rows have moved.
    engine.Insert({19, 20});
    engine.Run();
    CHECK(engine.Ranks().at({0, 19}) < kRankMax / 2);
    engine.Delete({19, 20});
    engine.Rollback();
    CHECK(engine.Ranks() == before);
    engine.Insert({19, 20});
    engine.Commit();
    CHECK(engine.IsSound(is_linear));
    const std::map<Edge, Rank> after = engine.Ranks();
    for (const auto& [row, rank] : before) {
      for (const auto& [other, other_rank] : before) {
        CHECK((rank < other_rank) == (after.at(row) < after.at(other)));
      }
    }
  }
}

TEST(ARowThatCannotRiseIsDerivedBack) {
  Engine engine = ChainAtTheLimit(LinearPlan(), 20);
  // The row (0, 5) rests on an edge, and then on (0, 4) alone, above which there is no room.
  Table& reach = engine.reach();
  const WordRow row{0, 5};
  SetRank(reach, reach.Find(row.data()), 1);
  reach.Seal();
  reach.Commit();
  engine.Insert({0, 5});
  engine.Commit();
  engine.Delete({0, 5});
  const Work work = engine.Commit();
  CHECK(work.deleted == 1 && work.inserted == 0);
  CHECK(work.rederived == 1);
  CHECK(engine.Ranks().at({0, 19}) < kRankMax / 2);
  CHECK(engine.IsSound(true));
}

TEST(AnInterruptedDeletionLeavesRanksAsTheyWere) {
  Engine engine(LinearPlan());
  constexpr Word kNodes = 150;
  for (Word node = 0; node < kNodes; ++node) {
    engine.Insert({node, (node + 1) % kNodes});
    engine.Insert({(node + 1) % kNodes, node});
  }
  engine.Commit();
  const std::map<Edge, Rank> before = engine.Ranks();
  int asked = 0;
  engine.Delete({0, 1});
  engine.Run([&asked] {
    ++asked;
    return false;
  });
  CHECK(asked > 4);
  CHECK(engine.Ranks() != before);
  engine.Insert({0, 1});
  engine.Rollback();
  CHECK(engine.Ranks() == before);
  for (int stop = 1; stop <= asked; ++stop) {
    engine.Delete({0, 1});
    bool is_interrupted = false;
    try {
      engine.Run([&stop, left = stop]() mutable { return --left == 0; });
    } catch (const Interrupted&) {
      is_interrupted = true;
    }
    CHECK(is_interrupted);
    engine.Insert({0, 1});
    engine.Rollback();
    CHECK(engine.Ranks() == before);
  }
}

TEST(RenumberingKeepsTheOrder) {
  Engine engine(LinearPlan());
  for (Word node = 0; node < 10; ++node) {
    engine.Insert({node, node + 1});
  }
  engine.Commit();
  const std::map<Edge, Rank> before = engine.Ranks();
  const Renumbering renumbering(engine.stratum(), engine.tables(), kRankMax);
  CHECK(renumbering.After(0) == 0);
  const std::map<Edge, Rank> after = engine.Ranks();
  for (const auto& [row, rank] : before) {
    CHECK(renumbering.After(rank) == after.at(row));
    CHECK(after.at(row) == rank);
  }
}

}  // namespace
}  // namespace nlog::core
