// Reads plans (nlog/plan.py) into the core's form (core/plan.h), constants encoded on the way.
//
// Only the shape is read; whether the numbers make sense is for core/program.h to check. What has
// not the shape of a plan raises a PlanError, which is Python's ValueError, and names the place.
// Each type is read once a plan.

#ifndef NLOG_ENGINE_BINDINGS_PLAN_H_
#define NLOG_ENGINE_BINDINGS_PLAN_H_

#include <pybind11/pybind11.h>

#include <vector>

#include "bindings_codec.h"
#include "core/plan.h"

namespace nlog {

struct PlanRead {
  core::Plan plan;
  // How to encode and decode the rows of each table, and its keys.
  std::vector<TableCodec> tables;
  std::vector<TableCodec> keys;
};

PlanRead ReadPlan(pybind11::handle plan, Codec& codec);
core::StartPlan ReadStartPlan(pybind11::handle plan, Codec& codec);

}  // namespace nlog

#endif  // NLOG_ENGINE_BINDINGS_PLAN_H_
