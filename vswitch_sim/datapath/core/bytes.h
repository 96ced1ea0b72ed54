// Numbers in the bytes of a frame, which has them in network order and at any address.
//
// Requires, throughout: the bytes are there.

#ifndef VSWITCH_SIM_DATAPATH_CORE_BYTES_H_
#define VSWITCH_SIM_DATAPATH_CORE_BYTES_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace vswitch {

static_assert(std::endian::native == std::endian::little, "bytes are swapped without asking");

using Bytes = std::span<const std::uint8_t>;

inline std::uint16_t Load16(const std::uint8_t* at) {
  std::uint16_t value;
  std::memcpy(&value, at, sizeof(value));
  return __builtin_bswap16(value);
}

inline std::uint32_t Load32(const std::uint8_t* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof(value));
  return __builtin_bswap32(value);
}

inline std::uint64_t Load64(const std::uint8_t* at) {
  std::uint64_t value;
  std::memcpy(&value, at, sizeof(value));
  return __builtin_bswap64(value);
}

// A hardware address.
inline std::uint64_t Load48(const std::uint8_t* at) {
  return std::uint64_t{Load16(at)} << 32 | Load32(at + 2);
}

inline void Store16(std::uint8_t* at, std::uint16_t value) {
  value = __builtin_bswap16(value);
  std::memcpy(at, &value, sizeof(value));
}

inline void Store32(std::uint8_t* at, std::uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(at, &value, sizeof(value));
}

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_BYTES_H_
