// See program.h.

#include "program.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <variant>

namespace nlog::core {
namespace {

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

// An atom of a rule's body.
struct BodyAtom {
  int position;
  std::uint32_t table;
  bool is_negated;

  auto operator<=>(const BodyAtom&) const = default;
};

// The atoms that a plan of a rule starts at or comes by, by position.
std::vector<BodyAtom> AtomsOf(const StartPlan& plan) {
  std::vector<BodyAtom> atoms;
  if (plan.position >= 0) {
    atoms.push_back({plan.position, plan.table, plan.is_negated});
  }
  for (const StepPlan& step : plan.pipeline.steps) {
    if (const auto* lookup = std::get_if<LookupPlan>(&step)) {
      atoms.push_back({lookup->position, lookup->table, false});
    } else if (const auto* exists = std::get_if<ExistsPlan>(&step)) {
      atoms.push_back({exists->position, exists->table, exists->is_negated});
    }
  }
  std::ranges::sort(atoms);
  return atoms;
}

// All plans of a rule must be of one body, with a delta plan for each of its atoms.
class RuleCompiler {
 public:
  RuleCompiler(const RulePlan& plan, const StratumPlan& stratum, const Schema& schema)
      : plan_(plan), stratum_(stratum), schema_(schema) {}

  Rule Compile() {
    Rule rule{.number = plan_.number,
              .head = plan_.head,
              .head_own = PlaceAmong(stratum_.tables, plan_.head),
              .deltas = {},
              .verifies = {},
              .check = {}};
    Expect(rule.head_own != Pipeline::kNotOwn, "the head is a table of another stratum");
    Expect(!plan_.deltas.empty(), "there is no delta plan");
    body_ = AtomsOf(plan_.deltas.front());
    const std::vector<Word>& head = schema_.tables[plan_.head].types;
    for (std::size_t i = 0; i < plan_.deltas.size(); ++i) {
      Within("deltas", i, [&] {
        Expect(plan_.deltas[i].position >= 0, "a delta plan starts at no atom");
        rule.deltas.push_back(CompileOne(plan_.deltas[i], &head));
        rule.deltas.back().own = PlaceAmong(stratum_.tables, plan_.deltas[i].table);
      });
    }
    ExpectDeltas(rule);
    Expect(plan_.verifies.empty() || plan_.verifies.size() == plan_.deltas.size(),
           "there is not a verify plan for each delta plan");
    for (std::size_t i = 0; i < plan_.verifies.size(); ++i) {
      Within("verifies", i, [&] { rule.verifies.push_back(CompileVerify(i)); });
    }
    if (plan_.check) {
      Within("check", [&] { rule.check.push_back(CompileCheck(head)); });
    }
    Expect(!stratum_.is_recursive || plan_.check, "a recursive rule needs a check plan");
    return rule;
  }

 private:
  Pipeline CompileOne(const StartPlan& plan, const std::vector<Word>* head) const {
    const std::vector<BodyAtom> atoms = AtomsOf(plan);
    Expect(std::ranges::equal(atoms, body_), "it is not of the same atoms as the first delta plan");
    return CompilePipeline(plan, schema_, head);
  }

  void ExpectDeltas(const Rule& rule) const {
    std::set<int> positions;
    for (const StartPlan& delta : plan_.deltas) {
      positions.insert(delta.position);
    }
    bool is_whole = positions.size() == body_.size() && plan_.deltas.size() == body_.size();
    for (std::size_t i = 0; i < body_.size(); ++i) {
      is_whole = is_whole && body_[i].position == static_cast<int>(i);
    }
    Expect(is_whole, "there is not one delta plan for each atom of the body");
    Expect(std::ranges::any_of(rule.deltas, [](const Pipeline& p) { return !p.is_negated; }),
           "no delta plan starts at a positive atom");
  }

  Pipeline CompileVerify(std::size_t number) const {
    const StartPlan& plan = plan_.verifies[number];
    Expect(plan.position == plan_.deltas[number].position,
           "a verify plan does not start where its delta plan does");
    Pipeline verify = CompileOne(plan, nullptr);
    Expect(std::ranges::is_partitioned(verify.steps, IsPositive, &Step::kind),
           "a verify plan calls a function before it has joined all positive atoms");
    return verify;
  }

  Pipeline CompileCheck(const std::vector<Word>& head) const {
    Expect(
        plan_.check->table == plan_.head && plan_.check->position < 0 && !plan_.check->is_negated,
        "the check plan does not start at the head");
    return CompileOne(*plan_.check, stratum_.optima.empty() ? nullptr : &head);
  }

  const RulePlan& plan_;
  const StratumPlan& stratum_;
  const Schema& schema_;
  std::vector<BodyAtom> body_;
};

// `result` is the type of the head's column.
AggregateFunction CompileAggregateFunction(const AggregateFunctionPlan& plan,
                                           const TableShape& source, std::uint32_t group,
                                           Word result, const Interner& interner) {
  using Kind = AggregateFunction::Kind;
  static const std::map<std::string_view, Kind> kKinds = {
      {"count", Kind::kCount}, {"distinct", Kind::kDistinct}, {"sum", Kind::kSum},
      {"min", Kind::kMin},     {"max", Kind::kMax},           {"list", Kind::kList},
      {"set", Kind::kSet}};
  const auto kind = kKinds.find(plan.function);
  Expect(kind != kKinds.end(), [&] { return "there is no aggregate `" + plan.function + "`"; });
  const auto expect_result = [&](bool fits) {
    Expect(fits, "an aggregate is of another type than its column of the head");
  };
  AggregateFunction function{.kind = kind->second, .type = plan.type};
  constexpr Word kInt = TypeOf(TypeKind::kInt);
  if (function.kind == Kind::kCount) {
    expect_result(result == kInt);
    return function;
  }
  Expect(plan.column >= 0 && static_cast<std::size_t>(plan.column) < source.types.size(),
         "an aggregate is of no column of the source");
  function.column = static_cast<std::uint32_t>(plan.column);
  Expect(plan.type == source.types[function.column], "an aggregate is of another type");
  switch (function.kind) {
    case Kind::kSum:
      expect_result(plan.type == kInt && result == kInt);
      break;
    case Kind::kMin:
    case Kind::kMax:
      expect_result(result == plan.type);
      break;
    case Kind::kList:
    case Kind::kSet:
      expect_result(
          std::ranges::equal(interner.Tuple(result),
                             std::array<Word, 2>{static_cast<Word>(TypeKind::kList), plan.type}));
      break;
    default:
      expect_result(result == kInt);
  }
  const bool is_distinct = function.kind == Kind::kDistinct || function.kind == Kind::kSet;
  if (is_distinct || function.kind == Kind::kMin || function.kind == Kind::kMax) {
    Expect(plan.index >= 0 && static_cast<std::size_t>(plan.index) < source.indexes.size() &&
               source.indexes[static_cast<std::size_t>(plan.index)] ==
                   FirstColumns(group, is_distinct ? plan.column : -1),
           "an aggregate has no index on its group");
    function.index = static_cast<std::uint32_t>(plan.index);
  }
  return function;
}

Aggregation CompileAggregation(const AggregatePlan& plan, const StratumPlan& stratum,
                               const Schema& schema) {
  Expect(!stratum.is_recursive && stratum.rules.empty() && stratum.tables.size() == 1 &&
             stratum.tables.front() == plan.head,
         "an aggregate is not alone in its stratum");
  Expect(plan.source < schema.tables.size(),
         [&] { return "there is no table " + std::to_string(plan.source); });
  const TableShape& source = schema.tables[plan.source];
  const TableShape& head = schema.tables[plan.head];
  Expect(
      plan.group <= source.types.size() && plan.group <= head.types.size() &&
          std::equal(source.types.begin(), source.types.begin() + plan.group, head.types.begin()) &&
          head.types.size() == plan.group + plan.functions.size() &&
          !std::ranges::all_of(plan.functions, [](const auto& f) { return f.function == "sum"; }),
      "the row of a group does not fit the head's table");
  Expect(
      plan.index < head.indexes.size() && head.indexes[plan.index] == FirstColumns(plan.group, -1),
      "the head's table has no index on the group");
  Aggregation aggregation{.number = plan.number,
                          .source = plan.source,
                          .head = plan.head,
                          .group = plan.group,
                          .index = plan.index,
                          .functions = {}};
  for (std::size_t i = 0; i < plan.functions.size(); ++i) {
    Within("functions", i, [&] {
      aggregation.functions.push_back(
          CompileAggregateFunction(plan.functions[i], source, plan.group,
                                   head.types[plan.group + i], schema.typing.interner));
    });
  }
  return aggregation;
}

std::vector<Optimum> CompileOptima(const StratumPlan& plan, const Schema& schema) {
  std::vector<Optimum> optima;
  Expect(plan.optima.empty() || (plan.is_recursive && plan.optima.size() == plan.tables.size()),
         "there is not an optimum for each table of a recursion");
  for (std::size_t i = 0; i < plan.optima.size(); ++i) {
    const OptimumPlan& optimum = plan.optima[i];
    const TableShape& table = schema.tables[plan.tables[i]];
    std::vector<std::uint32_t> group =
        FirstColumns(static_cast<std::uint32_t>(table.types.size()), -1);
    Expect(std::erase(group, optimum.column) == 1, "an optimum is of no column of its table");
    Expect(optimum.type == table.types[optimum.column], "an optimum is of another type");
    Expect(optimum.index < table.indexes.size() && table.indexes[optimum.index] == group,
           "an optimum has no index on its group");
    optima.push_back({optimum.column, optimum.is_least, optimum.type, optimum.index});
  }
  return optima;
}

// Which tables are filled by which stratum.
class Layers {
 public:
  static constexpr std::size_t kInput = static_cast<std::size_t>(-1);

  explicit Layers(const Plan& plan) : plan_(plan), filled_by_(plan.tables.size(), kInput) {
    for (std::size_t stratum = 0; stratum < plan.strata.size(); ++stratum) {
      for (const std::uint32_t table : plan.strata[stratum].tables) {
        Expect(table < filled_by_.size() && filled_by_[table] == kInput &&
                   plan.tables[table].kind != TableKind::kInput &&
                   plan.tables[table].kind != TableKind::kRetired,
               [&] {
                 return "table " + std::to_string(table) + " cannot be filled by stratum " +
                        std::to_string(stratum);
               });
        filled_by_[table] = stratum;
      }
    }
  }

  // Whether a rule of `stratum` may read `table`: it is complete by then, or of this very stratum,
  // which must be recursive then, and the atom positive.
  bool IsReadable(std::uint32_t table, bool is_negated, std::size_t stratum,
                  bool is_recursive) const {
    if (plan_.tables[table].kind == TableKind::kRetired) {
      return false;
    }
    if (filled_by_[table] == stratum) {
      return is_recursive && !is_negated;
    }
    return filled_by_[table] == kInput || filled_by_[table] < stratum;
  }

 private:
  const Plan& plan_;
  std::vector<std::size_t> filled_by_;
};

// Requires of `pipeline`, for a rule of stratum `number`, that the tables it reads may be read
// then.
void ExpectReadable(const Pipeline& pipeline, const Layers& layers, std::size_t number,
                    bool is_recursive) {
  const auto expect = [&](std::uint32_t table, bool is_negated) {
    Expect(layers.IsReadable(table, is_negated, number, is_recursive), [&] {
      return "table " + std::to_string(table) + " is not complete when stratum " +
             std::to_string(number) + " reads it";
    });
  };
  expect(pipeline.table, pipeline.is_negated);
  for (const Step& step : pipeline.steps) {
    if (step.kind <= Step::Kind::kNotExists) {
      expect(step.table, step.kind == Step::Kind::kNotExists);
    }
  }
}

Rule CompileRule(const RulePlan& plan, const StratumPlan& stratum, std::size_t number,
                 const Layers& layers, const Schema& schema) {
  Rule rule = RuleCompiler(plan, stratum, schema).Compile();
  for (const std::vector<Pipeline>* pipelines : {&rule.deltas, &rule.verifies, &rule.check}) {
    for (const Pipeline& pipeline : *pipelines) {
      ExpectReadable(pipeline, layers, number, stratum.is_recursive);
    }
  }
  return rule;
}

Stratum CompileStratum(const StratumPlan& plan, std::size_t number, const Layers& layers,
                       const Schema& schema) {
  Stratum stratum{.is_recursive = plan.is_recursive,
                  .is_independent = IsIndependent(plan),
                  .is_renewed = plan.is_renewed,
                  .tables = plan.tables,
                  .rules = {}};
  Expect(plan.is_recursive ? !plan.tables.empty() : plan.tables.size() == 1,
         "a stratum is of one table, or recursive");
  if (plan.aggregate) {
    Within("aggregate", [&] {
      stratum.aggregation = CompileAggregation(*plan.aggregate, plan, schema);
      Expect(layers.IsReadable(plan.aggregate->source, true, number, false),
             "an aggregate is of a table that is not complete");
    });
    return stratum;
  }
  stratum.optima = CompileOptima(plan, schema);
  for (std::size_t i = 0; i < plan.rules.size(); ++i) {
    Within("rules", i, [&] {
      stratum.rules.push_back(CompileRule(plan.rules[i], plan, number, layers, schema));
    });
  }
  return stratum;
}

}  // namespace

void ExpectTables(const Plan& plan) {
  for (std::size_t number = 0; number < plan.tables.size(); ++number) {
    const TablePlan& table = plan.tables[number];
    Within("tables", number, [&] {
      Expect(table.kind != TableKind::kRetired || table.indexes.empty(),
             "a table that is retired has indexes");
      for (const std::vector<std::uint32_t>& columns : table.indexes) {
        const bool is_ascending =
            std::ranges::adjacent_find(columns, std::greater_equal()) == columns.end();
        Expect(is_ascending && (columns.empty() || columns.back() < table.width()),
               "an index is not on ascending columns of its table");
      }
      Expect(std::set(table.indexes.begin(), table.indexes.end()).size() == table.indexes.size(),
             "a table has two equal indexes");
    });
  }
}

Program::Program(const Plan& plan, const Typing& typing) : readers_(plan.tables.size()) {
  ExpectTables(plan);
  Schema schema{.tables = {}, .typing = typing};
  for (const TablePlan& table : plan.tables) {
    schema.tables.push_back({table.types, table.indexes});
  }
  const Layers layers(plan);
  for (std::size_t number = 0; number < plan.strata.size(); ++number) {
    Within("strata", number,
           [&] { strata_.push_back(CompileStratum(plan.strata[number], number, layers, schema)); });
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
