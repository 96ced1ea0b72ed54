// Addresses as text and back: the canonical forms that nlog prints and accepts.
//
//   mac      0a:00:00:00:00:01      six pairs of hexadecimal digits (upper case is read, too)
//   ip4      10.0.0.1               four numbers of 0 to 255 without leading zeros
//   ip6      2001:db8::1            as RFC 5952 has it; read in every form of RFC 4291
//   prefix   10.0.0.0/24            an ip4 and a length of 0 to 32
//            2001:db8::/32          an ip6 and a length of 0 to 128
//
// Of the ip6 those that stand for an ip4 (::ffff:0:0/96) end with one: ::ffff:10.0.0.1.
// Reading is strict and says only whether it worked; the words are laid out as in words.h.

#ifndef NLOG_ENGINE_CORE_TEXT_H_
#define NLOG_ENGINE_CORE_TEXT_H_

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "words.h"

namespace nlog::core {

inline constexpr Word kMacMax = 0xFFFFFFFFFFFFull;
inline constexpr Word kIp4Max = 0xFFFFFFFFull;
inline constexpr Word kPrefixLengthMax = 32;
inline constexpr unsigned kPrefixLengthBits = 8;

std::string FormatMac(Word mac);
std::string FormatIp4(Word ip4);
std::string FormatPrefix(Word prefix);

// The bytes that pairs of hexadecimal digits stand for.
std::optional<std::string> ParseHex(std::string_view text);

std::optional<Word> ParseMac(std::string_view text);
std::optional<Word> ParseIp4(std::string_view text);

// An address and a length; host bits may be set (see MakePrefix).
struct PrefixParts {
  Word ip4;
  Word length;
};
std::optional<PrefixParts> ParsePrefix(std::string_view text);

// 128 bits.
struct Ip6 {
  Word high;
  Word low;

  bool operator==(const Ip6&) const = default;
};
inline constexpr Word kIp6LengthMax = 128;

// The ip6 whose first `length` bits are set. Requires: length <= 128.
inline Ip6 Ip6Mask(Word length) {
  const auto half = [](Word bits) { return bits == 0 ? 0 : ~Word{0} << (64 - bits); };
  return {half(std::min<Word>(length, 64)), half(length > 64 ? length - 64 : 0)};
}
inline Ip6 Masked(const Ip6& ip6, Word length) {
  const Ip6 mask = Ip6Mask(length);
  return {ip6.high & mask.high, ip6.low & mask.low};
}

std::string FormatIp6(const Ip6& ip6);
std::optional<Ip6> ParseIp6(std::string_view text);

// Host bits may be set.
struct Prefix6Parts {
  Ip6 ip6;
  Word length;
};
std::optional<Prefix6Parts> ParsePrefix6(std::string_view text);

// The ip4 whose first `length` bits are set. Requires: length <= 32.
inline Word PrefixMask(Word length) { return (kIp4Max << (kPrefixLengthMax - length)) & kIp4Max; }
// The prefix of `length` that holds `ip4`. Requires: length <= 32.
inline Word MakePrefix(Word ip4, Word length) {
  return (ip4 & PrefixMask(length)) << kPrefixLengthBits | length;
}
inline Word PrefixNetwork(Word prefix) { return prefix >> kPrefixLengthBits; }
inline Word PrefixLength(Word prefix) { return prefix & ((Word{1} << kPrefixLengthBits) - 1); }

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_TEXT_H_
