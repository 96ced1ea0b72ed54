// Values by their types: the order and the text of what is kept as a tuple.
//
// A word does not say what it means, so whoever compares or prints one passes its type, as a word
// like any other: the number of a tuple that nlog/types.py (`describe`) writes as
//
//   (kind)                        of bool, int, str, mac, ip4, ip6, prefix, bytes
//   (kind, element)               of a list, and of an optional
//   (kind, name, field…)          of a record: a text, and the fields' types
//   (kind, case…)                 of a union: each the number of a tuple (name, field…)
//
// Orders: bool, int, mac, ip4 and ip6 by number; str by code points, bytes by bytes; prefixes of
// ip4 before those of ip6, then by address, then by length; records by their fields, the first that
// differs; lists likewise, and a list before all that go on after it; `none` before all else; cases
// of a union as declared, then by their fields. Equal words are equal values.
//
// Cost: linear in the smaller value, or in the text. Thread safety: that of the interner, which
// nothing here writes to.

#ifndef NLOG_ENGINE_CORE_VALUES_H_
#define NLOG_ENGINE_CORE_VALUES_H_

#include <compare>
#include <string>

#include "interner.h"
#include "words.h"

namespace nlog::core {

// As nlog/types.py numbers them.
enum class TypeKind : Word {
  kBool,
  kInt,
  kStr,
  kMac,
  kIp4,
  kIp6,
  kPrefix,
  kBytes,
  kRecord,
  kList,
  kOptional,
  kUnion,
};

// The type of a kind without parts: the interner begins with these.
constexpr Word TypeOf(TypeKind kind) { return static_cast<Word>(kind); }
inline constexpr Word kPlainTypes = 8;
// Instead of a type: that of constants which are types, or trees of calls.
inline constexpr Word kTreeType = ~Word{0};

std::strong_ordering CompareValues(const Interner& interner, Word type, Word left, Word right);

// Adds the text of a value as it could stand in a rule.
void AppendShown(const Interner& interner, Word type, Word value, std::string& text);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_VALUES_H_
