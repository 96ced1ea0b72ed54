// What an action asks of connection tracking; see `Connection` and `Nat` in _core.pyi.

#ifndef VSWITCH_SIM_DATAPATH_CORE_CONNECTION_REQUEST_H_
#define VSWITCH_SIM_DATAPATH_CORE_CONNECTION_REQUEST_H_

#include <array>
#include <cstdint>
#include <optional>

#include "key.h"

namespace vswitch {

// An address of either version: an IPv4 one is the last 32 bits, and the others are zero.
struct Address {
  Word high = 0;
  Word low = 0;

  friend auto operator<=>(const Address&, const Address&) = default;
};

struct AddressRange {
  Address min;
  Address max;
  bool is_ipv6 = false;
};

struct PortRange {
  std::uint16_t min;
  std::uint16_t max;
};

struct NatRequest {
  // Whether sources are rewritten, or destinations; neither only undoes what the connection has.
  enum class Kind : std::uint8_t { kUndo, kSource, kDestination };

  Kind kind = Kind::kUndo;
  // Without one, addresses stay and only ports may change.
  std::optional<AddressRange> addresses;
  std::optional<PortRange> ports;
  // Whether connections of one source address get one address.
  bool is_persistent = false;
};

struct ConnectionRequest {
  std::uint16_t zone = 0;
  bool commits = false;
  bool forces = false;
  std::uint32_t mark = 0;
  std::uint32_t mark_mask = 0;
  std::array<Word, 2> label{};
  std::array<Word, 2> label_mask{};
  std::optional<NatRequest> nat;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_CONNECTION_REQUEST_H_
