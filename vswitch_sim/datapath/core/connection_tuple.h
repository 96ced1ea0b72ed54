// What a connection is known by: addresses, protocol, ports or what stands for them, and zone.
//
// ICMP queries have their identifier as both ports, and the type at either end. Other protocols
// have no ports. An ICMP error is of the connection of the packet that it quotes.
//
// Read strictly: a packet with a wrong checksum, a port 0, a length that contradicts itself, or an
// ICMP message that is neither query nor error, has no tuple. Of a first fragment, whose checksum
// covers what is not there, the checksum is not looked at; a later one has no tuple.

#ifndef VSWITCH_SIM_DATAPATH_CORE_CONNECTION_TUPLE_H_
#define VSWITCH_SIM_DATAPATH_CORE_CONNECTION_TUPLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "connection_request.h"
#include "packet.h"

namespace vswitch {

struct Endpoint {
  Address address;
  // Or the identifier of ICMP.
  std::uint16_t port = 0;
  std::uint8_t icmp_type = 0;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct Tuple {
  Endpoint source;
  Endpoint destination;
  std::uint16_t zone = 0;
  std::uint8_t proto = 0;
  bool is_ipv6 = false;

  // As the other end sends it.
  Tuple Reversed() const { return {destination, source, zone, proto, is_ipv6}; }
  bool has_ports() const { return proto == kProtoTcp || proto == kProtoUdp; }
  bool is_icmp() const { return proto == (is_ipv6 ? kProtoIcmpv6 : kProtoIcmpv4); }

  friend bool operator==(const Tuple&, const Tuple&) = default;
};

struct TupleHash {
  std::size_t operator()(const Tuple& tuple) const;
};

struct ReadTuple {
  Tuple tuple;
  // Where an ICMP error quotes a packet; as this went the other way, `tuple` is that reversed.
  std::optional<Headers> quoted;
};

// The tuple of an IP packet.
std::optional<ReadTuple> TupleOf(Packet& packet, std::uint16_t zone);

// What the fragments of one packet have in common: addresses, and the identifier in place of ports.
std::optional<Tuple> FragmentTupleOf(Packet& packet, std::uint16_t zone);

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_CONNECTION_TUPLE_H_
