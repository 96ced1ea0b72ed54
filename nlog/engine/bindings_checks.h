// Check plans that are asked for derivations, compiled when they are first seen.
//
// Plans are immutable, so one object is one plan, as long as tables and indexes keep their numbers;
// when these change, all are forgotten. Cost: a look-up; memory for kMax pipelines at most. Thread
// safety: the lock of the Store (bindings_store.h) must be held.

#ifndef NLOG_ENGINE_BINDINGS_CHECKS_H_
#define NLOG_ENGINE_BINDINGS_CHECKS_H_

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "bindings_codec.h"
#include "bindings_plan.h"
#include "core/database.h"

namespace nlog {

class CompiledChecks {
 public:
  // Good until the next call. Throws PlanError.
  const core::Pipeline& Of(pybind11::handle plan, const core::Database& database, Codec& codec) {
    if (database.layout_count() != layout_) {
      checks_.clear();
      layout_ = database.layout_count();
    }
    const auto known = checks_.find(plan.ptr());
    if (known != checks_.end()) {
      return known->second.pipeline;
    }
    const core::StartPlan read = ReadStartPlan(plan, codec);
    if (checks_.size() >= kMax) {
      checks_.clear();
    }
    const auto object = pybind11::reinterpret_borrow<pybind11::object>(plan);
    return checks_.emplace(plan.ptr(), Check{object, database.Compile(read)})
        .first->second.pipeline;
  }

 private:
  struct Check {
    // Keeps the address from being used again.
    pybind11::object plan;
    core::Pipeline pipeline;
  };

  static constexpr std::size_t kMax = 4096;

  std::unordered_map<PyObject*, Check> checks_;
  // The layout of the database that they were compiled for.
  std::uint64_t layout_ = 0;
};

}  // namespace nlog

#endif  // NLOG_ENGINE_BINDINGS_CHECKS_H_
