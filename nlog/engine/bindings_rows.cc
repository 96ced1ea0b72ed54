// See bindings_rows.h.

#include "bindings_rows.h"

#include <string>

#include "bindings_errors.h"

namespace py = pybind11;

namespace nlog {
namespace {

using core::Word;

// The values of a row, as many as the table has columns.
py::object ValuesOf(const TableCodec& table, py::handle row) {
  const std::size_t width = table.columns.size();
  const std::string wanted = (table.is_key ? "a key of table `" : "a row of table `") + table.name +
                             "` is a sequence of " + std::to_string(width) +
                             (width == 1 ? " value" : " values");
  if (!IsSequence(row) || PyDict_Check(row.ptr()) != 0) {
    RaiseRowError(row, -1, wanted + "; this is " + Show(row));
  }
  // A sequence says how long it is before it is read, since it may be longer than memory.
  const std::size_t size = py::len(row);
  if (size != width) {
    RaiseRowError(row, -1, wanted + "; this one has " + std::to_string(size));
  }
  auto values = py::reinterpret_steal<py::object>(PySequence_Tuple(row.ptr()));
  if (!values) {
    throw py::error_already_set();
  }
  const auto read = static_cast<std::size_t>(PyTuple_GET_SIZE(values.ptr()));
  if (read != width) {
    RaiseRowError(row, -1, wanted + "; this one has " + std::to_string(read));
  }
  return values;
}

// Converts each value of a row by `convert(value, type)`; raises RowError where it throws.
template <typename Convert>
void ForEachValue(const TableCodec& table, py::handle row, Convert convert) {
  const py::object values = ValuesOf(table, row);
  for (std::size_t column = 0; column < table.columns.size(); ++column) {
    const auto value = py::reinterpret_borrow<py::object>(
        PyTuple_GET_ITEM(values.ptr(), static_cast<Py_ssize_t>(column)));
    try {
      convert(value, table.columns[column]);
    } catch (const ValueError& error) {
      RaiseRowError(row, static_cast<int>(column), error.what());
    }
  }
}

}  // namespace

void EncodeRow(Store& store, const TableCodec& table, py::handle row, std::vector<Word>& words) {
  ForEachValue(table, row, [&](const py::object& value, const ValueType& type) {
    words.push_back(store.codec.Encode(value, type));
  });
}

std::optional<std::vector<Word>> FindRow(Store& store, const TableCodec& table, py::handle row) {
  std::vector<Word> words;
  bool is_known = true;
  ForEachValue(table, row, [&](const py::object& value, const ValueType& type) {
    const std::optional<Word> word = store.codec.Find(value, type);
    is_known = is_known && word.has_value();
    words.push_back(word.value_or(0));
  });
  return is_known ? std::optional(words) : std::nullopt;
}

std::optional<Where> FindWhere(Store& store, std::uint32_t number, const py::object& where) {
  const TableCodec& table = TableOf(store, number);
  Where found;
  for (const py::handle column_object : where) {
    const auto column = py::cast<std::uint32_t>(column_object);
    const py::object value = where[column_object];
    if (column >= table.columns.size()) {
      throw py::index_error("table `" + table.name + "` has no column " + std::to_string(column));
    }
    try {
      const std::optional<Word> word = store.codec.Find(value, table.columns[column]);
      if (!word) {
        return std::nullopt;
      }
      found.emplace_back(column, *word);
    } catch (const ValueError& error) {
      RaiseRowError(where, static_cast<int>(column), error.what());
    }
  }
  return found;
}

}  // namespace nlog
