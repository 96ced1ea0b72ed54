// The plan as it reaches the core: what nlog/plan.py describes, with names resolved to numbers by
// the planner and constants already words. Plain data; nothing in it has been checked (program.h
// does that).

#ifndef NLOG_ENGINE_CORE_PLAN_H_
#define NLOG_ENGINE_CORE_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "words.h"

namespace nlog::core {

// A column of a row and the register it is written to or must agree with.
struct ColumnRegister {
  std::uint32_t column;
  std::uint32_t register_number;
};

struct LookupPlan {
  std::uint32_t table;
  std::uint32_t index;
  std::vector<std::uint32_t> key;
  std::vector<ColumnRegister> loads;
  std::vector<ColumnRegister> checks;
  int position;
};

struct ExistsPlan {
  std::uint32_t table;
  std::vector<std::uint32_t> key;
  bool is_negated;
  int position;
};

struct CallPlan {
  std::string function;
  std::vector<std::uint32_t> arguments;
  std::uint32_t result;
  // Of the result: a type of values.h.
  Word type;
};

struct TestPlan {
  std::string function;
  std::vector<std::uint32_t> arguments;
};

using StepPlan = std::variant<LookupPlan, ExistsPlan, CallPlan, TestPlan>;

struct ConstantPlan {
  std::uint32_t register_number;
  // Of values.h, or kTreeType.
  Word type;
  Word value;
};

struct PipelinePlan {
  std::uint32_t registers;
  std::vector<ConstantPlan> constants;
  std::vector<StepPlan> steps;
  std::vector<std::uint32_t> head;
};

struct StartPlan {
  std::uint32_t table;
  int position;
  bool is_negated;
  std::vector<ColumnRegister> loads;
  std::vector<ColumnRegister> checks;
  PipelinePlan pipeline;
};

struct RulePlan {
  int number;
  std::uint32_t head;
  std::vector<StartPlan> deltas;
  std::vector<StartPlan> verifies;
  std::optional<StartPlan> check;
};

struct AggregateFunctionPlan {
  std::string function;
  int column;
  // Of its values: a type of values.h.
  Word type;
  int index;
};

struct AggregatePlan {
  int number;
  std::uint32_t source;
  std::uint32_t head;
  std::uint32_t group;
  std::uint32_t index;
  std::vector<AggregateFunctionPlan> functions;
};

struct OptimumPlan {
  std::uint32_t column;
  bool is_least;
  // Of its values: a tuple of values.h.
  Word type;
  std::uint32_t index;
};

struct StratumPlan {
  bool is_recursive;
  std::vector<std::uint32_t> tables;
  std::vector<RulePlan> rules;
  // What fills the one table instead of rules.
  std::optional<AggregatePlan> aggregate = {};
  // None, or one for each of `tables`.
  std::vector<OptimumPlan> optima = {};
  // Whether the tables are emptied and derived anew, whatever has changed.
  bool is_renewed = false;
};

// A retired table was another program's: no rule mentions it.
enum class TableKind { kInput, kOutput, kInternal, kConstraint, kRetired };

struct TablePlan {
  std::string name;
  TableKind kind;
  // Of the columns: types of values.h.
  std::vector<Word> types;
  std::vector<std::vector<std::uint32_t>> indexes;
  std::vector<std::uint32_t> key = {};

  std::size_t width() const { return types.size(); }
};

struct Plan {
  std::vector<TablePlan> tables;
  std::vector<StratumPlan> strata;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_PLAN_H_
