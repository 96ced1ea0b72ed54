// See text.h.

#include "text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

namespace nlog::core {
namespace {

// Reads a decimal number without leading zeros, at most `value_max`, from the front of `text`.
std::optional<Word> TakeDecimal(std::string_view& text, Word value_max) {
  Word value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto digits = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || value > value_max || (digits > 1 && text[0] == '0')) {
    return std::nullopt;
  }
  text.remove_prefix(digits);
  return value;
}

bool TakeCharacter(std::string_view& text, char character) {
  if (text.empty() || text[0] != character) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

std::optional<Word> TakeIp4(std::string_view& text) {
  Word ip4 = 0;
  for (int byte = 0; byte < 4; ++byte) {
    if (byte > 0 && !TakeCharacter(text, '.')) {
      return std::nullopt;
    }
    const std::optional<Word> value = TakeDecimal(text, 255);
    if (!value) {
      return std::nullopt;
    }
    ip4 = ip4 << 8 | *value;
  }
  return ip4;
}

// Takes what stands before `separator` and the separator, or all there is.
std::string_view TakeUntil(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

std::optional<Word> HexDigit(char character) {
  if (character >= '0' && character <= '9') {
    return character - '0';
  }
  const char lower = static_cast<char>(character | 0x20);
  if (lower >= 'a' && lower <= 'f') {
    return lower - 'a' + 10;
  }
  return std::nullopt;
}

// 16 bits each, from the first on.
using Groups = std::array<Word, 8>;

Groups GroupsOf(const Ip6& ip6) {
  Groups groups;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    groups[i] = (i < 4 ? ip6.high : ip6.low) >> (16 * (3 - i % 4)) & 0xFFFF;
  }
  return groups;
}

// Reads groups separated by `:`, the last of which may be an ip4, which makes two.
std::optional<std::vector<Word>> ParseGroups(std::string_view text) {
  std::vector<Word> groups;
  bool is_more = !text.empty();
  while (is_more) {
    is_more = text.find(':') != std::string_view::npos;
    const std::string_view part = TakeUntil(text, ':');
    if (!is_more && part.find('.') != std::string_view::npos) {
      const std::optional<Word> ip4 = ParseIp4(part);
      if (!ip4) {
        return std::nullopt;
      }
      groups.insert(groups.end(), {*ip4 >> 16, *ip4 & 0xFFFF});
      break;
    }
    Word group = 0;
    for (const char character : part) {
      const std::optional<Word> digit = HexDigit(character);
      if (!digit) {
        return std::nullopt;
      }
      group = group << 4 | *digit;
    }
    if (part.empty() || part.size() > 4) {
      return std::nullopt;
    }
    groups.push_back(group);
  }
  return groups;
}

// The longest run of at least two groups of zero, the first of equals.
std::pair<std::size_t, std::size_t> LongestZeros(const Groups& groups) {
  std::size_t best = 0;
  std::size_t best_size = 1;
  for (std::size_t begin = 0; begin < groups.size(); ++begin) {
    std::size_t end = begin;
    while (end < groups.size() && groups[end] == 0) {
      ++end;
    }
    if (end - begin > best_size) {
      best = begin;
      best_size = end - begin;
    }
  }
  return {best, best_size > 1 ? best_size : 0};
}

std::string FormatHex(Word value) {
  char digits[16];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value, 16);
  return {digits, end};
}

}  // namespace

std::string FormatMac(Word mac) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "00:00:00:00:00:00";
  for (std::size_t byte = 0; byte < 6; ++byte) {
    const Word value = mac >> (8 * (5 - byte)) & 0xFF;
    text[3 * byte] = kDigits[value >> 4];
    text[3 * byte + 1] = kDigits[value & 0xF];
  }
  return text;
}

std::string FormatIp4(Word ip4) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    text += std::to_string(ip4 >> shift & 0xFF);
    if (shift > 0) {
      text += '.';
    }
  }
  return text;
}

std::string FormatPrefix(Word prefix) {
  return FormatIp4(PrefixNetwork(prefix)) + "/" + std::to_string(PrefixLength(prefix));
}

std::optional<std::string> ParseHex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    const std::optional<Word> high = HexDigit(text[i]);
    const std::optional<Word> low = HexDigit(text[i + 1]);
    if (!high || !low) {
      return std::nullopt;
    }
    bytes += static_cast<char>(*high << 4 | *low);
  }
  return text.size() % 2 == 0 ? std::optional(bytes) : std::nullopt;
}

std::optional<Word> ParseMac(std::string_view text) {
  constexpr std::size_t kSize = 17;
  if (text.size() != kSize) {
    return std::nullopt;
  }
  Word mac = 0;
  for (std::size_t i = 0; i < kSize; ++i) {
    if (i % 3 == 2) {
      if (text[i] != ':') {
        return std::nullopt;
      }
      continue;
    }
    const std::optional<Word> digit = HexDigit(text[i]);
    if (!digit) {
      return std::nullopt;
    }
    mac = mac << 4 | *digit;
  }
  return mac;
}

std::optional<Word> ParseIp4(std::string_view text) {
  const std::optional<Word> ip4 = TakeIp4(text);
  return text.empty() ? ip4 : std::nullopt;
}

std::optional<PrefixParts> ParsePrefix(std::string_view text) {
  const std::optional<Word> ip4 = TakeIp4(text);
  if (!ip4 || !TakeCharacter(text, '/')) {
    return std::nullopt;
  }
  const std::optional<Word> length = TakeDecimal(text, kPrefixLengthMax);
  if (!length || !text.empty()) {
    return std::nullopt;
  }
  return PrefixParts{*ip4, *length};
}

std::string FormatIp6(const Ip6& ip6) {
  if (ip6.high == 0 && ip6.low >> 32 == 0xFFFF) {
    return "::ffff:" + FormatIp4(ip6.low & kIp4Max);
  }
  const Groups groups = GroupsOf(ip6);
  const auto [zeros, zeros_size] = LongestZeros(groups);
  std::string text;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (zeros_size > 0 && i == zeros) {
      text += "::";
      i += zeros_size - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') {
      text += ':';
    }
    text += FormatHex(groups[i]);
  }
  return text;
}

std::optional<Ip6> ParseIp6(std::string_view text) {
  const std::size_t gap = text.find("::");
  const bool has_gap = gap != std::string_view::npos;
  const auto front = ParseGroups(text.substr(0, gap));
  const auto back = ParseGroups(has_gap ? text.substr(gap + 2) : std::string_view());
  const bool is_ip4_before_gap = has_gap && text.substr(0, gap).find('.') != std::string_view::npos;
  if (!front || !back || is_ip4_before_gap) {
    return std::nullopt;
  }
  const std::size_t count = front->size() + back->size();
  if (has_gap ? count > 7 : count != 8) {
    return std::nullopt;
  }
  Groups groups{};
  std::ranges::copy(*front, groups.begin());
  std::ranges::copy_backward(*back, groups.end());
  Ip6 ip6{0, 0};
  for (std::size_t i = 0; i < groups.size(); ++i) {
    Word& half = i < 4 ? ip6.high : ip6.low;
    half = half << 16 | groups[i];
  }
  return ip6;
}

std::optional<Prefix6Parts> ParsePrefix6(std::string_view text) {
  const std::optional<Ip6> ip6 = ParseIp6(TakeUntil(text, '/'));
  const std::optional<Word> length = TakeDecimal(text, kIp6LengthMax);
  if (!ip6 || !length || !text.empty()) {
    return std::nullopt;
  }
  return Prefix6Parts{*ip6, *length};
}

}  // namespace nlog::core
