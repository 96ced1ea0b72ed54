// What is done to a packet, as data; see _core.pyi for what each action means.
//
// What most packets meet is small and stands in a row; the rest lies elsewhere.
//
// Ownership: an Actions owns all that it holds, and moving it leaves its elements where they are,
// so that who does them may go on while their megaflow is taken away.

#ifndef VSWITCH_SIM_DATAPATH_CORE_ACTIONS_H_
#define VSWITCH_SIM_DATAPATH_CORE_ACTIONS_H_

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "connection_request.h"
#include "key.h"

namespace vswitch {

struct Action;
using Actions = std::vector<Action>;

// Names for reasons, numbered by the datapath.
using Reason = std::uint32_t;

// Writes bits of the packet's bytes.
struct RewriteAction {
  FlowKey value;
  FlowKey mask;
};
// Writes bits of one word of metadata. Requires: the value has no others.
struct SetMetadataAction {
  std::uint32_t word;
  Word value;
  Word mask;
};
struct PushTagAction {
  std::uint16_t tpid;
  std::uint16_t tci;
};
struct PopTagAction {};
struct OutputAction {
  std::uint32_t port;
};
struct CloneAction {
  Actions actions;
};
struct MeterAction {
  std::uint32_t meter;
};
struct ConnectionAction {
  ConnectionRequest request;
};
// Makes the packet one that connection tracking has not seen.
struct ForgetConnectionAction {};
struct RecirculateAction {
  std::uint32_t recirc_id;
};
// A copy for the controller, which may answer it with a frame that goes on as `recirc_id`; 0: it
// may not.
struct ControllerAction {
  Reason reason;
  std::uint32_t recirc_id;
};
struct DropAction {
  Reason reason;
};

struct Action {
  std::variant<std::unique_ptr<const RewriteAction>, SetMetadataAction, PushTagAction, PopTagAction,
               OutputAction, CloneAction, MeterAction, std::unique_ptr<const ConnectionAction>,
               ForgetConnectionAction, RecirculateAction, ControllerAction, DropAction>
      what;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_ACTIONS_H_
