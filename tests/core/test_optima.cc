// A recursion over `min` on a hand-made plan, beside Bellman and Ford's: small graphs, so that
// edges that weigh nothing make circles, and others bring something back.

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "check.h"
#include "nlog/engine/core/database.h"
#include "nlog/engine/core/values.h"

namespace nlog::core {
namespace {

constexpr std::uint32_t kEdge = 0;
constexpr std::uint32_t kSource = 1;
constexpr std::uint32_t kPath = 2;
constexpr Word kInt = TypeOf(TypeKind::kInt);

// path(s, 0) :- source(s).
RulePlan FirstRule() {
  const StartPlan delta{kSource, 0, false, {{0, 0}}, {}, {2, {{1, kInt, 0}}, {}, {0, 1}}};
  const StartPlan check{kPath, -1,
                        false, {{0, 0}},
                        {},    {2, {{1, kInt, 0}}, {ExistsPlan{kSource, {0}, false, 0}}, {0, 1}}};
  return {0, kPath, {delta}, {}, check};
}

// path(y, d + w) :- path(x, d), edge(x, y, w). Registers: x, y, d, w, d + w.
RulePlan StepRule() {
  const CallPlan sum{"int.add", {2, 3}, 4, kInt};
  const StartPlan from_path{
      kPath, 0,
      false, {{0, 0}, {1, 2}},
      {},    {5, {}, {LookupPlan{kEdge, 0, {0}, {{1, 1}, {2, 3}}, {}, 1}, sum}, {1, 4}}};
  const StartPlan from_edge{
      kEdge, 1,
      false, {{0, 0}, {1, 1}, {2, 3}},
      {},    {5, {}, {LookupPlan{kPath, 0, {0}, {{1, 2}}, {}, 0}, sum}, {1, 4}}};
  const StartPlan check{kPath,
                        -1,
                        false,
                        {{0, 1}},
                        {},
                        {5,
                         {},
                         {LookupPlan{kEdge, 1, {1}, {{0, 0}, {2, 3}}, {}, 1},
                          LookupPlan{kPath, 0, {0}, {{1, 2}}, {}, 0}, sum},
                         {1, 4}}};
  return {1, kPath, {from_path, from_edge}, {from_path, from_edge}, check};
}

Plan PathPlan() {
  StratumPlan stratum{true, {kPath}, {FirstRule(), StepRule()}};
  // A verify plan joins first; that of the sum is the delta plan itself.
  stratum.optima = {{1, true, kInt, 0}};
  return {{{"edge", TableKind::kInput, {kInt, kInt, kInt}, {{0}, {1}}},
           {"source", TableKind::kInput, {kInt}, {}},
           {"path", TableKind::kOutput, {kInt, kInt}, {{0}}}},
          {stratum}};
}

using Edge = std::vector<Word>;

std::map<Word, Word> PathsOf(const Database& database) {
  std::map<Word, Word> paths;
  const Table& table = database.table(kPath);
  for (RowId row = 0; row < table.row_limit(); ++row) {
    if (table.Visible(row, View::kOld)) {
      CHECK(paths.emplace(table.Row(row)[0], table.Row(row)[1]).second);
    }
  }
  return paths;
}

// The lengths of the shortest paths from 0; false if there are none.
bool Relax(const std::set<Edge>& edges, std::map<Word, Word>& paths) {
  const auto less = [](Word left, Word right) {
    return static_cast<std::int64_t>(left) < static_cast<std::int64_t>(right);
  };
  paths = {{0, 0}};
  for (int round = 0; round < 10; ++round) {
    bool is_changed = false;
    for (const Edge& edge : edges) {
      const auto from = paths.find(edge[0]);
      if (from != paths.end()) {
        const Word length = from->second + edge[2];
        const auto [to, is_new] = paths.emplace(edge[1], length);
        is_changed = is_changed || is_new || less(length, to->second);
        to->second = std::min(to->second, length, less);
      }
    }
    if (!is_changed) {
      return true;
    }
  }
  return false;
}

TEST(paths_are_the_shortest_or_refused) {
  Database database(PathPlan(), std::make_shared<Interner>());
  const Word start = 0;
  database.Insert(kSource, &start);
  database.Commit();
  std::set<Edge> edges;
  std::mt19937 random(11);
  int refused = 0;
  for (int commit = 0; commit < 1500; ++commit) {
    std::set<Edge> changed = edges;
    for (std::uint32_t i = 0; i < 1 + random() % 3; ++i) {
      const Word weight = random() % 12 == 0 ? static_cast<Word>(-1) : random() % 3;
      const Edge edge = {random() % 5, random() % 5, weight};
      if (!edges.empty() && random() % 2 == 0) {
        auto gone = edges.begin();
        std::advance(gone, random() % edges.size());
        database.Delete(kEdge, gone->data());
        changed.erase(*gone);
      } else if (!changed.contains(edge)) {
        database.Insert(kEdge, edge.data());
        changed.insert(edge);
      }
    }
    std::map<Word, Word> expected;
    const bool has_end = Relax(changed, expected);
    bool is_committed = true;
    try {
      database.Commit();
    } catch (const GroupError&) {
      is_committed = false;
      ++refused;
    }
    CHECK(is_committed == has_end);
    if (is_committed) {
      edges = changed;
    } else {
      Relax(edges, expected);
    }
    CHECK(PathsOf(database) == expected);
  }
  CHECK(refused > 20);
}

bool IsRefused(const Plan& plan) {
  try {
    Database(plan, std::make_shared<Interner>());
    return false;
  } catch (const PlanError&) {
    return true;
  }
}

TEST(faulty_optima_are_refused) {
  const auto is_refused = [](auto change) {
    Plan plan = PathPlan();
    change(plan.strata.front());
    return IsRefused(plan);
  };
  CHECK(!is_refused([](StratumPlan&) {}));
  CHECK(is_refused([](StratumPlan& stratum) { stratum.optima[0].column = 0; }));
  CHECK(is_refused([](StratumPlan& stratum) { stratum.optima[0].column = 2; }));
  CHECK(is_refused([](StratumPlan& stratum) { stratum.optima[0].index = 1; }));
  CHECK(is_refused([](StratumPlan& stratum) { stratum.optima.push_back(stratum.optima[0]); }));
  CHECK(is_refused([](StratumPlan& stratum) { stratum.rules[0].check->pipeline.head = {0}; }));
}

}  // namespace
}  // namespace nlog::core
