// See foreign.h.

#include "foreign.h"

#include <string_view>
#include <utility>

namespace nlog::core {

std::size_t ForeignFunctions::Hash::operator()(const std::vector<Word>& words) const {
  const auto* bytes = reinterpret_cast<const char*>(words.data());
  return std::hash<std::string_view>()({bytes, words.size() * sizeof(Word)});
}

const Word* ForeignFunctions::Recall() {
  if (const auto known = young_.find(call_); known != young_.end()) {
    return &known->second;
  }
  const auto known = old_.find(call_);
  if (known == old_.end()) {
    return nullptr;
  }
  const Word value = known->second;
  Remember(value);
  return &young_.find(call_)->second;
}

void ForeignFunctions::Remember(Word value) {
  if (young_.size() >= kGenerationMax) {
    old_ = std::exchange(young_, {});
  }
  young_.emplace(call_, value);
}

Word ForeignFunctions::Call(FunctionContext& context, Arguments arguments) {
  call_.clear();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    call_.push_back(arguments[i]);
  }
  if (const Word* known = Recall()) {
    return *known;
  }
  if (const auto failed = failures_.find(call_); failed != failures_.end()) {
    return context.Fail(failed->second);
  }
  std::string failure;
  if (const std::optional<Word> value = Compute(call_, failure)) {
    Remember(*value);
    return *value;
  }
  failures_.emplace(call_, failure);
  return context.Fail(std::move(failure));
}

}  // namespace nlog::core
