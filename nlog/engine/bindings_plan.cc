// See bindings_plan.h.

#include "bindings_plan.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "core/plan_error.h"
#include "core/values.h"

namespace py = pybind11;

namespace nlog {
namespace {

using core::PlanError;
using core::Within;
using Numbers = std::vector<std::uint32_t>;

// What is read of a plan, an attribute or an element at a time. An error says where that is.
class PlanReader {
 public:
  explicit PlanReader(Codec& codec) : codec_(codec) {}

  PlanRead ReadPlan(py::handle plan) {
    PlanRead read;
    ForEach(plan, "tables", [&](py::handle table) { ReadTable(table, read); });
    ForEach(plan, "strata",
            [&](py::handle stratum) { read.plan.strata.push_back(ReadStratum(stratum)); });
    return read;
  }

  core::StartPlan ReadStart(py::handle plan) {
    core::StartPlan start{.table = Number(plan, "table"),
                          .position = Int(plan, "position"),
                          .is_negated = Bool(plan, "negated"),
                          .loads = ColumnRegisters(plan, "loads"),
                          .checks = ColumnRegisters(plan, "checks"),
                          .pipeline = {}};
    In(plan, "pipeline", [&](py::handle pipeline) { start.pipeline = ReadPipeline(pipeline); });
    return start;
  }

 private:
  // A type, read once a plan.
  struct Type {
    // Keeps the address from being used again.
    py::object object;
    ValueType values;
    core::Word word;
  };

  static py::object Attribute(py::handle object, const char* name) {
    auto value = py::reinterpret_steal<py::object>(PyObject_GetAttrString(object.ptr(), name));
    if (!value) {
      if (PyErr_ExceptionMatches(PyExc_AttributeError) == 0) {
        throw py::error_already_set();
      }
      PyErr_Clear();
      throw PlanError(Show(object) + " has no `" + name + "`");
    }
    return value;
  }

  template <typename Read>
  static std::invoke_result_t<Read, py::handle> In(py::handle object, const char* name, Read read) {
    const py::object value = Attribute(object, name);
    return Within(name, [&] { return read(py::handle(value)); });
  }

  // Calls read(element) for each element of a tuple.
  template <typename Read>
  static void ForEach(py::handle object, const char* name, Read read) {
    const py::object value = Attribute(object, name);
    Within(name, [&] { ExpectTuple(value); });
    const auto size = static_cast<std::size_t>(PyTuple_GET_SIZE(value.ptr()));
    for (std::size_t i = 0; i < size; ++i) {
      const auto element = py::reinterpret_borrow<py::object>(
          PyTuple_GET_ITEM(value.ptr(), static_cast<Py_ssize_t>(i)));
      Within(name, i, [&] { read(py::handle(element)); });
    }
  }

  static void ExpectTuple(py::handle value) {
    if (PyTuple_Check(value.ptr()) == 0) {
      throw PlanError(Show(value) + " is no tuple");
    }
  }

  template <typename Whole>
  static Whole ToWhole(py::handle value) {
    using Limits = std::numeric_limits<Whole>;
    int overflow = 0;
    const bool is_int = PyLong_Check(value.ptr()) != 0 && PyBool_Check(value.ptr()) == 0;
    const long long number = is_int ? PyLong_AsLongLongAndOverflow(value.ptr(), &overflow) : 0;
    if (!is_int || overflow != 0 || number < static_cast<long long>(Limits::min()) ||
        number > static_cast<long long>(Limits::max())) {
      throw PlanError(Show(value) + " is no number from " + std::to_string(Limits::min()) + " to " +
                      std::to_string(Limits::max()));
    }
    return static_cast<Whole>(number);
  }
  static std::uint32_t ToNumber(py::handle value) { return ToWhole<std::uint32_t>(value); }
  static Numbers ToNumbers(py::handle value) {
    ExpectTuple(value);
    Numbers numbers;
    for (const py::handle number : value) {
      numbers.push_back(ToNumber(number));
    }
    return numbers;
  }
  static std::uint32_t Number(py::handle object, const char* name) {
    return In(object, name, ToNumber);
  }
  static int Int(py::handle object, const char* name) { return In(object, name, ToWhole<int>); }
  static Numbers NumbersOf(py::handle object, const char* name) {
    return In(object, name, ToNumbers);
  }
  static bool Bool(py::handle object, const char* name) {
    return In(object, name, [](py::handle value) {
      if (PyBool_Check(value.ptr()) == 0) {
        throw PlanError(Show(value) + " is neither True nor False");
      }
      return value.ptr() == Py_True;
    });
  }
  static std::string Text(py::handle object, const char* name) {
    return In(object, name, [](py::handle value) {
      try {
        return TextOf(value);
      } catch (const ValueError& error) {
        throw PlanError(error.what());
      }
    });
  }
  static std::vector<core::ColumnRegister> ColumnRegisters(py::handle object, const char* name) {
    std::vector<core::ColumnRegister> result;
    ForEach(object, name, [&](py::handle pair) {
      const Numbers numbers = ToNumbers(pair);
      if (numbers.size() != 2) {
        throw PlanError(Show(pair) + " is no pair of a column and a register");
      }
      result.push_back({numbers[0], numbers[1]});
    });
    return result;
  }

  const Type& TypeOf(py::handle object, bool may_be_tree = false) {
    const auto known = types_.find(object.ptr());
    if (known != types_.end()) {
      return known->second;
    }
    try {
      ValueType values(object);
      const core::Word word = may_be_tree && values.kind == ValueType::Kind::kTree
                                  ? core::kTreeType
                                  : codec_.TypeWord(values);
      Type type{py::reinterpret_borrow<py::object>(object), std::move(values), word};
      // A tree may stand here and not there.
      return word == core::kTreeType ? tree_.emplace(std::move(type))
                                     : types_.emplace(object.ptr(), std::move(type)).first->second;
    } catch (const ValueError& error) {
      throw PlanError(error.what());
    } catch (const py::error_already_set& error) {
      if (!error.matches(PyExc_AttributeError) && !error.matches(PyExc_TypeError)) {
        throw;
      }
      throw PlanError(Show(object) + " is no type");
    }
  }
  core::Word TypeWord(py::handle object, const char* name) {
    return In(object, name, [this](py::handle type) { return TypeOf(type).word; });
  }

  core::ConstantPlan ReadConstant(py::handle constant) {
    const Type& type = *In(constant, "type", [this](py::handle it) { return &TypeOf(it, true); });
    const core::Word value = In(constant, "value", [&](py::handle object) {
      try {
        return codec_.Encode(object, type.values);
      } catch (const ValueError& error) {
        throw PlanError(error.what());
      }
    });
    return {.register_number = Number(constant, "register"), .type = type.word, .value = value};
  }

  core::StepPlan ReadStep(py::handle step) {
    const auto kind = py::cast<std::string>(py::type::of(step).attr("__name__"));
    if (kind == "Lookup") {
      return core::LookupPlan{.table = Number(step, "table"),
                              .index = Number(step, "index"),
                              .key = NumbersOf(step, "key"),
                              .loads = ColumnRegisters(step, "loads"),
                              .checks = ColumnRegisters(step, "checks"),
                              .position = Int(step, "position")};
    }
    if (kind == "Exists") {
      return core::ExistsPlan{.table = Number(step, "table"),
                              .key = NumbersOf(step, "key"),
                              .is_negated = Bool(step, "negated"),
                              .position = Int(step, "position")};
    }
    if (kind == "Call") {
      return core::CallPlan{.function = Text(step, "function"),
                            .arguments = NumbersOf(step, "arguments"),
                            .result = Number(step, "result"),
                            .type = TypeWord(step, "type")};
    }
    if (kind == "Test") {
      return core::TestPlan{.function = Text(step, "function"),
                            .arguments = NumbersOf(step, "arguments")};
    }
    throw PlanError(Show(step) + " is no step of a pipeline");
  }

  core::PipelinePlan ReadPipeline(py::handle plan) {
    core::PipelinePlan pipeline{.registers = Number(plan, "registers"),
                                .constants = {},
                                .steps = {},
                                .head = NumbersOf(plan, "head")};
    ForEach(plan, "constants",
            [&](py::handle one) { pipeline.constants.push_back(ReadConstant(one)); });
    ForEach(plan, "steps", [&](py::handle one) { pipeline.steps.push_back(ReadStep(one)); });
    return pipeline;
  }

  core::RulePlan ReadRule(py::handle plan) {
    core::RulePlan rule{.number = Int(plan, "number"),
                        .head = Number(plan, "head"),
                        .deltas = {},
                        .verifies = {},
                        .check = std::nullopt};
    ForEach(plan, "deltas", [&](py::handle delta) { rule.deltas.push_back(ReadStart(delta)); });
    ForEach(plan, "verifies", [&](py::handle one) { rule.verifies.push_back(ReadStart(one)); });
    In(plan, "check", [&](py::handle check) {
      if (!check.is_none()) {
        rule.check = ReadStart(check);
      }
    });
    return rule;
  }

  core::AggregatePlan ReadAggregate(py::handle plan) {
    core::AggregatePlan aggregate{.number = Int(plan, "number"),
                                  .source = Number(plan, "source"),
                                  .head = Number(plan, "head"),
                                  .group = Number(plan, "group"),
                                  .index = Number(plan, "index"),
                                  .functions = {}};
    ForEach(plan, "functions", [&](py::handle function) {
      aggregate.functions.push_back({.function = Text(function, "function"),
                                     .column = Int(function, "column"),
                                     .type = TypeWord(function, "type"),
                                     .index = Int(function, "index")});
    });
    return aggregate;
  }

  core::StratumPlan ReadStratum(py::handle plan) {
    core::StratumPlan stratum{.is_recursive = Bool(plan, "recursive"),
                              .tables = NumbersOf(plan, "tables"),
                              .rules = {},
                              .aggregate = {},
                              .optima = {},
                              .is_renewed = Bool(plan, "renewed")};
    ForEach(plan, "rules", [&](py::handle rule) { stratum.rules.push_back(ReadRule(rule)); });
    ForEach(plan, "optima", [&](py::handle optimum) {
      stratum.optima.push_back({.column = Number(optimum, "column"),
                                .is_least = Bool(optimum, "least"),
                                .type = TypeWord(optimum, "type"),
                                .index = Number(optimum, "index")});
    });
    In(plan, "aggregate", [&](py::handle aggregate) {
      if (!aggregate.is_none()) {
        stratum.aggregate = ReadAggregate(aggregate);
      }
    });
    return stratum;
  }

  void ReadTable(py::handle plan, PlanRead& read) {
    core::TablePlan table{.name = Text(plan, "name"),
                          .kind = KindOf(Text(plan, "kind")),
                          .types = {},
                          .indexes = {},
                          .key = NumbersOf(plan, "key")};
    TableCodec codec{.name = table.name,
                     .is_input = table.kind == core::TableKind::kInput,
                     .is_key = false,
                     .columns = {}};
    TableCodec key = codec;
    key.is_key = true;
    ForEach(plan, "columns", [&](py::handle object) {
      const Type& type = TypeOf(object);
      table.types.push_back(type.word);
      codec.columns.push_back(type.values);
    });
    ForEach(plan, "indexes", [&](py::handle one) { table.indexes.push_back(ToNumbers(one)); });
    for (const std::uint32_t column : table.key) {
      core::Expect(column < codec.columns.size(), "the key of a table is not on columns of it");
      key.columns.push_back(codec.columns[column]);
    }
    read.plan.tables.push_back(std::move(table));
    read.tables.push_back(std::move(codec));
    read.keys.push_back(std::move(key));
  }

  static core::TableKind KindOf(const std::string& text) {
    for (const auto& [name, kind] : kKinds) {
      if (text == name) {
        return kind;
      }
    }
    throw PlanError("`" + text +
                    "` is no kind of table: input, output, constraint, internal or retired");
  }

  static constexpr std::pair<const char*, core::TableKind> kKinds[] = {
      {"input", core::TableKind::kInput},       {"output", core::TableKind::kOutput},
      {"internal", core::TableKind::kInternal}, {"constraint", core::TableKind::kConstraint},
      {"retired", core::TableKind::kRetired},
  };

  Codec& codec_;
  std::unordered_map<PyObject*, Type> types_;
  std::optional<Type> tree_;
};

}  // namespace

PlanRead ReadPlan(py::handle plan, Codec& codec) { return PlanReader(codec).ReadPlan(plan); }

core::StartPlan ReadStartPlan(py::handle plan, Codec& codec) {
  return PlanReader(codec).ReadStart(plan);
}

}  // namespace nlog
