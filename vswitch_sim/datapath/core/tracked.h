// What a packet remembers of connection tracking on its way, beside the fields of its key.

#ifndef VSWITCH_SIM_DATAPATH_CORE_TRACKED_H_
#define VSWITCH_SIM_DATAPATH_CORE_TRACKED_H_

#include <cstdint>

namespace vswitch {

struct Tracked {
  // The connection that it was found to be of; 0 if none, or if it is to be looked for again.
  std::uint64_t connection = 0;
  bool is_reply = false;
  bool is_related = false;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_TRACKED_H_
