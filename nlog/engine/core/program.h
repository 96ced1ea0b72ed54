// The program: a plan that has been checked and laid out for the executor.
//
// Checking makes sure that running the program cannot read outside a row, a register file, a table
// or the interner, whoever wrote the plan: every number is in range; every register is written once
// and before it is read, and there are no others; what a register holds has the type of each column
// it meets and of each function that takes it (typing.h); all plans of a rule are of the same
// atoms, with a delta plan for each; strata come in an order that feeds no table to an earlier one.
// A plan that fails is refused with a PlanError that names the place in it. That the plans of a
// rule join the same columns is not looked at: one that contradicts itself may come to an
// InternalError when it runs. Cost: linear in the plan.
//
// Immutable once made, so that several threads may run it at once.

#ifndef NLOG_ENGINE_CORE_PROGRAM_H_
#define NLOG_ENGINE_CORE_PROGRAM_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "functions.h"
#include "plan.h"
#include "plan_error.h"
#include "table.h"
#include "typing.h"
#include "words.h"

namespace nlog::core {

// What rules may refer to of a table: its columns' types, and the columns of each index.
struct TableShape {
  std::vector<Word> types;
  std::vector<std::vector<std::uint32_t>> indexes;
};

// What a pipeline is checked against.
struct Schema {
  std::vector<TableShape> tables;
  Typing typing;
};

// What the next look-up after some rows will ask for, known from a row before its turn: by column
// of the key, a register, or a column of the row.
struct Foresight {
  struct Part {
    bool is_column;
    std::uint32_t number;
  };

  // Which step of the pipeline looks up.
  std::size_t step = 0;
  // None if it cannot be known.
  std::vector<Part> key = {};
};

// One step of a pipeline. Which members count depends on the kind.
struct Step {
  enum class Kind : std::uint8_t { kLookup, kExists, kNotExists, kCall, kTest, kEmit };

  Kind kind;
  // Of an atom: whether it stands before the atom the pipeline starts at.
  bool is_before_start = false;
  std::uint32_t table = 0;
  std::uint32_t index = 0;
  std::uint32_t position = 0;
  FunctionBody function = nullptr;
  // Of a test: whether the function is `ne`, which needs no call.
  bool is_difference = false;
  std::uint32_t result = 0;
  // Registers: a look-up's key, a function's arguments, the emitted row.
  std::vector<std::uint32_t> arguments = {};
  std::vector<ColumnRegister> loads = {};
  std::vector<ColumnRegister> checks = {};
  // Of a look-up: what follows on one of its rows.
  Foresight foresight = {};
};

// A way to enumerate a rule's body, from rows of `table`. The last step is kEmit.
struct Pipeline {
  static constexpr std::uint32_t kNotOwn = 0xFFFFFFFF;

  std::uint32_t table;
  bool is_negated;
  // The place of `table` among the tables of the rule's own stratum, or kNotOwn.
  std::uint32_t own = kNotOwn;
  std::vector<ColumnRegister> loads;
  std::vector<ColumnRegister> checks;
  // The register file as it is at the start: constants, and 0 elsewhere.
  std::vector<Word> registers;
  std::vector<Step> steps;
  // What follows on a row that it starts at.
  Foresight foresight = {};
};

struct Rule {
  int number;
  std::uint32_t head;
  // The place of `head` among the tables of the stratum.
  std::uint32_t head_own;
  std::vector<Pipeline> deltas;
  // One for each of `deltas`, or none if no function of the rule can fail.
  std::vector<Pipeline> verifies;
  // None, or one.
  std::vector<Pipeline> check;
};

// A value for a group of rows. `column` is what it is taken of (kCount: none); `index` that of the
// source on the group's columns (kMin, kMax) or on those and `column` (kDistinct, kSet).
struct AggregateFunction {
  enum class Kind : std::uint8_t { kCount, kDistinct, kSum, kMin, kMax, kList, kSet };

  Kind kind;
  std::uint32_t column = 0;
  std::uint32_t index = 0;
  // Of its values: see values.h.
  Word type = 0;
};

// `head` has a row for each group of the rows of `source`, which agree in their first `group`
// columns: these, then the values of the functions. `index` is that of `head` on the group.
struct Aggregation {
  int number;
  std::uint32_t source;
  std::uint32_t head;
  std::size_t group;
  std::uint32_t index;
  std::vector<AggregateFunction> functions;
};

// A table of one row a group: `column` holds the least or the greatest value, and the other
// columns, which are those of `index`, tell the group.
struct Optimum {
  std::uint32_t column;
  bool is_least;
  // Of its values: see values.h.
  Word type;
  std::uint32_t index;
};

struct Stratum {
  bool is_recursive;
  // Whether it may be evaluated beside others: its functions leave the interner alone.
  bool is_independent = false;
  // Whether its tables are emptied and derived anew.
  bool is_renewed = false;
  std::vector<std::uint32_t> tables;
  std::vector<Rule> rules;
  // What fills the one table instead of rules.
  std::optional<Aggregation> aggregation = {};
  // One for each of `tables`, if these are optima. The check plan of a rule then starts from the
  // columns of a group, and emits all rows that the body derives for it.
  std::vector<Optimum> optima = {};

  bool has(std::uint32_t table) const {
    return std::find(tables.begin(), tables.end(), table) != tables.end();
  }
};

// Strata of one level read only what those of lower levels fill.
class Program {
 public:
  // Throws PlanError. What `typing` refers to is not kept.
  Program(const Plan& plan, const Typing& typing);

  const std::vector<Stratum>& strata() const { return strata_; }
  // The numbers of the strata, by level.
  const std::vector<std::vector<std::uint32_t>>& levels() const { return levels_; }
  // The numbers of the strata that read a table and do not fill it, ascending.
  const std::vector<std::uint32_t>& readers(std::uint32_t table) const { return readers_[table]; }

 private:
  void SortIntoLevels();

  std::vector<Stratum> strata_;
  std::vector<std::vector<std::uint32_t>> levels_;
  std::vector<std::vector<std::uint32_t>> readers_;
};

// Throws PlanError unless all indexes are on columns of their tables.
void ExpectTables(const Plan& plan);

// Checks and lays out one pipeline, which emits rows of the types `head` if that is given, else of
// any width. Throws PlanError.
Pipeline CompilePipeline(const StartPlan& plan, const Schema& schema,
                         const std::vector<Word>* head = nullptr);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_PROGRAM_H_
