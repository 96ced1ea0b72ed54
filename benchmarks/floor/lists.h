// What the floor's workloads share beside tables: lists by number, and walking over changes.
//
// Cost: an addition is constant; a removal looks through one list, which is short where it is used.

#ifndef BENCHMARKS_FLOOR_LISTS_H_
#define BENCHMARKS_FLOOR_LISTS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "benchmarks/floor/counted_set.h"

namespace floor_ {

// Short lists without order, by a dense number.
class Lists {
 public:
  const std::vector<uint32_t>& operator[](uint32_t at) const {
    return at < lists_.size() ? lists_[at] : none_;
  }
  void change(uint32_t at, uint32_t value, int sign) {
    if (at >= lists_.size()) lists_.resize(at + 1);
    std::vector<uint32_t>& list = lists_[at];
    if (sign > 0) {
      list.push_back(value);
      return;
    }
    *std::find(list.begin(), list.end(), value) = list.back();
    list.pop_back();
  }
  uint32_t size() const { return static_cast<uint32_t>(lists_.size()); }

 private:
  std::vector<std::vector<uint32_t>> lists_;
  std::vector<uint32_t> none_;
};

// The changes of one settled table, one by one.
template <size_t N, typename F>
void each_change(const CountedSet<N>& table, F&& visit) {
  for (const Row<N>& row : table.delta.deleted) visit(row, -1);
  for (const Row<N>& row : table.delta.inserted) visit(row, 1);
}

}  // namespace floor_

#endif  // BENCHMARKS_FLOOR_LISTS_H_
