// See typing.h. Every type comes from a column, a constant or a call of the plan, and was made from
// its description by whoever read it; only what stands in a tree of calls is taken for nothing.

#include "typing.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "functions.h"

namespace nlog::core {
namespace {

using Operands = std::span<const Operand>;

constexpr Word kUnknown = ~Word{0} - 1;
constexpr std::size_t kTreeNodesMax = 1 << 16;
constexpr int kTreeDepthMax = 1000;

constexpr auto kNames =
    std::to_array<std::string_view>({"bool", "int", "str", "mac", "ip4", "ip6", "prefix", "bytes"});

constexpr Word kBool = TypeOf(TypeKind::kBool);
constexpr Word kInt = TypeOf(TypeKind::kInt);

TypeKind KindOf(const Interner& interner, Word type) {
  return static_cast<TypeKind>(interner.Tuple(type)[0]);
}

bool Is(const Interner& interner, Word type, TypeKind kind) {
  return type != kTreeType && KindOf(interner, type) == kind;
}

// The element of a list or optional.
Word ElementOf(const Interner& interner, Word type) { return interner.Tuple(type)[1]; }

bool TakesElement(Word type, Word& element) {
  if (element == kUnknown) {
    element = type;
  }
  return element == type;
}

// Whether a word of a signature takes a type.
bool Takes(const Interner& interner, std::string_view word, Word type, Word& element) {
  if (word == "E") {
    return TakesElement(type, element);
  }
  if (word == "[E]" || word == "E?") {
    return Is(interner, type, word == "[E]" ? TypeKind::kList : TypeKind::kOptional) &&
           TakesElement(ElementOf(interner, type), element);
  }
  if (word == "[str]") {
    return Is(interner, type, TypeKind::kList) &&
           ElementOf(interner, type) == TypeOf(TypeKind::kStr);
  }
  if (word == "word") {
    return type == kBool || type == TypeOf(TypeKind::kMac) || type == TypeOf(TypeKind::kIp4);
  }
  const auto name = std::ranges::find(kNames, word);
  return name != kNames.end() && type == static_cast<Word>(name - kNames.begin());
}

class CallCheck {
 public:
  CallCheck(const Typing& typing, std::string_view function)
      : typing_(typing), interner_(typing.interner), function_(function) {}

  void Expect(Operands arguments, Word result) {
    const Function* function = FindFunction(function_);
    core::Expect(function != nullptr,
                 [&] { return "there is no function `" + std::string(function_) + "`"; });
    if (!function->signature.empty()) {
      ExpectSignature(function->signature, arguments, result);
      return;
    }
    const bool fits = function_ == "tuple.make"      ? MakesTuple(arguments, result)
                      : function_ == "tuple.get"     ? GetsPart(arguments, result)
                      : function_ == "union.make"    ? MakesCase(arguments, result)
                      : function_ == "union.case"    ? TellsCase(arguments, result)
                      : function_ == "union.field"   ? GetsField(arguments, result)
                      : function_ == "foreign.call"  ? CallsForeign(arguments, result)
                      : function_ == "tree.evaluate" ? EvaluatesTree(arguments, result)
                                                     : false;
    if (!fits) {
      Refuse(arguments, result);
    }
  }

 private:
  [[noreturn]] void Refuse(Operands arguments, Word result) const {
    std::string text = "function `" + std::string(function_) + "` makes no " +
                       NameOfType(interner_, result) + " of (";
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      text += (i == 0 ? "" : ", ") + NameOfType(interner_, arguments[i].type);
    }
    throw PlanError(text + ")");
  }

  void ExpectSignature(std::string_view signature, Operands arguments, Word result) const {
    Word element = kUnknown;
    std::size_t taken = 0;
    bool fits = true;
    for (bool is_result = false; !signature.empty();) {
      const std::size_t end = std::min(signature.find(' '), signature.size());
      const std::string_view word = signature.substr(0, end);
      signature.remove_prefix(std::min(end + 1, signature.size()));
      if (is_result) {
        fits = fits && taken == arguments.size() && Takes(interner_, word, result, element);
      } else if (word == ">") {
        is_result = true;
      } else if (word == "str*") {
        for (; taken < arguments.size(); ++taken) {
          fits = fits && arguments[taken].type == TypeOf(TypeKind::kStr);
        }
      } else if (taken >= arguments.size()) {
        fits = false;
      } else {
        const Operand& given = arguments[taken++];
        fits = fits && (word == "type" ? IsTypeOf(given, arguments[0])
                                       : Takes(interner_, word, given.type, element));
      }
    }
    if (!fits) {
      Refuse(arguments, result);
    }
  }

  static bool IsTypeOf(const Operand& given, const Operand& value) {
    return given.type == kTreeType && value.type != kTreeType && given.constant == value.type;
  }

  // The number that a constant is, if it is below `end`.
  static std::optional<std::size_t> NumberBelow(const Operand& given, std::size_t end) {
    const bool is_one = given.type == kInt && given.constant && *given.constant < end;
    return is_one ? std::optional<std::size_t>(*given.constant) : std::nullopt;
  }

  static bool Fit(Operands values, std::span<const Word> types) {
    return std::ranges::equal(values, types, {}, &Operand::type);
  }

  bool MakesTuple(Operands arguments, Word result) const {
    if (result == kTreeType) {
      return false;
    }
    const std::span<const Word> type = interner_.Tuple(result);
    switch (KindOf(interner_, result)) {
      case TypeKind::kRecord:
        return Fit(arguments, type.subspan(2));
      case TypeKind::kList:
        return std::ranges::all_of(arguments,
                                   [&](const Operand& value) { return value.type == type[1]; });
      case TypeKind::kOptional:
        return arguments.empty();
      default:
        return false;
    }
  }

  // A field of a record, or an element of a list.
  bool GetsPart(Operands arguments, Word result) const {
    if (arguments.size() != 2 || arguments[1].type != kInt || arguments[0].type == kTreeType) {
      return false;
    }
    const std::span<const Word> type = interner_.Tuple(arguments[0].type);
    if (Is(interner_, arguments[0].type, TypeKind::kList)) {
      return result == type[1];
    }
    if (!Is(interner_, arguments[0].type, TypeKind::kRecord)) {
      return false;
    }
    const auto place = NumberBelow(arguments[1], type.size() - 2);
    return place && result == type[*place + 2];
  }

  // The types of the fields of one case of a union.
  std::optional<std::span<const Word>> FieldsOf(Word type, const Operand& number) const {
    if (!Is(interner_, type, TypeKind::kUnion)) {
      return std::nullopt;
    }
    const std::span<const Word> cases = interner_.Tuple(type).subspan(1);
    const auto place = NumberBelow(number, cases.size());
    return place ? std::optional(interner_.Tuple(cases[*place]).subspan(1)) : std::nullopt;
  }

  bool MakesCase(Operands arguments, Word result) const {
    const auto fields = arguments.empty() ? std::nullopt : FieldsOf(result, arguments[0]);
    return fields && Fit(arguments.subspan(1), *fields);
  }

  bool TellsCase(Operands arguments, Word result) const {
    return arguments.size() == 1 && Is(interner_, arguments[0].type, TypeKind::kUnion) &&
           result == kInt;
  }

  bool GetsField(Operands arguments, Word result) const {
    const auto fields =
        arguments.size() == 3 ? FieldsOf(arguments[0].type, arguments[1]) : std::nullopt;
    const auto place = fields ? NumberBelow(arguments[2], fields->size()) : std::nullopt;
    return place && (*fields)[*place] == result;
  }

  bool CallsForeign(Operands arguments, Word result) const {
    const auto number =
        arguments.empty() ? std::nullopt : NumberBelow(arguments[0], typing_.foreign.size());
    return number && Fit(arguments.subspan(1), typing_.foreign[*number].parameters) &&
           typing_.foreign[*number].result == result;
  }

  bool EvaluatesTree(Operands arguments, Word result) const;

  const Typing& typing_;
  const Interner& interner_;
  std::string_view function_;
};

// The type of a tree of calls: see functions_value.cc. Its nodes are words that may be anything.
class TreeCheck {
 public:
  TreeCheck(const Typing& typing, Operands leaves)
      : typing_(typing), interner_(typing.interner), leaves_(leaves) {}

  Operand Check(Word tree, int depth = 0) {
    const std::span<const Word> node = NodeOf(tree, depth);
    if (node.size() == 2 && node[0] == 0) {
      Expect(node[1] < leaves_.size(), "a leaf of a tree of calls is no argument of it");
      return leaves_[node[1]];
    }
    if (node.size() == 4 && node[0] == 2) {
      Expect(Check(node[1], depth + 1).type == kBool, "a condition in a tree of calls is no bool");
      const Word type = Check(node[2], depth + 1).type;
      Expect(Check(node[3], depth + 1).type == type, "a choice in a tree of calls has two types");
      return {type};
    }
    Expect(node.size() >= 3 && node[0] == 1 && node[1] < Functions().size(),
           "a tree of calls has a node that is none");
    const std::string_view function = Functions()[node[1]].name;
    // It could evaluate the very tree it stands in.
    Expect(function != "tree.evaluate", "a tree of calls evaluates a tree");
    ExpectType(node[2], depth + 1);
    std::vector<Operand> arguments;
    for (const Word argument : node.subspan(3)) {
      arguments.push_back(Check(argument, depth + 1));
    }
    CallCheck(typing_, function).Expect(arguments, node[2]);
    return {node[2]};
  }

 private:
  std::span<const Word> NodeOf(Word word, int depth) {
    Expect(++nodes_ <= kTreeNodesMax && depth <= kTreeDepthMax, "a tree of calls is too large");
    Expect(interner_.HasTuple(word), "a tree of calls has a node that is none");
    return interner_.Tuple(word);
  }

  void ExpectType(Word word, int depth) {
    const std::span<const Word> type = NodeOf(word, depth);
    bool is_type = !type.empty();
    const auto kind = static_cast<TypeKind>(is_type ? type[0] : 0);
    if (kind == TypeKind::kList || kind == TypeKind::kOptional) {
      is_type = type.size() == 2;
      ExpectTypes(type.subspan(1), depth);
    } else if (kind == TypeKind::kRecord) {
      is_type = type.size() >= 2 && interner_.HasText(type[1]);
      ExpectTypes(type.subspan(std::min<std::size_t>(2, type.size())), depth);
    } else if (kind == TypeKind::kUnion) {
      for (const Word one : type.subspan(1)) {
        const std::span<const Word> fields = NodeOf(one, depth + 1);
        Expect(!fields.empty() && interner_.HasText(fields[0]), "a type of a call is none");
        ExpectTypes(fields.subspan(1), depth + 1);
      }
    } else {
      is_type = is_type && type.size() == 1 && type[0] < kNames.size();
    }
    Expect(is_type, "a type of a call is none");
  }
  void ExpectTypes(std::span<const Word> types, int depth) {
    for (const Word type : types) {
      ExpectType(type, depth + 1);
    }
  }

  const Typing& typing_;
  const Interner& interner_;
  Operands leaves_;
  std::size_t nodes_ = 0;
};

bool CallCheck::EvaluatesTree(Operands arguments, Word result) const {
  if (arguments.empty() || arguments[0].type != kTreeType || !arguments[0].constant) {
    return false;
  }
  return TreeCheck(typing_, arguments).Check(*arguments[0].constant).type == result;
}

}  // namespace

void ExpectCall(const Typing& typing, const std::string& function, Operands arguments,
                Word result) {
  CallCheck(typing, function).Expect(arguments, result);
}

std::string NameOfType(const Interner& interner, Word type) {
  if (type == kTreeType) {
    return "tree";
  }
  const std::span<const Word> parts = interner.Tuple(type);
  switch (static_cast<TypeKind>(parts[0])) {
    case TypeKind::kRecord:
      return std::string(interner.Text(parts[1]));
    case TypeKind::kList:
      return "[" + NameOfType(interner, parts[1]) + "]";
    case TypeKind::kOptional:
      return NameOfType(interner, parts[1]) + "?";
    case TypeKind::kUnion:
      return "union";
    default:
      return std::string(kNames[parts[0]]);
  }
}

}  // namespace nlog::core
