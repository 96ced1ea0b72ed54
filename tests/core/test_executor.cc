// The executor and the database over plans written by hand. The laws of evaluation are held by
// tests/engine/test_core.py, with plans by the hundred; here the sanitizers watch each kind of step
// and every way out of a commit.

#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "nlog/engine/core/database.h"
#include "plans.h"

namespace nlog::core {
namespace {

// reach(a, d) :- edge(a, b), every other row too, d = 100 / b.
Plan DividePlan() {
  const PipelinePlan pipeline{5,
                              {{2, kInt, 100}},
                              {LookupPlan{kEdge, 2, {}, {{0, 3}}, {}, 1},
                               CallPlan{"int.floordiv", {2, 1}, 4, kInt}, TestPlan{"ne", {3, 2}}},
                              {0, 4}};
  const StartPlan first{kEdge, 0, false, {{0, 0}, {1, 1}}, {}, pipeline};
  PipelinePlan other_pipeline = pipeline;
  other_pipeline.steps[0] = LookupPlan{kEdge, 2, {}, {{0, 0}, {1, 1}}, {}, 0};
  const StartPlan second{kEdge, 1, false, {{0, 3}}, {}, other_pipeline};
  return {{InputPlan(), OutputPlan()},
          {{false, {kReach}, {{7, kReach, {first, second}, {first, second}, {}}}}}};
}

void Insert(Database& database, Word from, Word to) {
  const WordRow row{from, to};
  database.Insert(kEdge, row.data());
}

void Delete(Database& database, Word from, Word to) {
  const WordRow row{from, to};
  database.Delete(kEdge, row.data());
}

bool Has(const Database& database, Word from, Word to) {
  return database.Select(kReach, std::vector<std::pair<std::uint32_t, Word>>{{0, from}, {1, to}})
             .size() == 1;
}

TEST(CyclesAreFilledAndEmptied) {
  Database database(ReachPlan(), std::make_shared<Interner>());
  CHECK(database.table(kUnit).size() == 1);
  constexpr Word kNodes = 20;
  for (Word node = 0; node < kNodes; ++node) {
    Insert(database, node, (node + 1) % kNodes);
  }
  CHECK(database.Commit().front()->inserted_count() == kNodes * kNodes);
  Delete(database, kNodes - 1, 0);
  CHECK(database.Commit().front()->deleted_count() == kNodes * (kNodes + 1) / 2);
  CHECK(Has(database, 0, kNodes - 1));
  CHECK(!Has(database, kNodes - 1, 0));
  Insert(database, kNodes - 1, 0);
  database.Rollback();
  CHECK(database.Commit().empty());
}

TEST(SelectUsesWhatItIsGiven) {
  Database database(ReachPlan(), std::make_shared<Interner>());
  for (Word node = 0; node < 5; ++node) {
    Insert(database, 0, node);
    Insert(database, 1, node);
  }
  database.Commit();
  using Where = std::vector<std::pair<std::uint32_t, Word>>;
  CHECK(database.Select(kEdge, Where{}).size() == 10);
  CHECK(database.Select(kEdge, Where{{0, 1}}).size() == 5);
  CHECK(database.Select(kReach, Where{{0, 1}}).size() == 5);
  CHECK(database.Select(kEdge, Where{{0, 1}, {1, 4}}).size() == 1);
  CHECK(database.Select(kEdge, Where{{0, 4}, {1, 4}}).empty());
  CHECK(database.AddIndex(kReach, {0}) == 1);
  CHECK(database.Select(kReach, Where{{0, 1}}).size() == 5);
}

TEST(DerivationsNameTheRowsOfTheBody) {
  Database database(ReachPlan(), std::make_shared<Interner>());
  for (const auto& [from, to] :
       std::vector<std::pair<Word, Word>>{{0, 1}, {0, 2}, {1, 3}, {2, 3}}) {
    Insert(database, from, to);
  }
  database.Commit();
  const WordRow row{0, 3};
  const Pipeline check = database.Compile(*StepRule().check);
  const std::set<Derivation> derivations = database.Derivations(check, row.data(), 10);
  CHECK(derivations.size() == 2);
  for (const Derivation& derivation : derivations) {
    CHECK(derivation.size() == 2);
    CHECK(derivation[0].table == kReach && derivation[1].table == kEdge);
  }
  CHECK(database.Derivations(check, row.data(), 1).size() == 1);
  CHECK(database.Derivations(check, row.data(), 0).empty());
}

TEST(FailedCommitsLeaveNoTrace) {
  Database database(DividePlan(), std::make_shared<Interner>());
  Insert(database, 1, 5);
  database.Commit();
  Insert(database, 2, 0);
  Delete(database, 1, 5);
  int rule = -1;
  std::string text;
  try {
    database.Commit();
  } catch (const EvaluationError& error) {
    rule = error.rule();
    text = error.what();
  }
  CHECK(rule == 7);
  CHECK(text == "division by zero: 100 / 0");
  CHECK(database.table(kEdge).size() == 1);
  CHECK(Has(database, 1, 20));
  CHECK(database.Commit().empty());
}

TEST(InterruptedCommitsLeaveNoTrace) {
  Database database(ReachPlan(), std::make_shared<Interner>());
  constexpr Word kNodes = 300;
  for (Word node = 0; node < kNodes; ++node) {
    Insert(database, node, (node + 1) % kNodes);
  }
  int asked = 0;
  bool is_interrupted = false;
  try {
    database.Commit([&asked] { return ++asked == 5; });
  } catch (const Interrupted&) {
    is_interrupted = true;
  }
  CHECK(is_interrupted);
  CHECK(asked == 5);
  CHECK(database.table(kEdge).size() == 0);
  CHECK(database.table(kReach).size() == 0);
  CHECK(database.Commit().empty());
  Insert(database, 0, 1);
  CHECK(database.Commit([] { return true; }).front()->inserted_count() == 1);
  CHECK(Has(database, 0, 1));
}

bool IsRefused(const Plan& plan) {
  try {
    Database(plan, std::make_shared<Interner>());
  } catch (const PlanError&) {
    return true;
  }
  return false;
}

// Whether the reach plan is refused after `spoil` changed it.
template <typename Spoil>
bool IsRefusedAfter(Spoil spoil) {
  Plan plan = ReachPlan();
  spoil(plan, plan.strata[0].rules[1]);
  return IsRefused(plan);
}

TEST(FaultyPlansAreRefused) {
  CHECK(!IsRefusedAfter([](Plan&, RulePlan&) {}));
  CHECK(IsRefusedAfter([](Plan&, RulePlan& rule) { rule.head = kEdge; }));
  CHECK(IsRefusedAfter([](Plan&, RulePlan& rule) { rule.head = 9; }));
  CHECK(IsRefusedAfter([](Plan&, RulePlan& rule) { rule.deltas[0].table = 9; }));
  CHECK(IsRefusedAfter([](Plan&, RulePlan& rule) { rule.deltas[0].loads[0].column = 2; }));
  CHECK(IsRefusedAfter([](Plan&, RulePlan& rule) { rule.deltas[0].pipeline.head = {0}; }));
  CHECK(IsRefusedAfter([](Plan&, RulePlan& rule) { rule.deltas[0].pipeline.head = {0, 3}; }));
  CHECK(IsRefusedAfter([](Plan&, RulePlan& rule) { rule.deltas[0].pipeline.registers = 2; }));
  CHECK(IsRefusedAfter(
      [](Plan&, RulePlan& rule) { rule.deltas[0].pipeline.constants = {{0, kInt, 1}}; }));
  CHECK(IsRefusedAfter([](Plan&, RulePlan& rule) { rule.deltas[0].is_negated = true; }));
  CHECK(IsRefusedAfter([](Plan&, RulePlan& rule) { rule.deltas.clear(); }));
  CHECK(IsRefusedAfter([](Plan&, RulePlan& rule) { rule.verifies = {rule.deltas[0]}; }));
  CHECK(IsRefusedAfter(
      [](Plan&, RulePlan& rule) { rule.verifies = {rule.deltas[1], rule.deltas[0]}; }));
  CHECK(IsRefusedAfter([](Plan&, RulePlan& rule) {
    rule.verifies = rule.deltas;
    auto& steps = rule.verifies[0].pipeline.steps;
    steps.insert(steps.begin(), TestPlan{"eq", {0, 1}});
  }));
  CHECK(!IsRefusedAfter([](Plan&, RulePlan& rule) { rule.verifies = rule.deltas; }));
  CHECK(IsRefusedAfter([](Plan&, RulePlan& rule) { rule.check.reset(); }));
  CHECK(IsRefusedAfter([](Plan&, RulePlan& rule) {
    rule.deltas[0].pipeline.steps.push_back(TestPlan{"no.such", {}});
  }));
  CHECK(IsRefusedAfter(
      [](Plan&, RulePlan& rule) { rule.deltas[0].pipeline.steps.push_back(TestPlan{"eq", {0}}); }));
  CHECK(IsRefusedAfter([](Plan&, RulePlan& rule) {
    std::get<LookupPlan>(rule.deltas[0].pipeline.steps[0]).index = 3;
  }));
  CHECK(IsRefusedAfter([](Plan&, RulePlan& rule) {
    std::get<LookupPlan>(rule.deltas[0].pipeline.steps[0]).key = {};
  }));
  CHECK(IsRefusedAfter([](Plan& plan, RulePlan&) { plan.strata[0].is_recursive = false; }));
  CHECK(IsRefusedAfter([](Plan& plan, RulePlan&) { plan.strata.push_back(plan.strata[0]); }));
  CHECK(IsRefusedAfter([](Plan& plan, RulePlan&) { plan.tables[0].indexes.push_back({2}); }));
  CHECK(IsRefusedAfter([](Plan& plan, RulePlan&) { plan.tables[0].indexes.push_back({1, 0}); }));
  CHECK(IsRefusedAfter([](Plan& plan, RulePlan&) { plan.tables[0].indexes.push_back({0}); }));
  CHECK(IsRefusedAfter([](Plan& plan, RulePlan&) { plan.tables[kUnit].types = Ints(1); }));
  CHECK(
      IsRefusedAfter([](Plan& plan, RulePlan&) { plan.tables[kUnit].kind = TableKind::kRetired; }));
  CHECK(IsRefusedAfter([](Plan& plan, RulePlan&) { plan.strata[0].tables.clear(); }));
}

TEST(PlansOfTheWrongTypesAreRefused) {
  const Word text = TypeOf(TypeKind::kStr);
  for (const std::size_t column : {0, 1}) {
    CHECK(IsRefusedAfter([&](Plan& plan, RulePlan&) { plan.tables[kEdge].types[column] = text; }));
    CHECK(IsRefusedAfter([&](Plan& plan, RulePlan&) { plan.tables[kReach].types[column] = text; }));
  }
  Plan plan = DividePlan();
  CHECK(!IsRefused(plan));
  for (StartPlan* start :
       {&plan.strata[0].rules[0].deltas[0], &plan.strata[0].rules[0].verifies[1]}) {
    PipelinePlan& pipeline = start->pipeline;
    const PipelinePlan sound = pipeline;
    const auto is_refused = [&] {
      const bool is_so = IsRefused(plan);
      pipeline = sound;
      return is_so;
    };
    std::get<CallPlan>(pipeline.steps[1]).type = text;
    CHECK(is_refused());
    std::get<CallPlan>(pipeline.steps[1]).function = "str.concat";
    CHECK(is_refused());
    std::get<CallPlan>(pipeline.steps[1]).function = "foreign.call";
    CHECK(is_refused());
    std::get<TestPlan>(pipeline.steps[2]).function = "tree.evaluate";
    CHECK(is_refused());
    pipeline.constants[0] = {2, kTreeType, 100};
    CHECK(is_refused());
    pipeline.registers = 0x80000000;
    CHECK(is_refused());
  }
}

TEST(ARefusalNamesThePlace) {
  Plan plan = ReachPlan();
  std::get<LookupPlan>(plan.strata[0].rules[1].deltas[0].pipeline.steps[0]).index = 3;
  std::string text;
  try {
    Database(plan, std::make_shared<Interner>());
  } catch (const PlanError& error) {
    text = error.what();
  }
  CHECK(text == "strata[0].rules[1].deltas[0].pipeline.steps[0]: table 0 has no index 3");
}

}  // namespace
}  // namespace nlog::core
