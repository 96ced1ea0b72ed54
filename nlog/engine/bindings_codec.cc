// See bindings_codec.h.

#include "bindings_codec.h"

#include <string_view>
#include <utility>

#include "core/addresses.h"
#include "core/text.h"

namespace py = pybind11;

namespace nlog {
namespace {

using core::Word;
using Kind = ValueType::Kind;

constexpr std::size_t kShownMax = 80;
constexpr int kDepthMax = 1000;

// The UTF-8 of a Python str. Throws ValueError.
std::string_view Utf8(py::handle value) {
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
  if (text == nullptr) {
    PyErr_Clear();
    throw ValueError(Show(value) + " has no UTF-8 form: it holds half of a surrogate pair");
  }
  return {text, static_cast<std::size_t>(size)};
}

bool IsStr(py::handle value) { return PyUnicode_Check(value.ptr()) != 0; }
bool IsInt(py::handle value) {
  return PyLong_Check(value.ptr()) != 0 && PyBool_Check(value.ptr()) == 0;
}

[[noreturn]] void Refuse(py::handle value, const std::string& wanted) {
  throw ValueError(Show(value) + " is not " + wanted);
}

Word ConvertBool(py::handle value) {
  if (PyBool_Check(value.ptr()) == 0) {
    Refuse(value, "a bool, True or False");
  }
  return value.is(py::bool_(true)) ? 1 : 0;
}

Word ConvertInt(py::handle value) {
  if (!IsInt(value)) {
    Refuse(value, "an int");
  }
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
  if (overflow != 0) {
    throw ValueError(Show(value) +
                     " does not fit an int, which is "
                     "-9223372036854775808 to 9223372036854775807");
  }
  return static_cast<Word>(number);
}

// An int, or an object that says it is one, in 0 to `word_max`.
Word ConvertBounded(py::handle value, Word word_max, const char* what) {
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
  if (overflow != 0 || number < 0 || static_cast<Word>(number) > word_max) {
    Refuse(value, std::string(what) + ", which as an int is 0 to " + std::to_string(word_max));
  }
  return static_cast<Word>(number);
}

Word ConvertMac(py::handle value) {
  if (IsInt(value)) {
    return ConvertBounded(value, core::kMacMax, "a mac");
  }
  const std::optional<Word> mac = IsStr(value) ? core::ParseMac(Utf8(value)) : std::nullopt;
  if (!mac) {
    Refuse(value, "a mac such as 0a:00:00:00:00:01");
  }
  return *mac;
}

}  // namespace

std::string TextOf(py::handle value) {
  if (!IsStr(value)) {
    Refuse(value, "a str");
  }
  return std::string(Utf8(value));
}

std::string Show(py::handle value) {
  std::string text = TextOf(py::repr(value));
  if (text.size() > kShownMax) {
    std::size_t end = kShownMax;
    while ((text[end] & 0xC0) == 0x80) {
      --end;
    }
    text.resize(end);
    text += "…";
  }
  return text;
}

bool IsSequence(py::handle value) {
  const PySequenceMethods* methods = Py_TYPE(value.ptr())->tp_as_sequence;
  return PySequence_Check(value.ptr()) != 0 && methods->sq_length != nullptr && !IsStr(value) &&
         PyBytes_Check(value.ptr()) == 0 && PyByteArray_Check(value.ptr()) == 0;
}

Codec::Codec(std::shared_ptr<core::Interner> interner)
    : interner_(std::move(interner)),
      ip4_address_class_(py::module_::import("ipaddress").attr("IPv4Address")),
      ip4_network_class_(py::module_::import("ipaddress").attr("IPv4Network")),
      ip6_address_class_(py::module_::import("ipaddress").attr("IPv6Address")),
      ip6_network_class_(py::module_::import("ipaddress").attr("IPv6Network")),
      mapping_class_(py::module_::import("collections.abc").attr("Mapping")) {}

Word Codec::Encode(py::handle value, const ValueType& type) {
  return Convert(value, type, true).value();
}

std::optional<Word> Codec::Find(py::handle value, const ValueType& type) {
  return Convert(value, type, false);
}

Codec::Converted Codec::Convert(py::handle value, const ValueType& type, bool is_interning) {
  switch (type.kind) {
    case Kind::kBool:
      return ConvertBool(value);
    case Kind::kInt:
      return ConvertInt(value);
    case Kind::kStr:
      return ConvertStr(value, is_interning);
    case Kind::kMac:
      return ConvertMac(value);
    case Kind::kIp4:
      return ConvertIp4(value);
    case Kind::kIp6:
      return ConvertIp6(value, is_interning);
    case Kind::kPrefix:
      return ConvertPrefix(value, is_interning);
    case Kind::kBytes:
      return ConvertBytes(value, is_interning);
    case Kind::kTree:
      return ConvertTree(value, is_interning);
    case Kind::kRecord:
      return ConvertRecord(value, type, is_interning);
    case Kind::kList:
      return ConvertList(value, type, is_interning);
    case Kind::kOptional:
      return ConvertOptional(value, type, is_interning);
    case Kind::kUnion:
      return ConvertUnion(value, type, is_interning);
  }
  throw core::InternalError("a type is of no kind");
}

Codec::Converted Codec::ConvertStr(py::handle value, bool is_interning) {
  if (!IsStr(value)) {
    Refuse(value, "a str");
  }
  const std::string_view text = Utf8(value);
  return is_interning ? interner_->InternText(text) : interner_->FindText(text);
}

Word Codec::ConvertIp4(py::handle value) {
  if (IsInt(value)) {
    return ConvertBounded(value, core::kIp4Max, "an ip4");
  }
  if (py::isinstance(value, ip4_address_class_)) {
    return py::cast<Word>(py::int_(py::reinterpret_borrow<py::object>(value)));
  }
  const std::optional<Word> ip4 = IsStr(value) ? core::ParseIp4(Utf8(value)) : std::nullopt;
  if (!ip4) {
    Refuse(value, "an ip4 address such as 10.0.0.1");
  }
  return *ip4;
}

Codec::Converted Codec::ConvertIp6(py::handle value, bool is_interning) {
  if (py::isinstance(value, ip6_address_class_)) {
    return ConvertIp6(py::str(value), is_interning);
  }
  const std::optional<core::Ip6> ip6 = IsStr(value) ? core::ParseIp6(Utf8(value)) : std::nullopt;
  if (!ip6) {
    Refuse(value, "an ip6 address such as 2001:db8::1");
  }
  return ConvertTuple(core::TupleOf(*ip6), is_interning);
}

Codec::Converted Codec::ConvertPrefix(py::handle value, bool is_interning) {
  if (py::isinstance(value, ip4_network_class_) || py::isinstance(value, ip6_network_class_)) {
    return ConvertPrefix(py::str(value), is_interning);
  }
  const std::string wanted = "a prefix such as 10.0.0.0/24 or 2001:db8::/32";
  if (!IsStr(value)) {
    Refuse(value, wanted);
  }
  const std::string_view text = Utf8(value);
  if (const std::optional<core::Prefix6Parts> parts = core::ParsePrefix6(text)) {
    return ConvertPrefix6(*parts, value, is_interning);
  }
  const std::optional<core::PrefixParts> parts = core::ParsePrefix(text);
  if (!parts) {
    const std::string length = core::ParseIp4(text) ? "/32" : core::ParseIp6(text) ? "/128" : "";
    const std::string address =
        length.empty() ? "" : "; write " + std::string(text) + length + " for this one address";
    Refuse(value, wanted + address);
  }
  const Word prefix = core::MakePrefix(parts->ip4, parts->length);
  if (core::PrefixNetwork(prefix) != parts->ip4) {
    throw ValueError(Show(value) + " has bits set beyond its length; write " +
                     core::FormatPrefix(prefix));
  }
  return prefix;
}

Codec::Converted Codec::ConvertPrefix6(const core::Prefix6Parts& parts, py::handle value,
                                       bool is_interning) {
  const core::Ip6 network = core::Masked(parts.ip6, parts.length);
  if (network != parts.ip6) {
    throw ValueError(Show(value) + " has bits set beyond its length; write " +
                     core::FormatIp6(network) + "/" + std::to_string(parts.length));
  }
  const Converted number = ConvertTuple(core::TupleOf(network, parts.length), is_interning);
  return number ? Converted(core::kPrefix6Bit | *number) : std::nullopt;
}

Codec::Converted Codec::ConvertBytes(py::handle value, bool is_interning) {
  const auto convert = [&](std::string_view bytes) {
    return is_interning ? interner_->InternText(bytes) : interner_->FindText(bytes);
  };
  if (PyBytes_Check(value.ptr()) != 0) {
    return convert(
        {PyBytes_AS_STRING(value.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(value.ptr()))});
  }
  const std::optional<std::string> bytes =
      IsStr(value) ? core::ParseHex(Utf8(value)) : std::nullopt;
  if (!bytes) {
    Refuse(value, "bytes, or their hexadecimal digits as text, such as 0aff");
  }
  return convert(*bytes);
}

Codec::Converted Codec::ConvertTree(py::handle value, bool is_interning, int depth) {
  if (IsInt(value)) {
    return ConvertInt(value);
  }
  if (IsStr(value)) {
    return ConvertStr(value, is_interning);
  }
  if (!py::isinstance<py::tuple>(value)) {
    Refuse(value, "a tree");
  }
  if (depth > kDepthMax) {
    throw ValueError("a tree is nested too deeply");
  }
  std::vector<Word> words;
  for (const py::handle part : value) {
    const Converted word = ConvertTree(part, is_interning, depth + 1);
    if (!word) {
      return std::nullopt;
    }
    words.push_back(*word);
  }
  return ConvertTuple(words, is_interning);
}

Codec::Converted Codec::ConvertTuple(std::span<const Word> words, bool is_interning) {
  return is_interning ? interner_->InternTuple(words) : interner_->FindTuple(words);
}

bool Codec::ConvertFields(py::handle value, const ValueType& type, bool is_interning,
                          std::vector<Word>& words) {
  const std::size_t size = type.parts.size();
  const bool is_mapping = py::isinstance(value, mapping_class_);
  bool is_fitting = (is_mapping || IsSequence(value)) && py::len(value) == size;
  for (std::size_t i = 0; i < size && is_mapping; ++i) {
    is_fitting = is_fitting && value.contains(type.field_names[i]);
  }
  if (!is_fitting) {
    std::string fields;
    for (const py::str& name : type.field_names) {
      fields += (fields.empty() ? "" : ", ") + py::cast<std::string>(name);
    }
    Refuse(value, "a record " + type.name + " (" + fields + ")");
  }
  bool is_known = true;
  for (std::size_t i = 0; i < size; ++i) {
    const py::object field =
        is_mapping ? py::object(value[type.field_names[i]]) : py::object(value[py::int_(i)]);
    try {
      const Converted word = Convert(field, type.parts[i], is_interning);
      is_known = is_known && word.has_value();
      words.push_back(word.value_or(0));
    } catch (const ValueError& error) {
      throw ValueError("field `" + py::cast<std::string>(type.field_names[i]) + "` of " +
                       type.name + ": " + error.what());
    }
  }
  return is_known;
}

Codec::Converted Codec::ConvertRecord(py::handle value, const ValueType& type, bool is_interning) {
  std::vector<Word> words;
  return ConvertFields(value, type, is_interning, words) ? ConvertTuple(words, is_interning)
                                                         : std::nullopt;
}

Codec::Converted Codec::ConvertOptional(py::handle value, const ValueType& type,
                                        bool is_interning) {
  if (value.is_none()) {
    return ConvertTuple({}, is_interning);
  }
  const Converted word = Convert(value, type.parts.front(), is_interning);
  return word ? ConvertTuple({&*word, 1}, is_interning) : std::nullopt;
}

Codec::Converted Codec::ConvertUnion(py::handle value, const ValueType& type, bool is_interning) {
  const bool is_mapping = py::isinstance(value, mapping_class_) && py::len(value) == 1;
  std::string cases;
  for (std::size_t place = 0; place < type.parts.size(); ++place) {
    const ValueType& part = type.parts[place];
    std::vector<Word> words{place};
    py::object fields;
    if (py::type::of(value).is(part.record_class)) {
      fields = value.attr("_values");
    } else if (is_mapping && value.contains(py::str(part.name))) {
      fields = value[py::str(part.name)];
    }
    if (fields) {
      return ConvertFields(fields, part, is_interning, words) ? ConvertTuple(words, is_interning)
                                                              : std::nullopt;
    }
    cases += (cases.empty() ? "" : ", ") + part.name;
  }
  Refuse(value, "one of union " + type.name + " (" + cases + ")");
}

Codec::Converted Codec::ConvertList(py::handle value, const ValueType& type, bool is_interning) {
  if (!py::isinstance<py::list>(value) && !py::isinstance<py::tuple>(value)) {
    Refuse(value, "a list or tuple, as " + type.name + " asks for");
  }
  std::vector<Word> words;
  bool is_known = true;
  for (const py::handle element : value) {
    try {
      const Converted word = Convert(element, type.parts.front(), is_interning);
      is_known = is_known && word.has_value();
      words.push_back(word.value_or(0));
    } catch (const ValueError& error) {
      throw ValueError("element " + std::to_string(words.size()) + ": " + error.what());
    }
  }
  return is_known ? ConvertTuple(words, is_interning) : std::nullopt;
}

py::object Codec::Decode(Word word, const ValueType& type) {
  switch (type.kind) {
    case Kind::kBool:
      return py::bool_(word != 0);
    case Kind::kInt:
      return py::int_(static_cast<std::int64_t>(word));
    case Kind::kStr:
      return DecodeStr(word);
    case Kind::kMac:
      return py::str(core::FormatMac(word));
    case Kind::kIp4:
      return py::str(core::FormatIp4(word));
    case Kind::kIp6:
      return py::str(core::FormatIp6(core::Ip6Of(*interner_, word)));
    case Kind::kPrefix:
      return py::str(core::PrefixText(*interner_, word));
    case Kind::kBytes:
      return py::bytes(std::string(interner_->Text(word)));
    case Kind::kRecord:
    case Kind::kList:
    case Kind::kOptional:
    case Kind::kUnion:
      return DecodeTuple(word, type);
    case Kind::kTree:
      break;
  }
  throw core::InternalError("a type is of no kind");
}

py::object Codec::DecodeStr(Word word) {
  if (word >= texts_.size()) {
    texts_.resize(word + 1);
  }
  py::object& text = texts_[word];
  if (!text) {
    const std::string_view utf8 = interner_->Text(word);
    text = py::str(utf8.data(), utf8.size());
  }
  return text;
}

py::object Codec::DecodeTuple(Word word, const ValueType& type) {
  const auto known = type.decoded.find(word);
  if (known != type.decoded.end()) {
    return known->second;
  }
  const std::span<const Word> words = interner_->Tuple(word);
  py::object value;
  switch (type.kind) {
    case Kind::kOptional:
      value = words.empty() ? py::none() : Decode(words.front(), type.parts.front());
      break;
    case Kind::kUnion:
      value = MakeTuple(words.subspan(1), type.parts[words.front()]);
      break;
    default:
      value = MakeTuple(words, type);
  }
  type.decoded.emplace(word, value);
  return value;
}

py::object Codec::MakeTuple(std::span<const Word> words, const ValueType& type) {
  const bool is_list = type.kind == Kind::kList;
  py::tuple values(words.size());
  for (std::size_t i = 0; i < words.size(); ++i) {
    values[i] = Decode(words[i], type.parts[is_list ? 0 : i]);
  }
  return is_list ? py::object(values) : type.record_class(*values);
}

py::tuple Codec::DecodeRow(const Word* words, const TableCodec& table) {
  py::tuple row(table.columns.size());
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    row[i] = Decode(words[i], table.columns[i]);
  }
  return row;
}

}  // namespace nlog
