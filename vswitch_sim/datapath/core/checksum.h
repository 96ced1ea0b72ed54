// The Internet checksum, whole (RFC 1071) and updated (RFC 1624).
//
// One's complement has two zeros: a sum is 0 only if all its words are, so a checksum 0xFFFF stands
// for that, and 0 for a sum of 0xFFFF. An update cannot tell these sums apart; it gives 0.

#ifndef VSWITCH_SIM_DATAPATH_CORE_CHECKSUM_H_
#define VSWITCH_SIM_DATAPATH_CORE_CHECKSUM_H_

#include <cstddef>
#include <cstdint>

#include "bytes.h"

namespace vswitch {

// A sum of 16-bit words, not folded yet. Requires: of less than 2^48 of them.
using Sum = std::uint64_t;

constexpr std::uint16_t Fold(Sum sum) {
  while (sum > 0xFFFF) {
    sum = (sum & 0xFFFF) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(sum);
}

// The words of some bytes; an odd last one is the upper half of a word.
inline Sum SumOf(Bytes bytes) {
  Sum sum = 0;
  std::size_t at = 0;
  for (; at + 2 <= bytes.size(); at += 2) {
    sum += Load16(bytes.data() + at);
  }
  return at < bytes.size() ? sum + (std::uint32_t{bytes[at]} << 8) : sum;
}

// Writes the bits of `mask` in the word at `at`; returns what that adds to the sum of the words: 0
// only if nothing changed.
inline Sum WriteWord(std::uint8_t* at, std::uint16_t value, std::uint16_t mask) {
  const std::uint16_t before = Load16(at);
  const auto after = static_cast<std::uint16_t>((before & ~mask) | (value & mask));
  if (before == after) {
    return 0;
  }
  Store16(at, after);
  return Sum{static_cast<std::uint16_t>(~before)} + after;
}

// The checksum of words to whose sum `change` was added.
inline std::uint16_t UpdatedChecksum(std::uint16_t checksum, Sum change) {
  return static_cast<std::uint16_t>(~Fold(static_cast<std::uint16_t>(~checksum) + change));
}

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_CHECKSUM_H_
