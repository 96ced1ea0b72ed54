// Functions that are told what their arguments are: by a type (values.h), by a tree of calls, or by
// the number of a foreign function (foreign.h).

#include <algorithm>
#include <numeric>
#include <vector>

#include "foreign.h"
#include "function_tables.h"
#include "values.h"

namespace nlog::core {
namespace {

std::strong_ordering Compare(FunctionContext& context, Arguments arguments) {
  return CompareValues(context.interner(), arguments[2], arguments[0], arguments[1]);
}

Word ShowValue(FunctionContext& context, Arguments arguments) {
  std::string& text = context.TextBuffer();
  AppendShown(context.interner(), arguments[1], arguments[0], text);
  return context.interner().InternText(text);
}

Word SortList(FunctionContext& context, Arguments arguments) {
  const Interner& interner = context.interner();
  const Word element = interner.Tuple(arguments[1])[1];
  const std::span<const Word> list = interner.Tuple(arguments[0]);
  std::vector<Word>& words = context.TupleBuffer();
  words.assign(list.begin(), list.end());
  std::ranges::sort(words, [&](Word left, Word right) {
    return CompareValues(interner, element, left, right) < 0;
  });
  return context.interner().InternTuple(words);
}

// A tree of calls, as tuples; the planner writes it where a part is to be evaluated only if it is
// asked for. Leaves are arguments of the whole.
//
//   (0, place)                          a leaf
//   (1, function, type, argument…)      a call, by the function's place in Functions(), of a type
//   (2, condition, then, else)          a choice
class Tree {
 public:
  Tree(FunctionContext& context, Arguments leaves) : context_(context), leaves_(leaves) {}

  Word Evaluate(Word tree) {
    const std::span<const Word> node = context_.interner().Tuple(tree);
    if (node[0] == 0) {
      return leaves_[node[1]];
    }
    if (node[0] == 1) {
      return Call(Functions()[node[1]], node.subspan(3));
    }
    const Word condition = Evaluate(node[1]);
    return context_.failed() ? 0 : Evaluate(condition != 0 ? node[2] : node[3]);
  }

 private:
  Word Call(const Function& function, std::span<const Word> trees) {
    std::vector<Word> values;
    for (const Word tree : trees) {
      values.push_back(Evaluate(tree));
      if (context_.failed()) {
        return 0;
      }
    }
    std::vector<std::uint32_t> places(values.size());
    std::iota(places.begin(), places.end(), 0);
    return function.body(context_, Arguments(values.data(), places));
  }

  FunctionContext& context_;
  Arguments leaves_;
};

Word EvaluateTree(FunctionContext& context, Arguments arguments) {
  return Tree(context, arguments).Evaluate(arguments[0]);
}

Word CallForeign(FunctionContext& context, Arguments arguments) {
  Require(context.foreign() != nullptr, "a foreign function is called, and there are none");
  return context.foreign()->Call(context, arguments);
}

constexpr Function kFunctions[] = {
    {"foreign.call", "", CallForeign},
    {"list.sort", "[E] type > [E]", SortList},
    {"tree.evaluate", "", EvaluateTree},
    {"value.le", "E E type > bool", NLOG_BODY(Compare(c, a) <= 0)},
    {"value.lt", "E E type > bool", NLOG_BODY(Compare(c, a) < 0)},
    {"value.show", "E type > str", ShowValue},
};

}  // namespace

std::span<const Function> ValueFunctions() { return kFunctions; }

}  // namespace nlog::core
