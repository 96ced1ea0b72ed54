// Rows that come without a Python object for each value: from another database, or by columns.
//
// A delta of one database is words of its interner. To become words of another, texts and tuples
// are interned there; what was translated once is remembered (Store::translations), by the type,
// for as long as the database it came from lives. All other words mean the same everywhere.
//
// Columns come as lists, tuples or other sequences of values, or as buffers of numbers.
//
// Cost: a look-up for each text or tuple, a copy for each other word; of a buffer, a test of each
// number. Thread safety: the locks of all stores involved must be held (PairGuard).

#ifndef NLOG_ENGINE_BINDINGS_TRANSFER_H_
#define NLOG_ENGINE_BINDINGS_TRANSFER_H_

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "bindings_store.h"

namespace nlog {

// Holds the locks of two stores, or the one of both if they are the same. Waits for neither while
// it holds the other or the GIL, so that two threads that go opposite ways both get on.
class PairGuard {
 public:
  PairGuard(Store& one, Store& other);
  PairGuard(const PairGuard&) = delete;
  PairGuard& operator=(const PairGuard&) = delete;

 private:
  std::unique_lock<std::recursive_mutex> first_;
  std::unique_lock<std::recursive_mutex> second_;
};

// Holds the locks of any number of stores, likewise.
class AllGuard {
 public:
  explicit AllGuard(const std::vector<Store*>& stores);
  AllGuard(const AllGuard&) = delete;
  AllGuard& operator=(const AllGuard&) = delete;

 private:
  std::vector<std::unique_lock<std::recursive_mutex>> locks_;
};

// Throws ValueError unless the columns of both have the same types.
void RequireSameTypes(const TableCodec& source, const TableCodec& target);

// The rows that `words` hold, one after the other, of the table `codec` in `source`, as words of
// `target`. Requires: the same types.
std::vector<core::Word> Translate(const std::shared_ptr<Store>& source, const TableCodec& codec,
                                  const std::vector<core::Word>& words, Store& target);

// The rows that some columns make, one after the other, and how many. Raises RowError, of the place
// of the value in its column, or -1, instead of the row.
struct EncodedRows {
  std::vector<core::Word> words;
  std::size_t count;
};
EncodedRows EncodeColumns(Store& store, const TableCodec& table, pybind11::handle columns);

}  // namespace nlog

#endif  // NLOG_ENGINE_BINDINGS_TRANSFER_H_
