// The flow key: what the datapath reads of a packet, in eighteen words.
//
// Every field stands at a fixed place, as a number in host order; those of 128 bits take two words,
// the low one first. Fields that no packet has together share a place, as in Open vSwitch's
// `struct flow`: an IPv4 address lies in the low bits of an IPv6 one, ARP's addresses with IPv4's
// and its hardware addresses with those of neighbour discovery, the type and code of ICMP with
// the ports of TCP and UDP. A field that the packet lacks is zero.
//
// Two keys are equal if their words are, so words have no bits outside the fields (`kFields`),
// which is the one list of them: Python reads it through `layout()`.
//
// A mask is a key, too: the bits that count.

#ifndef VSWITCH_SIM_DATAPATH_CORE_KEY_H_
#define VSWITCH_SIM_DATAPATH_CORE_KEY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vswitch {

using Word = std::uint64_t;

inline constexpr std::size_t kKeyWords = 18;
inline constexpr std::size_t kKeyBytes = kKeyWords * sizeof(Word);

struct FlowKey {
  std::array<Word, kKeyWords> words{};

  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

// Where a field lies: from bit `bit` of word `word`, `width` bits on.
struct Place {
  unsigned word;
  unsigned bit;
  unsigned width;

  constexpr Word Mask() const { return (width >= 64 ? ~Word{0} : (Word{1} << width) - 1) << bit; }
};

namespace place {

inline constexpr Place kRecircId{0, 0, 32};
inline constexpr Place kInPort{0, 32, 32};
inline constexpr Place kTunId{1, 0, 64};
inline constexpr Place kCtState{2, 0, 32};
inline constexpr Place kCtMark{2, 32, 32};
inline constexpr Place kCtZone{3, 0, 16};
// The tag's VID and OFPVID_PRESENT (0x1000), which says that there is one.
inline constexpr Place kVlanVid{3, 16, 13};
inline constexpr Place kVlanPcp{3, 29, 3};
// The tag behind the first, laid out like it: PCP, present, VID.
inline constexpr Place kInnerTag{3, 32, 16};
// Of what follows the tags.
inline constexpr Place kEthType{3, 48, 16};
inline constexpr Place kEthDst{4, 0, 48};
// 1 for a fragment, 3 for one that is not the first (OVS_FRAG_TYPE as in Open vSwitch's nw_frag).
inline constexpr Place kIpFrag{4, 48, 8};
inline constexpr Place kEthSrc{5, 0, 48};
inline constexpr Place kIpProto{5, 48, 8};
inline constexpr Place kIpTtl{5, 56, 8};
inline constexpr Place kCtLabel{6, 0, 128};
inline constexpr Place kIpv6Src{8, 0, 128};
inline constexpr Place kIpv4Src{8, 0, 32};
inline constexpr Place kArpSpa{8, 0, 32};
inline constexpr Place kIpv6Dst{10, 0, 128};
inline constexpr Place kIpv4Dst{10, 0, 32};
inline constexpr Place kArpTpa{10, 0, 32};
inline constexpr Place kNdTarget{12, 0, 128};
inline constexpr Place kArpSha{14, 0, 48};
inline constexpr Place kNdSll{14, 0, 48};
inline constexpr Place kIpEcn{14, 48, 2};
inline constexpr Place kIpDscp{14, 50, 6};
inline constexpr Place kArpTha{15, 0, 48};
inline constexpr Place kNdTll{15, 0, 48};
inline constexpr Place kArpOp{15, 48, 16};
inline constexpr Place kTpSrc{16, 0, 16};
inline constexpr Place kTpDst{16, 16, 16};
inline constexpr Place kTcpFlags{16, 32, 12};
inline constexpr Place kIpv6Label{17, 0, 20};

}  // namespace place

// The bits of a field. Requires, here and below, where a value is passed: width <= 64.
constexpr Word Get(const FlowKey& key, Place place) {
  return (key.words[place.word] & place.Mask()) >> place.bit;
}

// Writes the bits of a field, which were zero.
constexpr void Put(FlowKey& key, Place place, Word value) {
  key.words[place.word] |= value << place.bit;
}

constexpr void Set(FlowKey& key, Place place, Word value) {
  key.words[place.word] = (key.words[place.word] & ~place.Mask()) | value << place.bit;
}

// What no byte of the packet tells, and the words it lies in.
inline constexpr FlowKey kMetadata{
    {~Word{0}, ~Word{0}, ~Word{0}, place::kCtZone.Mask(), 0, 0, ~Word{0}, ~Word{0}}};
inline constexpr std::size_t kMetadataWords[] = {0, 1, 2, 3, 6, 7};

struct Field {
  std::string_view name;
  Place place;
};

// Names are those of OpenFlow's OXM fields, or Open vSwitch's where OpenFlow has none.
inline constexpr Field kFields[] = {
    {"recirc_id", place::kRecircId}, {"in_port", place::kInPort},
    {"tun_id", place::kTunId},       {"ct_state", place::kCtState},
    {"ct_mark", place::kCtMark},     {"ct_zone", place::kCtZone},
    {"vlan_vid", place::kVlanVid},   {"vlan_pcp", place::kVlanPcp},
    {"inner_tag", place::kInnerTag}, {"eth_type", place::kEthType},
    {"eth_dst", place::kEthDst},     {"ip_frag", place::kIpFrag},
    {"eth_src", place::kEthSrc},     {"ip_proto", place::kIpProto},
    {"ip_ttl", place::kIpTtl},       {"ct_label", place::kCtLabel},
    {"ipv6_src", place::kIpv6Src},   {"ipv4_src", place::kIpv4Src},
    {"arp_spa", place::kArpSpa},     {"ipv6_dst", place::kIpv6Dst},
    {"ipv4_dst", place::kIpv4Dst},   {"arp_tpa", place::kArpTpa},
    {"nd_target", place::kNdTarget}, {"arp_sha", place::kArpSha},
    {"nd_sll", place::kNdSll},       {"ip_ecn", place::kIpEcn},
    {"ip_dscp", place::kIpDscp},     {"arp_tha", place::kArpTha},
    {"nd_tll", place::kNdTll},       {"arp_op", place::kArpOp},
    {"tcp_src", place::kTpSrc},      {"udp_src", place::kTpSrc},
    {"icmpv4_type", place::kTpSrc},  {"icmpv6_type", place::kTpSrc},
    {"tcp_dst", place::kTpDst},      {"udp_dst", place::kTpDst},
    {"icmpv4_code", place::kTpDst},  {"icmpv6_code", place::kTpDst},
    {"sctp_src", place::kTpSrc},     {"sctp_dst", place::kTpDst},
    {"tcp_flags", place::kTcpFlags}, {"ipv6_label", place::kIpv6Label},
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_KEY_H_
