// Actions, as Python writes them down, for the core; see _core.pyi for the list.

#ifndef VSWITCH_SIM_DATAPATH_BINDINGS_ACTIONS_H_
#define VSWITCH_SIM_DATAPATH_BINDINGS_ACTIONS_H_

#include <pybind11/pybind11.h>

#include "core/actions.h"
#include "core/reasons.h"

namespace vswitch {

// Reads a sequence of actions; their reasons get numbers. Throws: TypeError or ValueError, which
// name the action.
Actions ActionsOf(pybind11::handle actions, Reasons& reasons);

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_BINDINGS_ACTIONS_H_
