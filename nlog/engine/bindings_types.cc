// Types of nlog/types.py, as the codec and as the core know them: see bindings_codec.h.

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings_codec.h"
#include "core/values.h"

namespace py = pybind11;

namespace nlog {
namespace {

using core::Word;
using Kind = ValueType::Kind;

constexpr int kDepthMax = 1000;

constexpr auto kScalars = std::to_array<std::pair<std::string_view, Kind>>({
    {"bool", Kind::kBool},
    {"int", Kind::kInt},
    {"str", Kind::kStr},
    {"mac", Kind::kMac},
    {"ip4", Kind::kIp4},
    {"ip6", Kind::kIp6},
    {"prefix", Kind::kPrefix},
    {"bytes", Kind::kBytes},
    {"tree", Kind::kTree},
});

}  // namespace

ValueType::ValueType(py::handle type, int depth) : kind(Kind::kBool) {
  if (depth > kDepthMax) {
    throw ValueError("a type is nested too deeply");
  }
  const py::module_ types = py::module_::import("nlog.types");
  if (py::isinstance(type, types.attr("Record"))) {
    kind = Kind::kRecord;
    name = TextOf(type.attr("name"));
    record_class = types.attr("record_class")(type);
    ReadFields(type.attr("fields"), depth);
    return;
  }
  if (py::isinstance(type, types.attr("Union"))) {
    kind = Kind::kUnion;
    name = TextOf(type.attr("name"));
    for (const py::handle one : type.attr("cases")) {
      ValueType& part = parts.emplace_back(ValueType(one, depth + 1));
      if (part.kind != Kind::kRecord) {
        throw ValueError(Show(one) + " is no case of a union");
      }
      part.record_class = types.attr("case_class")(type, part.name);
    }
    return;
  }
  const bool is_list = py::isinstance(type, types.attr("List"));
  if (is_list || py::isinstance(type, types.attr("Optional"))) {
    kind = is_list ? Kind::kList : Kind::kOptional;
    name = TextOf(py::str(type));
    parts.emplace_back(type.attr("element"), depth + 1);
    return;
  }
  name = TextOf(type.attr("name"));
  for (const auto& [scalar, scalar_kind] : kScalars) {
    if (name == scalar) {
      kind = scalar_kind;
      return;
    }
  }
  throw ValueError("there is no type `" + name + "`");
}

void ValueType::ReadFields(py::handle fields, int depth) {
  for (const py::handle field : fields) {
    field_names.emplace_back(py::reinterpret_borrow<py::object>(field[py::int_(0)]));
    parts.emplace_back(py::object(field[py::int_(1)]), depth + 1);
  }
}

Word Codec::TypeWord(const ValueType& type) {
  using core::TypeKind;
  std::vector<Word> words;
  const auto add_fields = [&](const ValueType& record) {
    words.push_back(interner_->InternText(record.name));
    for (const ValueType& part : record.parts) {
      const Word word = TypeWord(part);
      words.push_back(word);
    }
  };
  switch (type.kind) {
    case Kind::kTree:
      throw ValueError("values of rows are no trees");
    case Kind::kRecord:
      words.push_back(static_cast<Word>(TypeKind::kRecord));
      add_fields(type);
      break;
    case Kind::kList:
    case Kind::kOptional:
      words = {static_cast<Word>(type.kind == Kind::kList ? TypeKind::kList : TypeKind::kOptional),
               TypeWord(type.parts[0])};
      break;
    case Kind::kUnion: {
      std::vector<Word> cases = {static_cast<Word>(TypeKind::kUnion)};
      for (const ValueType& one : type.parts) {
        words.clear();
        add_fields(one);
        cases.push_back(interner_->InternTuple(words));
      }
      words = std::move(cases);
      break;
    }
    default:
      // Kinds without parts are numbered alike.
      return static_cast<Word>(type.kind);
  }
  return interner_->InternTuple(words);
}

}  // namespace nlog
