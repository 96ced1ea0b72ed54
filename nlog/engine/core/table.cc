// See table.h. Whatever can fail in a change fails before anything is changed, and Commit and
// Rollback never allocate: free row numbers are a list threaded through the counts.

#include "table.h"

#include <algorithm>
#include <stdexcept>

namespace nlog::core {
namespace {

// Room for one more element, by doubling.
template <typename Element>
void ReserveOne(std::vector<Element>& vector) {
  if (vector.size() == vector.capacity()) {
    vector.reserve(std::max<std::size_t>(8, vector.size() * 2));
  }
}

// Empties a vector, and gives back its memory if that is much.
template <typename Element>
void Empty(std::vector<Element>& vector) {
  constexpr std::size_t kKept = 4096;
  vector.clear();
  if (vector.capacity() > kKept) {
    std::vector<Element>().swap(vector);
  }
}

}  // namespace

std::size_t Table::AddIndex(const std::vector<std::uint32_t>& columns) {
  for (std::size_t i = 0; i < indexes_.size(); ++i) {
    if (indexes_[i].columns() == columns) {
      return i;
    }
  }
  Index index(columns);
  for (RowId row = 0; row < row_limit(); ++row) {
    if (states_[row] != 0) {
      index.Reserve(row_limit());
      index.Link(rows_, row);
    }
  }
  indexes_.push_back(std::move(index));
  return indexes_.size() - 1;
}

RowId Table::Obtain(const Word* words) {
  const auto key = [words](std::size_t i) { return words[i]; };
  const std::uint32_t hash = Hash(key);
  const RowId known = FindHashed(hash, key);
  if (known != kNoRow) {
    return known;
  }
  if (free_ == kNoRow && states_.size() >= kNoRow) {
    throw std::length_error("a table holds at most 2^32 - 1 rows");
  }
  const RowId row = free_ != kNoRow ? free_ : row_limit();
  const std::size_t count = std::max<std::size_t>(states_.size(), std::size_t{row} + 1);
  ReserveOne(log_);
  ReserveOne(states_);
  ReserveOne(counts_);
  slots_.ReserveOne();
  for (Index& index : indexes_) {
    index.Reserve(count);
  }
  rows_.Resize(count);
  if (row == free_) {
    free_ = static_cast<RowId>(counts_[row]);
  } else {
    states_.push_back(0);
    counts_.push_back(0);
  }
  rows_.Set(row, words);
  counts_[row] = 0;
  slots_.Insert(hash, row);
  for (Index& index : indexes_) {
    index.Link(rows_, row);
  }
  TouchRow(row);
  return row;
}

void Table::TouchRow(RowId row) {
  if ((states_[row] & kTouchedBit) == 0) {
    log_.push_back({row, counts_[row]});
    states_[row] |= kTouchedBit;
  }
}

void Table::SetNew(RowId row, bool visible) {
  if (Visible(row, View::kNew) != visible) {
    TouchRow(row);
    states_[row] ^= kNewBit;
  }
}

void Table::AddCount(RowId row, std::int64_t weight) {
  TouchRow(row);
  counts_[row] += weight;
}

void Table::SettleCounts() {
  for (const Touch& touch : log_) {
    Require(counts_[touch.row] >= 0, "a row is derived a negative number of times");
    SetNew(touch.row, counts_[touch.row] > 0);
  }
}

void Table::Seal() {
  came_.clear();
  went_.clear();
  for (const Touch& touch : log_) {
    const bool is_old = Visible(touch.row, View::kOld);
    const bool is_new = Visible(touch.row, View::kNew);
    if (is_new && !is_old) {
      came_.push_back(touch.row);
    } else if (is_old && !is_new) {
      went_.push_back(touch.row);
    }
  }
}

void Table::Free(RowId row) {
  slots_.Erase(Hash([words = rows_[row]](std::size_t i) { return words[i]; }), row);
  for (Index& index : indexes_) {
    index.Unlink(rows_, row);
  }
  states_[row] = 0;
  counts_[row] = free_;
  free_ = row;
}

void Table::ForgetChanges() {
  Empty(log_);
  Empty(came_);
  Empty(went_);
}

void Table::Commit() noexcept {
  size_ += came_.size();
  size_ -= went_.size();
  for (const Touch& touch : log_) {
    if (Visible(touch.row, View::kNew)) {
      states_[touch.row] = kOldBit | kNewBit;
    } else {
      Free(touch.row);
    }
  }
  ForgetChanges();
}

void Table::Rollback() noexcept {
  for (const Touch& touch : log_) {
    if (Visible(touch.row, View::kOld)) {
      states_[touch.row] = kOldBit | kNewBit;
      counts_[touch.row] = touch.count_before;
    } else {
      Free(touch.row);
    }
  }
  ForgetChanges();
}

}  // namespace nlog::core
