// What a database and all that is read from it share, and the way of rows between Python and words.
//
// A Store holds the interner, the codec, the tables' columns, and the lock that guards them and the
// database. The lock is recursive, since Python code that a conversion calls may come back, and is
// never waited for with the GIL held; so every method may be called from any thread.
//
// All functions require the GIL and the lock of the store.

#ifndef NLOG_ENGINE_BINDINGS_STORE_H_
#define NLOG_ENGINE_BINDINGS_STORE_H_

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "bindings_codec.h"
#include "core/interner.h"
#include "core/words.h"

namespace nlog {

struct Store {
  std::shared_ptr<core::Interner> interner = std::make_shared<core::Interner>();
  Codec codec{interner};
  // By number. They stay where they are: Python code that runs amid a conversion may add some.
  std::deque<TableCodec> tables;
  std::recursive_mutex mutex;
};

// Holds the lock of a store; lets other Python threads run while it waits.
class Guard {
 public:
  explicit Guard(Store& store) : lock_(store.mutex, std::try_to_lock) {
    if (!lock_) {
      const pybind11::gil_scoped_release release;
      lock_.lock();
    }
  }

 private:
  std::unique_lock<std::recursive_mutex> lock_;
};

// Values for some columns.
using Where = std::vector<std::pair<std::uint32_t, core::Word>>;

// The class RowError, from when the module is there.
inline PyObject* row_error = nullptr;

// Throws IndexError if there is no such table.
const TableCodec& TableOf(const Store& store, std::uint32_t number);

// Adds the words of a row to `words`. Throws RowError.
void EncodeRow(Store& store, std::uint32_t table, pybind11::handle row,
               std::vector<core::Word>& words);

// The words of a row, or nothing if no table can hold it. Throws RowError.
std::optional<std::vector<core::Word>> FindRow(Store& store, std::uint32_t table,
                                               pybind11::handle row);

// The words of a mapping from columns to values, or nothing if no row can have them. Throws
// RowError and IndexError.
std::optional<Where> FindWhere(Store& store, std::uint32_t table, const pybind11::object& where);

// The rows of a table that `words` hold, one after the other.
pybind11::list DecodeRows(Store& store, std::uint32_t table, const std::vector<core::Word>& words,
                          std::size_t count);

}  // namespace nlog

#endif  // NLOG_ENGINE_BINDINGS_STORE_H_
