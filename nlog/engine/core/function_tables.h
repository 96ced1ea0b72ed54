// The functions of rules by subject, one table a file; functions.cc puts them together. Private to
// the files named functions*.cc. Within a table the order means nothing.

#ifndef NLOG_ENGINE_CORE_FUNCTION_TABLES_H_
#define NLOG_ENGINE_CORE_FUNCTION_TABLES_H_

#include <cstdint>
#include <span>
#include <string>

#include "functions.h"
#include "words.h"

#define NLOG_BODY(expression)                                                     \
  [](FunctionContext& c [[maybe_unused]], Arguments a [[maybe_unused]]) -> Word { \
    return expression;                                                            \
  }

namespace nlog::core {

std::span<const Function> IntFunctions();
std::span<const Function> AddressFunctions();
std::span<const Function> SequenceFunctions();
std::span<const Function> ValueFunctions();

inline std::int64_t Int(Word word) { return static_cast<std::int64_t>(word); }
inline Word IntWord(std::int64_t value) { return static_cast<Word>(value); }
inline std::string IntText(Word word) { return std::to_string(Int(word)); }

// An int as a word of at most `word_max`; fails if it is outside. `what` is such as "an ip4".
inline Word Bounded(FunctionContext& context, Word word, Word word_max, const char* what) {
  if (word > word_max) {
    return context.Fail(IntText(word) + " is not " + what + ": those are 0 to " +
                        std::to_string(word_max));
  }
  return word;
}

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_FUNCTION_TABLES_H_
