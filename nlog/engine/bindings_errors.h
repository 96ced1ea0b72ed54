// The exceptions of the module, and what becomes of the core's.
//
// A faulty row is a RowError. What a commit is refused for carries rows or numbers for the caller
// to put into words: EvaluationError, KeyConflictError, ConstraintError and LimitError of
// _core.pyi. What is full raises CapacityError, wherever it is met; want of memory MemoryError.

#ifndef NLOG_ENGINE_BINDINGS_ERRORS_H_
#define NLOG_ENGINE_BINDINGS_ERRORS_H_

#include <pybind11/pybind11.h>

#include <string>

#include "bindings_store.h"
#include "core/evaluation.h"
#include "core/guards.h"

namespace nlog {

// Adds the exceptions to the module, and translates those of the core.
void AddExceptions(pybind11::module_& module);

[[noreturn]] void RaiseRowError(pybind11::handle row, int column, const std::string& text);

[[noreturn]] void RaiseRefusal(Store& store, const core::KeyError& error);
[[noreturn]] void RaiseRefusal(Store& store, const core::ConstraintError& error);
[[noreturn]] void RaiseRefusal(Store& store, const core::EvaluationError& error);

// Runs what commits; raises for Python what it is refused for. Requires: the lock of the store, and
// the GIL.
template <typename Commit>
void Refusing(Store& store, Commit commit) {
  const PythonFunctions::Evaluation evaluation(store.functions);
  try {
    commit();
  } catch (const core::KeyError& error) {
    RaiseRefusal(store, error);
  } catch (const core::ConstraintError& error) {
    RaiseRefusal(store, error);
  } catch (const core::EvaluationError& error) {
    RaiseRefusal(store, error);
  }
}

}  // namespace nlog

#endif  // NLOG_ENGINE_BINDINGS_ERRORS_H_
