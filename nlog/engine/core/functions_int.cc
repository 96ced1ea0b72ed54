// Arithmetic and bits: Python's, on 64 signed bits. What does not fit fails.

#include <limits>

#include "function_tables.h"

namespace nlog::core {
namespace {

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

constexpr Function kFunctions[] = {
    {"eq", "E E > bool", NLOG_BODY(a[0] == a[1])},
    {"int.add", "int int > int", Add},
    {"int.and", "int int > int", NLOG_BODY(a[0] & a[1])},
    {"int.floordiv", "int int > int", FloorDivide},
    {"int.le", "int int > bool", NLOG_BODY(Int(a[0]) <= Int(a[1]))},
    {"int.lt", "int int > bool", NLOG_BODY(Int(a[0]) < Int(a[1]))},
    {"int.mod", "int int > int", Modulo},
    {"int.mul", "int int > int", Multiply},
    {"int.neg", "int > int", Negate},
    {"int.or", "int int > int", NLOG_BODY(a[0] | a[1])},
    {"int.shl", "int int > int", ShiftLeft},
    {"int.shr", "int int > int", ShiftRight},
    {"int.sub", "int int > int", Subtract},
    {"int.xor", "int int > int", NLOG_BODY(a[0] ^ a[1])},
    {"ne", "E E > bool", NLOG_BODY(a[0] != a[1])},
    {"str.of_int", "int > str", NLOG_BODY(c.interner().InternText(IntText(a[0])))},
    {"word.le", "word word > bool", NLOG_BODY(a[0] <= a[1])},
    {"word.lt", "word word > bool", NLOG_BODY(a[0] < a[1])},
};

}  // namespace

std::span<const Function> IntFunctions() { return kFunctions; }

}  // namespace nlog::core
