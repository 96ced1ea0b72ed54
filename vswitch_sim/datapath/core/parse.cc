// See parse.h.

#include "parse.h"

#include <algorithm>

namespace vswitch {
namespace {

constexpr std::size_t kArpBytes = 28;
constexpr std::size_t kIpv4BytesMin = 20;
constexpr std::size_t kIpv6Bytes = 40;
constexpr std::size_t kTcpBytesMin = 20;
constexpr std::size_t kUdpBytes = 8;
constexpr std::size_t kIcmpBytes = 8;
constexpr std::size_t kSctpBytes = 12;
// More padding than this is no padding, as in Open vSwitch.
constexpr std::size_t kPaddingBytesMax = 0xFFFF;

constexpr std::uint8_t kProtoHopByHop = 0;
constexpr std::uint8_t kProtoRouting = 43;
constexpr std::uint8_t kProtoAuthentication = 51;
constexpr std::uint8_t kProtoDestination = 60;
constexpr std::uint16_t kIpv4Fragmented = 0x3FFF;
constexpr std::uint16_t kIpv4FragmentOffset = 0x1FFF;
constexpr std::uint16_t kIpv6FragmentOffset = 0xFFF8;
constexpr Word kFragment = 1;
constexpr Word kLaterFragment = 3;

// What is left to read: the bytes from `at` to `end`.
struct Cursor {
  const std::uint8_t* frame;
  std::size_t at;
  std::size_t end;

  std::size_t Left() const { return end - at; }
  const std::uint8_t* Here() const { return frame + at; }
};

void ClearPacketFields(FlowKey& key) {
  key.words[place::kCtZone.word] &= place::kCtZone.Mask();
  key.words[4] = key.words[5] = 0;
  std::fill(key.words.begin() + 8, key.words.end(), 0);
}

void Put128(FlowKey& key, Place place, const std::uint8_t* at) {
  key.words[place.word + 1] = Load64(at);
  key.words[place.word] = Load64(at + 8);
}

// Reads tags, and leaves the cursor at the type that follows.
void ParseTags(Cursor& cursor, FlowKey& key) {
  for (int tag = 0; tag < 2; ++tag) {
    if (!IsTagType(Load16(cursor.Here())) || cursor.Left() < kTagBytes + 2) {
      return;
    }
    const Word tci = Load16(cursor.Here() + 2);
    if (tag == 0) {
      Put(key, place::kVlanVid, (tci & 0x0FFF) | kTagPresent);
      Put(key, place::kVlanPcp, tci >> 13);
    } else {
      Put(key, place::kInnerTag, tci | kTagPresent);
    }
    cursor.at += kTagBytes;
  }
}

// Reads the type, or length and LLC/SNAP header.
std::uint16_t ParseEthType(Cursor& cursor) {
  constexpr std::uint16_t kEthTypeMin = 0x0600;
  constexpr std::uint64_t kSnap = 0xAAAA03000000;
  constexpr std::size_t kSnapBytes = 8;
  std::uint16_t eth_type = Load16(cursor.Here());
  cursor.at += 2;
  if (eth_type >= kEthTypeMin) {
    return eth_type;
  }
  if (cursor.Left() < kSnapBytes || Load48(cursor.Here()) != kSnap) {
    return kEthTypeNone;
  }
  eth_type = Load16(cursor.Here() + 6);
  cursor.at += kSnapBytes;
  return eth_type >= kEthTypeMin ? eth_type : kEthTypeNone;
}

void ParseArp(const Cursor& cursor, FlowKey& key, Headers& headers) {
  constexpr std::uint64_t kIpv4OverEthernet = 0x000108000604;
  const std::uint8_t* const arp = cursor.Here();
  if (cursor.Left() < kArpBytes || Load48(arp) != kIpv4OverEthernet) {
    return;
  }
  headers.l3 = static_cast<std::uint32_t>(cursor.at);
  headers.l3_kind = L3::kArp;
  const std::uint16_t op = Load16(arp + 6);
  Put(key, place::kArpOp, op <= 0xFF ? op : 0);
  Put(key, place::kArpSha, Load48(arp + 8));
  Put(key, place::kArpSpa, Load32(arp + 14));
  Put(key, place::kArpTha, Load48(arp + 18));
  Put(key, place::kArpTpa, Load32(arp + 24));
}

// The options of a neighbour solicitation or advertisement, up to the first that is cut short. One
// that comes twice makes all of them, and the target, void.
void ParseNeighbourDiscovery(Cursor cursor, FlowKey& key, Headers& headers) {
  constexpr std::size_t kAddressBytes = 16;
  constexpr std::size_t kOptionUnit = 8;
  constexpr std::uint8_t kSourceAddress = 1;
  constexpr std::uint8_t kTargetAddress = 2;
  if (cursor.Left() < kAddressBytes) {
    return;
  }
  const auto target = static_cast<std::uint32_t>(cursor.at);
  cursor.at += kAddressBytes;
  std::uint32_t places[2] = {0, 0};
  Word addresses[2] = {0, 0};
  while (cursor.Left() >= kOptionUnit) {
    const std::uint8_t kind = cursor.Here()[0];
    const std::size_t bytes = cursor.Here()[1] * kOptionUnit;
    if (bytes == 0 || bytes > cursor.Left()) {
      break;
    }
    if ((kind == kSourceAddress || kind == kTargetAddress) && bytes == kOptionUnit) {
      const int which = kind - kSourceAddress;
      if (addresses[which] != 0) {
        return;
      }
      places[which] = static_cast<std::uint32_t>(cursor.at + 2);
      addresses[which] = Load48(cursor.Here() + 2);
    }
    cursor.at += bytes;
  }
  headers.nd_target = target;
  headers.nd_sll = places[0];
  headers.nd_tll = places[1];
  Put128(key, place::kNdTarget, cursor.frame + target);
  Put(key, place::kNdSll, addresses[0]);
  Put(key, place::kNdTll, addresses[1]);
}

void ParseIcmpv6(Cursor cursor, FlowKey& key, Headers& headers) {
  constexpr std::uint8_t kSolicitation = 135;
  constexpr std::uint8_t kAdvertisement = 136;
  if (cursor.Left() < kIcmpBytes) {
    return;
  }
  const std::uint8_t kind = cursor.Here()[0];
  const std::uint8_t code = cursor.Here()[1];
  headers.l4_kind = L4::kIcmpv6;
  Put(key, place::kTpSrc, kind);
  Put(key, place::kTpDst, code);
  if (code == 0 && (kind == kSolicitation || kind == kAdvertisement)) {
    cursor.at += kIcmpBytes;
    ParseNeighbourDiscovery(cursor, key, headers);
  }
}

void ParseL4(const Cursor& cursor, std::uint8_t proto, FlowKey& key, Headers& headers) {
  headers.l4 = static_cast<std::uint32_t>(cursor.at);
  const std::uint8_t* const l4 = cursor.Here();
  const std::size_t left = cursor.Left();
  if (proto == kProtoTcp && left >= kTcpBytesMin) {
    const std::size_t header_bytes = std::size_t{l4[12]} / 16 * 4;
    if (header_bytes < kTcpBytesMin || header_bytes > left) {
      return;
    }
    headers.l4_kind = L4::kTcp;
    Put(key, place::kTpSrc, Load16(l4));
    Put(key, place::kTpDst, Load16(l4 + 2));
    Put(key, place::kTcpFlags, Load16(l4 + 12) & 0x0FFF);
  } else if (proto == kProtoUdp && left >= kUdpBytes) {
    headers.l4_kind = L4::kUdp;
    Put(key, place::kTpSrc, Load16(l4));
    Put(key, place::kTpDst, Load16(l4 + 2));
  } else if (proto == kProtoSctp && left >= kSctpBytes) {
    // Its ports are read, never written: no kind.
    Put(key, place::kTpSrc, Load16(l4));
    Put(key, place::kTpDst, Load16(l4 + 2));
  } else if (proto == kProtoIcmpv4 && left >= kIcmpBytes) {
    headers.l4_kind = L4::kIcmpv4;
    Put(key, place::kTpSrc, l4[0]);
    Put(key, place::kTpDst, l4[1]);
  } else if (proto == kProtoIcmpv6) {
    ParseIcmpv6(cursor, key, headers);
  }
}

void ParseIpv4(Cursor cursor, FlowKey& key, Headers& headers) {
  if (cursor.Left() < kIpv4BytesMin) {
    return;
  }
  const std::uint8_t* const ip = cursor.Here();
  const std::size_t header_bytes = std::size_t{ip[0]} % 16 * 4;
  const std::size_t total_bytes = Load16(ip + 2);
  if (header_bytes < kIpv4BytesMin || header_bytes > total_bytes || total_bytes > cursor.Left() ||
      cursor.Left() - total_bytes > kPaddingBytesMax) {
    return;
  }
  cursor.end = cursor.at + total_bytes;
  headers.l3 = static_cast<std::uint32_t>(cursor.at);
  headers.l3_kind = L3::kIpv4;
  headers.end = static_cast<std::uint32_t>(cursor.end);
  cursor.at += header_bytes;
  const std::uint16_t fragment = Load16(ip + 6);
  Put(key, place::kIpDscp, ip[1] >> 2);
  Put(key, place::kIpEcn, ip[1] & 3);
  Put(key, place::kIpTtl, ip[8]);
  Put(key, place::kIpProto, ip[9]);
  Put(key, place::kIpv4Src, Load32(ip + 12));
  Put(key, place::kIpv4Dst, Load32(ip + 16));
  if ((fragment & kIpv4FragmentOffset) != 0) {
    Put(key, place::kIpFrag, kLaterFragment);
    return;
  }
  Put(key, place::kIpFrag, (fragment & kIpv4Fragmented) != 0 ? kFragment : 0);
  ParseL4(cursor, ip[9], key, headers);
}

void ParseIpv6(Cursor cursor, FlowKey& key, Headers& headers) {
  if (cursor.Left() < kIpv6Bytes) {
    return;
  }
  const std::uint8_t* const ip = cursor.Here();
  const std::size_t total_bytes = kIpv6Bytes + Load16(ip + 4);
  if (total_bytes > cursor.Left() || cursor.Left() - total_bytes > kPaddingBytesMax) {
    return;
  }
  cursor.end = cursor.at + total_bytes;
  headers.l3 = static_cast<std::uint32_t>(cursor.at);
  headers.l3_kind = L3::kIpv6;
  headers.end = static_cast<std::uint32_t>(cursor.end);
  cursor.at += kIpv6Bytes;
  Put128(key, place::kIpv6Src, ip + 8);
  Put128(key, place::kIpv6Dst, ip + 24);
  Extensions found{.proto = ip[6]};
  if (!PassExtensions({cursor.frame, cursor.end}, cursor.at, found, headers)) {
    return;
  }
  const std::uint32_t first = Load32(ip);
  Put(key, place::kIpv6Label, first & 0xFFFFF);
  Put(key, place::kIpDscp, first >> 22 & 0x3F);
  Put(key, place::kIpEcn, first >> 20 & 3);
  Put(key, place::kIpTtl, ip[7]);
  Put(key, place::kIpProto, found.proto);
  Put(key, place::kIpFrag, found.fragment);
  if (found.fragment != kLaterFragment) {
    ParseL4(cursor, found.proto, key, headers);
  }
}

}  // namespace

bool PassExtensions(Bytes packet, std::size_t& at, Extensions& found, Headers& headers) {
  for (;;) {
    const std::uint8_t kind = found.proto;
    if (kind != kProtoHopByHop && kind != kProtoRouting && kind != kProtoDestination &&
        kind != kProtoAuthentication && kind != kProtoFragment) {
      return true;
    }
    if (packet.size() - at < 8) {
      return false;
    }
    const std::uint8_t* const extension = packet.data() + at;
    found.proto = extension[0];
    std::size_t bytes = (std::size_t{extension[1]} + 1) * 8;
    if (kind == kProtoAuthentication) {
      bytes = (std::size_t{extension[1]} + 2) * 4;
    } else if (kind == kProtoFragment) {
      bytes = 8;
      headers.fragment = static_cast<std::uint32_t>(at);
      const std::uint16_t offset = Load16(extension + 2);
      if ((offset & kIpv6FragmentOffset) != 0) {
        found = {kProtoFragment, kLaterFragment};
        return true;
      }
      // The reserved bits count, too, as in Open vSwitch.
      found.fragment = offset != 0 ? kFragment : found.fragment;
    } else if (kind == kProtoRouting && extension[3] > 0) {
      headers.is_source_routed = true;
    }
    if (bytes > packet.size() - at) {
      return false;
    }
    at += bytes;
  }
}

bool Parse(Bytes frame, FlowKey& key, Headers& headers) {
  ClearPacketFields(key);
  headers = {};
  if (frame.size() < kEthernetBytes) {
    return false;
  }
  Put(key, place::kEthDst, Load48(frame.data()));
  Put(key, place::kEthSrc, Load48(frame.data() + 6));
  Cursor cursor{frame.data(), 12, frame.size()};
  ParseTags(cursor, key);
  const std::uint16_t eth_type = ParseEthType(cursor);
  Put(key, place::kEthType, eth_type);
  if (eth_type == kEthTypeIpv4) {
    ParseIpv4(cursor, key, headers);
  } else if (eth_type == kEthTypeIpv6) {
    ParseIpv6(cursor, key, headers);
  } else if (eth_type == kEthTypeArp || eth_type == kEthTypeRarp) {
    ParseArp(cursor, key, headers);
  }
  return true;
}

}  // namespace vswitch
