// The Python face of the counters of core/work.h.

#ifndef NLOG_ENGINE_BINDINGS_WORK_H_
#define NLOG_ENGINE_BINDINGS_WORK_H_

#include <pybind11/pybind11.h>

namespace nlog {

// Adds the class Work to the module.
void AddWork(pybind11::module_& module);

}  // namespace nlog

#endif  // NLOG_ENGINE_BINDINGS_WORK_H_
