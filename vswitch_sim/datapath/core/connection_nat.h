// Rewriting the addresses and ports of connections.
//
// A connection's reply tuple says all: the other end answers to what it saw, so the original's ends
// are rewritten to be the reply's, and back. An ICMP error has the packet that it quotes rewritten,
// too, so that who gets it knows what it sent.

#ifndef VSWITCH_SIM_DATAPATH_CORE_CONNECTION_NAT_H_
#define VSWITCH_SIM_DATAPATH_CORE_CONNECTION_NAT_H_

#include <functional>
#include <optional>

#include "connection_request.h"
#include "connection_tuple.h"
#include "packet.h"

namespace vswitch {

// Finds a reply tuple that is free, for a connection whose ends are to be rewritten.
//
// The address is one of the range, by a hash of the tuple, or of its source address if persistent.
// A source port stays if it may and is free; else one like it is looked for: below 512, from 600 to
// 1023, or above, or in the request's range. A destination port changes only within that range.
// Where no port is left, the next addresses are tried. Nothing if none is free.
//
// Cost: a look-up for each port in use that it passes.
std::optional<Tuple> FreeReply(const Tuple& original, const NatRequest& request,
                               const std::function<bool(const Tuple&)>& is_free);

// Rewrites a packet that travels as `from` says, such that it travels as `to` does. With `quoted`,
// the packet is an ICMP error about one that travelled the other way. `writes_ports` is false for a
// later fragment.
void Translate(Packet& packet, NatRequest::Kind kind, const Tuple& to,
               const std::optional<Headers>& quoted, bool writes_ports);

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_CONNECTION_NAT_H_
