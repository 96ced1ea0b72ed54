// Rows: the fixed-width rows of one table, packed.
//
// Most words are small: numbers that the interner or a controller gave out, ports, addresses. So a
// column takes 4 bytes a row until a word comes that needs more, and 8 from then on. A row lies in
// one piece. Reading a column is one load and one mask, whatever its width.
//
// Cost: reading and writing O(1) a column; the first wide word of a column rewrites all rows, which
// happens at most once a column. Errors: std::bad_alloc leaves the rows as they were. Thread
// safety: none; const methods may run concurrently.

#ifndef NLOG_ENGINE_CORE_ROWS_H_
#define NLOG_ENGINE_CORE_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "array.h"
#include "words.h"

namespace nlog::core {

// Where a column lies in a row, in units of 4 bytes, and which bits of the 8 bytes there are its
// own.
struct ColumnLayout {
  static constexpr Word kNarrow = 0xFFFFFFFF;
  static constexpr Word kWide = ~Word{0};

  std::size_t offset;
  Word mask;
};

// A stored row, good until its table is changed.
class RowRef {
 public:
  RowRef(const std::uint32_t* units, const ColumnLayout* columns)
      : units_(units), columns_(columns) {}

  Word operator[](std::size_t column) const {
    const ColumnLayout& layout = columns_[column];
    Word word;
    std::memcpy(&word, units_ + layout.offset, sizeof(word));
    return word & layout.mask;
  }

 private:
  const std::uint32_t* units_;
  const ColumnLayout* columns_;
};

class Rows {
 public:
  explicit Rows(std::size_t width) : columns_(width) {
    for (ColumnLayout& column : columns_) {
      column = {stride_++, ColumnLayout::kNarrow};
    }
  }

  std::size_t width() const { return columns_.size(); }
  RowRef operator[](RowId row) const { return {units_.data() + row * stride_, columns_.data()}; }
  void Prefetch(RowId row) const { __builtin_prefetch(units_.data() + row * stride_); }
  std::size_t bytes() const { return units_.bytes(); }

  // Makes room for rows numbered below `count`, and columns wide enough for `words`, so that Set
  // cannot fail.
  void Reserve(std::size_t count, const Word* words) {
    Word excess = 0;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      excess |= words[i] & ~columns_[i].mask;
    }
    if (excess != 0) [[unlikely]] {
      Widen(words);
    }
    // One unit more, since a narrow column is read as if it were wide.
    if (count * stride_ + 1 > units_.size()) {
      units_.Resize(count * stride_ + 1);
    }
  }

  // Requires: room was reserved for the row and the words.
  void Set(RowId row, const Word* words) {
    std::uint32_t* units = units_.data() + row * stride_;
    if (stride_ == columns_.size()) {
      for (std::size_t i = 0; i < columns_.size(); ++i) {
        units[i] = static_cast<std::uint32_t>(words[i]);
      }
      return;
    }
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::size_t size = columns_[i].mask == ColumnLayout::kNarrow ? 4 : 8;
      std::memcpy(units + columns_[i].offset, &words[i], size);
    }
  }

 private:
  // Gives 8 bytes to the columns that need them for `words`.
  void Widen(const Word* words) {
    Rows wider(columns_.size());
    wider.stride_ = 0;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const bool is_wide = ((columns_[i].mask | words[i]) & ~ColumnLayout::kNarrow) != 0;
      wider.columns_[i] = {wider.stride_, is_wide ? ColumnLayout::kWide : ColumnLayout::kNarrow};
      wider.stride_ += is_wide ? 2 : 1;
    }
    const std::size_t count = units_.empty() ? 0 : (units_.size() - 1) / stride_;
    wider.units_.Resize(count * wider.stride_ + 1);
    std::vector<Word> row_words(columns_.size());
    for (RowId row = 0; row < count; ++row) {
      for (std::size_t i = 0; i < columns_.size(); ++i) {
        row_words[i] = (*this)[row][i];
      }
      wider.Set(row, row_words.data());
    }
    *this = std::move(wider);
  }

  std::vector<ColumnLayout> columns_;
  std::size_t stride_ = 0;
  Array<std::uint32_t> units_;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_ROWS_H_
