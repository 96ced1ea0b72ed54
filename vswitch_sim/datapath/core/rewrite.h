// Writing fields into the bytes of a frame, and tags into and out of it.
//
// Checksums that cover a field are updated by the difference (RFC 1624): of IPv4 headers, of TCP,
// UDP, ICMP and ICMPv6, with their pseudo headers. So no payload is read, first fragments stay
// right, and a packet that was damaged stays as detectably damaged as it was. A UDP checksum of
// zero (none) stays zero.
//
// Cost: proportional to the fields written; tags move the bytes behind them.

#ifndef VSWITCH_SIM_DATAPATH_CORE_REWRITE_H_
#define VSWITCH_SIM_DATAPATH_CORE_REWRITE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "key.h"
#include "parse.h"

namespace vswitch {

// The bits of a key that Rewrite can write: not eth_type, ip_proto, ip_frag, inner_tag, nor
// tcp_flags. Those of vlan_vid that say whether there is a tag are passed over.
FlowKey RewritableBits();

// Writes the bits of `mask` that the frame has. Requires: Parse() gave `headers` for the frame.
// These stay right, but for those of ICMPv6 if its type or code changed.
void Rewrite(std::span<std::uint8_t> frame, const Headers& headers, const FlowKey& value,
             const FlowKey& mask);

// Adds an outermost tag. Bit 12 of `tci` is left out: it says "present" in a key. Requires: an
// Ethernet header.
void PushTag(std::vector<std::uint8_t>& frame, std::uint16_t tpid, std::uint16_t tci);

// Takes the outermost tag away, if there is one.
void PopTag(std::vector<std::uint8_t>& frame);

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_REWRITE_H_
