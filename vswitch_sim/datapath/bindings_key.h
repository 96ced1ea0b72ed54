// Keys between Python, where they are integers, and the core.

#ifndef VSWITCH_SIM_DATAPATH_BINDINGS_KEY_H_
#define VSWITCH_SIM_DATAPATH_BINDINGS_KEY_H_

#include <pybind11/pybind11.h>

#include <string>

#include "core/key.h"

namespace vswitch {

// The key an integer stands for. Throws: TypeError, or ValueError if it is negative or too large;
// `what` names it.
FlowKey KeyOf(pybind11::handle value, const std::string& what);

// Its integer.
pybind11::object IntOf(const FlowKey& key);

// A number of at most `max`. Throws: TypeError, ValueError.
std::uint64_t NumberOf(pybind11::handle value, std::uint64_t max, const std::string& what);

// A value as a message shows it: its repr, cut short.
std::string Show(pybind11::handle value);

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_BINDINGS_KEY_H_
