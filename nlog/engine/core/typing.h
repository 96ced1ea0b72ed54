// The types of what a plan computes: whether a function takes what a call gives it.
//
// Functions trust their arguments (functions.h): one that is told that a number is a text reads
// where no text is. The checker of the language sees to the types of rules; this does for plans,
// whoever wrote them.
//
// A signature is a text: the types of the parameters, `>`, and that of the result, in the words of
// nlog/types.py. `E` stands for one type, the same throughout, `[E]` and `E?` for a list and an
// optional of it; `word` for bool, mac or ip4; `str*` for any number of texts; `type` for a
// constant that is the type of the first argument. An empty signature is of a function with a way
// of its own, which typing.cc has.
//
// Cost: a look at each argument; of a tree of calls, at each node.

#ifndef NLOG_ENGINE_CORE_TYPING_H_
#define NLOG_ENGINE_CORE_TYPING_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "foreign.h"
#include "interner.h"
#include "plan_error.h"
#include "values.h"
#include "words.h"

namespace nlog::core {

// What a register holds: a value of a type, and which one if that is known beforehand.
struct Operand {
  // A type of values.h, or kTreeType.
  Word type = 0;
  std::optional<Word> constant = {};
};

// What calls are checked against. Both must outlive it.
struct Typing {
  const Interner& interner;
  // Of foreign functions, by number.
  std::span<const ForeignSignature> foreign;
};

// Throws PlanError unless there is a function of that name which makes a value of type `result` of
// these arguments.
void ExpectCall(const Typing& typing, const std::string& function,
                std::span<const Operand> arguments, Word result);

// The name of a type, for people.
std::string NameOfType(const Interner& interner, Word type);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_TYPING_H_
