// MAC and IP addresses, and prefixes of both families. An ip6 prefix never holds an ip4, nor the
// other way round.

#include <bit>
#include <string>

#include "addresses.h"
#include "function_tables.h"

namespace nlog::core {
namespace {

Word LengthOf(FunctionContext& context, Word prefix) {
  return IsPrefix6(prefix) ? Prefix6Of(context.interner(), prefix).length : PrefixLength(prefix);
}

// Fails unless the prefix is of ip4.
bool IsPrefix4(FunctionContext& context, Word prefix, const char* instead) {
  if (IsPrefix6(prefix)) {
    context.Fail(PrefixText(context.interner(), prefix) + " is not a prefix of ip4" + instead);
    return false;
  }
  return true;
}

Word MakePrefixOfIp4(FunctionContext& context, Arguments arguments) {
  const Word length = Bounded(context, arguments[1], kPrefixLengthMax, "a prefix length");
  return context.failed() ? 0 : MakePrefix(arguments[0], length);
}

Word MakePrefixOfIp6(FunctionContext& context, Arguments arguments) {
  const Word length = Bounded(context, arguments[1], kIp6LengthMax, "a prefix length of ip6");
  return context.failed()
             ? 0
             : InternPrefix6(context.interner(), Ip6Of(context.interner(), arguments[0]), length);
}

Word PrefixHasIp4(FunctionContext&, Arguments arguments) {
  return !IsPrefix6(arguments[0]) &&
         MakePrefix(arguments[1], PrefixLength(arguments[0])) == arguments[0];
}

Word PrefixHasIp6(FunctionContext& context, Arguments arguments) {
  if (!IsPrefix6(arguments[0])) {
    return false;
  }
  const auto [network, length] = Prefix6Of(context.interner(), arguments[0]);
  return Masked(Ip6Of(context.interner(), arguments[1]), length) == network;
}

Word PrefixHasPrefix(FunctionContext& context, Arguments arguments) {
  const Word length = LengthOf(context, arguments[0]);
  if (IsPrefix6(arguments[0]) != IsPrefix6(arguments[1]) ||
      length > LengthOf(context, arguments[1])) {
    return false;
  }
  if (!IsPrefix6(arguments[0])) {
    return MakePrefix(PrefixNetwork(arguments[1]), length) == arguments[0];
  }
  return Masked(Prefix6Of(context.interner(), arguments[1]).ip6, length) ==
         Prefix6Of(context.interner(), arguments[0]).ip6;
}

Word Network(FunctionContext& context, Arguments arguments) {
  return IsPrefix4(context, arguments[0], ": network6 gives its address")
             ? PrefixNetwork(arguments[0])
             : 0;
}

Word Broadcast(FunctionContext& context, Arguments arguments) {
  return IsPrefix4(context, arguments[0], "")
             ? PrefixNetwork(arguments[0]) | (kIp4Max & ~PrefixMask(PrefixLength(arguments[0])))
             : 0;
}

Word Mask(FunctionContext& context, Arguments arguments) {
  return IsPrefix4(context, arguments[0], "") ? PrefixMask(PrefixLength(arguments[0])) : 0;
}

Word Network6(FunctionContext& context, Arguments arguments) {
  if (!IsPrefix6(arguments[0])) {
    return context.Fail(FormatPrefix(arguments[0]) +
                        " is not a prefix of ip6: network gives its address");
  }
  return InternIp6(context.interner(), Prefix6Of(context.interner(), arguments[0]).ip6);
}

// The bytes of a number, the highest first.
void AppendBytes(std::string& text, Word word, int count) {
  for (int byte = count - 1; byte >= 0; --byte) {
    text += static_cast<char>(word >> (8 * byte) & 0xFF);
  }
}

template <int kBytes>
Word NumberBytes(FunctionContext& context, Arguments arguments) {
  std::string& text = context.TextBuffer();
  AppendBytes(text, arguments[0], kBytes);
  return context.interner().InternText(text);
}

Word Ip6Bytes(FunctionContext& context, Arguments arguments) {
  const Ip6 ip6 = Ip6Of(context.interner(), arguments[0]);
  std::string& text = context.TextBuffer();
  AppendBytes(text, ip6.high, 8);
  AppendBytes(text, ip6.low, 8);
  return context.interner().InternText(text);
}

constexpr Function kFunctions[] = {
    {"bytes.of_ip4", "ip4 > bytes", NumberBytes<4>},
    {"bytes.of_ip6", "ip6 > bytes", Ip6Bytes},
    {"bytes.of_mac", "mac > bytes", NumberBytes<6>},
    {"int.of_word", "word > int", NLOG_BODY(a[0])},
    {"ip4.of_int", "int > ip4", NLOG_BODY(Bounded(c, a[0], kIp4Max, "an ip4"))},
    {"ip6.high", "ip6 > int", NLOG_BODY(Ip6Of(c.interner(), a[0]).high)},
    {"ip6.low", "ip6 > int", NLOG_BODY(Ip6Of(c.interner(), a[0]).low)},
    {"ip6.of_halves", "int int > ip6", NLOG_BODY(InternIp6(c.interner(), {a[0], a[1]}))},
    {"ip6.of_ip4", "ip4 > ip6", NLOG_BODY(InternIp6(c.interner(), {0, Word{0xFFFF} << 32 | a[0]}))},
    {"mac.of_int", "int > mac", NLOG_BODY(Bounded(c, a[0], kMacMax, "a mac"))},
    {"prefix.broadcast", "prefix > ip4", Broadcast},
    {"prefix.family", "prefix > int", NLOG_BODY(IsPrefix6(a[0]) ? 6 : 4)},
    {"prefix.has_ip4", "prefix ip4 > bool", PrefixHasIp4},
    {"prefix.has_ip6", "prefix ip6 > bool", PrefixHasIp6},
    {"prefix.has_prefix", "prefix prefix > bool", PrefixHasPrefix},
    {"prefix.length", "prefix > int", NLOG_BODY(LengthOf(c, a[0]))},
    {"prefix.mask", "prefix > ip4", Mask},
    {"prefix.network", "prefix > ip4", Network},
    {"prefix.network6", "prefix > ip6", Network6},
    {"prefix.of", "ip4 int > prefix", MakePrefixOfIp4},
    {"prefix.of_ip6", "ip6 int > prefix", MakePrefixOfIp6},
    {"str.of_ip4", "ip4 > str", NLOG_BODY(c.interner().InternText(FormatIp4(a[0])))},
    {"str.of_ip6", "ip6 > str",
     NLOG_BODY(c.interner().InternText(FormatIp6(Ip6Of(c.interner(), a[0]))))},
    {"str.of_mac", "mac > str", NLOG_BODY(c.interner().InternText(FormatMac(a[0])))},
    {"str.of_prefix", "prefix > str",
     NLOG_BODY(c.interner().InternText(PrefixText(c.interner(), a[0])))},
};

}  // namespace

std::span<const Function> AddressFunctions() { return kFunctions; }

}  // namespace nlog::core
