// The order of values of one type, which words alone do not tell.
//
//   bool, mac, ip4, prefix   by the number that the word is
//   int                      by value
//   str                      by code point, which is the order of the bytes of UTF-8
//   record                   by its fields, the first that differs
//   list                     by its elements, the first that differs; what ends earlier goes first
//
// Cost: O(1), for str, records and lists in proportion to what is equal at their beginning. Thread
// safety: as the interner's views.

#ifndef NLOG_ENGINE_CORE_ORDER_H_
#define NLOG_ENGINE_CORE_ORDER_H_

#include <compare>
#include <cstdint>
#include <vector>

#include "interner.h"
#include "words.h"

namespace nlog::core {

struct ValueOrder {
  enum class Kind : std::uint8_t { kWord, kInt, kText, kRecord, kList };

  Kind kind = Kind::kWord;
  // Of a record: the orders of its fields; of a list: that of its elements.
  std::vector<ValueOrder> parts = {};

  bool operator==(const ValueOrder&) const = default;

  // Requires: both words are values of the type.
  std::strong_ordering Compare(const Interner& interner, Word left, Word right) const;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_ORDER_H_
