// Rows and keys from Python, as words.
//
// A row or key is any sequence of as many values as its codec has columns. Raises RowError, with
// the number of the column, where a value does not fit. Requires: the lock of the store.

#ifndef NLOG_ENGINE_BINDINGS_ROWS_H_
#define NLOG_ENGINE_BINDINGS_ROWS_H_

#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "bindings_store.h"

namespace nlog {

// Adds the words of a row to `words`; interns what is new.
void EncodeRow(Store& store, const TableCodec& table, pybind11::handle row,
               std::vector<core::Word>& words);

// The words of a row or key, or nothing if no table can hold it.
std::optional<std::vector<core::Word>> FindRow(Store& store, const TableCodec& table,
                                               pybind11::handle row);

// Values for some columns.
using Where = std::vector<std::pair<std::uint32_t, core::Word>>;

// The words of a mapping from columns to values, or nothing if no row can have them. Raises
// IndexError, too.
std::optional<Where> FindWhere(Store& store, std::uint32_t table, const pybind11::object& where);

}  // namespace nlog

#endif  // NLOG_ENGINE_BINDINGS_ROWS_H_
