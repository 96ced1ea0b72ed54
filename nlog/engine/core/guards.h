// Guards: what a commit is refused for although its rules can be evaluated.
//
//   keys         no two rows of an input table agree in its key columns
//   constraints  a constraint table, which rules derive, has no rows
//   limits       the tables hold so many rows, and the evaluation takes so long, and no more
//
// Keys are looked at before the rules, for rows that disagree may make these fail. Cost: a look-up
// in the key's index for each row that came; constraints cost a question a table. The limits are
// looked at whenever an evaluation may be interrupted (interrupt.h) and when it is done. Until then
// rows are counted against them as a commit adds them: it is refused on the way if those alone are
// too many, and in the end if those that stay are.
//
// Errors own their words, which stay good as long as the interner does.

#ifndef NLOG_ENGINE_CORE_GUARDS_H_
#define NLOG_ENGINE_CORE_GUARDS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "interrupt.h"
#include "plan.h"
#include "table.h"
#include "work.h"

namespace nlog::core {

// Rows of one table, one after the other.
struct RowsOfTable {
  std::uint32_t table;
  std::size_t count;
  std::vector<Word> words;
};

// Two rows of one table that agree in its key; the one that was there before comes first.
struct KeyConflict {
  std::uint32_t table;
  std::vector<Word> first;
  std::vector<Word> second;
};

class KeyError : public std::runtime_error {
 public:
  static constexpr std::size_t kConflictsMax = 10;

  KeyError(std::vector<KeyConflict> conflicts, bool has_more)
      : std::runtime_error("two rows have one key"),
        conflicts_(std::move(conflicts)),
        has_more_(has_more) {}

  // At most kConflictsMax; one for each row that came and disagrees with another.
  const std::vector<KeyConflict>& conflicts() const { return conflicts_; }
  bool has_more() const { return has_more_; }

 private:
  std::vector<KeyConflict> conflicts_;
  bool has_more_;
};

class ConstraintError : public std::runtime_error {
 public:
  explicit ConstraintError(std::vector<RowsOfTable> rows)
      : std::runtime_error("a constraint table has rows"), rows_(std::move(rows)) {}

  // All rows of all constraint tables that have any, in the order of the tables.
  const std::vector<RowsOfTable>& rows() const { return rows_; }

 private:
  std::vector<RowsOfTable> rows_;
};

struct Limits {
  std::uint64_t rows = std::numeric_limits<std::uint64_t>::max();
  double seconds = std::numeric_limits<double>::infinity();

  bool operator==(const Limits&) const = default;
};

class LimitError : public std::runtime_error {
 public:
  enum class Limit { kRows, kSeconds };

  LimitError(Limit limit, std::uint32_t table, std::size_t added)
      : std::runtime_error("a limit was reached"), limit_(limit), table_(table), added_(added) {}

  Limit limit() const { return limit_; }
  // The table to which the commit has added most rows, and how many.
  std::uint32_t table() const { return table_; }
  std::size_t added() const { return added_; }

 private:
  Limit limit_;
  std::uint32_t table_;
  std::size_t added_;
};

class Guards {
 public:
  // Makes the indexes of keys. Throws PlanError if a key is not on ascending columns of its table.
  Guards(const Plan& plan, std::span<Table> tables);

  // The number of the index on the key of a table; none if it has no key, or all columns are in it.
  std::optional<std::size_t> key_index(std::uint32_t table) const { return key_indexes_[table]; }

  // Throws KeyError. Seals those of the `touched` tables that have keys. Counts its work.
  void RequireKeys(std::span<Table> tables, std::span<const std::uint32_t> touched,
                   Work& work) const;

  // Throws ConstraintError. Requires: the tables are sealed.
  void RequireConstraints(std::span<const Table> tables) const;

 private:
  std::vector<std::optional<std::size_t>> key_indexes_;
  std::vector<std::uint32_t> constraints_;
};

// Watches the limits while one commit is evaluated. All arguments must outlive it.
class LimitWatch {
 public:
  LimitWatch(const Limits& limits, std::span<const Table> tables, const ShouldStop& should_stop)
      : limits_(limits), tables_(tables), should_stop_(should_stop) {}

  // A ShouldStop: asks the one given, and throws LimitError.
  bool operator()() const {
    if (is_limited()) {
      RequireTime();
      RequireRows(Added());
    }
    return should_stop_ && should_stop_();
  }

  // Throws LimitError. Requires: the tables are sealed.
  void RequireEnd() const;

  // Whether it reads the tables when it is asked.
  bool is_limited() const { return limits_ != Limits(); }

 private:
  using Clock = std::chrono::steady_clock;

  std::uint64_t Added() const;
  void RequireRows(std::uint64_t rows) const;
  void RequireTime() const;
  [[noreturn]] void Refuse(LimitError::Limit limit) const;

  const Limits& limits_;
  const std::span<const Table> tables_;
  const ShouldStop& should_stop_;
  const Clock::time_point start_ = Clock::now();
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_GUARDS_H_
