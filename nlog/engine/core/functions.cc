// See functions.h. The functions themselves stand in functions_*.cc, by subject.

#include "functions.h"

#include <algorithm>

#include "function_tables.h"

namespace nlog::core {
namespace {

std::vector<Function> AllFunctions() {
  std::vector<Function> all;
  for (const std::span<const Function> some :
       {IntFunctions(), AddressFunctions(), SequenceFunctions(), ValueFunctions()}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  std::ranges::sort(all, {}, &Function::name);
  Require(std::ranges::adjacent_find(all, {}, &Function::name) == all.end(),
          "two functions have one name");
  return all;
}

}  // namespace

std::string& FunctionContext::TextBuffer() {
  text_buffer_.clear();
  return text_buffer_;
}

std::vector<Word>& FunctionContext::TupleBuffer() {
  tuple_buffer_.clear();
  return tuple_buffer_;
}

Word FunctionContext::Fail(std::string text) {
  failed_ = true;
  if (failure_.empty()) {
    failure_ = std::move(text);
  }
  return 0;
}

std::span<const Function> Functions() {
  static const std::vector<Function> functions = AllFunctions();
  return functions;
}

const Function* FindFunction(std::string_view name) {
  const std::span<const Function> all = Functions();
  const auto found = std::ranges::lower_bound(all, name, {}, &Function::name);
  return found != all.end() && found->name == name ? &*found : nullptr;
}

}  // namespace nlog::core
