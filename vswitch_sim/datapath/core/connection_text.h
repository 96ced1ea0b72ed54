// Connections as `ovs-appctl dpctl/dump-conntrack` prints them.

#ifndef VSWITCH_SIM_DATAPATH_CORE_CONNECTION_TEXT_H_
#define VSWITCH_SIM_DATAPATH_CORE_CONNECTION_TEXT_H_

#include <string>

#include "connections.h"

namespace vswitch {

std::string TextOf(const Connection& connection);

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_CONNECTION_TEXT_H_
