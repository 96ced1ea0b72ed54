// A table: distinct rows of words, readable as they were before the running transaction and as they
// are after it.
//
// Each row has a count and a state. The state says in which views the row is visible:
//
//   kOld   the row was there before the transaction
//   kNew   the row is there after it, as far as the transaction has come
//
// A row that went away stays in the storage and in every index until the transaction ends, so that
// both views can be read through the same indexes by looking at one bit. The count is the number
// of derivations of a row in a stratum that counts them, and 0 elsewhere.
//
// Life of a transaction: changes (Obtain, SetNew, AddCount; each logs the row when first touched);
// SettleCounts, for tables that count; Seal, which works out the rows that came and went; then
// Commit or Rollback. Outside a transaction every stored row is visible in both views.
//
// Invariants: a row number names the same row from Obtain to the end of the transaction in which
// the row goes away. After Rollback, rows, counts and views are what they were before. Cost: 9
// bytes a row beside its words, 12 to 24 for the hash of whole rows, and the indexes'. Every change
// O(number of indexes) expected; Seal, Commit and Rollback are linear in the touched rows. Errors:
// std::bad_alloc and std::length_error (2^32 - 1 rows) leave the table as it was. Thread safety:
// none; const methods may run concurrently.

#ifndef NLOG_ENGINE_CORE_TABLE_H_
#define NLOG_ENGINE_CORE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hash_slots.h"
#include "index.h"
#include "words.h"

namespace nlog::core {

enum class View : std::uint8_t { kOld = 1, kNew = 2 };

class Table {
 public:
  // A table without columns can hold one row, the empty one.
  explicit Table(std::size_t width) : rows_(width) {}

  std::size_t width() const { return rows_.width(); }
  // The number of rows in the old view.
  std::size_t size() const { return size_; }
  // Row numbers are below this; not all of them name a row.
  RowId row_limit() const { return static_cast<RowId>(states_.size()); }

  const Word* Row(RowId row) const { return rows_[row]; }
  bool Visible(RowId row, View view) const {
    return (states_[row] & static_cast<std::uint8_t>(view)) != 0;
  }
  std::int64_t Count(RowId row) const { return counts_[row]; }

  // The stored row equal to key(0), key(1), …, visible or not, or kNoRow.
  template <typename Key>
  RowId FindKey(Key key) const {
    return FindHashed(Hash(key), key);
  }
  RowId Find(const Word* words) const {
    return FindKey([words](std::size_t i) { return words[i]; });
  }

  // The first row of an index with the given key, visible or not, or kNoRow; and the next one.
  template <typename Key>
  RowId First(std::size_t index, Key key) const {
    return indexes_[index].First(rows_, key);
  }
  RowId Next(std::size_t index, RowId row) const { return indexes_[index].Next(row); }

  std::span<const Index> indexes() const { return indexes_; }
  // The number of the index on `columns`, which is made from the stored rows if there is none.
  // Requires: columns are below width() and ascend. Cost when made: linear in the rows.
  std::size_t AddIndex(const std::vector<std::uint32_t>& columns);

  // The row equal to `words`, stored now if it was not (visible in no view, count 0). `words` may
  // not point into this table.
  RowId Obtain(const Word* words);
  void SetNew(RowId row, bool visible);
  void AddCount(RowId row, std::int64_t weight);

  // Makes exactly the touched rows whose count is positive visible in the new view, and leaves
  // other rows alone. Requires: no count is negative (else InternalError).
  void SettleCounts();

  // Works out `came` and `went`, the rows only in the new and only in the old view.
  void Seal();
  std::span<const RowId> came() const { return came_; }
  std::span<const RowId> went() const { return went_; }

  bool touched() const { return !log_.empty(); }
  // Makes the new view the old one. Requires: sealed since the last change.
  void Commit() noexcept;
  void Rollback() noexcept;

 private:
  struct Touch {
    RowId row;
    std::int64_t count_before;
  };

  static constexpr std::uint8_t kOldBit = static_cast<std::uint8_t>(View::kOld);
  static constexpr std::uint8_t kNewBit = static_cast<std::uint8_t>(View::kNew);
  static constexpr std::uint8_t kTouchedBit = 4;

  template <typename Key>
  std::uint32_t Hash(Key key) const {
    Hasher hasher;
    for (std::size_t i = 0; i < width(); ++i) {
      hasher.Add(key(i));
    }
    return hasher.Value();
  }

  template <typename Key>
  RowId FindHashed(std::uint32_t hash, Key key) const {
    return slots_.Find(hash, [&](RowId row) {
      const Word* words = rows_[row];
      for (std::size_t i = 0; i < width(); ++i) {
        if (words[i] != key(i)) {
          return false;
        }
      }
      return true;
    });
  }

  void TouchRow(RowId row);
  void Free(RowId row);
  void ForgetChanges();

  Rows rows_;
  std::vector<std::uint8_t> states_;
  // Of a number that names no row: the next such number, or kNoRow.
  std::vector<std::int64_t> counts_;
  RowId free_ = kNoRow;
  HashSlots slots_;
  std::vector<Index> indexes_;
  std::size_t size_ = 0;

  std::vector<Touch> log_;
  std::vector<RowId> came_;
  std::vector<RowId> went_;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_TABLE_H_
