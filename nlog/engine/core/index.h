// Index: the rows of a table by the values of some columns.
//
// The numbers of all rows with the same values in the key's columns, a group, lie side by side, in
// no order, so that who reads them knows early what to fetch. A hash set finds the group of a key.
// A group of one row holds its number itself; larger ones have a block of 4, 8, 16, … places in one
// pool. Each row knows its place in its group, so it is taken out in O(1) however large that is:
// the last one moves to its place.
//
// Invariant: a row that is linked has not changed its words since. Errors: std::bad_alloc leaves
// the index as it was. Cost: 8 to 12 bytes a row, and 23 to 34 a key. Thread safety: none; const
// methods may run concurrently.

#ifndef NLOG_ENGINE_CORE_INDEX_H_
#define NLOG_ENGINE_CORE_INDEX_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "array.h"
#include "hash_slots.h"
#include "rows.h"
#include "words.h"

namespace nlog::core {

class Index {
 public:
  // An index on `columns`, which may be none: then all rows make one group.
  explicit Index(std::vector<std::uint32_t> columns) : columns_(std::move(columns)) {
    free_blocks_.fill(kNone);
  }

  const std::vector<std::uint32_t>& columns() const { return columns_; }
  // How many different keys the linked rows have.
  std::size_t key_count() const { return slots_.size(); }
  // The memory the index holds, touched or not.
  std::size_t bytes() const {
    return slots_.bytes() + groups_.bytes() + places_.bytes() + pool_.bytes();
  }

  // The rows whose key is key(0), key(1), … (a word a column of the index). Good until the next
  // Reserve, Link or Unlink.
  template <typename Key>
  std::span<const RowId> Find(const Rows& rows, Key key) const {
    const std::uint32_t found = GroupOf(rows, Hash(key), key);
    if (found == kNone) {
      return {};
    }
    const Group& group = groups_[found];
    return {RowsOf(group), group.size};
  }

  // Fetches what Find will read first for a key.
  template <typename Key>
  void Prefetch(Key key) const {
    slots_.Prefetch(Hash(key));
  }

  // The most places that the pool can have after the next Link.
  std::size_t places_next_max() const { return pool_.size() + block_size_max_ * 2; }
  // Those that it has after the next Link, if that is of a row with the given key.
  template <typename Key>
  std::size_t PlacesAfter(const Rows& rows, Key key) const {
    const std::uint32_t found = GroupOf(rows, Hash(key), key);
    if (found == kNone || groups_[found].size < std::max(groups_[found].capacity, 1u)) {
      return pool_.size();
    }
    const std::size_t capacity = CapacityAfter(groups_[found]);
    const auto size_class = static_cast<std::size_t>(std::countr_zero(capacity));
    const bool is_free = size_class < free_blocks_.size() && free_blocks_[size_class] != kNone;
    return pool_.size() + (is_free ? 0 : capacity);
  }

  // Makes room, so that the next Link of a row numbered below `count` cannot fail. Requires: the
  // pool has fewer than 2^32 places after it.
  void Reserve(std::size_t count) {
    slots_.ReserveOne();
    groups_.Reserve(groups_.size() + 1);
    pool_.Reserve(places_next_max());
    if (places_.size() < count) {
      places_.Resize(count);
    }
  }

  // Adds a row. Requires: room was reserved, and the row is not linked.
  void Link(const Rows& rows, RowId row) {
    const RowKey key = KeyOf(rows, row);
    const std::uint32_t hash = Hash(key);
    const std::uint32_t found = GroupOf(rows, hash, key);
    if (found == kNone) {
      places_[row] = 0;
      slots_.Insert(hash, NewGroup(row));
      return;
    }
    Group& group = groups_[found];
    if (group.size == std::max<std::uint32_t>(group.capacity, 1)) {
      Enlarge(group);
    }
    places_[row] = group.size;
    pool_[group.begin + group.size++] = row;
  }

  // Takes a row out. Requires: it is linked. Never allocates.
  void Unlink(const Rows& rows, RowId row) {
    const RowKey key = KeyOf(rows, row);
    const std::uint32_t hash = Hash(key);
    const std::uint32_t found = GroupOf(rows, hash, key);
    Group& group = groups_[found];
    if (group.size == 1) {
      slots_.Erase(hash, found);
      group.begin = free_group_;
      free_group_ = found;
      return;
    }
    RowId* const members = pool_.data() + group.begin;
    const RowId last = members[--group.size];
    members[places_[row]] = last;
    places_[last] = places_[row];
    if (group.size == 1) {
      const RowId only = members[0];
      FreeBlock(group);
      group = {only, 1, 0};
    }
  }

 private:
  // The rows pool_[begin], …, or, if the capacity is 0, the one row `begin`. A group that is not
  // used: the next such one.
  struct Group {
    std::uint32_t begin;
    std::uint32_t size;
    std::uint32_t capacity;
  };

  // The key of a stored row, a column at a time.
  struct RowKey {
    RowRef row;
    const std::vector<std::uint32_t>& columns;
    Word operator()(std::size_t i) const { return row[columns[i]]; }
  };

  static constexpr std::uint32_t kNone = HashSlots::kNone;
  static constexpr std::uint32_t kBlockSizeMin = 4;

  RowKey KeyOf(const Rows& rows, RowId row) const { return {rows[row], columns_}; }

  template <typename Key>
  std::uint32_t Hash(Key key) const {
    Hasher hasher;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      hasher.Add(key(i));
    }
    return hasher.Value();
  }

  const RowId* RowsOf(const Group& group) const {
    return group.capacity == 0 ? &group.begin : pool_.data() + group.begin;
  }

  template <typename Key>
  std::uint32_t GroupOf(const Rows& rows, std::uint32_t hash, Key key) const {
    return slots_.Find(hash, [&](std::uint32_t number) {
      const RowRef row = rows[*RowsOf(groups_[number])];
      for (std::size_t i = 0; i < columns_.size(); ++i) {
        if (row[columns_[i]] != key(i)) {
          return false;
        }
      }
      return true;
    });
  }

  std::uint32_t NewGroup(RowId row) {
    const std::uint32_t number = free_group_;
    if (number == kNone) {
      groups_.PushBack({row, 1, 0});
      return static_cast<std::uint32_t>(groups_.size() - 1);
    }
    free_group_ = groups_[number].begin;
    groups_[number] = {row, 1, 0};
    return number;
  }

  // The size of the block that a group needs when its own is full.
  static std::size_t CapacityAfter(const Group& group) {
    return std::max(std::size_t{group.capacity} * 2, std::size_t{kBlockSizeMin});
  }

  // The list of free blocks of a size.
  std::uint32_t& FreeBlocks(std::uint32_t size) { return free_blocks_[std::countr_zero(size)]; }

  void Enlarge(Group& group) {
    const auto capacity = static_cast<std::uint32_t>(CapacityAfter(group));
    std::uint32_t& free_block = FreeBlocks(capacity);
    std::uint32_t begin = free_block;
    if (begin != kNone) {
      free_block = pool_[begin];
    } else {
      begin = static_cast<std::uint32_t>(pool_.size());
      pool_.Resize(pool_.size() + capacity);
      block_size_max_ = std::max<std::size_t>(block_size_max_, capacity);
    }
    std::copy_n(RowsOf(group), group.size, pool_.data() + begin);
    if (group.capacity > 0) {
      FreeBlock(group);
    }
    group.begin = begin;
    group.capacity = capacity;
  }

  // Puts the group's block among the free ones; its first place names the next.
  void FreeBlock(const Group& group) {
    std::uint32_t& free_block = FreeBlocks(group.capacity);
    pool_[group.begin] = free_block;
    free_block = group.begin;
  }

  std::vector<std::uint32_t> columns_;
  // The groups' numbers, by the hash of the key.
  HashSlots slots_;
  Array<Group> groups_;
  std::uint32_t free_group_ = kNone;
  // By row: its place in its group.
  Array<std::uint32_t> places_;
  Array<RowId> pool_;
  std::array<std::uint32_t, 32> free_blocks_;
  std::size_t block_size_max_ = kBlockSizeMin;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_INDEX_H_
