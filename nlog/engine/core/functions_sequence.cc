// Texts, bytes, and what is kept as a tuple: records, lists, optional values and unions.
//
// A text is UTF-8 and counted in code points, which costs a look at each byte; bytes are counted as
// they are. A slice is clipped to what there is, so it always has a value.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "function_tables.h"

namespace nlog::core {
namespace {

bool IsContinuation(char byte) { return (byte & 0xC0) == 0x80; }

std::size_t CountCodePoints(std::string_view text) {
  return text.size() - static_cast<std::size_t>(std::ranges::count_if(text, IsContinuation));
}

// The byte at which code point `number` begins, or the size if there is none.
std::size_t ByteOf(std::string_view text, std::size_t number) {
  std::size_t byte = 0;
  for (; byte < text.size(); ++byte) {
    if (!IsContinuation(text[byte]) && number-- == 0) {
      break;
    }
  }
  return byte;
}

// A half-open range within 0 to size.
struct Range {
  std::size_t begin;
  std::size_t size;
};

Range Clip(Word begin, Word end, std::size_t size) {
  const auto clip = [size](Word word) {
    return static_cast<std::size_t>(
        std::clamp<std::int64_t>(Int(word), 0, static_cast<std::int64_t>(size)));
  };
  const std::size_t first = clip(begin);
  return {first, std::max(clip(end), first) - first};
}

Word ConcatenateTexts(FunctionContext& context, Arguments arguments) {
  std::string& text = context.TextBuffer();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    text += context.interner().Text(arguments[i]);
  }
  return context.interner().InternText(text);
}

Word SliceText(FunctionContext& context, Arguments arguments) {
  const std::string_view text = context.interner().Text(arguments[0]);
  const auto [begin, size] = Clip(arguments[1], arguments[2], CountCodePoints(text));
  const std::size_t first = ByteOf(text, begin);
  return context.interner().InternText(text.substr(first, ByteOf(text.substr(first), size)));
}

Word SliceBytes(FunctionContext& context, Arguments arguments) {
  const std::string_view bytes = context.interner().Text(arguments[0]);
  const auto [begin, size] = Clip(arguments[1], arguments[2], bytes.size());
  return context.interner().InternText(bytes.substr(begin, size));
}

Word SplitText(FunctionContext& context, Arguments arguments) {
  std::string_view text = context.interner().Text(arguments[0]);
  const std::string_view separator = context.interner().Text(arguments[1]);
  if (separator.empty()) {
    return context.Fail("split by an empty text");
  }
  std::vector<Word>& parts = context.TupleBuffer();
  for (std::size_t end = 0; end != std::string_view::npos;) {
    end = text.find(separator);
    parts.push_back(context.interner().InternText(text.substr(0, end)));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + separator.size());
  }
  return context.interner().InternTuple(parts);
}

Word JoinTexts(FunctionContext& context, Arguments arguments) {
  std::string& text = context.TextBuffer();
  const std::string_view separator = context.interner().Text(arguments[1]);
  bool is_first = true;
  for (const Word part : context.interner().Tuple(arguments[0])) {
    text += is_first ? std::string_view() : separator;
    text += context.interner().Text(part);
    is_first = false;
  }
  return context.interner().InternText(text);
}

Word FormatBytes(FunctionContext& context, Arguments arguments) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string& text = context.TextBuffer();
  for (const char byte : context.interner().Text(arguments[0])) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 0xF];
  }
  return context.interner().InternText(text);
}

Word OutOfRange(FunctionContext& context, Word index, std::size_t size, const char* what) {
  return context.Fail("index " + IntText(index) + " is outside " + what + " of " +
                      std::to_string(size) + " elements");
}

Word GetByte(FunctionContext& context, Arguments arguments) {
  const std::string_view bytes = context.interner().Text(arguments[0]);
  if (arguments[1] >= bytes.size()) {
    return OutOfRange(context, arguments[1], bytes.size(), "bytes");
  }
  return static_cast<unsigned char>(bytes[arguments[1]]);
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

Word SliceList(FunctionContext& context, Arguments arguments) {
  const std::span<const Word> list = context.interner().Tuple(arguments[0]);
  const auto [begin, size] = Clip(arguments[1], arguments[2], list.size());
  std::vector<Word>& words = context.TupleBuffer();
  const std::span<const Word> slice = list.subspan(begin, size);
  words.assign(slice.begin(), slice.end());
  return context.interner().InternTuple(words);
}

Word HasElement(FunctionContext& context, Arguments arguments) {
  const std::span<const Word> list = context.interner().Tuple(arguments[0]);
  return std::ranges::find(list, arguments[1]) != list.end();
}

Word Element(FunctionContext& context, Word list, Word index) {
  const std::span<const Word> words = context.interner().Tuple(list);
  return index < words.size() ? words[index] : OutOfRange(context, index, words.size(), "a list");
}

Word LastElement(FunctionContext& context, Arguments arguments) {
  const std::span<const Word> list = context.interner().Tuple(arguments[0]);
  return list.empty() ? context.Fail("an empty list has no last element") : list.back();
}

Word FirstElement(FunctionContext& context, Arguments arguments) {
  const std::span<const Word> list = context.interner().Tuple(arguments[0]);
  return list.empty() ? context.Fail("an empty list has no first element") : list.front();
}

Word OptionalValue(FunctionContext& context, Arguments arguments) {
  const std::span<const Word> optional = context.interner().Tuple(arguments[0]);
  return optional.empty() ? context.Fail("`none` has no value") : optional.front();
}

Word ValueOr(FunctionContext& context, Arguments arguments) {
  const std::span<const Word> optional = context.interner().Tuple(arguments[0]);
  return optional.empty() ? arguments[1] : optional.front();
}

// The field `place` of a union's value, if that is of the case which is asked for.
Word CaseField(FunctionContext& context, Arguments arguments) {
  const std::span<const Word> value = context.interner().Tuple(arguments[0]);
  return value[0] == arguments[1] ? value[arguments[2] + 1]
                                  : context.Fail("a union's value is of another case");
}

constexpr Function kFunctions[] = {
    {"bytes.concat", "bytes bytes > bytes", ConcatenateTexts},
    {"bytes.get", "bytes int > int", GetByte},
    {"bytes.le", "bytes bytes > bool",
     NLOG_BODY(c.interner().Text(a[0]) <= c.interner().Text(a[1]))},
    {"bytes.len", "bytes > int", NLOG_BODY(c.interner().Text(a[0]).size())},
    {"bytes.lt", "bytes bytes > bool",
     NLOG_BODY(c.interner().Text(a[0]) < c.interner().Text(a[1]))},
    {"bytes.of_str", "str > bytes", NLOG_BODY(a[0])},
    {"bytes.slice", "bytes int int > bytes", SliceBytes},
    {"list.concat", "[E] [E] > [E]", ConcatenateLists},
    {"list.first", "[E] > E", FirstElement},
    {"list.get", "[E] int > E", NLOG_BODY(Element(c, a[0], a[1]))},
    {"list.has", "[E] E > bool", HasElement},
    {"list.last", "[E] > E", LastElement},
    {"list.len", "[E] > int", NLOG_BODY(c.interner().Tuple(a[0]).size())},
    {"list.slice", "[E] int int > [E]", SliceList},
    {"optional.has", "E? > bool", NLOG_BODY(!c.interner().Tuple(a[0]).empty())},
    {"optional.make", "E > E?", MakeTuple},
    {"optional.part", "E? > E", OptionalValue},
    {"optional.value", "E? > E", OptionalValue},
    {"optional.value_or", "E? E > E", ValueOr},
    {"str.concat", "str* > str", ConcatenateTexts},
    {"str.ends_with", "str str > bool",
     NLOG_BODY(c.interner().Text(a[0]).ends_with(c.interner().Text(a[1])))},
    {"str.has", "str str > bool",
     NLOG_BODY(c.interner().Text(a[0]).find(c.interner().Text(a[1])) != std::string_view::npos)},
    {"str.join", "[str] str > str", JoinTexts},
    {"str.le", "str str > bool", NLOG_BODY(c.interner().Text(a[0]) <= c.interner().Text(a[1]))},
    {"str.len", "str > int", NLOG_BODY(CountCodePoints(c.interner().Text(a[0])))},
    {"str.lt", "str str > bool", NLOG_BODY(c.interner().Text(a[0]) < c.interner().Text(a[1]))},
    {"str.of_bool", "bool > str", NLOG_BODY(c.interner().InternText(a[0] != 0 ? "true" : "false"))},
    {"str.of_bytes", "bytes > str", FormatBytes},
    {"str.of_str", "str > str", NLOG_BODY(a[0])},
    {"str.slice", "str int int > str", SliceText},
    {"str.split", "str str > [str]", SplitText},
    {"str.starts_with", "str str > bool",
     NLOG_BODY(c.interner().Text(a[0]).starts_with(c.interner().Text(a[1])))},
    {"tuple.get", "", NLOG_BODY(Element(c, a[0], a[1]))},
    {"tuple.make", "", MakeTuple},
    {"union.case", "", NLOG_BODY(c.interner().Tuple(a[0])[0])},
    {"union.field", "", CaseField},
    {"union.make", "", MakeTuple},
};

}  // namespace

std::span<const Function> SequenceFunctions() { return kFunctions; }

}  // namespace nlog::core
