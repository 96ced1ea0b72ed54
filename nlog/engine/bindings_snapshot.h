// A snapshot as Python sees it: the class Snapshot of _core.pyi. It reads under the lock of the
// Store (bindings_store.h), as Database does.

#ifndef NLOG_ENGINE_BINDINGS_SNAPSHOT_H_
#define NLOG_ENGINE_BINDINGS_SNAPSHOT_H_

#include <pybind11/pybind11.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "bindings_rows.h"
#include "bindings_store.h"
#include "core/snapshot.h"

namespace nlog {

namespace py = pybind11;
using core::Word;

class Snapshot {
 public:
  Snapshot(std::shared_ptr<Store> store, core::Snapshot snapshot)
      : store_(std::move(store)), snapshot_(std::move(snapshot)) {}

  std::size_t Size(std::uint32_t table) {
    const Guard guard(*store_);
    TableOf(*store_, table);
    return snapshot_.Size(table);
  }

  bool Contains(std::uint32_t table, py::handle row) {
    const Guard guard(*store_);
    const std::optional<std::vector<Word>> words = FindRow(*store_, TableOf(*store_, table), row);
    return words && snapshot_.Contains(table, words->data());
  }

  py::list Rows(std::uint32_t table, const py::object& where) {
    const Guard guard(*store_);
    const std::optional<Where> given = FindWhere(*store_, table, where);
    if (!given) {
      return py::list();
    }
    const auto [words, count] = snapshot_.Select(table, *given);
    return DecodeRows(*store_, table, words, count);
  }

 private:
  std::shared_ptr<Store> store_;
  core::Snapshot snapshot_;
};

}  // namespace nlog

#endif  // NLOG_ENGINE_BINDINGS_SNAPSHOT_H_
