// Checks and lays out one pipeline: CompilePipeline of program.h.

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <variant>

#include "program.h"

namespace nlog::core {
namespace {

// Each look-up of a pipeline takes a part of the stack while it runs. No planner comes near this: a
// rule has a plan for each of its atoms, so as many plans as each has look-ups.
constexpr std::size_t kLookupsMax = 4096;

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
  PipelineCompiler(const StartPlan& plan, const Schema& schema)
      : plan_(plan), schema_(schema), typing_(schema.typing) {}

  Pipeline Compile(const std::vector<Word>* head) {
    Within("pipeline", [this] {
      ExpectRegisters();
      ExpectLookups();
    });
    const TableShape& start = TableOf(plan_.table);
    Pipeline pipeline{.table = plan_.table,
                      .is_negated = plan_.is_negated,
                      .loads = plan_.loads,
                      .checks = plan_.checks,
                      .registers = std::vector<Word>(plan_.pipeline.registers),
                      .steps = {}};
    for (const ConstantPlan& constant : plan_.pipeline.constants) {
      Within("pipeline.constants",
             [&] { Write(constant.register_number, {constant.type, constant.value}); });
      pipeline.registers[constant.register_number] = constant.value;
    }
    LoadAndCheck(start, plan_.loads, plan_.checks);
    for (std::size_t i = 0; i < plan_.pipeline.steps.size(); ++i) {
      Within("pipeline.steps", i, [&] {
        pipeline.steps.push_back(
            std::visit([this](const auto& plan) { return Lay(plan); }, plan_.pipeline.steps[i]));
      });
    }
    Within("pipeline.head", [&] { ExpectHead(head); });
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
  // Every register is written once; so there are as many as there are writes, and no more memory is
  // asked for than the plan itself takes.
  void ExpectRegisters() {
    std::size_t writes = plan_.pipeline.constants.size() + plan_.loads.size();
    for (const StepPlan& step : plan_.pipeline.steps) {
      const auto* lookup = std::get_if<LookupPlan>(&step);
      writes += lookup != nullptr ? lookup->loads.size() : std::holds_alternative<CallPlan>(step);
    }
    Expect(plan_.pipeline.registers == writes, [&] {
      return "there are " + std::to_string(plan_.pipeline.registers) + " registers, of which " +
             std::to_string(writes) + " are written";
    });
    operands_.resize(writes);
    is_written_.resize(writes, false);
  }

  void ExpectLookups() const {
    const auto lookups = std::ranges::count_if(plan_.pipeline.steps, [](const StepPlan& step) {
      const auto* exists = std::get_if<ExistsPlan>(&step);
      return std::holds_alternative<LookupPlan>(step) || (exists != nullptr && !exists->is_negated);
    });
    Expect(static_cast<std::size_t>(lookups) <= kLookupsMax, [&] {
      return "there are " + std::to_string(lookups) + " look-ups, and " +
             std::to_string(kLookupsMax) + " at most are run";
    });
  }

  // The rows that come out are those of a table, if it is given.
  void ExpectHead(const std::vector<Word>* types) const {
    const std::vector<std::uint32_t>& head = plan_.pipeline.head;
    Read(head);
    Expect(types == nullptr || head.size() == types->size(),
           "the emitted row does not fit the head's table");
    for (std::size_t i = 0; types != nullptr && i < head.size(); ++i) {
      ExpectType(head[i], (*types)[i]);
    }
  }

  const TableShape& TableOf(std::uint32_t table) const {
    Expect(table < schema_.tables.size(),
           [&] { return "there is no table " + std::to_string(table); });
    return schema_.tables[table];
  }

  void Write(std::uint32_t register_number, const Operand& operand) {
    Expect(register_number < is_written_.size(),
           [&] { return "there is no register " + std::to_string(register_number); });
    Expect(!is_written_[register_number],
           [&] { return "register " + std::to_string(register_number) + " is written twice"; });
    is_written_[register_number] = true;
    operands_[register_number] = operand;
  }

  const Operand& Read(std::uint32_t register_number) const {
    Expect(register_number < is_written_.size() && is_written_[register_number], [&] {
      return "register " + std::to_string(register_number) + " is read before it is written";
    });
    return operands_[register_number];
  }

  void Read(const std::vector<std::uint32_t>& register_numbers) const {
    for (const std::uint32_t register_number : register_numbers) {
      Read(register_number);
    }
  }

  // Reads a register that is compared with, or becomes, a column of a type.
  void ExpectType(std::uint32_t register_number, Word type) const {
    const Word found = Read(register_number).type;
    Expect(found == type, [&] {
      return "register " + std::to_string(register_number) + " holds a value of type " +
             NameOfType(typing_.interner, found) + ", and the column is of type " +
             NameOfType(typing_.interner, type);
    });
  }

  void LoadAndCheck(const TableShape& table, const std::vector<ColumnRegister>& loads,
                    const std::vector<ColumnRegister>& checks) {
    const auto type_of = [&table](std::uint32_t column) {
      Expect(column < table.types.size(),
             [&] { return "there is no column " + std::to_string(column); });
      return table.types[column];
    };
    for (const auto& [column, register_number] : loads) {
      Write(register_number, {type_of(column), std::nullopt});
    }
    for (const auto& [column, register_number] : checks) {
      ExpectType(register_number, type_of(column));
    }
  }

  std::uint32_t Position(int position) const {
    Expect(position >= 0 && position != plan_.position &&
               static_cast<std::size_t>(position) <= plan_.pipeline.steps.size(),
           [&] { return "position " + std::to_string(position) + " is not that of another atom"; });
    return static_cast<std::uint32_t>(position);
  }

  Step Lay(const LookupPlan& plan) {
    const TableShape& table = TableOf(plan.table);
    Expect(plan.index < table.indexes.size(), [&] {
      return "table " + std::to_string(plan.table) + " has no index " + std::to_string(plan.index);
    });
    const std::vector<std::uint32_t>& columns = table.indexes[plan.index];
    Expect(plan.key.size() == columns.size(), [&] {
      return "a key has " + std::to_string(plan.key.size()) + " registers for an index on " +
             std::to_string(columns.size()) + " columns";
    });
    for (std::size_t i = 0; i < columns.size(); ++i) {
      ExpectType(plan.key[i], table.types[columns[i]]);
    }
    LoadAndCheck(table, plan.loads, plan.checks);
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
    const TableShape& table = TableOf(plan.table);
    Expect(plan.key.size() == table.types.size(), [&] {
      return "a row of " + std::to_string(plan.key.size()) + " registers is sought in table " +
             std::to_string(plan.table) + ", which has other columns";
    });
    for (std::size_t i = 0; i < plan.key.size(); ++i) {
      ExpectType(plan.key[i], table.types[i]);
    }
    return {.kind = plan.is_negated ? Step::Kind::kNotExists : Step::Kind::kExists,
            .is_before_start = plan.position < plan_.position,
            .table = plan.table,
            .position = Position(plan.position),
            .arguments = plan.key};
  }

  Step Lay(const CallPlan& plan) {
    Step step = LayFunction(Step::Kind::kCall, plan.function, plan.arguments, plan.type);
    Write(plan.result, {plan.type, std::nullopt});
    step.result = plan.result;
    return step;
  }

  Step Lay(const TestPlan& plan) {
    Step step =
        LayFunction(Step::Kind::kTest, plan.function, plan.arguments, TypeOf(TypeKind::kBool));
    step.is_difference = plan.function == "ne";
    return step;
  }

  Step LayFunction(Step::Kind kind, const std::string& name,
                   const std::vector<std::uint32_t>& arguments, Word result) {
    given_.clear();
    for (const std::uint32_t register_number : arguments) {
      given_.push_back(Read(register_number));
    }
    ExpectCall(typing_, name, given_, result);
    return {.kind = kind, .function = FindFunction(name)->body, .arguments = arguments};
  }

  const StartPlan& plan_;
  const Schema& schema_;
  const Typing& typing_;
  // By register.
  std::vector<Operand> operands_;
  std::vector<bool> is_written_;
  // The arguments of the call at hand.
  std::vector<Operand> given_;
};

}  // namespace

Pipeline CompilePipeline(const StartPlan& plan, const Schema& schema,
                         const std::vector<Word>* head) {
  return PipelineCompiler(plan, schema).Compile(head);
}

}  // namespace nlog::core
