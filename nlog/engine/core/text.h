// Addresses as text and back: the canonical forms that nlog prints and accepts.
//
//   mac      0a:00:00:00:00:01      six pairs of hexadecimal digits (upper case is read, too)
//   ip4      10.0.0.1               four numbers of 0 to 255 without leading zeros
//   prefix   10.0.0.0/24            an ip4 and a length of 0 to 32
//
// Reading is strict and says only whether it worked; the words are laid out as in words.h.

#ifndef NLOG_ENGINE_CORE_TEXT_H_
#define NLOG_ENGINE_CORE_TEXT_H_

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

std::optional<Word> ParseMac(std::string_view text);
std::optional<Word> ParseIp4(std::string_view text);

// An address and a length; host bits may be set (see MakePrefix).
struct PrefixParts {
  Word ip4;
  Word length;
};
std::optional<PrefixParts> ParsePrefix(std::string_view text);

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
