// Notes on rows of one table, for the time of one algorithm: a set of small flags for each row that
// has any.
//
// A hash from row numbers, with linear probing and at most half full, for few rows of a table are
// ever marked: a byte for each row of the table would cost a commit more than its work.
//
// Cost: O(1) expected a call, 8 bytes a place, 16 to 32 a row once it was marked. Thread safety:
// none; const methods may run concurrently.

#ifndef NLOG_ENGINE_CORE_MARKS_H_
#define NLOG_ENGINE_CORE_MARKS_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "words.h"

namespace nlog::core {

class Marks {
 public:
  using Flags = std::uint32_t;

  // 0 for a row that was never marked.
  Flags Of(RowId row) const { return places_.empty() ? 0 : places_[Find(row)].flags; }

  // The flags of a row, to be changed before the next call. Requires: a row number below kNoRow.
  Flags& At(RowId row) {
    if (2 * (count_ + 1) > places_.size()) {
      Grow();
    }
    Place& place = places_[Find(row)];
    if (place.row == kNoRow) {
      place.row = row;
      ++count_;
    }
    return place.flags;
  }

 private:
  struct Place {
    RowId row = kNoRow;
    Flags flags = 0;
  };

  // The place of a row, or the empty one where it belongs.
  std::size_t Find(RowId row) const {
    const std::size_t mask = places_.size() - 1;
    std::size_t at = (row * 0x9E3779B97F4A7C15ull >> 32) & mask;
    while (places_[at].row != row && places_[at].row != kNoRow) {
      at = (at + 1) & mask;
    }
    return at;
  }

  void Grow() {
    const std::vector<Place> before =
        std::exchange(places_, std::vector<Place>(places_.empty() ? 16 : 2 * places_.size()));
    for (const Place& place : before) {
      if (place.row != kNoRow) {
        places_[Find(place.row)] = place;
      }
    }
  }

  // A power of two of them, or none.
  std::vector<Place> places_;
  std::size_t count_ = 0;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_MARKS_H_
