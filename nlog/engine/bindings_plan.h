// Reads plans (nlog/plan.py) into the core's form (core/plan.h), constants encoded on the way.
//
// Only the shape is read; whether the numbers make sense is for core/program.h to check. A Python
// object that has not the attributes of a plan raises what Python raises.

#ifndef NLOG_ENGINE_BINDINGS_PLAN_H_
#define NLOG_ENGINE_BINDINGS_PLAN_H_

#include <pybind11/pybind11.h>

#include <vector>

#include "bindings_codec.h"
#include "core/plan.h"

namespace nlog {

core::Plan ReadPlan(pybind11::handle plan, Codec& codec);
core::StartPlan ReadStartPlan(pybind11::handle plan, Codec& codec);

// How to encode and decode the rows of each table of a plan.
std::vector<TableCodec> ReadTableCodecs(pybind11::handle plan);

// How to encode the keys of each table. Throws ValueError if a key is on no column.
std::vector<TableCodec> ReadKeyCodecs(pybind11::handle plan);

}  // namespace nlog

#endif  // NLOG_ENGINE_BINDINGS_PLAN_H_
