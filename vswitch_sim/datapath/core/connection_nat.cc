// See connection_nat.h.

#include "connection_nat.h"

#include <algorithm>

#include "checksum.h"
#include "hash.h"
#include "rewrite.h"

namespace vswitch {
namespace {

// How many addresses of a range are tried.
constexpr Word kAddressesTried = 64;

// Numbers of ports that are tried in turn, from one on.
struct Candidates {
  std::uint16_t first;
  PortRange range;

  std::uint32_t size() const { return std::uint32_t{range.max} - range.min + 1; }
  std::uint16_t At(std::uint32_t i) const {
    return static_cast<std::uint16_t>(range.min + (first - range.min + i) % size());
  }
};

Word HashOfRange(const Tuple& original, const NatRequest& request) {
  Hasher hasher;
  hasher.Add(0, original.source.address.high);
  hasher.Add(1, original.source.address.low);
  if (!request.is_persistent) {
    hasher.Add(2, TupleHash()(original));
  }
  return hasher.Value();
}

// How many addresses a range has, at most 2^32.
Word SizeOf(const AddressRange& range) {
  constexpr Word kSizeMax = Word{1} << 32;
  const Word high = range.max.high - range.min.high - (range.max.low < range.min.low ? 1 : 0);
  const Word low = range.max.low - range.min.low;
  return high != 0 || low >= kSizeMax ? kSizeMax : low + 1;
}

Address Plus(const Address& address, Word offset) {
  const Word low = address.low + offset;
  return {address.high + (low < offset ? 1 : 0), low};
}

// Ports alike are those of which a system lets the same users choose.
PortRange PortsLike(std::uint16_t port) {
  if (port < 512) {
    return {1, 511};
  }
  return port < 1024 ? PortRange{600, 1023} : PortRange{1024, 65535};
}

Candidates PortsOf(const PortRange& range, Word hash) {
  const Word size = Word{range.max} - range.min + 1;
  return {static_cast<std::uint16_t>(range.min + hash % size), range};
}

// The ports of a source, or identifiers of ICMP: they stay if they can.
Candidates SourcePorts(const Tuple& original, const NatRequest& request, Word hash) {
  const std::uint16_t port = original.source.port;
  if (request.ports && request.kind == NatRequest::Kind::kSource) {
    return PortsOf(*request.ports, hash);
  }
  const PortRange alike = PortsLike(port);
  return {port, {std::min(alike.min, port), std::max(alike.max, port)}};
}

bool FindPort(Tuple& reply, const Candidates& ports, Endpoint Tuple::* end,
              const std::function<bool(const Tuple&)>& is_free) {
  for (std::uint32_t i = 0; i < ports.size(); ++i) {
    (reply.*end).port = ports.At(i);
    if (reply.is_icmp()) {
      reply.source.port = reply.destination.port = ports.At(i);
    }
    if (is_free(reply)) {
      return true;
    }
  }
  return false;
}

bool FindPorts(const Tuple& original, const NatRequest& request, Word hash, Tuple& reply,
               const std::function<bool(const Tuple&)>& is_free) {
  if (!original.has_ports() && !original.is_icmp()) {
    return is_free(reply);
  }
  if (request.kind == NatRequest::Kind::kDestination && request.ports && original.has_ports()) {
    reply.destination.port = original.source.port;
    if (FindPort(reply, PortsOf(*request.ports, hash), &Tuple::source, is_free)) {
      return true;
    }
    reply.source.port = PortsOf(*request.ports, hash).first;
  }
  return FindPort(reply, SourcePorts(original, request, hash), &Tuple::destination, is_free);
}

void PutAddress(FlowKey& key, FlowKey& mask, const Address& address, bool is_ipv6, Place place) {
  key.words[place.word] = address.low;
  mask.words[place.word] = is_ipv6 ? ~Word{0} : 0xFFFFFFFF;
  if (is_ipv6) {
    key.words[place.word + 1] = address.high;
    mask.words[place.word + 1] = ~Word{0};
  }
}

// Writes what the end that is rewritten, and its ports, are to be.
void WriteEnds(std::span<std::uint8_t> frame, const Headers& headers, NatRequest::Kind kind,
               const Tuple& to, bool writes_ports) {
  FlowKey value;
  FlowKey mask;
  const bool is_source = kind == NatRequest::Kind::kSource;
  PutAddress(value, mask, is_source ? to.source.address : to.destination.address, to.is_ipv6,
             is_source ? place::kIpv6Src : place::kIpv6Dst);
  if (writes_ports && to.has_ports()) {
    Set(value, place::kTpSrc, to.source.port);
    Set(value, place::kTpDst, to.destination.port);
    Set(mask, place::kTpSrc, 0xFFFF);
    Set(mask, place::kTpDst, 0xFFFF);
    if (headers.l4_kind == L4::kNone) {
      Store16(frame.data() + headers.l4, to.source.port);
      Store16(frame.data() + headers.l4 + 2, to.destination.port);
    }
  }
  Rewrite(frame, headers, value, mask);
  if (writes_ports && to.is_icmp()) {
    std::uint8_t* const icmp = frame.data() + headers.l4;
    const Sum change = WriteWord(icmp + 4, to.source.port, 0xFFFF);
    if (change != 0) {
      Store16(icmp + 2, UpdatedChecksum(Load16(icmp + 2), change));
    }
  }
}

// Works the checksum of an ICMP message out anew.
void MendIcmp(std::span<std::uint8_t> frame, const Headers& headers) {
  std::uint8_t* const icmp = frame.data() + headers.l4;
  const std::size_t bytes = headers.end - headers.l4;
  Store16(icmp + 2, 0);
  Sum sum = SumOf(Bytes(icmp, bytes));
  if (headers.l3_kind == L3::kIpv6) {
    sum += SumOf(Bytes(frame).subspan(headers.l3 + 8, 32)) + kProtoIcmpv6 + bytes;
  }
  Store16(icmp + 2, static_cast<std::uint16_t>(~Fold(sum)));
}

NatRequest::Kind Opposite(NatRequest::Kind kind) {
  return kind == NatRequest::Kind::kSource ? NatRequest::Kind::kDestination
                                           : NatRequest::Kind::kSource;
}

}  // namespace

std::optional<Tuple> FreeReply(const Tuple& original, const NatRequest& request,
                               const std::function<bool(const Tuple&)>& is_free) {
  const Word hash = HashOfRange(original, request);
  const Word n_addresses = request.addresses ? SizeOf(*request.addresses) : 1;
  for (Word i = 0; i < std::min(n_addresses, kAddressesTried); ++i) {
    Tuple reply = original.Reversed();
    Address& address = request.kind == NatRequest::Kind::kSource ? reply.destination.address
                                                                 : reply.source.address;
    if (request.addresses) {
      address = Plus(request.addresses->min, (hash + i) % n_addresses);
    }
    if (FindPorts(original, request, hash, reply, is_free)) {
      return reply;
    }
  }
  return std::nullopt;
}

void Translate(Packet& packet, NatRequest::Kind kind, const Tuple& to,
               const std::optional<Headers>& quoted, bool writes_ports) {
  const Headers headers = packet.headers();
  const std::span<std::uint8_t> frame = packet.Writable();
  if (!quoted) {
    WriteEnds(frame, headers, kind, to, writes_ports);
    return;
  }
  WriteEnds(frame, headers, kind, to, false);
  WriteEnds(frame, *quoted, Opposite(kind), to.Reversed(), true);
  MendIcmp(frame, headers);
}

}  // namespace vswitch
