// See values.h.

#include "values.h"

#include <algorithm>
#include <span>

#include "addresses.h"
#include "text.h"

namespace nlog::core {
namespace {

using Words = std::span<const Word>;

// How values are taken apart: the type of each part of a tuple.
class PartTypes {
 public:
  PartTypes(const Interner& interner, Words type) : interner_(interner), type_(type) {}

  TypeKind kind() const { return static_cast<TypeKind>(type_[0]); }

  // The types of the fields of a record, or of a case by its place.
  Words Fields(Word place) const {
    return kind() == TypeKind::kRecord ? type_.subspan(2)
                                       : interner_.Tuple(type_[place + 1]).subspan(1);
  }
  std::string_view Name(Word place) const {
    return interner_.Text(kind() == TypeKind::kRecord ? type_[1]
                                                      : interner_.Tuple(type_[place + 1])[0]);
  }
  Word element() const { return type_[1]; }

 private:
  const Interner& interner_;
  Words type_;
};

std::strong_ordering CompareFields(const Interner& interner, Words types, Words left, Words right) {
  for (std::size_t i = 0; i < types.size(); ++i) {
    const auto order = CompareValues(interner, types[i], left[i], right[i]);
    if (order != std::strong_ordering::equal) {
      return order;
    }
  }
  return std::strong_ordering::equal;
}

std::strong_ordering CompareElements(const Interner& interner, Word type, Words left, Words right) {
  const std::size_t both = std::min(left.size(), right.size());
  for (std::size_t i = 0; i < both; ++i) {
    const auto order = CompareValues(interner, type, left[i], right[i]);
    if (order != std::strong_ordering::equal) {
      return order;
    }
  }
  return left.size() <=> right.size();
}

// A type that is kept as a tuple: not a prefix, though some of those are, too.
std::strong_ordering CompareTuples(const Interner& interner, const PartTypes& type, Words left,
                                   Words right) {
  switch (type.kind()) {
    case TypeKind::kRecord:
      return CompareFields(interner, type.Fields(0), left, right);
    case TypeKind::kUnion:
      return left[0] != right[0]
                 ? left[0] <=> right[0]
                 : CompareFields(interner, type.Fields(left[0]), left.subspan(1), right.subspan(1));
    case TypeKind::kList:
    case TypeKind::kOptional:
      return CompareElements(interner, type.element(), left, right);
    default:
      return std::lexicographical_compare_three_way(left.begin(), left.end(), right.begin(),
                                                    right.end());
  }
}

void AppendText(std::string_view value, std::string& text) {
  text += '"';
  for (const char character : value) {
    switch (character) {
      case '\n':
        text += "\\n";
        break;
      case '\t':
        text += "\\t";
        break;
      case '"':
      case '\\':
      case '{':
      case '}':
        text += '\\';
        [[fallthrough]];
      default:
        text += character;
    }
  }
  text += '"';
}

void AppendBytes(std::string_view bytes, std::string& text) {
  constexpr char kDigits[] = "0123456789abcdef";
  text += "x\"";
  for (const char byte : bytes) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 0xF];
  }
  text += '"';
}

void AppendParts(const Interner& interner, Words types, Words values, std::string& text) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    text += i == 0 ? "" : ", ";
    AppendShown(interner, types[std::min(i, types.size() - 1)], values[i], text);
  }
}

void AppendTuple(const Interner& interner, const PartTypes& type, Words values, std::string& text) {
  const Word element = type.kind() == TypeKind::kRecord ? 0 : type.element();
  switch (type.kind()) {
    case TypeKind::kRecord:
      text.append(type.Name(0)) += '(';
      AppendParts(interner, type.Fields(0), values, text);
      text += ')';
      return;
    case TypeKind::kUnion:
      text.append(type.Name(values[0])) += '(';
      AppendParts(interner, type.Fields(values[0]), values.subspan(1), text);
      text += ')';
      return;
    case TypeKind::kList:
      text += '[';
      AppendParts(interner, Words(&element, 1), values, text);
      text += ']';
      return;
    default:
      text += values.empty() ? "none" : "some(";
      AppendParts(interner, Words(&element, 1), values, text);
      text += values.empty() ? "" : ")";
  }
}

}  // namespace

std::strong_ordering CompareValues(const Interner& interner, Word type, Word left, Word right) {
  if (left == right) {
    return std::strong_ordering::equal;
  }
  const PartTypes parts(interner, interner.Tuple(type));
  switch (parts.kind()) {
    case TypeKind::kBool:
    case TypeKind::kMac:
    case TypeKind::kIp4:
      return left <=> right;
    case TypeKind::kInt:
      return static_cast<std::int64_t>(left) <=> static_cast<std::int64_t>(right);
    case TypeKind::kStr:
    case TypeKind::kBytes:
      return interner.Text(left) <=> interner.Text(right);
    case TypeKind::kPrefix:
      return ComparePrefixes(interner, left, right);
    default:
      return CompareTuples(interner, parts, interner.Tuple(left), interner.Tuple(right));
  }
}

void AppendShown(const Interner& interner, Word type, Word value, std::string& text) {
  const PartTypes parts(interner, interner.Tuple(type));
  switch (parts.kind()) {
    case TypeKind::kBool:
      text += value != 0 ? "true" : "false";
      return;
    case TypeKind::kInt:
      text += std::to_string(static_cast<std::int64_t>(value));
      return;
    case TypeKind::kStr:
      AppendText(interner.Text(value), text);
      return;
    case TypeKind::kMac:
      text += FormatMac(value);
      return;
    case TypeKind::kIp4:
      text += FormatIp4(value);
      return;
    case TypeKind::kIp6:
      text += FormatIp6(Ip6Of(interner, value));
      return;
    case TypeKind::kPrefix:
      text += PrefixText(interner, value);
      return;
    case TypeKind::kBytes:
      AppendBytes(interner.Text(value), text);
      return;
    default:
      AppendTuple(interner, parts, interner.Tuple(value), text);
  }
}

}  // namespace nlog::core
