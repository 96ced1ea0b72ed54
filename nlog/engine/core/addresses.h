// Addresses and prefixes of both families as words, as words.h lays them out.
//
// An ip6 has 128 bits, so it is interned; a prefix is plain if it is one of ip4, and tells by its
// highest bit. Cost: a look into the interner where the family is ip6. Thread safety: that of the
// interner.

#ifndef NLOG_ENGINE_CORE_ADDRESSES_H_
#define NLOG_ENGINE_CORE_ADDRESSES_H_

#include <algorithm>
#include <array>
#include <compare>
#include <span>
#include <string>

#include "interner.h"
#include "text.h"
#include "words.h"

namespace nlog::core {

inline constexpr Word kPrefix6Bit = Word{1} << 63;

// The words of the tuple that an ip6 is interned as.
inline std::array<Word, 2> TupleOf(const Ip6& ip6) { return {ip6.high, ip6.low}; }
// The words of the tuple behind the prefix of `length` that holds `ip6`. Requires: length <= 128.
inline std::array<Word, 3> TupleOf(const Ip6& ip6, Word length) {
  const Ip6 masked = Masked(ip6, length);
  return {masked.high, masked.low, length};
}

inline Word InternIp6(Interner& interner, const Ip6& ip6) {
  return interner.InternTuple(TupleOf(ip6));
}
inline Ip6 Ip6Of(const Interner& interner, Word word) {
  const std::span<const Word> halves = interner.Tuple(word);
  return {halves[0], halves[1]};
}

inline bool IsPrefix6(Word prefix) { return (prefix & kPrefix6Bit) != 0; }
inline Word InternPrefix6(Interner& interner, const Ip6& ip6, Word length) {
  return kPrefix6Bit | interner.InternTuple(TupleOf(ip6, length));
}
// Requires: IsPrefix6(prefix).
inline Prefix6Parts Prefix6Of(const Interner& interner, Word prefix) {
  const std::span<const Word> parts = interner.Tuple(prefix & ~kPrefix6Bit);
  return {{parts[0], parts[1]}, parts[2]};
}

// Those of ip4 first, then by address, then by length.
inline std::strong_ordering ComparePrefixes(const Interner& interner, Word left, Word right) {
  if (!IsPrefix6(left) || !IsPrefix6(right)) {
    return left <=> right;
  }
  const std::span<const Word> parts = interner.Tuple(left & ~kPrefix6Bit);
  const std::span<const Word> others = interner.Tuple(right & ~kPrefix6Bit);
  return std::lexicographical_compare_three_way(parts.begin(), parts.end(), others.begin(),
                                                others.end());
}

// The text of a prefix of either family.
inline std::string PrefixText(const Interner& interner, Word prefix) {
  if (!IsPrefix6(prefix)) {
    return FormatPrefix(prefix);
  }
  const auto [ip6, length] = Prefix6Of(interner, prefix);
  return FormatIp6(ip6) + "/" + std::to_string(length);
}

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_ADDRESSES_H_
