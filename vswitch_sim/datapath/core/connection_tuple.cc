// See connection_tuple.h.

#include "connection_tuple.h"

#include "checksum.h"
#include "hash.h"

namespace vswitch {
namespace {

constexpr std::size_t kIpv4BytesMin = 20;
constexpr std::size_t kIpv6Bytes = 40;
constexpr std::size_t kTcpBytesMin = 20;
constexpr std::size_t kIcmpBytes = 8;
// What an ICMP error quotes of layer 4, at least.
constexpr std::size_t kQuotedBytesMin = 8;
constexpr std::uint16_t kIpv4FragmentOffset = 0x1FFF;

Address Address4At(const std::uint8_t* at) { return {0, Load32(at)}; }
Address Address6At(const std::uint8_t* at) { return {Load64(at), Load64(at + 8)}; }

// The answer to an ICMP query, or the query of an answer; nothing for what is neither.
std::optional<std::uint8_t> IcmpAnswer(std::uint8_t type, bool is_ipv6) {
  static constexpr std::uint8_t kPairs4[][2] = {{8, 0}, {13, 14}, {15, 16}};
  static constexpr std::uint8_t kPairs6[][2] = {{128, 129}};
  for (const auto& [query, answer] : is_ipv6 ? std::span<const std::uint8_t[2]>(kPairs6)
                                             : std::span<const std::uint8_t[2]>(kPairs4)) {
    if (type == query) {
      return answer;
    }
    if (type == answer) {
      return query;
    }
  }
  return std::nullopt;
}

bool IsIcmpError(std::uint8_t type, bool is_ipv6) {
  if (is_ipv6) {
    return type >= 1 && type <= 4;
  }
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

// Reads the ports, or what stands for them, of an ICMP query or a protocol with ports. Requires: 8
// bytes at `l4`, unless the protocol has none.
bool ReadEnds(const std::uint8_t* l4, Tuple& tuple) {
  if (tuple.has_ports()) {
    tuple.source.port = Load16(l4);
    tuple.destination.port = Load16(l4 + 2);
    return tuple.source.port != 0 && tuple.destination.port != 0;
  }
  if (tuple.is_icmp()) {
    const auto answer = IcmpAnswer(l4[0], tuple.is_ipv6);
    if (!answer || l4[1] != 0) {
      return false;
    }
    tuple.source.port = tuple.destination.port = Load16(l4 + 4);
    tuple.source.icmp_type = l4[0];
    tuple.destination.icmp_type = *answer;
  }
  return true;
}

// The packet that an ICMP error quotes, as far as it is there.
class QuotedPacket {
 public:
  QuotedPacket(Bytes frame, const Headers& headers)
      : frame_(frame.first(headers.end)), is_ipv6_(headers.l3_kind == L3::kIpv6) {
    quoted_.l3 = headers.l4 + kIcmpBytes;
    quoted_.l3_kind = headers.l3_kind;
    quoted_.end = headers.end;
  }

  const Headers& headers() const { return quoted_; }

  bool Read(Tuple& tuple) {
    if (!(is_ipv6_ ? ReadIpv6(tuple) : ReadIpv4(tuple))) {
      return false;
    }
    const std::size_t left = quoted_.end - quoted_.l4;
    if (tuple.is_icmp() || tuple.has_ports()) {
      const bool is_long_tcp = tuple.proto == kProtoTcp && left >= kTcpBytesMin;
      if (left < kQuotedBytesMin || (is_ipv6_ && tuple.proto == kProtoTcp && !is_long_tcp)) {
        return false;
      }
      // Of TCP there may be ports without a checksum: then there is no layer that can be written.
      quoted_.l4_kind = tuple.is_icmp()            ? (is_ipv6_ ? L4::kIcmpv6 : L4::kIcmpv4)
                        : tuple.proto == kProtoUdp ? L4::kUdp
                        : is_long_tcp              ? L4::kTcp
                                                   : L4::kNone;
    }
    return ReadEnds(frame_.data() + quoted_.l4, tuple);
  }

 private:
  std::size_t Left() const { return quoted_.end - quoted_.l3; }

  bool ReadIpv4(Tuple& tuple) {
    const std::uint8_t* const ip = frame_.data() + quoted_.l3;
    if (Left() < kIpv4BytesMin) {
      return false;
    }
    const std::size_t header_bytes = std::size_t{ip[0]} % 16 * 4;
    if (header_bytes < kIpv4BytesMin || header_bytes > Left() ||
        (Load16(ip + 6) & kIpv4FragmentOffset) != 0) {
      return false;
    }
    tuple.source.address = Address4At(ip + 12);
    tuple.destination.address = Address4At(ip + 16);
    tuple.proto = ip[9];
    quoted_.l4 = quoted_.l3 + static_cast<std::uint32_t>(header_bytes);
    return true;
  }

  bool ReadIpv6(Tuple& tuple) {
    const std::uint8_t* const ip = frame_.data() + quoted_.l3;
    if (Left() < kIpv6Bytes) {
      return false;
    }
    tuple.source.address = Address6At(ip + 8);
    tuple.destination.address = Address6At(ip + 24);
    std::size_t at = quoted_.l3 + kIpv6Bytes;
    Extensions found{.proto = ip[6]};
    if (!PassExtensions(frame_, at, found, quoted_) || found.fragment != 0) {
      return false;
    }
    tuple.proto = found.proto;
    quoted_.l4 = static_cast<std::uint32_t>(at);
    return true;
  }

  Bytes frame_;
  bool is_ipv6_;
  Headers quoted_;
};

// Whether the checksum of what an IP packet carries is right.
bool IsChecksumRight(Bytes frame, const Headers& headers, const Tuple& tuple) {
  const Bytes message = frame.subspan(headers.l4, headers.end - headers.l4);
  Sum sum = SumOf(message);
  if (tuple.has_ports() || tuple.is_ipv6) {
    const std::size_t addresses_at = headers.l3 + (tuple.is_ipv6 ? 8 : 12);
    sum +=
        SumOf(frame.subspan(addresses_at, tuple.is_ipv6 ? 32 : 8)) + tuple.proto + message.size();
  }
  return Fold(sum) == 0xFFFF;
}

bool IsUdpRight(Bytes frame, const Headers& headers, const Tuple& tuple, bool is_fragment) {
  const std::uint8_t* const udp = frame.data() + headers.l4;
  const std::size_t udp_bytes = Load16(udp + 4);
  if (udp_bytes < 8 || (!is_fragment && udp_bytes > headers.end - headers.l4)) {
    return false;
  }
  return is_fragment || (Load16(udp + 6) == 0 && !tuple.is_ipv6) ||
         IsChecksumRight(frame, headers, tuple);
}

// Whether layer 4 is whole and right.
bool IsL4Right(Bytes frame, const Headers& headers, const Tuple& tuple, bool is_fragment) {
  if (tuple.proto == kProtoUdp) {
    return headers.l4_kind == L4::kUdp && IsUdpRight(frame, headers, tuple, is_fragment);
  }
  if (tuple.proto == kProtoTcp || tuple.is_icmp()) {
    return headers.l4_kind != L4::kNone && (is_fragment || IsChecksumRight(frame, headers, tuple));
  }
  return true;
}

// Addresses and protocol of an IP packet; nothing if its header is damaged.
std::optional<Tuple> AddressesOf(Bytes frame, const Headers& headers, std::uint16_t zone) {
  const std::uint8_t* const ip = frame.data() + headers.l3;
  Tuple tuple;
  tuple.zone = zone;
  if (headers.l3_kind == L3::kIpv4) {
    const std::size_t header_bytes = std::size_t{ip[0]} % 16 * 4;
    if (Fold(SumOf(frame.subspan(headers.l3, header_bytes))) != 0xFFFF) {
      return std::nullopt;
    }
    tuple.source.address = Address4At(ip + 12);
    tuple.destination.address = Address4At(ip + 16);
    return tuple;
  }
  if (headers.l3_kind == L3::kIpv6) {
    tuple.is_ipv6 = true;
    tuple.source.address = Address6At(ip + 8);
    tuple.destination.address = Address6At(ip + 24);
    return tuple;
  }
  return std::nullopt;
}

}  // namespace

std::size_t TupleHash::operator()(const Tuple& tuple) const {
  Hasher hasher;
  hasher.Add(0, tuple.source.address.high ^ tuple.zone);
  hasher.Add(1, tuple.source.address.low);
  hasher.Add(2, tuple.destination.address.high ^ tuple.proto);
  hasher.Add(3, tuple.destination.address.low);
  hasher.Add(0, Word{tuple.source.port} << 16 | tuple.destination.port);
  return hasher.Value();
}

std::optional<ReadTuple> TupleOf(Packet& packet, std::uint16_t zone) {
  const Headers headers = packet.headers();
  const Bytes frame = packet.bytes();
  const std::optional<Tuple> addresses = AddressesOf(frame, headers, zone);
  if (!addresses || headers.l4 == 0) {
    return std::nullopt;
  }
  ReadTuple read{*addresses, std::nullopt};
  Tuple& tuple = read.tuple;
  tuple.proto = static_cast<std::uint8_t>(Get(packet.key(), place::kIpProto));
  const bool is_fragment = Get(packet.key(), place::kIpFrag) != 0;
  if (!IsL4Right(frame, headers, tuple, is_fragment)) {
    return std::nullopt;
  }
  const std::uint8_t* const l4 = frame.data() + headers.l4;
  if (!tuple.is_icmp() || !IsIcmpError(l4[0], tuple.is_ipv6)) {
    return ReadEnds(l4, tuple) ? std::optional(read) : std::nullopt;
  }
  QuotedPacket quoted(frame, headers);
  Tuple quoted_tuple;
  quoted_tuple.zone = zone;
  quoted_tuple.is_ipv6 = tuple.is_ipv6;
  // Who sent what is quoted is told of it.
  if (!quoted.Read(quoted_tuple) || quoted_tuple.source.address != tuple.destination.address) {
    return std::nullopt;
  }
  return ReadTuple{quoted_tuple.Reversed(), quoted.headers()};
}

std::optional<Tuple> FragmentTupleOf(Packet& packet, std::uint16_t zone) {
  const Headers headers = packet.headers();
  const Bytes frame = packet.bytes();
  std::optional<Tuple> tuple = AddressesOf(frame, headers, zone);
  if (!tuple || Get(packet.key(), place::kIpFrag) == 0) {
    return std::nullopt;
  }
  if (tuple->is_ipv6) {
    tuple->source.port = Load16(frame.data() + headers.fragment + 4);
    tuple->destination.port = Load16(frame.data() + headers.fragment + 6);
  } else {
    tuple->source.port = Load16(frame.data() + headers.l3 + 4);
    tuple->proto = frame[headers.l3 + 9];
  }
  return tuple;
}

}  // namespace vswitch
