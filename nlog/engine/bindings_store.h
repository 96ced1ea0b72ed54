// What a database and all that is read from it share, and the lock that guards it.
//
// A Store has the interner, the codecs of rows, and the lock for them and for the tables. The lock
// is recursive, since Python code that a conversion calls may come back, and is never waited for
// with the GIL held; so every method may be called from any thread.

#ifndef NLOG_ENGINE_BINDINGS_STORE_H_
#define NLOG_ENGINE_BINDINGS_STORE_H_

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bindings_codec.h"
#include "bindings_functions.h"
#include "core/database.h"

namespace nlog {

struct Store;

// What words of another store are in this one, by type (bindings_transfer.h).
struct Translations {
  std::weak_ptr<Store> source;
  std::unordered_map<std::string, std::unordered_map<core::Word, core::Word>> words = {};
};

struct Store {
  explicit Store(const core::Capacities& capacities)
      : interner(std::make_shared<core::Interner>(capacities)) {}

  std::shared_ptr<core::Interner> interner;
  Codec codec{interner};
  PythonFunctions functions{codec};
  // By number. They stay where they are: Python code that runs amid a conversion may add some.
  std::deque<TableCodec> tables;
  // Of the keys likewise; of a table without a key there are no columns.
  std::deque<TableCodec> keys;
  // Knows how many tables there are: the codecs of a change that was rolled back stay, for who
  // holds its deltas, until another change takes their numbers. Null before the tables, and after
  // them.
  const core::Database* database = nullptr;
  std::list<Translations> translations;
  std::recursive_mutex mutex;
};

// Holds the lock of a store; lets other Python threads run while it waits. Throws if a Python
// function runs, which an evaluation has called.
class Guard {
 public:
  explicit Guard(Store& store) : lock_(store.mutex, std::try_to_lock) {
    if (!lock_) {
      const pybind11::gil_scoped_release release;
      lock_.lock();
    }
    if (store.functions.is_running()) {
      throw std::runtime_error(
          "a Python function that rules call must be pure: it cannot use the engine");
    }
  }

 private:
  std::unique_lock<std::recursive_mutex> lock_;
};

// Throws IndexError if there is no such table.
inline const TableCodec& TableOf(const Store& store, std::uint32_t number) {
  if (number >= store.tables.size() ||
      (store.database != nullptr && number >= store.database->table_count())) {
    throw pybind11::index_error("there is no table " + std::to_string(number));
  }
  return store.tables[number];
}

// The rows of a table that `words` hold, one after the other. Requires: the lock of the store.
inline pybind11::list DecodeRows(Store& store, std::uint32_t number,
                                 const std::vector<core::Word>& words, std::size_t count) {
  const TableCodec& table = store.tables[number];
  pybind11::list rows;
  for (std::size_t i = 0; i < count; ++i) {
    rows.append(store.codec.DecodeRow(words.data() + i * table.columns.size(), table));
  }
  return rows;
}

class Delta {
 public:
  Delta(std::shared_ptr<Store> store, std::shared_ptr<core::Delta> delta)
      : store_(std::move(store)), delta_(std::move(delta)) {}

  std::size_t inserted_count() const { return delta_->inserted_count(); }
  std::size_t deleted_count() const { return delta_->deleted_count(); }
  const std::shared_ptr<Store>& store() const { return store_; }
  const core::Delta& delta() const { return *delta_; }
  pybind11::list Inserted() const {
    const Guard guard(*store_);
    return DecodeRows(*store_, delta_->table(), delta_->Inserted(), inserted_count());
  }
  pybind11::list Deleted() const {
    const Guard guard(*store_);
    return DecodeRows(*store_, delta_->table(), delta_->Deleted(), deleted_count());
  }

 private:
  std::shared_ptr<Store> store_;
  std::shared_ptr<core::Delta> delta_;
};

}  // namespace nlog

#endif  // NLOG_ENGINE_BINDINGS_STORE_H_
