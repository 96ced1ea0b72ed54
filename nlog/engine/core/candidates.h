// Candidates: rows of optima that wait to be settled, the best first.
//
// Values of tables that are optimized alike (in one direction, by one order) are compared across
// tables; of others, the table that comes first in the stratum goes first. Among equals the lower
// rank goes first.
//
// Cost: O(log n) a candidate; its words are kept until it is popped. Thread safety: none.

#ifndef NLOG_ENGINE_CORE_CANDIDATES_H_
#define NLOG_ENGINE_CORE_CANDIDATES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "interner.h"
#include "program.h"
#include "values.h"
#include "words.h"

namespace nlog::core {

class Candidates {
 public:
  struct Candidate {
    Word value;
    // The place of its table in the stratum.
    std::uint32_t own;
    std::uint32_t rank;
    const Rule* rule;
    // The place of its words in the pool of its table.
    std::size_t place;
  };

  // Both must outlive the candidates. `widths` are those of the stratum's tables.
  Candidates(std::span<const Optimum> optima, const Interner& interner,
             const std::vector<std::size_t>& widths);

  bool empty() const { return heap_.empty(); }
  void Push(std::uint32_t own, std::uint32_t rank, const Rule& rule, const Word* words);
  // Takes the first one out, and copies its words to `words`.
  Candidate Pop(std::vector<Word>& words);

  // Whether one value of a table is better than another.
  bool IsBetter(std::uint32_t own, Word left, Word right) const {
    const std::strong_ordering order = CompareValues(interner_, optima_[own].type, left, right);
    return optima_[own].is_least ? order < 0 : order > 0;
  }

 private:
  // Room for rows of one table, used again.
  struct Pool {
    std::size_t width;
    std::vector<Word> words = {};
    std::vector<std::size_t> free = {};
  };

  bool IsAfter(const Candidate& left, const Candidate& right) const;

  std::span<const Optimum> optima_;
  const Interner& interner_;
  // By table: the first one that is optimized alike.
  std::vector<std::uint32_t> kinds_;
  std::vector<Pool> pools_;
  std::vector<Candidate> heap_;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_CANDIDATES_H_
