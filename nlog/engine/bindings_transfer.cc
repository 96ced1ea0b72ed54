// See bindings_transfer.h.

#include "bindings_transfer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "bindings_errors.h"
#include "bindings_signals.h"
#include "core/addresses.h"

namespace py = pybind11;

namespace nlog {
namespace {

using core::Word;
using Kind = ValueType::Kind;

bool IsSame(const ValueType& one, const ValueType& other) {
  const auto same_name = [](const py::str& a, const py::str& b) { return a.equal(b); };
  return one.kind == other.kind && one.name == other.name &&
         std::ranges::equal(one.parts, other.parts, IsSame) &&
         std::ranges::equal(one.field_names, other.field_names, same_name);
}

// Whether words of the type mean the same in every database.
bool IsPlain(Kind kind) {
  return kind == Kind::kBool || kind == Kind::kInt || kind == Kind::kMac || kind == Kind::kIp4;
}

// A type as a text that only equal types share.
std::string Signature(const ValueType& type) {
  std::string text = std::to_string(static_cast<int>(type.kind));
  if (!type.parts.empty()) {
    text += '(';
    for (const ValueType& part : type.parts) {
      text += Signature(part) + ' ';
    }
    text += ')';
  }
  return text;
}

// Translates the words of one type, and remembers those it has seen.
class Translator {
 public:
  Translator(const ValueType& type, const core::Interner& source, core::Interner& target,
             Translations& known)
      : kind_(type.kind), source_(source), target_(target) {
    if (!IsPlain(kind_)) {
      known_ = &known.words[Signature(type)];
    }
    for (const ValueType& part : type.parts) {
      parts_.emplace_back(part, source, target, known);
    }
  }

  Word Translate(Word word) {
    if (known_ == nullptr) {
      return word;
    }
    const auto found = known_->find(word);
    if (found != known_->end()) {
      return found->second;
    }
    const Word translated = TranslateNew(word);
    known_->emplace(word, translated);
    return translated;
  }

 private:
  Word TranslateNew(Word word) {
    switch (kind_) {
      case Kind::kStr:
      case Kind::kBytes:
        return target_.InternText(source_.Text(word));
      case Kind::kIp6:
        return target_.InternTuple(source_.Tuple(word));
      case Kind::kPrefix:
        return core::IsPrefix6(word)
                   ? core::kPrefix6Bit |
                         target_.InternTuple(source_.Tuple(word & ~core::kPrefix6Bit))
                   : word;
      case Kind::kUnion:
        return TranslateUnion(word);
      default:
        return TranslateTuple(word);
    }
  }

  Word TranslateTuple(Word word) {
    std::vector<Word> words;
    for (const Word part : source_.Tuple(word)) {
      Translator& translator = parts_[kind_ == Kind::kRecord ? words.size() : 0];
      words.push_back(translator.Translate(part));
    }
    return target_.InternTuple(words);
  }

  Word TranslateUnion(Word word) {
    const std::span<const Word> tuple = source_.Tuple(word);
    std::vector<Translator>& fields = parts_[tuple.front()].parts_;
    std::vector<Word> words{tuple.front()};
    for (const Word part : tuple.subspan(1)) {
      words.push_back(fields[words.size() - 1].Translate(part));
    }
    return target_.InternTuple(words);
  }

  Kind kind_;
  const core::Interner& source_;
  core::Interner& target_;
  // Null if words stay as they are.
  std::unordered_map<Word, Word>* known_ = nullptr;
  std::vector<Translator> parts_;
};

// What was translated from `source`; forgets stores that are gone.
Translations& TranslationsFrom(const std::shared_ptr<Store>& source, Store& target) {
  std::erase_if(target.translations,
                [](const Translations& known) { return known.source.expired(); });
  for (Translations& known : target.translations) {
    if (known.source.lock() == source) {
      return known;
    }
  }
  return target.translations.emplace_back(Translations{.source = source});
}

// How the numbers of a buffer lie.
struct Numbers {
  bool is_signed;
  bool is_bool;
};

std::optional<Numbers> NumbersOf(const py::buffer_info& buffer) {
  std::string_view format = buffer.format;
  constexpr bool kIsLittle = std::endian::native == std::endian::little;
  if (format.size() == 2) {
    const bool is_native = format[0] == '@' || format[0] == '=' ||
                           (format[0] == '<' && kIsLittle) || (format[0] == '>' && !kIsLittle) ||
                           buffer.itemsize == 1;
    if (!is_native) {
      return std::nullopt;
    }
    format.remove_prefix(1);
  }
  const std::size_t size = static_cast<std::size_t>(buffer.itemsize);
  if (format.size() != 1 || size > sizeof(Word) || !std::has_single_bit(size)) {
    return std::nullopt;
  }
  const bool is_signed = std::string_view("bhilqn").find(format[0]) != std::string_view::npos;
  const bool is_unsigned = std::string_view("BHILQN").find(format[0]) != std::string_view::npos;
  const bool is_bool = format[0] == '?';
  return is_signed || is_unsigned || is_bool ? std::optional(Numbers{is_signed, is_bool})
                                             : std::nullopt;
}

// The number at `place`, with its sign extended.
Word NumberAt(const char* place, std::size_t size, bool is_signed) {
  static_assert(std::endian::native == std::endian::little);
  Word word = 0;
  std::memcpy(&word, place, size);
  const int unused = static_cast<int>(64 - 8 * size);
  return is_signed ? static_cast<Word>(static_cast<std::int64_t>(word << unused) >> unused) : word;
}

// The greatest word that a number of the type may be; all words, if it has a sign.
Word WordMax(Kind kind, bool is_signed) {
  switch (kind) {
    case Kind::kBool:
      return 1;
    case Kind::kMac:
      return core::kMacMax;
    case Kind::kIp4:
      return core::kIp4Max;
    default:
      return is_signed ? ~Word{0} : ~Word{0} >> 1;
  }
}

class ColumnReader {
 public:
  ColumnReader(Store& store, const TableCodec& table, std::size_t column, EncodedRows& rows)
      : store_(store), table_(table), column_(column), rows_(rows) {}

  void Read(py::handle values) {
    const bool is_text = PyUnicode_Check(values.ptr()) != 0;
    if (IsPlain(type().kind) && PyObject_CheckBuffer(values.ptr()) != 0) {
      ReadBuffer(py::reinterpret_borrow<py::buffer>(values).request());
    } else if (!is_text && IsSequence(values) && PyDict_Check(values.ptr()) == 0) {
      ReadSequence(values);
    } else {
      Refuse(-1, "a column is a list, a tuple or an array of numbers, not " + Show(values));
    }
  }

 private:
  const ValueType& type() const { return table_.columns[column_]; }

  [[noreturn]] void Refuse(std::ptrdiff_t place, const std::string& text) const {
    RaiseRowError(py::int_(place), static_cast<int>(column_), text);
  }

  // The first column tells how many rows there are.
  void Count(std::size_t count) {
    if (column_ == 0) {
      rows_.count = count;
      rows_.words.resize(count * table_.columns.size());
    } else if (count != rows_.count) {
      Refuse(-1, "it has " + std::to_string(count) + " values, and the first column " +
                     std::to_string(rows_.count));
    }
  }

  void Put(std::size_t row, Word word) {
    rows_.words[row * table_.columns.size() + column_] = word;
  }

  // What a sequence holds. One that is no list or tuple may be without end, or nearly so.
  py::tuple TupleOf(py::handle values) {
    if (PyList_Check(values.ptr()) != 0 || PyTuple_Check(values.ptr()) != 0) {
      auto all = py::reinterpret_steal<py::tuple>(PySequence_Tuple(values.ptr()));
      if (!all) {
        throw py::error_already_set();
      }
      return all;
    }
    py::list read;
    for (const py::handle value : values) {
      poll_();
      read.append(value);
    }
    return py::tuple(read);
  }

  void ReadSequence(py::handle values) {
    const py::tuple all = TupleOf(values);
    Count(static_cast<std::size_t>(PyTuple_GET_SIZE(all.ptr())));
    for (std::size_t row = 0; row < rows_.count; ++row) {
      poll_();
      const py::handle value = PyTuple_GET_ITEM(all.ptr(), static_cast<Py_ssize_t>(row));
      try {
        Put(row, store_.codec.Encode(value, type()));
      } catch (const ValueError& error) {
        Refuse(static_cast<std::ptrdiff_t>(row), error.what());
      }
    }
  }

  void ReadBuffer(const py::buffer_info& buffer) {
    const std::optional<Numbers> numbers = NumbersOf(buffer);
    if (buffer.ndim != 1 || !numbers || (numbers->is_bool && type().kind != Kind::kBool)) {
      Refuse(-1, "an array of " + std::to_string(buffer.ndim) + " dimensions and format `" +
                     buffer.format + "` has no values of type " + type().name);
    }
    Count(static_cast<std::size_t>(buffer.shape[0]));
    const auto size = static_cast<std::size_t>(buffer.itemsize);
    const Word word_max = WordMax(type().kind, numbers->is_signed);
    const char* place = static_cast<const char*>(buffer.ptr);
    for (std::size_t row = 0; row < rows_.count; ++row, place += buffer.strides[0]) {
      poll_();
      const Word word = NumberAt(place, size, numbers->is_signed);
      if (word > word_max) {
        const std::string shown = numbers->is_signed
                                      ? std::to_string(static_cast<std::int64_t>(word))
                                      : std::to_string(word);
        Refuse(static_cast<std::ptrdiff_t>(row),
               shown + " is no " + type().name + ", which as a number is " +
                   (type().kind == Kind::kInt ? "at most " : "0 to ") + std::to_string(word_max));
      }
      Put(row, word);
    }
  }

  Store& store_;
  const TableCodec& table_;
  const std::size_t column_;
  EncodedRows& rows_;
  SignalPoll poll_;
};

}  // namespace

PairGuard::PairGuard(Store& one, Store& other)
    : first_(one.mutex, std::defer_lock), second_(other.mutex, std::defer_lock) {
  if (&one == &other) {
    const py::gil_scoped_release release;
    first_.lock();
  } else if (std::try_lock(first_, second_) != -1) {
    const py::gil_scoped_release release;
    std::lock(first_, second_);
  }
}

AllGuard::AllGuard(const std::vector<Store*>& stores) {
  for (Store* store : stores) {
    locks_.emplace_back(store->mutex, std::defer_lock);
  }
  for (std::size_t waited_for = 0; waited_for < locks_.size();) {
    {
      const py::gil_scoped_release release;
      locks_[waited_for].lock();
    }
    std::size_t failed = locks_.size();
    for (std::size_t i = 0; i < locks_.size() && failed == locks_.size(); ++i) {
      if (i != waited_for && !locks_[i].try_lock()) {
        failed = i;
      }
    }
    if (failed == locks_.size()) {
      return;
    }
    for (std::unique_lock<std::recursive_mutex>& lock : locks_) {
      if (lock.owns_lock()) {
        lock.unlock();
      }
    }
    waited_for = failed;
  }
}

void RequireSameTypes(const TableCodec& source, const TableCodec& target) {
  if (!std::ranges::equal(source.columns, target.columns, IsSame)) {
    throw ValueError("tables `" + source.name + "` and `" + target.name +
                     "` have not the same types");
  }
}

std::vector<Word> Translate(const std::shared_ptr<Store>& source, const TableCodec& codec,
                            const std::vector<Word>& words, Store& target) {
  if (source.get() == &target) {
    return words;
  }
  Translations& known = TranslationsFrom(source, target);
  std::vector<Translator> columns;
  for (const ValueType& type : codec.columns) {
    columns.emplace_back(type, *source->interner, *target.interner, known);
  }
  std::vector<Word> translated;
  translated.reserve(words.size());
  SignalPoll poll;
  for (std::size_t i = 0; i < words.size(); ++i) {
    poll();
    translated.push_back(columns[i % columns.size()].Translate(words[i]));
  }
  return translated;
}

EncodedRows EncodeColumns(Store& store, const TableCodec& table, py::handle columns) {
  const std::size_t width = table.columns.size();
  const py::object none = py::int_(-1);
  if (!IsSequence(columns) || PyDict_Check(columns.ptr()) != 0) {
    RaiseRowError(none, -1,
                  "columns are a list or tuple, one part a column; this is " + Show(columns));
  }
  auto all = py::reinterpret_steal<py::object>(PySequence_Tuple(columns.ptr()));
  if (!all) {
    throw py::error_already_set();
  }
  const auto given = static_cast<std::size_t>(PyTuple_GET_SIZE(all.ptr()));
  if (given != width) {
    RaiseRowError(none, -1,
                  "it has " + std::to_string(width) + " columns, and " + std::to_string(given) +
                      " were given");
  }
  EncodedRows rows{{}, 0};
  for (std::size_t column = 0; column < width; ++column) {
    ColumnReader(store, table, column, rows)
        .Read(PyTuple_GET_ITEM(all.ptr(), static_cast<Py_ssize_t>(column)));
  }
  return rows;
}

}  // namespace nlog
