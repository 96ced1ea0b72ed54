// The arguments of `ct`, as Python writes them down, for the core.

#ifndef VSWITCH_SIM_DATAPATH_BINDINGS_CONNECTION_H_
#define VSWITCH_SIM_DATAPATH_BINDINGS_CONNECTION_H_

#include <pybind11/pybind11.h>

#include "core/connection_request.h"

namespace vswitch {

// Reads a `Connection` of _core.pyi. Throws: TypeError or ValueError, which name the argument.
ConnectionRequest RequestOf(pybind11::handle connection);

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_BINDINGS_CONNECTION_H_
