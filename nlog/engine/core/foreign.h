// Functions that whoever embeds the core brings along, called by rules as `foreign.call`.
//
// The first argument of `foreign.call` is the function's number, the others are its own. Values are
// kept in a memo under these words, which may be done because functions are pure and words are
// never used again; so a function is asked once for what it is asked often. The memo has two
// generations of at most kGenerationMax values: when the younger is full it becomes the older, and
// what nobody asked for meanwhile is forgotten.
//
// Failures are kept as well, but only until ForgetFailures: within one evaluation a call that
// failed fails again, so that whether a rule fails depends on its rows alone (verification.h), and
// the next may fare better where the fault was outside.
//
// Cost of a call whose value is known: a hash of its words. Thread safety: none; it is used by the
// thread that evaluates.

#ifndef NLOG_ENGINE_CORE_FOREIGN_H_
#define NLOG_ENGINE_CORE_FOREIGN_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "functions.h"
#include "words.h"

namespace nlog::core {

struct ForeignSignature {
  // Types of values.h.
  std::vector<Word> parameters;
  Word result;

  bool operator==(const ForeignSignature&) const = default;
};

class ForeignFunctions {
 public:
  static constexpr std::size_t kGenerationMax = 1 << 16;

  ForeignFunctions() = default;
  ForeignFunctions(const ForeignFunctions&) = delete;
  ForeignFunctions& operator=(const ForeignFunctions&) = delete;
  virtual ~ForeignFunctions() = default;

  // The value of a call by its words, or what FunctionContext::Fail returns. Throws what Compute
  // throws.
  Word Call(FunctionContext& context, Arguments arguments);

  // By number.
  std::span<const ForeignSignature> signatures() const { return signatures_; }

  void ForgetFailures() { failures_.clear(); }

 protected:
  // The value of a call: the number of a function, and its arguments. Where it has none, nothing,
  // and `failure` says why and names the function. May throw, which ends the evaluation.
  virtual std::optional<Word> Compute(std::span<const Word> call, std::string& failure) = 0;

  std::vector<ForeignSignature> signatures_;

 private:
  struct Hash {
    std::size_t operator()(const std::vector<Word>& words) const;
  };
  template <typename Value>
  using ByCall = std::unordered_map<std::vector<Word>, Value, Hash>;

  const Word* Recall();
  void Remember(Word value);

  ByCall<Word> young_;
  ByCall<Word> old_;
  ByCall<std::string> failures_;
  // The words of the call at hand.
  std::vector<Word> call_;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_FOREIGN_H_
