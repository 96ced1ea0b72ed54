// See candidates.h.

#include "candidates.h"

#include <algorithm>

namespace nlog::core {

Candidates::Candidates(std::span<const Optimum> optima, const Interner& interner,
                       const std::vector<std::size_t>& widths)
    : optima_(optima), interner_(interner) {
  for (const Optimum& optimum : optima) {
    const auto first = std::ranges::find_if(optima, [&](const Optimum& other) {
      return other.is_least == optimum.is_least && other.type == optimum.type;
    });
    kinds_.push_back(static_cast<std::uint32_t>(first - optima.begin()));
  }
  for (const std::size_t width : widths) {
    pools_.push_back({.width = width});
  }
}

bool Candidates::IsAfter(const Candidate& left, const Candidate& right) const {
  if (kinds_[left.own] != kinds_[right.own]) {
    return kinds_[left.own] > kinds_[right.own];
  }
  if (left.value != right.value) {
    return IsBetter(left.own, right.value, left.value);
  }
  return left.rank > right.rank;
}

void Candidates::Push(std::uint32_t own, std::uint32_t rank, const Rule& rule, const Word* words) {
  Pool& pool = pools_[own];
  if (pool.free.empty()) {
    pool.free.push_back(pool.words.size());
    pool.words.resize(pool.words.size() + pool.width);
  }
  const std::size_t place = pool.free.back();
  pool.free.pop_back();
  std::copy(words, words + pool.width, pool.words.begin() + static_cast<std::ptrdiff_t>(place));
  heap_.push_back({words[optima_[own].column], own, rank, &rule, place});
  std::ranges::push_heap(
      heap_, [this](const auto& left, const auto& right) { return IsAfter(left, right); });
}

Candidates::Candidate Candidates::Pop(std::vector<Word>& words) {
  std::ranges::pop_heap(
      heap_, [this](const auto& left, const auto& right) { return IsAfter(left, right); });
  const Candidate candidate = heap_.back();
  heap_.pop_back();
  Pool& pool = pools_[candidate.own];
  const auto begin = pool.words.begin() + static_cast<std::ptrdiff_t>(candidate.place);
  words.assign(begin, begin + static_cast<std::ptrdiff_t>(pool.width));
  pool.free.push_back(candidate.place);
  return candidate;
}

}  // namespace nlog::core
