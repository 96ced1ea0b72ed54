// The functions that rules may call, by name. All are pure: equal arguments give equal results.
//
// A function reads its arguments straight from the registers of a pipeline and gives one word. It
// fails (integer overflow, division by zero, an address or index out of range) by calling
// FunctionContext::Fail; the word it then returns means nothing. What a word means is in words.h;
// functions trust that arguments have the types they expect, which a plan is checked for
// (typing.h).
//
// Arithmetic is Python's (floor division, modulo with the sign of the divisor) on 64 signed bits.
// Thread safety: functions that make strings, records or lists write to the interner.

#ifndef NLOG_ENGINE_CORE_FUNCTIONS_H_
#define NLOG_ENGINE_CORE_FUNCTIONS_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "interner.h"
#include "words.h"

namespace nlog::core {

class ForeignFunctions;

class FunctionContext {
 public:
  // All arguments must outlive the context. Without foreign functions, none may be called.
  explicit FunctionContext(Interner& interner, ForeignFunctions* foreign = nullptr)
      : interner_(interner), foreign_(foreign) {}

  Interner& interner() { return interner_; }
  ForeignFunctions* foreign() { return foreign_; }
  // Buffers for functions to build results in; empty when taken.
  std::string& TextBuffer();
  std::vector<Word>& TupleBuffer();

  // Notes that a function failed, and why. The first text is kept.
  Word Fail(std::string text);
  bool failed() const { return failed_; }
  // Goes on after a failure.
  void Resume() { failed_ = false; }
  // Whether a function failed since the last call of TakeFailure.
  bool has_failure() const { return !failure_.empty(); }
  // The text of the first failure since the last call of this, or empty.
  std::string TakeFailure() { return std::exchange(failure_, {}); }

 private:
  Interner& interner_;
  ForeignFunctions* foreign_;
  bool failed_ = false;
  std::string failure_;
  std::string text_buffer_;
  std::vector<Word> tuple_buffer_;
};

// The arguments of one call: some of the registers of a pipeline.
class Arguments {
 public:
  Arguments(const Word* registers, std::span<const std::uint32_t> numbers)
      : registers_(registers), numbers_(numbers) {}

  std::size_t size() const { return numbers_.size(); }
  Word operator[](std::size_t i) const { return registers_[numbers_[i]]; }

 private:
  const Word* registers_;
  std::span<const std::uint32_t> numbers_;
};

using FunctionBody = Word (*)(FunctionContext&, Arguments);

struct Function {
  std::string_view name;
  // See typing.h.
  std::string_view signature;
  FunctionBody body;
};

// All functions, ordered by name.
std::span<const Function> Functions();
// The function of a name, or nullptr.
const Function* FindFunction(std::string_view name);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_FUNCTIONS_H_
