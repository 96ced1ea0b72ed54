// See rewrite.h.

#include "rewrite.h"

#include <algorithm>
#include <initializer_list>

#include "checksum.h"

namespace vswitch {
namespace {

// Values for some bits of a packet, which a header at a time is written from.
class Writer {
 public:
  Writer(std::span<std::uint8_t> frame, const Headers& headers, const FlowKey& value,
         const FlowKey& mask)
      : frame_(frame), headers_(headers), value_(value), mask_(mask) {}

  void WriteEthernet() {
    WriteField(frame_.data(), place::kEthDst);
    WriteField(frame_.data() + 6, place::kEthSrc);
    if (frame_.size() < kEthernetBytes + kTagBytes || !IsTagType(Load16(frame_.data() + 12))) {
      return;
    }
    const Word tci = Get(value_, place::kVlanPcp) << 13 | (Get(value_, place::kVlanVid) & 0x0FFF);
    const Word bits = Get(mask_, place::kVlanPcp) << 13 | (Get(mask_, place::kVlanVid) & 0x0FFF);
    WriteWord(frame_.data() + 14, static_cast<std::uint16_t>(tci),
              static_cast<std::uint16_t>(bits));
  }

  void WriteArp() {
    std::uint8_t* const arp = frame_.data() + headers_.l3;
    WriteField(arp + 6, place::kArpOp);
    WriteField(arp + 8, place::kArpSha);
    WriteField(arp + 14, place::kArpSpa);
    WriteField(arp + 18, place::kArpTha);
    WriteField(arp + 24, place::kArpTpa);
  }

  // Writes the header; returns what that adds to the sum of pseudo headers.
  Sum WriteIpv4() {
    std::uint8_t* const ip = frame_.data() + headers_.l3;
    const Sum addresses =
        WriteField(ip + 12, place::kIpv4Src) + WriteField(ip + 16, place::kIpv4Dst);
    const Sum others =
        WriteWord(ip, static_cast<std::uint16_t>(TrafficClass(value_)),
                  static_cast<std::uint16_t>(TrafficClass(mask_))) +
        WriteWord(ip + 8, static_cast<std::uint16_t>(Get(value_, place::kIpTtl) << 8),
                  static_cast<std::uint16_t>(Get(mask_, place::kIpTtl) << 8));
    Store16(ip + 10, UpdatedChecksum(Load16(ip + 10), addresses + others));
    return addresses;
  }

  Sum WriteIpv6() {
    std::uint8_t* const ip = frame_.data() + headers_.l3;
    const Word first = TrafficClass(value_) << 20 | Get(value_, place::kIpv6Label);
    const Word bits = TrafficClass(mask_) << 20 | Get(mask_, place::kIpv6Label);
    WriteWord(ip, static_cast<std::uint16_t>(first >> 16), static_cast<std::uint16_t>(bits >> 16));
    WriteWord(ip + 2, static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(bits));
    WriteWord(ip + 6, static_cast<std::uint16_t>(Get(value_, place::kIpTtl)),
              static_cast<std::uint16_t>(Get(mask_, place::kIpTtl)));
    const Sum source = WriteField(ip + 8, place::kIpv6Src);
    const Sum destination = WriteField(ip + 24, place::kIpv6Dst);
    return headers_.is_source_routed ? source : source + destination;
  }

  void WriteL4(Sum pseudo_header) {
    std::uint8_t* const l4 = frame_.data() + headers_.l4;
    switch (headers_.l4_kind) {
      case L4::kNone:
        return;
      case L4::kTcp:
        UpdateChecksum(l4 + 16, pseudo_header + WritePorts(l4));
        return;
      case L4::kUdp:
        if (const Sum change = pseudo_header + WritePorts(l4); Load16(l4 + 6) != 0) {
          UpdateChecksum(l4 + 6, change);
          Store16(l4 + 6, Load16(l4 + 6) == 0 ? 0xFFFF : Load16(l4 + 6));
        }
        return;
      case L4::kIcmpv4:
        if (const Sum change = WriteTypeAndCode(l4); change != 0) {
          UpdateChecksum(l4 + 2, change);
          MendZero(l4);
        }
        return;
      case L4::kIcmpv6:
        if (headers_.l3_kind != L3::kIpv6) {
          pseudo_header = 0;
        }
        UpdateChecksum(l4 + 2, pseudo_header + WriteTypeAndCode(l4) + WriteNeighbourDiscovery());
        return;
    }
  }

 private:
  static Word TrafficClass(const FlowKey& key) {
    return Get(key, place::kIpDscp) << 2 | Get(key, place::kIpEcn);
  }

  // Writes a field of whole words at `at`, the last one last.
  Sum WriteField(std::uint8_t* at, Place place) {
    Sum change = 0;
    for (unsigned left = place.width; left > 0; at += 2) {
      left -= 16;
      const unsigned word = place.word + left / 64;
      const unsigned shift = place.bit + left % 64;
      const auto bits = static_cast<std::uint16_t>(mask_.words[word] >> shift);
      if (bits != 0) {
        change += WriteWord(at, static_cast<std::uint16_t>(value_.words[word] >> shift), bits);
      }
    }
    return change;
  }

  Sum WritePorts(std::uint8_t* l4) {
    return WriteField(l4, place::kTpSrc) + WriteField(l4 + 2, place::kTpDst);
  }

  Sum WriteTypeAndCode(std::uint8_t* l4) {
    const auto word = [](const FlowKey& key) {
      return static_cast<std::uint16_t>(Get(key, place::kTpSrc) << 8 |
                                        (Get(key, place::kTpDst) & 0xFF));
    };
    return WriteWord(l4, word(value_), word(mask_));
  }

  Sum WriteNeighbourDiscovery() {
    Sum change = 0;
    if (headers_.nd_target != 0) {
      change += WriteField(frame_.data() + headers_.nd_target, place::kNdTarget);
    }
    if (headers_.nd_sll != 0) {
      change += WriteField(frame_.data() + headers_.nd_sll, place::kNdSll);
    }
    if (headers_.nd_tll != 0) {
      change += WriteField(frame_.data() + headers_.nd_tll, place::kNdTll);
    }
    return change;
  }

  // Data of nothing but zeros, which only ICMP can have for want of a pseudo header, has the
  // checksum 0xFFFF, which an update cannot know.
  void MendZero(std::uint8_t* l4) const {
    const Bytes data(l4, frame_.data() + headers_.end);
    if (std::all_of(data.begin(), data.end(), [](std::uint8_t byte) { return byte == 0; })) {
      Store16(l4 + 2, 0xFFFF);
    }
  }

  static void UpdateChecksum(std::uint8_t* at, Sum change) {
    if (change != 0) {
      Store16(at, UpdatedChecksum(Load16(at), change));
    }
  }

  std::span<std::uint8_t> frame_;
  const Headers& headers_;
  const FlowKey& value_;
  const FlowKey& mask_;
};

}  // namespace

FlowKey RewritableBits() {
  FlowKey bits;
  for (const Place place : {place::kEthDst, place::kEthSrc, place::kVlanVid, place::kVlanPcp,
                            place::kIpv6Src, place::kIpv6Dst, place::kNdTarget, place::kArpSha,
                            place::kArpTha, place::kArpOp, place::kIpEcn, place::kIpDscp,
                            place::kIpTtl, place::kIpv6Label, place::kTpSrc, place::kTpDst}) {
    bits.words[place.word] |= place.Mask();
    if (place.width > 64) {
      bits.words[place.word + 1] = ~Word{0};
    }
  }
  return bits;
}

void Rewrite(std::span<std::uint8_t> frame, const Headers& headers, const FlowKey& value,
             const FlowKey& mask) {
  if (frame.size() < kEthernetBytes) {
    return;
  }
  Writer writer(frame, headers, value, mask);
  writer.WriteEthernet();
  Sum pseudo_header = 0;
  switch (headers.l3_kind) {
    case L3::kNone:
      break;
    case L3::kArp:
      writer.WriteArp();
      break;
    case L3::kIpv4:
      pseudo_header = writer.WriteIpv4();
      break;
    case L3::kIpv6:
      pseudo_header = writer.WriteIpv6();
      break;
  }
  writer.WriteL4(pseudo_header);
}

void PushTag(std::vector<std::uint8_t>& frame, std::uint16_t tpid, std::uint16_t tci) {
  frame.insert(frame.begin() + 12, kTagBytes, 0);
  Store16(frame.data() + 12, tpid);
  Store16(frame.data() + 14, static_cast<std::uint16_t>(tci & ~kTagPresent));
}

void PopTag(std::vector<std::uint8_t>& frame) {
  if (frame.size() >= kEthernetBytes + kTagBytes && IsTagType(Load16(frame.data() + 12))) {
    frame.erase(frame.begin() + 12, frame.begin() + 12 + kTagBytes);
  }
}

}  // namespace vswitch
