// Reading a frame: from its bytes to its flow key, and to where its headers lie.
//
// Reads Ethernet (type or 802.3 with LLC/SNAP), up to two 802.1Q or 802.1ad tags, ARP and RARP for
// IPv4 over Ethernet, IPv4 with options, IPv6 with extension headers, TCP, UDP, ICMP, and ICMPv6
// with the target and link-layer addresses of neighbour discovery.
//
// Any bytes are read, as Open vSwitch's flow_extract() reads them: a header that is cut short or
// contradicts itself (an IPv4 total length beyond the frame, say) leaves its fields and those above
// it zero. A later fragment has no fields of layer 4. Bytes beyond the IP packet are padding and
// belong to no header. Checksums are not looked at.
//
// The key depends on headers only, never on payload or padding: frames with one key get one
// treatment.
//
// Cost: one pass over the headers; allocates nothing. Thread safety: pure.

#ifndef VSWITCH_SIM_DATAPATH_CORE_PARSE_H_
#define VSWITCH_SIM_DATAPATH_CORE_PARSE_H_

#include <cstddef>
#include <cstdint>

#include "bytes.h"
#include "key.h"

namespace vswitch {

inline constexpr std::size_t kEthernetBytes = 14;
inline constexpr std::size_t kTagBytes = 4;

inline constexpr std::uint16_t kEthTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kEthTypeArp = 0x0806;
inline constexpr std::uint16_t kEthTypeRarp = 0x8035;
inline constexpr std::uint16_t kEthTypeVlan = 0x8100;
inline constexpr std::uint16_t kEthTypeIpv6 = 0x86DD;
inline constexpr std::uint16_t kEthTypeProviderVlan = 0x88A8;
// OFP_DL_TYPE_NOT_ETH_TYPE of OpenFlow 1.0: an 802.3 frame that names no type.
inline constexpr std::uint16_t kEthTypeNone = 0x05FF;

inline constexpr std::uint8_t kProtoIcmpv4 = 1;
inline constexpr std::uint8_t kProtoTcp = 6;
inline constexpr std::uint8_t kProtoUdp = 17;
inline constexpr std::uint8_t kProtoFragment = 44;
inline constexpr std::uint8_t kProtoIcmpv6 = 58;
inline constexpr std::uint8_t kProtoSctp = 132;

// OFPVID_PRESENT: the bit of a tag's part of the key which says that there is a tag.
inline constexpr std::uint16_t kTagPresent = 0x1000;

inline bool IsTagType(std::uint16_t eth_type) {
  return eth_type == kEthTypeVlan || eth_type == kEthTypeProviderVlan;
}

// A layer that was read whole; the fields of the others are zero.
enum class L3 : std::uint8_t { kNone, kArp, kIpv4, kIpv6 };
enum class L4 : std::uint8_t { kNone, kTcp, kUdp, kIcmpv4, kIcmpv6 };

// Where headers lie, in bytes from the start of the frame; 0 if not there.
struct Headers {
  std::uint32_t l3 = 0;
  // What the IP packet carries, whether it could be read or not; none in a later fragment.
  std::uint32_t l4 = 0;
  // Where the IP packet ends.
  std::uint32_t end = 0;
  // The fragment header of IPv6.
  std::uint32_t fragment = 0;
  // The target address, and the hardware addresses in the options, of neighbour discovery.
  std::uint32_t nd_target = 0;
  std::uint32_t nd_sll = 0;
  std::uint32_t nd_tll = 0;
  L3 l3_kind = L3::kNone;
  L4 l4_kind = L4::kNone;
  // Whether an IPv6 routing header names hops to come, the last of which is what checksums are of.
  bool is_source_routed = false;
};

// Sets the fields that a frame has, clears the others, and leaves metadata as they are. False for
// a runt, which has no whole Ethernet header: then all are clear.
bool Parse(Bytes frame, FlowKey& key, Headers& headers);

// What extension headers lead to: a protocol, and the value of ip_frag.
struct Extensions {
  std::uint8_t proto;
  Word fragment = 0;
};

// Passes the extension headers of IPv6 from `at` on, the first of which is `found.proto`, and notes
// those that `headers` has places for. False if one is cut short.
bool PassExtensions(Bytes packet, std::size_t& at, Extensions& found, Headers& headers);

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_PARSE_H_
