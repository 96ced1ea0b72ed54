// The order of values of one type, which words alone do not tell.
//
//   bool, mac, ip4           by the number that the word is
//   int                      by value
//   prefix                   those of ip4 first, then by address, then by length
//   str, bytes               by bytes, which in UTF-8 is by code point
//   ip6                      by its halves, as a list of words
//   record                   by its fields, the first that differs
//   list                     by its elements, the first that differs; what ends earlier goes first
//   optional                 as a list of at most one element
//   union                    by case, then as the record that `parts` has for it
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
  enum class Kind : std::uint8_t { kWord, kInt, kText, kPrefix, kRecord, kList, kUnion };

  Kind kind = Kind::kWord;
  // Of a record: the orders of its fields; of a list: that of its elements; of a union: those of
  // its cases.
  std::vector<ValueOrder> parts = {};

  bool operator==(const ValueOrder&) const = default;

  // Requires: both words are values of the type.
  std::strong_ordering Compare(const Interner& interner, Word left, Word right) const;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_ORDER_H_
