// See program.h.

#include "program.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <variant>

namespace nlog::core {
namespace {

void Expect(bool condition, const std::string& text) {
  if (!condition) {
    throw PlanError(text);
  }
}

// What the first look-up among the steps from `next` on will ask for, if that is known once a row
// gives its `loads`: no step between computes any part of it.
Foresight Foresee(const std::vector<Step>& steps, std::size_t next,
                  const std::vector<ColumnRegister>& loads) {
  std::set<std::uint32_t> computed;
  for (; steps[next].kind > Step::Kind::kNotExists; ++next) {
    if (steps[next].kind == Step::Kind::kEmit) {
      return {};
    }
    if (steps[next].kind == Step::Kind::kCall) {
      computed.insert(steps[next].result);
    }
  }
  Foresight foresight{.step = next};
  for (const std::uint32_t register_number : steps[next].arguments) {
    if (computed.contains(register_number)) {
      return {};
    }
    const auto load = std::ranges::find(loads, register_number, &ColumnRegister::register_number);
    const bool is_column = load != loads.end();
    foresight.key.push_back({is_column, is_column ? load->column : register_number});
  }
  return foresight;
}

// Lays out one pipeline; keeps account of the registers that have been written.
class PipelineCompiler {
 public:
  PipelineCompiler(const StartPlan& plan, std::span<const Table> tables)
      : plan_(plan), tables_(tables), is_written_(plan.pipeline.registers, false) {}

  Pipeline Compile() {
    const Table& start = TableOf(plan_.table);
    Pipeline pipeline{.table = plan_.table,
                      .is_negated = plan_.is_negated,
                      .loads = plan_.loads,
                      .checks = plan_.checks,
                      .registers = std::vector<Word>(plan_.pipeline.registers),
                      .steps = {}};
    for (const ConstantPlan& constant : plan_.pipeline.constants) {
      Write(constant.register_number);
      pipeline.registers[constant.register_number] = constant.value;
    }
    LoadAndCheck(start, plan_.loads, plan_.checks);
    for (const StepPlan& step : plan_.pipeline.steps) {
      pipeline.steps.push_back(std::visit([this](const auto& plan) { return Lay(plan); }, step));
    }
    Read(plan_.pipeline.head);
    pipeline.steps.push_back({.kind = Step::Kind::kEmit, .arguments = plan_.pipeline.head});
    pipeline.foresight = Foresee(pipeline.steps, 0, pipeline.loads);
    for (std::size_t i = 0; i < pipeline.steps.size(); ++i) {
      Step& step = pipeline.steps[i];
      if (step.kind == Step::Kind::kLookup) {
        step.foresight = Foresee(pipeline.steps, i + 1, step.loads);
      }
    }
    return pipeline;
  }

 private:
  const Table& TableOf(std::uint32_t table) const {
    Expect(table < tables_.size(), "there is no table " + std::to_string(table));
    return tables_[table];
  }

  void Write(std::uint32_t register_number) {
    Expect(register_number < is_written_.size(),
           "there is no register " + std::to_string(register_number));
    Expect(!is_written_[register_number],
           "register " + std::to_string(register_number) + " is written twice");
    is_written_[register_number] = true;
  }

  void Read(std::uint32_t register_number) const {
    Expect(register_number < is_written_.size() && is_written_[register_number],
           "register " + std::to_string(register_number) + " is read before it is written");
  }

  void Read(const std::vector<std::uint32_t>& register_numbers) const {
    for (const std::uint32_t register_number : register_numbers) {
      Read(register_number);
    }
  }

  void LoadAndCheck(const Table& table, const std::vector<ColumnRegister>& loads,
                    const std::vector<ColumnRegister>& checks) {
    const auto expect_column = [&table](std::uint32_t column) {
      Expect(column < table.width(), "there is no column " + std::to_string(column));
    };
    for (const auto& [column, register_number] : loads) {
      expect_column(column);
      Write(register_number);
    }
    for (const auto& [column, register_number] : checks) {
      expect_column(column);
      Read(register_number);
    }
  }

  std::uint32_t Position(int position) const {
    Expect(position >= 0 && position != plan_.position &&
               static_cast<std::size_t>(position) <= plan_.pipeline.steps.size(),
           "position " + std::to_string(position) + " is not that of another atom");
    return static_cast<std::uint32_t>(position);
  }

  Step Lay(const LookupPlan& plan) {
    const Table& table = TableOf(plan.table);
    Read(plan.key);
    LoadAndCheck(table, plan.loads, plan.checks);
    Expect(plan.index < table.indexes().size(),
           "table " + std::to_string(plan.table) + " has no index " + std::to_string(plan.index));
    const std::size_t key_size = table.indexes()[plan.index].columns().size();
    Expect(plan.key.size() == key_size, "a key has " + std::to_string(plan.key.size()) +
                                            " registers for an index on " +
                                            std::to_string(key_size) + " columns");
    return {.kind = Step::Kind::kLookup,
            .is_before_start = plan.position < plan_.position,
            .table = plan.table,
            .index = plan.index,
            .position = Position(plan.position),
            .arguments = plan.key,
            .loads = plan.loads,
            .checks = plan.checks};
  }

  Step Lay(const ExistsPlan& plan) {
    Expect(plan.key.size() == TableOf(plan.table).width(),
           "a row of " + std::to_string(plan.key.size()) + " registers is sought in table " +
               std::to_string(plan.table) + ", which has other columns");
    Read(plan.key);
    return {.kind = plan.is_negated ? Step::Kind::kNotExists : Step::Kind::kExists,
            .is_before_start = plan.position < plan_.position,
            .table = plan.table,
            .position = Position(plan.position),
            .arguments = plan.key};
  }

  Step Lay(const CallPlan& plan) {
    Step step = LayFunction(Step::Kind::kCall, plan.function, plan.arguments);
    Write(plan.result);
    step.result = plan.result;
    return step;
  }

  Step Lay(const TestPlan& plan) {
    Step step = LayFunction(Step::Kind::kTest, plan.function, plan.arguments);
    step.is_difference = plan.function == "ne";
    return step;
  }

  Step LayFunction(Step::Kind kind, const std::string& name,
                   const std::vector<std::uint32_t>& arguments) {
    const Function* function = FindFunction(name);
    Expect(function != nullptr, "there is no function `" + name + "`");
    Expect(
        function->arity == Function::kAnyArity || function->arity == arguments.size(),
        "function `" + name + "` does not take " + std::to_string(arguments.size()) + " arguments");
    Read(arguments);
    return {.kind = kind, .function = function->body, .arguments = arguments};
  }

  const StartPlan& plan_;
  std::span<const Table> tables_;
  std::vector<bool> is_written_;
};

// Whether a function neither reads nor writes the interner.
bool IsOfWords(std::string_view function) {
  return function == "eq" || function == "ne" || function.starts_with("int.") ||
         function.starts_with("word.");
}

bool IsIndependent(const StratumPlan& plan) {
  const auto is_of_words = [](const StepPlan& step) {
    const auto* call = std::get_if<CallPlan>(&step);
    const auto* test = std::get_if<TestPlan>(&step);
    return (call == nullptr || IsOfWords(call->function)) &&
           (test == nullptr || IsOfWords(test->function));
  };
  const auto is_one = [&](const StartPlan& start) {
    return std::ranges::all_of(start.pipeline.steps, is_of_words);
  };
  return !plan.aggregate && plan.optima.empty() &&
         std::ranges::all_of(plan.rules, [&](const RulePlan& rule) {
           return std::ranges::all_of(rule.deltas, is_one) &&
                  std::ranges::all_of(rule.verifies, is_one) &&
                  (!rule.check || is_one(*rule.check));
         });
}

// The place of `table` among `tables`, or Pipeline::kNotOwn.
std::uint32_t PlaceAmong(const std::vector<std::uint32_t>& tables, std::uint32_t table) {
  const auto found = std::ranges::find(tables, table);
  return found == tables.end() ? Pipeline::kNotOwn
                               : static_cast<std::uint32_t>(found - tables.begin());
}

// The columns below `count`, and `last` if that is not negative.
std::vector<std::uint32_t> FirstColumns(std::uint32_t count, int last) {
  std::vector<std::uint32_t> columns(count);
  std::iota(columns.begin(), columns.end(), 0);
  if (last >= 0) {
    columns.push_back(static_cast<std::uint32_t>(last));
  }
  return columns;
}

bool IsPositive(Step::Kind kind) {
  return kind == Step::Kind::kLookup || kind == Step::Kind::kExists;
}

Rule CompileRule(const RulePlan& plan, const StratumPlan& stratum, std::span<const Table> tables) {
  Rule rule{.number = plan.number,
            .head = plan.head,
            .head_own = PlaceAmong(stratum.tables, plan.head),
            .deltas = {},
            .verifies = {},
            .check = {}};
  Expect(rule.head_own != Pipeline::kNotOwn, "the head is a table of another stratum");
  for (const StartPlan& delta : plan.deltas) {
    Expect(delta.position >= 0, "a delta plan starts at no atom");
    Expect(delta.pipeline.head.size() == tables[plan.head].width(),
           "the emitted row does not fit the head's table");
    rule.deltas.push_back(CompilePipeline(delta, tables));
    rule.deltas.back().own = PlaceAmong(stratum.tables, delta.table);
  }
  Expect(std::ranges::any_of(rule.deltas, [](const Pipeline& p) { return !p.is_negated; }),
         "no delta plan starts at a positive atom");
  Expect(plan.verifies.empty() || plan.verifies.size() == plan.deltas.size(),
         "there is not a verify plan for each delta plan");
  for (std::size_t i = 0; i < plan.verifies.size(); ++i) {
    Expect(plan.verifies[i].table == plan.deltas[i].table,
           "a verify plan does not start where its delta plan does");
    rule.verifies.push_back(CompilePipeline(plan.verifies[i], tables));
    Expect(std::ranges::is_partitioned(rule.verifies.back().steps, IsPositive, &Step::kind),
           "a verify plan calls a function before it has joined all positive atoms");
  }
  if (plan.check) {
    Expect(plan.check->table == plan.head, "the check plan does not start at the head");
    rule.check.push_back(CompilePipeline(*plan.check, tables));
  }
  return rule;
}

AggregateFunction CompileAggregateFunction(const AggregateFunctionPlan& plan, const Table& source,
                                           std::uint32_t group) {
  using Kind = AggregateFunction::Kind;
  static const std::map<std::string_view, Kind> kKinds = {
      {"count", Kind::kCount}, {"distinct", Kind::kDistinct}, {"sum", Kind::kSum},
      {"min", Kind::kMin},     {"max", Kind::kMax},           {"list", Kind::kList},
      {"set", Kind::kSet}};
  const auto kind = kKinds.find(plan.function);
  Expect(kind != kKinds.end(), "there is no aggregate `" + plan.function + "`");
  AggregateFunction function{.kind = kind->second, .type = plan.type};
  if (function.kind == Kind::kCount) {
    return function;
  }
  Expect(plan.column >= 0 && static_cast<std::size_t>(plan.column) < source.width(),
         "an aggregate is of no column of the source");
  function.column = static_cast<std::uint32_t>(plan.column);
  const bool is_distinct = function.kind == Kind::kDistinct || function.kind == Kind::kSet;
  if (is_distinct || function.kind == Kind::kMin || function.kind == Kind::kMax) {
    Expect(plan.index >= 0 && static_cast<std::size_t>(plan.index) < source.indexes().size() &&
               source.indexes()[static_cast<std::size_t>(plan.index)].columns() ==
                   FirstColumns(group, is_distinct ? plan.column : -1),
           "an aggregate has no index on its group");
    function.index = static_cast<std::uint32_t>(plan.index);
  }
  return function;
}

Aggregation CompileAggregation(const AggregatePlan& plan, const StratumPlan& stratum,
                               std::span<const Table> tables) {
  Expect(!stratum.is_recursive && stratum.rules.empty() && stratum.tables.size() == 1 &&
             stratum.tables.front() == plan.head,
         "an aggregate is not alone in its stratum");
  Expect(plan.source < tables.size(), "there is no table " + std::to_string(plan.source));
  const Table& source = tables[plan.source];
  const Table& head = tables[plan.head];
  Expect(
      plan.group <= source.width() && head.width() == plan.group + plan.functions.size() &&
          !std::ranges::all_of(plan.functions, [](const auto& f) { return f.function == "sum"; }),
      "the row of a group does not fit the head's table");
  Expect(plan.index < head.indexes().size() &&
             head.indexes()[plan.index].columns() == FirstColumns(plan.group, -1),
         "the head's table has no index on the group");
  Aggregation aggregation{.number = plan.number,
                          .source = plan.source,
                          .head = plan.head,
                          .group = plan.group,
                          .index = plan.index,
                          .functions = {}};
  for (const AggregateFunctionPlan& function : plan.functions) {
    aggregation.functions.push_back(CompileAggregateFunction(function, source, plan.group));
  }
  return aggregation;
}

std::vector<Optimum> CompileOptima(const StratumPlan& plan, std::span<const Table> tables) {
  std::vector<Optimum> optima;
  Expect(plan.optima.empty() || (plan.is_recursive && plan.optima.size() == plan.tables.size()),
         "there is not an optimum for each table of a recursion");
  for (std::size_t i = 0; i < plan.optima.size(); ++i) {
    const OptimumPlan& optimum = plan.optima[i];
    const Table& table = tables[plan.tables[i]];
    std::vector<std::uint32_t> group = FirstColumns(static_cast<std::uint32_t>(table.width()), -1);
    Expect(std::erase(group, optimum.column) == 1, "an optimum is of no column of its table");
    Expect(
        optimum.index < table.indexes().size() && table.indexes()[optimum.index].columns() == group,
        "an optimum has no index on its group");
    optima.push_back({optimum.column, optimum.is_least, optimum.type, optimum.index});
  }
  return optima;
}

// Which tables are filled by which stratum.
class Layers {
 public:
  static constexpr std::size_t kInput = static_cast<std::size_t>(-1);

  explicit Layers(const Plan& plan) : filled_by_(plan.tables.size(), kInput) {
    for (std::size_t stratum = 0; stratum < plan.strata.size(); ++stratum) {
      for (const std::uint32_t table : plan.strata[stratum].tables) {
        Expect(table < filled_by_.size() && filled_by_[table] == kInput &&
                   plan.tables[table].kind != TableKind::kInput,
               "table " + std::to_string(table) + " cannot be filled by stratum " +
                   std::to_string(stratum));
        filled_by_[table] = stratum;
      }
    }
  }

  // Whether a rule of `stratum` may read `table`: it is complete by then, or of this very stratum,
  // which must be recursive then, and the atom positive.
  bool IsReadable(std::uint32_t table, bool is_negated, std::size_t stratum,
                  bool is_recursive) const {
    if (filled_by_[table] == stratum) {
      return is_recursive && !is_negated;
    }
    return filled_by_[table] == kInput || filled_by_[table] < stratum;
  }

 private:
  std::vector<std::size_t> filled_by_;
};

// Requires of `pipeline`, for a rule of stratum `number`, that the tables it reads may be read
// then.
void ExpectReadable(const Pipeline& pipeline, const Layers& layers, std::size_t number,
                    bool is_recursive) {
  const auto expect = [&](std::uint32_t table, bool is_negated) {
    Expect(layers.IsReadable(table, is_negated, number, is_recursive),
           "table " + std::to_string(table) + " is not complete when stratum " +
               std::to_string(number) + " reads it");
  };
  expect(pipeline.table, pipeline.is_negated);
  for (const Step& step : pipeline.steps) {
    if (step.kind <= Step::Kind::kNotExists) {
      expect(step.table, step.kind == Step::Kind::kNotExists);
    }
  }
}

Stratum CompileStratum(const StratumPlan& plan, std::size_t number, const Layers& layers,
                       std::span<const Table> tables) {
  Stratum stratum{.is_recursive = plan.is_recursive,
                  .is_independent = IsIndependent(plan),
                  .tables = plan.tables,
                  .rules = {}};
  if (plan.aggregate) {
    stratum.aggregation = CompileAggregation(*plan.aggregate, plan, tables);
    Expect(layers.IsReadable(plan.aggregate->source, true, number, false),
           "an aggregate is of a table that is not complete");
    return stratum;
  }
  stratum.optima = CompileOptima(plan, tables);
  for (const RulePlan& rule_plan : plan.rules) {
    try {
      Rule rule = CompileRule(rule_plan, plan, tables);
      Expect(!plan.is_recursive || !rule.check.empty(), "a recursive rule needs a check plan");
      Expect(stratum.optima.empty() ||
                 rule_plan.check->pipeline.head.size() == tables[rule.head].width(),
             "the check plan of an optimum does not emit its rows");
      for (const Pipeline& delta : rule.deltas) {
        ExpectReadable(delta, layers, number, plan.is_recursive);
      }
      for (const Pipeline& verify : rule.verifies) {
        ExpectReadable(verify, layers, number, plan.is_recursive);
      }
      for (const Pipeline& check : rule.check) {
        ExpectReadable(check, layers, number, plan.is_recursive);
      }
      stratum.rules.push_back(std::move(rule));
    } catch (const PlanError& error) {
      throw PlanError("rule " + std::to_string(rule_plan.number) + ": " + error.what());
    }
  }
  return stratum;
}

}  // namespace

Pipeline CompilePipeline(const StartPlan& plan, std::span<const Table> tables) {
  return PipelineCompiler(plan, tables).Compile();
}

Program::Program(const Plan& plan, std::span<const Table> tables) : readers_(tables.size()) {
  const Layers layers(plan);
  for (std::size_t number = 0; number < plan.strata.size(); ++number) {
    strata_.push_back(CompileStratum(plan.strata[number], number, layers, tables));
    std::set<std::uint32_t> sources;
    for (const Rule& rule : strata_.back().rules) {
      for (const Pipeline& delta : rule.deltas) {
        if (delta.own == Pipeline::kNotOwn) {
          sources.insert(delta.table);
        }
      }
    }
    if (strata_.back().aggregation) {
      sources.insert(strata_.back().aggregation->source);
    }
    for (const std::uint32_t source : sources) {
      readers_[source].push_back(static_cast<std::uint32_t>(number));
    }
  }
  SortIntoLevels();
}

void Program::SortIntoLevels() {
  std::vector<std::size_t> level_of(strata_.size(), 0);
  for (std::uint32_t number = 0; number < strata_.size(); ++number) {
    const std::size_t level = level_of[number];
    for (const std::uint32_t table : strata_[number].tables) {
      for (const std::uint32_t reader : readers_[table]) {
        level_of[reader] = std::max(level_of[reader], level + 1);
      }
    }
    levels_.resize(std::max(levels_.size(), level + 1));
    levels_[level].push_back(number);
  }
}

}  // namespace nlog::core
