// See text.h.

#include "text.h"

#include <charconv>

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

}  // namespace nlog::core
