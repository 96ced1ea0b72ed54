// See bindings_plan.h.

#include "bindings_plan.h"

#include <pybind11/stl.h>

#include <cstdint>
#include <string>

namespace py = pybind11;

namespace nlog {
namespace {

using Numbers = std::vector<std::uint32_t>;

std::vector<core::ColumnRegister> ReadColumnRegisters(py::handle pairs) {
  std::vector<core::ColumnRegister> result;
  for (const py::handle pair : pairs) {
    const auto [column, register_number] = py::cast<std::pair<std::uint32_t, std::uint32_t>>(pair);
    result.push_back({column, register_number});
  }
  return result;
}

core::StepPlan ReadStep(py::handle step) {
  const auto kind = py::cast<std::string>(py::type::of(step).attr("__name__"));
  if (kind == "Lookup") {
    return core::LookupPlan{.table = py::cast<std::uint32_t>(step.attr("table")),
                            .index = py::cast<std::uint32_t>(step.attr("index")),
                            .key = py::cast<Numbers>(step.attr("key")),
                            .loads = ReadColumnRegisters(step.attr("loads")),
                            .checks = ReadColumnRegisters(step.attr("checks")),
                            .position = py::cast<int>(step.attr("position"))};
  }
  if (kind == "Exists") {
    return core::ExistsPlan{.table = py::cast<std::uint32_t>(step.attr("table")),
                            .key = py::cast<Numbers>(step.attr("key")),
                            .is_negated = py::cast<bool>(step.attr("negated")),
                            .position = py::cast<int>(step.attr("position"))};
  }
  if (kind == "Call") {
    return core::CallPlan{.function = py::cast<std::string>(step.attr("function")),
                          .arguments = py::cast<Numbers>(step.attr("arguments")),
                          .result = py::cast<std::uint32_t>(step.attr("result"))};
  }
  if (kind == "Test") {
    return core::TestPlan{.function = py::cast<std::string>(step.attr("function")),
                          .arguments = py::cast<Numbers>(step.attr("arguments"))};
  }
  throw ValueError(Show(step) + " is not a step of a pipeline");
}

core::PipelinePlan ReadPipeline(py::handle plan, Codec& codec) {
  core::PipelinePlan pipeline{.registers = py::cast<std::uint32_t>(plan.attr("registers")),
                              .constants = {},
                              .steps = {},
                              .head = py::cast<Numbers>(plan.attr("head"))};
  for (const py::handle constant : plan.attr("constants")) {
    const ValueType type(constant.attr("type"));
    pipeline.constants.push_back(
        {.register_number = py::cast<std::uint32_t>(constant.attr("register")),
         .value = codec.Encode(constant.attr("value"), type)});
  }
  for (const py::handle step : plan.attr("steps")) {
    pipeline.steps.push_back(ReadStep(step));
  }
  return pipeline;
}

core::RulePlan ReadRule(py::handle plan, Codec& codec) {
  core::RulePlan rule{.number = py::cast<int>(plan.attr("number")),
                      .head = py::cast<std::uint32_t>(plan.attr("head")),
                      .deltas = {},
                      .verifies = {},
                      .check = std::nullopt};
  for (const py::handle delta : plan.attr("deltas")) {
    rule.deltas.push_back(ReadStartPlan(delta, codec));
  }
  for (const py::handle verify : plan.attr("verifies")) {
    rule.verifies.push_back(ReadStartPlan(verify, codec));
  }
  const py::object check = plan.attr("check");
  if (!check.is_none()) {
    rule.check = ReadStartPlan(check, codec);
  }
  return rule;
}

// A type of nlog/types.py as core/values.h describes it.
core::Word ReadType(py::handle type, Codec& codec) {
  const py::module_ types = py::module_::import("nlog.types");
  return codec.Encode(types.attr("describe")(type), ValueType(types.attr("TREE")));
}

core::AggregatePlan ReadAggregate(py::handle plan, Codec& codec) {
  core::AggregatePlan aggregate{.number = py::cast<int>(plan.attr("number")),
                                .source = py::cast<std::uint32_t>(plan.attr("source")),
                                .head = py::cast<std::uint32_t>(plan.attr("head")),
                                .group = py::cast<std::uint32_t>(plan.attr("group")),
                                .index = py::cast<std::uint32_t>(plan.attr("index")),
                                .functions = {}};
  for (const py::handle function : plan.attr("functions")) {
    aggregate.functions.push_back({.function = py::cast<std::string>(function.attr("function")),
                                   .column = py::cast<int>(function.attr("column")),
                                   .type = ReadType(function.attr("type"), codec),
                                   .index = py::cast<int>(function.attr("index"))});
  }
  return aggregate;
}

core::OptimumPlan ReadOptimum(py::handle plan, Codec& codec) {
  return {.column = py::cast<std::uint32_t>(plan.attr("column")),
          .is_least = py::cast<bool>(plan.attr("least")),
          .type = ReadType(plan.attr("type"), codec),
          .index = py::cast<std::uint32_t>(plan.attr("index"))};
}

core::TableKind ReadKind(py::handle kind) {
  const auto text = py::cast<std::string>(kind);
  if (text == "input") {
    return core::TableKind::kInput;
  }
  if (text == "output") {
    return core::TableKind::kOutput;
  }
  if (text == "internal") {
    return core::TableKind::kInternal;
  }
  if (text == "constraint") {
    return core::TableKind::kConstraint;
  }
  if (text == "retired") {
    return core::TableKind::kRetired;
  }
  throw ValueError(Show(kind) +
                   " is no kind of table: input, output, constraint, internal or retired");
}

}  // namespace

core::StartPlan ReadStartPlan(py::handle plan, Codec& codec) {
  return {.table = py::cast<std::uint32_t>(plan.attr("table")),
          .position = py::cast<int>(plan.attr("position")),
          .is_negated = py::cast<bool>(plan.attr("negated")),
          .loads = ReadColumnRegisters(plan.attr("loads")),
          .checks = ReadColumnRegisters(plan.attr("checks")),
          .pipeline = ReadPipeline(plan.attr("pipeline"), codec)};
}

core::Plan ReadPlan(py::handle plan, Codec& codec) {
  core::Plan result;
  for (const py::handle table : plan.attr("tables")) {
    result.tables.push_back({.name = py::cast<std::string>(table.attr("name")),
                             .kind = ReadKind(table.attr("kind")),
                             .width = static_cast<std::uint32_t>(py::len(table.attr("columns"))),
                             .indexes = py::cast<std::vector<Numbers>>(table.attr("indexes")),
                             .key = py::cast<Numbers>(table.attr("key"))});
  }
  for (const py::handle stratum_plan : plan.attr("strata")) {
    core::StratumPlan stratum{.is_recursive = py::cast<bool>(stratum_plan.attr("recursive")),
                              .tables = py::cast<Numbers>(stratum_plan.attr("tables")),
                              .rules = {},
                              .aggregate = {},
                              .optima = {}};
    for (const py::handle rule : stratum_plan.attr("rules")) {
      stratum.rules.push_back(ReadRule(rule, codec));
    }
    for (const py::handle optimum : stratum_plan.attr("optima")) {
      stratum.optima.push_back(ReadOptimum(optimum, codec));
    }
    const py::object aggregate = stratum_plan.attr("aggregate");
    if (!aggregate.is_none()) {
      stratum.aggregate = ReadAggregate(aggregate, codec);
    }
    result.strata.push_back(std::move(stratum));
  }
  return result;
}

std::vector<TableCodec> ReadTableCodecs(py::handle plan) {
  std::vector<TableCodec> codecs;
  for (const py::handle table : plan.attr("tables")) {
    TableCodec codec{.name = py::cast<std::string>(table.attr("name")),
                     .is_input = ReadKind(table.attr("kind")) == core::TableKind::kInput,
                     .is_key = false,
                     .columns = {}};
    for (const py::handle type : table.attr("columns")) {
      codec.columns.emplace_back(type);
    }
    codecs.push_back(std::move(codec));
  }
  return codecs;
}

std::vector<TableCodec> ReadKeyCodecs(py::handle plan) {
  std::vector<TableCodec> codecs = ReadTableCodecs(plan);
  std::size_t number = 0;
  for (const py::handle table : plan.attr("tables")) {
    TableCodec& codec = codecs[number++];
    std::vector<ValueType> columns;
    for (const std::uint32_t column : py::cast<Numbers>(table.attr("key"))) {
      if (column >= codec.columns.size()) {
        throw ValueError("the key of table `" + codec.name + "` is not on columns of it");
      }
      columns.push_back(codec.columns[column]);
    }
    codec.is_key = true;
    codec.columns = std::move(columns);
  }
  return codecs;
}

}  // namespace nlog
