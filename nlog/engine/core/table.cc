// See table.h. Whatever can fail in a change fails before anything is changed, and Commit and
// Rollback never allocate: room for the numbers that they free is made by Seal, or was left by
// those that Obtain took.

#include "table.h"

#include <algorithm>

namespace nlog::core {

std::size_t Table::bytes() const {
  std::size_t bytes = rows_.bytes() + states_.bytes() + free_.bytes() + slots_.bytes() +
                      log_.bytes() + came_.bytes() + went_.bytes();
  for (const Index& index : indexes_) {
    bytes += index.bytes();
  }
  return bytes;
}

std::vector<Word> Table::Words(const RowNumbers& rows) const {
  std::vector<Word> words;
  words.reserve(rows.size() * width());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const RowRef row = rows_[rows[i]];
    for (std::size_t column = 0; column < width(); ++column) {
      words.push_back(row[column]);
    }
  }
  return words;
}

std::size_t Table::AddIndex(const std::vector<std::uint32_t>& columns) {
  for (std::size_t i = 0; i < indexes_.size(); ++i) {
    if (indexes_[i].columns() == columns) {
      return i;
    }
  }
  indexes_.push_back(MakeIndex(columns));
  return indexes_.size() - 1;
}

template <typename RowWords>
void Table::Reserve(Index& index, std::size_t count, const RowWords& row) const {
  if (index.places_next_max() > places_max_) [[unlikely]] {
    const auto key = [&](std::size_t i) { return row[index.columns()[i]]; };
    if (index.PlacesAfter(rows_, key) > places_max_) {
      throw CapacityError(CapacityError::What::kPlaces, places_max_, number_);
    }
  }
  index.Reserve(count);
}

Index Table::MakeIndex(const std::vector<std::uint32_t>& columns) const {
  Index index(columns);
  std::vector<bool> is_free(row_limit(), false);
  for (const RowId row : free_) {
    is_free[row] = true;
  }
  for (RowId row = 0; row < row_limit(); ++row) {
    if (!is_free[row]) {
      Reserve(index, row_limit(), rows_[row]);
      index.Link(rows_, row);
    }
  }
  return index;
}

std::vector<Index> Table::MissingIndexes(const Table& shape) const {
  std::vector<Index> missing;
  for (const Index& wanted : shape.indexes_) {
    const bool is_there =
        std::ranges::find(indexes_, wanted.columns(), &Index::columns) != indexes_.end();
    missing.push_back(is_there ? Index(wanted.columns()) : MakeIndex(wanted.columns()));
  }
  return missing;
}

void Table::ArrangeIndexes(std::vector<Index> indexes) noexcept {
  for (Index& index : indexes) {
    const auto known = std::ranges::find(indexes_, index.columns(), &Index::columns);
    if (known != indexes_.end()) {
      std::swap(index, *known);
    }
  }
  indexes_ = std::move(indexes);
}

RowId Table::Obtain(const Word* words, std::uint32_t hash) {
  slots_.ReserveOne();
  const HashSlots::Place place =
      slots_.Seek(hash, Equals([words](std::size_t i) { return words[i]; }));
  if (const RowId known = slots_.At(place); known != kNoRow) {
    return known;
  }
  const bool is_fresh = free_.empty();
  if (is_fresh && states_.size() >= rows_max_) [[unlikely]] {
    throw CapacityError(CapacityError::What::kRows, rows_max_, number_);
  }
  const RowId row = is_fresh ? row_limit() : free_.back();
  const std::size_t count = std::max<std::size_t>(states_.size(), std::size_t{row} + 1);
  rows_.Reserve(count, words);
  states_.Reserve(count);
  for (Index& index : indexes_) {
    Reserve(index, count, words);
  }
  if (is_fresh) {
    states_.Add();
  } else {
    states_.Reset(row);
    Log(row);
    free_.PopBack();
  }
  rows_.Set(row, words);
  slots_.InsertAt(place, hash, row);
  for (Index& index : indexes_) {
    index.Link(rows_, row);
  }
  return row;
}

void Table::Log(RowId row) {
  if (row < fresh_ && !states_.Has(row, kLoggedFlag)) {
    log_.PushBack({row, Count(row)});
    states_.Set(row, kLoggedFlag);
  }
}

void Table::SetNew(RowId row, bool visible) {
  if (Visible(row, View::kNew) != visible) {
    Log(row);
    Show(row, visible);
  }
}

void Table::AddCount(RowId row, std::int64_t weight) {
  Log(row);
  states_.SetCount(row, Count(row) + weight);
}

void Table::Show(RowId row, bool visible) {
  if (visible) {
    states_.Set(row, kNewFlag);
  } else {
    states_.Clear(row, kNewFlag);
  }
}

void Table::SettleCounts() {
  ForEachTouched([this](RowId row) {
    const std::int64_t count = Count(row);
    Require(count >= 0, "a row is derived a negative number of times");
    Show(row, count > 0);
  });
}

void Table::Seal() {
  came_.Clear();
  went_.Clear();
  came_first_ = came_last_ = 0;
  std::size_t freed = 0;
  std::size_t fresh_visible = 0;
  for (RowId row = fresh_; row < row_limit(); ++row) {
    fresh_visible += Visible(row, View::kNew) ? 1 : 0;
  }
  if (fresh_visible == row_limit() - fresh_) {
    came_first_ = fresh_;
    came_last_ = row_limit();
  } else {
    freed = row_limit() - fresh_ - fresh_visible;
    for (RowId row = fresh_; row < row_limit(); ++row) {
      if (Visible(row, View::kNew)) {
        came_.PushBack(row);
      }
    }
  }
  for (const Touch& touch : log_) {
    const bool is_old = Visible(touch.row, View::kOld);
    const bool is_new = Visible(touch.row, View::kNew);
    if (is_new && !is_old) {
      came_.PushBack(touch.row);
    } else if (is_old && !is_new) {
      went_.PushBack(touch.row);
    }
    freed += is_new ? 0 : 1;
  }
  free_.Reserve(free_.size() + freed);
}

// Takes a row out of the hash and the indexes.
void Table::Remove(RowId row) {
  slots_.Erase(HashOf([words = rows_[row]](std::size_t i) { return words[i]; }), row);
  for (Index& index : indexes_) {
    index.Unlink(rows_, row);
  }
  states_.Forget(row);
}

void Table::Free(RowId row) {
  Remove(row);
  states_.Reset(row);
  free_.PushBack(row);
}

void Table::ForgetChanges() {
  fresh_ = row_limit();
  log_.Clear();
  came_.Clear();
  went_.Clear();
  came_first_ = came_last_ = 0;
}

void Table::Commit() noexcept {
  size_ += came().size();
  size_ -= went_.size();
  ForEachTouched([this](RowId row) {
    if (Visible(row, View::kNew)) {
      states_.Clear(row, kLoggedFlag);
      states_.Set(row, kOldFlag);
    } else {
      Free(row);
    }
  });
  ForgetChanges();
}

void Table::Rollback() noexcept {
  while (row_limit() > fresh_) {
    Remove(row_limit() - 1);
    states_.DropLast();
  }
  for (const Touch& touch : log_) {
    if (Visible(touch.row, View::kOld)) {
      states_.Clear(touch.row, kLoggedFlag);
      states_.Set(touch.row, kOldFlag | kNewFlag);
      states_.SetCount(touch.row, touch.count_before);
    } else {
      Free(touch.row);
    }
  }
  ForgetChanges();
}

}  // namespace nlog::core
