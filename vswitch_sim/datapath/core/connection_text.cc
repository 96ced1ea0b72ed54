// See connection_text.h.

#include "connection_text.h"

#include <arpa/inet.h>

#include <array>
#include <cstdio>

#include "bytes.h"

namespace vswitch {
namespace {

std::string ProtocolText(std::uint8_t proto) {
  switch (proto) {
    case kProtoIcmpv4:
      return "icmp";
    case kProtoTcp:
      return "tcp";
    case kProtoUdp:
      return "udp";
    case kProtoIcmpv6:
      return "icmpv6";
    default:
      return std::to_string(proto);
  }
}

std::string AddressText(const Address& address, bool is_ipv6) {
  std::array<std::uint8_t, 16> bytes;
  const Word words[2] = {__builtin_bswap64(address.high), __builtin_bswap64(address.low)};
  std::memcpy(bytes.data(), words, bytes.size());
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, bytes.data() + (is_ipv6 ? 0 : 12), text.data(),
            text.size());
  return text.data();
}

std::string TupleText(const Tuple& tuple) {
  std::string text = "(src=" + AddressText(tuple.source.address, tuple.is_ipv6) +
                     ",dst=" + AddressText(tuple.destination.address, tuple.is_ipv6);
  if (tuple.is_icmp()) {
    text += ",id=" + std::to_string(tuple.source.port) +
            ",type=" + std::to_string(tuple.source.icmp_type) + ",code=0";
  } else {
    text += ",sport=" + std::to_string(tuple.source.port) +
            ",dport=" + std::to_string(tuple.destination.port);
  }
  return text + ")";
}

std::string LabelText(const std::array<Word, 2>& label) {
  std::array<char, 40> text{};
  if (label[1] != 0) {
    std::snprintf(text.data(), text.size(), "0x%llx%016llx",
                  static_cast<unsigned long long>(label[1]),
                  static_cast<unsigned long long>(label[0]));
  } else {
    std::snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(label[0]));
  }
  return text.data();
}

// A state by name; two have that of another one, as the kernel knows them.
const char* StateText(TcpState state) {
  static constexpr const char* kNames[] = {"CLOSED",      "LISTEN",     "SYN_SENT",   "ESTABLISHED",
                                           "ESTABLISHED", "CLOSE_WAIT", "FIN_WAIT_1", "CLOSING",
                                           "LAST_ACK",    "TIME_WAIT",  "TIME_WAIT"};
  return kNames[static_cast<std::size_t>(state)];
}

}  // namespace

std::string TextOf(const Connection& connection) {
  std::string text = ProtocolText(connection.original.proto) +
                     ",orig=" + TupleText(connection.original) +
                     ",reply=" + TupleText(connection.reply);
  if (connection.original.zone != 0) {
    text += ",zone=" + std::to_string(connection.original.zone);
  }
  if (connection.mark != 0) {
    text += ",mark=" + std::to_string(connection.mark);
  }
  if (connection.label[0] != 0 || connection.label[1] != 0) {
    text += ",labels=" + LabelText(connection.label);
  }
  if (const auto* const tcp = std::get_if<TcpTracking>(&connection.tracking); tcp != nullptr) {
    text += std::string(",protoinfo=(state=") + StateText(tcp->state()) + ")";
  }
  return text;
}

}  // namespace vswitch
