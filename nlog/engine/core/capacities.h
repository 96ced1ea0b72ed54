// What the core can hold at most, and the error beyond it.
//
// Rows, values and places are numbered with 32 bits, ranks with 28. Whoever makes a database may
// lower these capacities (tests do, since nobody fills a table of 2^32 rows to see what happens);
// they are looked at where a thing grows anyway. A CapacityError leaves what threw it as it was.

#ifndef NLOG_ENGINE_CORE_CAPACITIES_H_
#define NLOG_ENGINE_CORE_CAPACITIES_H_

#include <cstddef>
#include <cstdint>
#include <exception>

namespace nlog::core {

inline constexpr std::int64_t kRankMax = (std::int64_t{1} << 28) - 1;

struct Capacities {
  // Rows stored in one table, those included that went in the running transaction.
  std::size_t rows = 0xFFFFFFFF;
  // Of an index: for rows that share their key with others, in blocks of powers of two.
  std::size_t places = 0xFFFFFFFF;
  // Different texts of an interner; different tuples likewise. At least 8.
  std::size_t values = 0xFFFFFFFF;
  // Of one text, in bytes, or of one tuple.
  std::size_t elements = 0xFFFFFFFF;
  // The highest rank of a row (ranks.h). At least 1024.
  std::int64_t ranks = kRankMax;
};

class CapacityError : public std::exception {
 public:
  enum class What : std::uint8_t { kRows, kPlaces, kTexts, kTuples, kElements, kRanks };
  static constexpr std::uint32_t kNoTable = 0xFFFFFFFF;

  CapacityError(What full, std::size_t capacity, std::uint32_t table = kNoTable)
      : full_(full), capacity_(capacity), table_(table) {}

  const char* what() const noexcept override { return "a capacity of the core is exhausted"; }
  What full() const { return full_; }
  std::size_t capacity() const { return capacity_; }
  // The table that it is of; of a recursion, its first table.
  std::uint32_t table() const { return table_; }

 private:
  What full_;
  std::size_t capacity_;
  std::uint32_t table_;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_CAPACITIES_H_
