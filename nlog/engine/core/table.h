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
// of derivations of a row in a stratum that counts them, its rank (ranks.h) in a recursive one, and
// 0 elsewhere.
//
// Life of a transaction: changes (Obtain, SetNew, AddCount); SettleCounts, for tables that count;
// Seal, which works out the rows that came and went; then Commit or Rollback. Outside a transaction
// every stored row is visible in both views. Rows that a transaction adds mostly lie at the end of
// the storage, and a bound tells them from the others; only rows that were there, or took the place
// of a deleted one, are logged when first touched.
//
// Invariants: a row number names the same row from Obtain to the end of the transaction in which
// the row goes away. After Rollback, rows, counts and views are what they were before. Cost: 1
// byte a row beside its words, or 4 (states.h), 11 to 16 for the hash of whole rows, and the
// indexes'. Every change O(number of indexes) expected; Seal, Commit and Rollback are linear in the
// touched rows. Errors: std::bad_alloc and CapacityError (which names the table's number) leave the
// table as it was. Thread safety: none; const methods may run concurrently.

#ifndef NLOG_ENGINE_CORE_TABLE_H_
#define NLOG_ENGINE_CORE_TABLE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "array.h"
#include "capacities.h"
#include "hash_slots.h"
#include "index.h"
#include "rows.h"
#include "states.h"
#include "words.h"

namespace nlog::core {

enum class View : std::uint8_t { kOld = 1, kNew = 2 };

// Some rows of a table: all numbers from `first` up to `last`, then those listed.
class RowNumbers {
 public:
  RowNumbers() = default;
  RowNumbers(RowId first, RowId last, std::span<const RowId> listed)
      : first_(first), range_(last - first), listed_(listed) {}

  std::size_t size() const { return range_ + listed_.size(); }
  bool empty() const { return size() == 0; }
  RowId first() const { return first_; }
  std::span<const RowId> listed() const { return listed_; }
  RowId operator[](std::size_t i) const {
    return i < range_ ? first_ + static_cast<RowId>(i) : listed_[i - range_];
  }

 private:
  RowId first_ = 0;
  std::size_t range_ = 0;
  std::span<const RowId> listed_;
};

class Table {
 public:
  // A table without columns can hold one row, the empty one.
  explicit Table(std::size_t width, std::uint32_t number = 0, const Capacities& capacities = {})
      : rows_(width), number_(number), rows_max_(capacities.rows), places_max_(capacities.places) {}

  std::size_t width() const { return rows_.width(); }
  // The number of rows in the old view.
  std::size_t size() const { return size_; }
  // The number of rows in the new view. Requires: sealed since the last change.
  std::size_t new_size() const { return size_ + came().size() - went().size(); }
  // The number of rows stored: those of the old view, and those that the transaction has added.
  std::size_t stored() const { return slots_.size(); }
  // Row numbers are below this; not all of them name a row.
  RowId row_limit() const { return static_cast<RowId>(states_.size()); }
  // The memory the table holds, touched or not.
  std::size_t bytes() const;

  RowRef Row(RowId row) const { return rows_[row]; }
  // The words of rows, one row after the other.
  std::vector<Word> Words(const RowNumbers& rows) const;
  bool Visible(RowId row, View view) const {
    return states_.Has(row, static_cast<States::Flags>(view));
  }
  std::int64_t Count(RowId row) const { return states_.Count(row); }

  // The stored row equal to key(0), key(1), …, visible or not, or kNoRow.
  template <typename Key>
  RowId FindKey(Key key) const {
    return FindHashed(HashOf(key), key);
  }
  RowId Find(const Word* words) const {
    return FindKey([words](std::size_t i) { return words[i]; });
  }

  // The rows with the given key in an index, visible or not; good until the table changes.
  template <typename Key>
  std::span<const RowId> Matches(std::size_t index, Key key) const {
    return indexes_[index].Find(rows_, key);
  }
  // Fetches what Matches, or FindKey, will read first for a key.
  template <typename Key>
  void PrefetchMatches(std::size_t index, Key key) const {
    indexes_[index].Prefetch(key);
  }
  template <typename Key>
  void PrefetchKey(Key key) const {
    slots_.Prefetch(HashOf(key));
  }
  // Fetches what will be read of a row first.
  void Prefetch(RowId row) const {
    rows_.Prefetch(row);
    states_.Prefetch(row);
  }

  std::span<const Index> indexes() const { return indexes_; }
  // The number of the index on `columns`, which is made from the stored rows if there is none.
  // Requires: columns are below width() and ascend. Cost when made: linear in the rows.
  std::size_t AddIndex(const std::vector<std::uint32_t>& columns);

  // Drops all indexes but the first `count`.
  void KeepIndexes(std::size_t count) noexcept {
    indexes_.erase(indexes_.begin() + static_cast<std::ptrdiff_t>(std::min(count, indexes_.size())),
                   indexes_.end());
  }

  // Indexes on the columns of those of `shape`, in its order: of those that this table has just the
  // columns, the others made from the stored rows. Cost when made: linear in the rows.
  std::vector<Index> MissingIndexes(const Table& shape) const;
  // Makes `indexes`, which MissingIndexes gave, the table's: those it has keep what they hold, and
  // those that are not among them are dropped.
  void ArrangeIndexes(std::vector<Index> indexes) noexcept;

  // The row equal to `words`, stored now if it was not (visible in no view, count 0). `words` may
  // not point into this table.
  RowId Obtain(const Word* words) { return Obtain(words, Hash(words)); }
  void SetNew(RowId row, bool visible);
  void AddCount(RowId row, std::int64_t weight);

  // For many rows: the hash of a row, what Find and Obtain will read of it fetched, and both with
  // the hash.
  std::uint32_t Hash(const Word* words) const {
    return HashOf([words](std::size_t i) { return words[i]; });
  }
  void PrefetchHash(std::uint32_t hash) const { slots_.Prefetch(hash); }
  // The same for the row itself, once that has come.
  void PrefetchFound(std::uint32_t hash) const {
    const RowId row = slots_.Guess(hash);
    if (row != kNoRow) {
      Prefetch(row);
    }
  }
  RowId Find(const Word* words, std::uint32_t hash) const {
    return FindHashed(hash, [words](std::size_t i) { return words[i]; });
  }
  RowId Obtain(const Word* words, std::uint32_t hash);
  // Makes room in the hash for so many rows in all, which are soon to come.
  void Expect(std::size_t rows) { slots_.Reserve(rows); }

  // Makes exactly the touched rows whose count is positive visible in the new view, and leaves
  // other rows alone. Requires: no count is negative (else InternalError).
  void SettleCounts();

  // Works out `came` and `went`, the rows only in the new and only in the old view.
  void Seal();
  RowNumbers came() const { return {came_first_, came_last_, {came_.data(), came_.size()}}; }
  RowNumbers went() const { return {0, 0, {went_.data(), went_.size()}}; }

  bool touched() const { return !log_.empty() || fresh_ < row_limit(); }
  // Makes the new view the old one. Requires: sealed since the last change.
  void Commit() noexcept;
  void Rollback() noexcept;

 private:
  // A row that was touched though it is not at the end.
  struct Touch {
    RowId row;
    std::int64_t count_before;
  };

  // The flags of a state.
  static constexpr States::Flags kOldFlag = static_cast<States::Flags>(View::kOld);
  static constexpr States::Flags kNewFlag = static_cast<States::Flags>(View::kNew);
  static constexpr States::Flags kLoggedFlag = 4;

  template <typename Key>
  std::uint32_t HashOf(Key key) const {
    Hasher hasher;
    for (std::size_t i = 0; i < width(); ++i) {
      hasher.Add(key(i));
    }
    return hasher.Value();
  }

  template <typename Key>
  RowId FindHashed(std::uint32_t hash, Key key) const {
    return slots_.Find(hash, Equals(key));
  }

  // Whether a stored row is key(0), key(1), ….
  template <typename Key>
  auto Equals(Key key) const {
    return [this, key](RowId row) {
      const RowRef words = rows_[row];
      for (std::size_t i = 0; i < width(); ++i) {
        if (words[i] != key(i)) {
          return false;
        }
      }
      return true;
    };
  }

  // Calls `visit` with each touched row.
  template <typename Visit>
  void ForEachTouched(Visit visit) {
    for (const Touch& touch : log_) {
      visit(touch.row);
    }
    for (RowId row = fresh_; row < row_limit(); ++row) {
      visit(row);
    }
  }

  // Makes room for the next Link, of a row with words row[0], row[1], … Throws CapacityError.
  template <typename RowWords>
  void Reserve(Index& index, std::size_t count, const RowWords& row) const;
  Index MakeIndex(const std::vector<std::uint32_t>& columns) const;
  void Log(RowId row);
  // Makes a row visible in the new view, or not.
  void Show(RowId row, bool visible);
  void Remove(RowId row);
  void Free(RowId row);
  void ForgetChanges();

  Rows rows_;
  States states_;
  // The numbers below row_limit() that name no row.
  Array<RowId> free_;
  HashSlots slots_;
  std::vector<Index> indexes_;
  std::size_t size_ = 0;
  std::uint32_t number_;
  std::size_t rows_max_;
  std::size_t places_max_;

  // Rows from here on were stored by the running transaction, and are not logged.
  RowId fresh_ = 0;
  Array<Touch> log_;
  RowId came_first_ = 0;
  RowId came_last_ = 0;
  Array<RowId> came_;
  Array<RowId> went_;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_TABLE_H_
