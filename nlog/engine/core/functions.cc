// See functions.h. Each function is a row of the table at the end; a body without a name of its own
// is a lambda there.

#include "functions.h"

#include <algorithm>
#include <array>

#include "text.h"

namespace nlog::core {
namespace {

std::int64_t Int(Word word) { return static_cast<std::int64_t>(word); }
Word IntWord(std::int64_t value) { return static_cast<Word>(value); }
std::string IntText(Word word) { return std::to_string(Int(word)); }

Word Overflow(FunctionContext& context, const char* sign, Arguments arguments) {
  return context.Fail("integer overflow: " + IntText(arguments[0]) + " " + sign + " " +
                      IntText(arguments[1]));
}

Word Add(FunctionContext& context, Arguments arguments) {
  std::int64_t sum;
  if (__builtin_add_overflow(Int(arguments[0]), Int(arguments[1]), &sum)) {
    return Overflow(context, "+", arguments);
  }
  return IntWord(sum);
}

Word Subtract(FunctionContext& context, Arguments arguments) {
  std::int64_t difference;
  if (__builtin_sub_overflow(Int(arguments[0]), Int(arguments[1]), &difference)) {
    return Overflow(context, "-", arguments);
  }
  return IntWord(difference);
}

Word Multiply(FunctionContext& context, Arguments arguments) {
  std::int64_t product;
  if (__builtin_mul_overflow(Int(arguments[0]), Int(arguments[1]), &product)) {
    return Overflow(context, "*", arguments);
  }
  return IntWord(product);
}

Word FloorDivide(FunctionContext& context, Arguments arguments) {
  const std::int64_t dividend = Int(arguments[0]);
  const std::int64_t divisor = Int(arguments[1]);
  if (divisor == 0) {
    return context.Fail("division by zero: " + IntText(arguments[0]) + " / 0");
  }
  if (divisor == -1 && dividend == std::numeric_limits<std::int64_t>::min()) {
    return Overflow(context, "/", arguments);
  }
  const std::int64_t quotient = dividend / divisor;
  const bool is_rounded_up = dividend % divisor != 0 && (dividend < 0) != (divisor < 0);
  return IntWord(is_rounded_up ? quotient - 1 : quotient);
}

Word Modulo(FunctionContext& context, Arguments arguments) {
  const std::int64_t divisor = Int(arguments[1]);
  if (divisor == 0) {
    return context.Fail("division by zero: " + IntText(arguments[0]) + " % 0");
  }
  if (divisor == -1) {
    return 0;
  }
  const std::int64_t remainder = Int(arguments[0]) % divisor;
  const bool is_other_sign = remainder != 0 && (remainder < 0) != (divisor < 0);
  return IntWord(is_other_sign ? remainder + divisor : remainder);
}

Word Negate(FunctionContext& context, Arguments arguments) {
  if (Int(arguments[0]) == std::numeric_limits<std::int64_t>::min()) {
    return context.Fail("integer overflow: -(" + IntText(arguments[0]) + ")");
  }
  return IntWord(-Int(arguments[0]));
}

// Whether the second argument is a number of bits to shift by; fails if not.
bool IsShift(FunctionContext& context, const char* sign, Arguments arguments) {
  if (arguments[1] <= 63) {
    return true;
  }
  context.Fail("a shift is by 0 to 63 bits: " + IntText(arguments[0]) + " " + sign + " " +
               IntText(arguments[1]));
  return false;
}

Word ShiftLeft(FunctionContext& context, Arguments arguments) {
  if (!IsShift(context, "<<", arguments)) {
    return 0;
  }
  const std::int64_t shifted = IntWord(arguments[0]) << arguments[1];
  if (shifted >> arguments[1] != Int(arguments[0])) {
    return Overflow(context, "<<", arguments);
  }
  return IntWord(shifted);
}

Word ShiftRight(FunctionContext& context, Arguments arguments) {
  return IsShift(context, ">>", arguments) ? IntWord(Int(arguments[0]) >> arguments[1]) : 0;
}

Word ConcatenateTexts(FunctionContext& context, Arguments arguments) {
  std::string& text = context.TextBuffer();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    text += context.interner().Text(arguments[i]);
  }
  return context.interner().InternText(text);
}

Word TextLength(FunctionContext& context, Arguments arguments) {
  const std::string_view text = context.interner().Text(arguments[0]);
  return static_cast<Word>(
      std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; }));
}

Word MakeTuple(FunctionContext& context, Arguments arguments) {
  std::vector<Word>& words = context.TupleBuffer();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    words.push_back(arguments[i]);
  }
  return context.interner().InternTuple(words);
}

Word ConcatenateLists(FunctionContext& context, Arguments arguments) {
  std::vector<Word>& words = context.TupleBuffer();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::span<const Word> list = context.interner().Tuple(arguments[i]);
    words.insert(words.end(), list.begin(), list.end());
  }
  return context.interner().InternTuple(words);
}

Word HasElement(FunctionContext& context, Arguments arguments) {
  const std::span<const Word> list = context.interner().Tuple(arguments[0]);
  return std::find(list.begin(), list.end(), arguments[1]) != list.end();
}

Word GetElement(FunctionContext& context, Arguments arguments) {
  const std::span<const Word> list = context.interner().Tuple(arguments[0]);
  if (arguments[1] >= list.size()) {
    return context.Fail("index " + IntText(arguments[1]) + " is outside a list of " +
                        std::to_string(list.size()) + " elements");
  }
  return list[arguments[1]];
}

// An int as a word of at most `word_max`; fails if it is outside.
Word Bounded(FunctionContext& context, Word word, Word word_max, const char* what) {
  if (word > word_max) {
    return context.Fail(IntText(word) + " is not " + what + ": those are 0 to " +
                        std::to_string(word_max));
  }
  return word;
}

Word MakePrefixOf(FunctionContext& context, Arguments arguments) {
  const Word length = Bounded(context, arguments[1], kPrefixLengthMax, "a prefix length");
  return context.failed() ? 0 : MakePrefix(arguments[0], length);
}

Word PrefixHasPrefix(FunctionContext&, Arguments arguments) {
  const Word length = PrefixLength(arguments[0]);
  return length <= PrefixLength(arguments[1]) &&
         MakePrefix(PrefixNetwork(arguments[1]), length) == arguments[0];
}

Word PrefixHasIp4(FunctionContext&, Arguments arguments) {
  return MakePrefix(arguments[1], PrefixLength(arguments[0])) == arguments[0];
}

Word Identity(FunctionContext&, Arguments arguments) { return arguments[0]; }

#define NLOG_BODY(expression) \
  [](FunctionContext& c [[maybe_unused]], Arguments a) -> Word { return expression; }

// Ordered by name.
constexpr auto kFunctions = std::to_array<Function>({
    {"eq", 2, NLOG_BODY(a[0] == a[1])},
    {"int.add", 2, Add},
    {"int.and", 2, NLOG_BODY(a[0] & a[1])},
    {"int.floordiv", 2, FloorDivide},
    {"int.le", 2, NLOG_BODY(Int(a[0]) <= Int(a[1]))},
    {"int.lt", 2, NLOG_BODY(Int(a[0]) < Int(a[1]))},
    {"int.mod", 2, Modulo},
    {"int.mul", 2, Multiply},
    {"int.neg", 1, Negate},
    {"int.of_word", 1, Identity},
    {"int.or", 2, NLOG_BODY(a[0] | a[1])},
    {"int.shl", 2, ShiftLeft},
    {"int.shr", 2, ShiftRight},
    {"int.sub", 2, Subtract},
    {"int.xor", 2, NLOG_BODY(a[0] ^ a[1])},
    {"ip4.of_int", 1, NLOG_BODY(Bounded(c, a[0], kIp4Max, "an ip4"))},
    {"list.concat", Function::kAnyArity, ConcatenateLists},
    {"list.get", 2, GetElement},
    {"list.has", 2, HasElement},
    {"list.len", 1, NLOG_BODY(c.interner().Tuple(a[0]).size())},
    {"mac.of_int", 1, NLOG_BODY(Bounded(c, a[0], kMacMax, "a mac"))},
    {"ne", 2, NLOG_BODY(a[0] != a[1])},
    {"prefix.has_ip4", 2, PrefixHasIp4},
    {"prefix.has_prefix", 2, PrefixHasPrefix},
    {"prefix.length", 1, NLOG_BODY(PrefixLength(a[0]))},
    {"prefix.mask", 1, NLOG_BODY(PrefixMask(PrefixLength(a[0])))},
    {"prefix.network", 1, NLOG_BODY(PrefixNetwork(a[0]))},
    {"prefix.of", 2, MakePrefixOf},
    {"str.concat", Function::kAnyArity, ConcatenateTexts},
    {"str.le", 2, NLOG_BODY(c.interner().Text(a[0]) <= c.interner().Text(a[1]))},
    {"str.len", 1, TextLength},
    {"str.lt", 2, NLOG_BODY(c.interner().Text(a[0]) < c.interner().Text(a[1]))},
    {"str.of_bool", 1, NLOG_BODY(c.interner().InternText(a[0] != 0 ? "true" : "false"))},
    {"str.of_int", 1, NLOG_BODY(c.interner().InternText(IntText(a[0])))},
    {"str.of_ip4", 1, NLOG_BODY(c.interner().InternText(FormatIp4(a[0])))},
    {"str.of_mac", 1, NLOG_BODY(c.interner().InternText(FormatMac(a[0])))},
    {"str.of_prefix", 1, NLOG_BODY(c.interner().InternText(FormatPrefix(a[0])))},
    {"str.of_str", 1, Identity},
    {"tuple.get", 2, GetElement},
    {"tuple.make", Function::kAnyArity, MakeTuple},
    {"word.le", 2, NLOG_BODY(a[0] <= a[1])},
    {"word.lt", 2, NLOG_BODY(a[0] < a[1])},
});

#undef NLOG_BODY

static_assert(std::ranges::is_sorted(kFunctions, {}, &Function::name));

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

std::span<const Function> Functions() { return kFunctions; }

const Function* FindFunction(std::string_view name) {
  const auto found = std::ranges::lower_bound(kFunctions, name, {}, &Function::name);
  return found != kFunctions.end() && found->name == name ? &*found : nullptr;
}

}  // namespace nlog::core
