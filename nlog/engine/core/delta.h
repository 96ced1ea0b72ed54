// A delta: the rows that one transaction added to a table and took from it, for whoever wants to
// read them.
//
// Few deltas are read, and most are read at once, while that of a bulk load is as large as the
// table. So a delta remembers where its rows lie, and copies their words only when the table is
// about to change again, if somebody still holds the delta then (Database::KeepDeltas).
//
// Cost: making one copies 4 bytes a row, or none for rows that lie in one piece. Thread safety: as
// the database's: its lock must guard every use.

#ifndef NLOG_ENGINE_CORE_DELTA_H_
#define NLOG_ENGINE_CORE_DELTA_H_

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "table.h"
#include "words.h"

namespace nlog::core {

class Delta {
 public:
  // Of `table`, which has that number. Requires: the table is sealed, and lives, with all the rows
  // in place, until Keep is called.
  Delta(std::uint32_t number, const Table& table)
      : number_(number), table_(&table), inserted_(table.came()), deleted_(table.went()) {}

  std::uint32_t table() const { return number_; }
  std::size_t inserted_count() const { return inserted_.count; }
  std::size_t deleted_count() const { return deleted_.count; }

  // The rows one after the other. Throws std::bad_alloc, also if Keep lacked the memory.
  std::vector<Word> Inserted() const { return Words(inserted_); }
  std::vector<Word> Deleted() const { return Words(deleted_); }

  // Copies the rows, so that the table may change. Throws std::bad_alloc, having changed nothing.
  void Copy() {
    if (table_ != nullptr) {
      std::vector<Word> inserted = Words(inserted_);
      deleted_.words = Words(deleted_);
      inserted_.words = std::move(inserted);
      Detach();
    }
  }
  // The same; if it lacks the memory, the rows are lost.
  void Keep() noexcept {
    try {
      Copy();
    } catch (const std::bad_alloc&) {
      is_lost_ = true;
      Detach();
    }
  }

 private:
  struct Side {
    explicit Side(const RowNumbers& rows) : count(rows.size()), first(rows.first()) {
      listed.Reserve(rows.listed().size());
      for (const RowId row : rows.listed()) {
        listed.PushBack(row);
      }
    }

    RowNumbers numbers() const {
      const std::size_t range = count - listed.size();
      return {first, first + static_cast<RowId>(range), {listed.data(), listed.size()}};
    }

    std::size_t count;
    RowId first;
    Array<RowId> listed;
    std::vector<Word> words;
  };

  std::vector<Word> Words(const Side& side) const {
    if (is_lost_) {
      throw std::bad_alloc();
    }
    return table_ == nullptr ? side.words : table_->Words(side.numbers());
  }

  void Detach() noexcept {
    table_ = nullptr;
    inserted_.listed.Clear();
    deleted_.listed.Clear();
  }

  std::uint32_t number_;
  // Null once the rows are copied.
  const Table* table_;
  Side inserted_;
  Side deleted_;
  bool is_lost_ = false;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_DELTA_H_
