// Index: the rows of a table by the values of some columns.
//
// An index is a hash set of chains. A chain links, by row number, all rows with the same values in
// the key's columns, the latest first; the hash set holds each chain's head. A row is taken out in
// O(1) however long its chain is.
//
// Invariant: a row that is linked has not changed its words since.
// Cost: 8 bytes a row for the links and 11 to 22 bytes a key.
// Thread safety: none; const methods may run concurrently.

#ifndef NLOG_ENGINE_CORE_INDEX_H_
#define NLOG_ENGINE_CORE_INDEX_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "array.h"
#include "hash_slots.h"
#include "rows.h"
#include "words.h"

namespace nlog::core {

class Index {
 public:
  // An index on `columns`, which may be none: then all rows make one chain.
  explicit Index(std::vector<std::uint32_t> columns) : columns_(std::move(columns)) {}

  const std::vector<std::uint32_t>& columns() const { return columns_; }

  // The first row whose key is key(0), key(1), … (a word a column of the index), or kNoRow.
  template <typename Key>
  RowId First(const Rows& rows, Key key) const {
    return Head(rows, Hash(key), key);
  }

  // The row after `row` in its chain, or kNoRow.
  RowId Next(RowId row) const { return links_[row].next; }

  // Makes room, so that the next Link of a row numbered below `count` cannot fail.
  void Reserve(std::size_t count) {
    heads_.ReserveOne();
    if (links_.size() < count) {
      links_.Resize(count);
    }
  }

  // How many different keys the linked rows have.
  std::size_t key_count() const { return heads_.size(); }
  std::size_t bytes() const { return heads_.bytes() + links_.bytes(); }

  // Adds a row. Requires: room was reserved, and the row is not linked.
  void Link(const Rows& rows, RowId row) {
    const RowKey key = KeyOf(rows, row);
    const std::uint32_t hash = Hash(key);
    const RowId head = Head(rows, hash, key);
    links_[row] = {kNoRow, head};
    if (head == kNoRow) {
      heads_.Insert(hash, row);
    } else {
      links_[head].previous = row;
      heads_.Replace(hash, head, row);
    }
  }

  // Takes a row out. Requires: it is linked. Never allocates.
  void Unlink(const Rows& rows, RowId row) {
    const Links links = links_[row];
    if (links.next != kNoRow) {
      links_[links.next].previous = links.previous;
    }
    if (links.previous != kNoRow) {
      links_[links.previous].next = links.next;
    } else if (links.next != kNoRow) {
      heads_.Replace(Hash(KeyOf(rows, row)), row, links.next);
    } else {
      heads_.Erase(Hash(KeyOf(rows, row)), row);
    }
  }

 private:
  struct Links {
    RowId previous;
    RowId next;
  };

  // The key of a stored row, a column at a time.
  struct RowKey {
    RowRef row;
    const std::vector<std::uint32_t>& columns;
    Word operator()(std::size_t i) const { return row[columns[i]]; }
  };

  RowKey KeyOf(const Rows& rows, RowId row) const { return {rows[row], columns_}; }

  template <typename Key>
  std::uint32_t Hash(Key key) const {
    Hasher hasher;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      hasher.Add(key(i));
    }
    return hasher.Value();
  }

  template <typename Key>
  RowId Head(const Rows& rows, std::uint32_t hash, Key key) const {
    return heads_.Find(hash, [&](RowId head) {
      const RowRef row = rows[head];
      for (std::size_t i = 0; i < columns_.size(); ++i) {
        if (row[columns_[i]] != key(i)) {
          return false;
        }
      }
      return true;
    });
  }

  std::vector<std::uint32_t> columns_;
  HashSlots heads_;
  Array<Links> links_;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_INDEX_H_
