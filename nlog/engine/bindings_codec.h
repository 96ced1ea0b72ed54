// The codec: Python values to words and back, by the types of nlog/types.py.
//
// Encoding is strict: a value of another type is refused with a text that names it and shows what
// would do. Accepted: bool; int (not bool) of 64 signed bits; str; mac as text or int; ip4 as text,
// int or ipaddress.IPv4Address; ip6 as text or ipaddress.IPv6Address; prefix as text or
// ipaddress.IPv4Network or IPv6Network; bytes, also as the text of their hexadecimal digits; a
// record as a sequence of its fields or a mapping by their names; a list as a list or tuple; an
// optional as None or its value; a union as an object of a case's class, or a mapping of the case's
// name to its fields. A tree, which only plans have, is an int, a text or a tuple of trees.
//
// Decoding gives what nlog/types.py promises. Strings, records and lists are kept once decoded, so
// that a value is the same Python object in all rows.
//
// Requires: the GIL, and the lock of the interner (bindings.cc).

#ifndef NLOG_ENGINE_BINDINGS_CODEC_H_
#define NLOG_ENGINE_BINDINGS_CODEC_H_

#include <pybind11/pybind11.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/interner.h"
#include "core/text.h"
#include "core/words.h"

namespace nlog {

// A Python value that is not of the type it should be.
class ValueError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// One of nlog's types, with what was decoded of it so far.
class ValueType {
 public:
  enum class Kind {
    kBool,
    kInt,
    kStr,
    kMac,
    kIp4,
    kIp6,
    kPrefix,
    kBytes,
    kTree,
    kRecord,
    kList,
    kOptional,
    kUnion
  };

  // Reads a type of nlog/types.py. Throws ValueError if it is none, or nested too deeply.
  explicit ValueType(pybind11::handle type, int depth = 0);

  Kind kind;
  std::string name;
  // A record's fields, the element of a list or optional, or a union's cases, as records.
  std::vector<ValueType> parts;
  // Of a record: the names of its fields, as Python strings, and its class.
  std::vector<pybind11::str> field_names;
  pybind11::object record_class;
  // By word, of what is not made anew each time.
  mutable std::unordered_map<core::Word, pybind11::object> decoded;

 private:
  void ReadFields(pybind11::handle fields, int depth);
};

struct TableCodec {
  std::string name;
  bool is_input;
  // Whether the columns are those of the table's key alone.
  bool is_key;
  std::vector<ValueType> columns;
};

class Codec {
 public:
  explicit Codec(std::shared_ptr<core::Interner> interner);

  // The word of a value; interns what is new. Throws ValueError.
  core::Word Encode(pybind11::handle value, const ValueType& type);

  // The word of a value, or nothing if no row can hold it, for it was never interned. Throws
  // ValueError.
  std::optional<core::Word> Find(pybind11::handle value, const ValueType& type);

  // A type as the core knows it (core/values.h). Throws ValueError if a tree is part of it.
  core::Word TypeWord(const ValueType& type);

  pybind11::object Decode(core::Word word, const ValueType& type);
  pybind11::tuple DecodeRow(const core::Word* words, const TableCodec& table);

 private:
  using Converted = std::optional<core::Word>;

  Converted Convert(pybind11::handle value, const ValueType& type, bool is_interning);
  Converted ConvertStr(pybind11::handle value, bool is_interning);
  Converted ConvertRecord(pybind11::handle value, const ValueType& type, bool is_interning);
  Converted ConvertList(pybind11::handle value, const ValueType& type, bool is_interning);
  Converted ConvertOptional(pybind11::handle value, const ValueType& type, bool is_interning);
  Converted ConvertUnion(pybind11::handle value, const ValueType& type, bool is_interning);
  Converted ConvertTree(pybind11::handle value, bool is_interning, int depth = 0);
  Converted ConvertBytes(pybind11::handle value, bool is_interning);
  Converted ConvertTuple(std::span<const core::Word> words, bool is_interning);
  // Adds the words of a record's fields; false if one was never interned.
  bool ConvertFields(pybind11::handle value, const ValueType& type, bool is_interning,
                     std::vector<core::Word>& words);
  core::Word ConvertIp4(pybind11::handle value);
  Converted ConvertIp6(pybind11::handle value, bool is_interning);
  Converted ConvertPrefix(pybind11::handle value, bool is_interning);
  Converted ConvertPrefix6(const core::Prefix6Parts& parts, pybind11::handle value,
                           bool is_interning);
  pybind11::object DecodeStr(core::Word word);
  pybind11::object DecodeTuple(core::Word word, const ValueType& type);
  pybind11::object MakeTuple(std::span<const core::Word> words, const ValueType& type);

  std::shared_ptr<core::Interner> interner_;
  pybind11::object ip4_address_class_;
  pybind11::object ip4_network_class_;
  pybind11::object ip6_address_class_;
  pybind11::object ip6_network_class_;
  pybind11::object mapping_class_;
  // By number; empty where a string was not decoded yet.
  std::vector<pybind11::object> texts_;
};

// The text that a Python str holds. Throws ValueError.
std::string TextOf(pybind11::handle value);

// How a value looks in an error, cut short if it is long.
std::string Show(pybind11::handle value);

// Whether a value is a sequence that can stand for a row or record: not a text, nor a mapping.
bool IsSequence(pybind11::handle value);

}  // namespace nlog

#endif  // NLOG_ENGINE_BINDINGS_CODEC_H_
