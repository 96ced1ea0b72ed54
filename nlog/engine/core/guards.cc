// See guards.h. A conflict is found from the row stored later. As the search ends with a few of
// them, it stays linear if very many rows have one key.

#include "guards.h"

#include <algorithm>
#include <string>

#include "program.h"

namespace nlog::core {
namespace {

void AppendRow(const Table& table, RowId row, std::vector<Word>& words) {
  for (std::size_t column = 0; column < table.width(); ++column) {
    words.push_back(table.Row(row)[column]);
  }
}

std::vector<Word> CopyRow(const Table& table, RowId row) {
  std::vector<Word> words;
  AppendRow(table, row, words);
  return words;
}

// A row of the new view with the key of `row` that was there before, or else was stored earlier.
RowId FindRival(const Table& table, std::size_t index, RowId row, Work& work) {
  const RowRef words = table.Row(row);
  const std::vector<std::uint32_t>& columns = table.indexes()[index].columns();
  ++work.total.probes;
  for (const RowId other : table.Matches(index, [&](std::size_t i) { return words[columns[i]]; })) {
    ++work.total.rows_read;
    const bool is_before = table.Visible(other, View::kOld) || other < row;
    if (other != row && is_before && table.Visible(other, View::kNew)) {
      return other;
    }
  }
  return kNoRow;
}

}  // namespace

Guards::Guards(const Plan& plan, std::span<Table> tables) : key_indexes_(plan.tables.size()) {
  for (std::uint32_t number = 0; number < plan.tables.size(); ++number) {
    const TablePlan& table = plan.tables[number];
    if (table.kind == TableKind::kConstraint) {
      constraints_.push_back(number);
    }
    if (table.key.empty()) {
      continue;
    }
    const bool is_ascending =
        std::ranges::adjacent_find(table.key, std::greater_equal()) == table.key.end();
    if (!is_ascending || table.key.back() >= table.width() || table.kind != TableKind::kInput) {
      throw PlanError("the key of table `" + table.name +
                      "` is not on ascending columns of an input table");
    }
    if (table.key.size() < table.width()) {
      key_indexes_[number] = tables[number].AddIndex(table.key);
    }
  }
}

void Guards::RequireKeys(std::span<Table> tables, std::span<const std::uint32_t> touched,
                         Work& work) const {
  std::vector<KeyConflict> conflicts;
  for (const std::uint32_t number : touched) {
    const std::optional<std::size_t> index = key_indexes_[number];
    if (!index) {
      continue;
    }
    Table& table = tables[number];
    table.Seal();
    const RowNumbers came = table.came();
    for (std::size_t i = 0; i < came.size(); ++i) {
      const RowId rival = FindRival(table, *index, came[i], work);
      if (rival == kNoRow) {
        continue;
      }
      if (conflicts.size() == KeyError::kConflictsMax) {
        throw KeyError(std::move(conflicts), true);
      }
      conflicts.push_back({number, CopyRow(table, rival), CopyRow(table, came[i])});
    }
  }
  if (!conflicts.empty()) {
    throw KeyError(std::move(conflicts), false);
  }
}

void Guards::RequireConstraints(std::span<const Table> tables) const {
  std::vector<RowsOfTable> found;
  for (const std::uint32_t number : constraints_) {
    const Table& table = tables[number];
    const RowNumbers came = table.came();
    if (came.empty()) {
      continue;
    }
    RowsOfTable& rows = found.emplace_back(RowsOfTable{number, came.size(), {}});
    rows.words.reserve(rows.count * table.width());
    for (std::size_t i = 0; i < came.size(); ++i) {
      AppendRow(table, came[i], rows.words);
    }
  }
  if (!found.empty()) {
    throw ConstraintError(std::move(found));
  }
}

std::uint64_t LimitWatch::Added() const {
  std::uint64_t added = 0;
  for (const Table& table : tables_) {
    added += table.stored() - table.size();
  }
  return added;
}

void LimitWatch::RequireEnd() const {
  std::uint64_t rows = 0;
  for (const Table& table : tables_) {
    rows += table.new_size();
  }
  RequireTime();
  RequireRows(rows);
}

void LimitWatch::RequireRows(std::uint64_t rows) const {
  if (rows > limits_.rows) {
    Refuse(LimitError::Limit::kRows);
  }
}

void LimitWatch::RequireTime() const {
  if (std::chrono::duration<double>(Clock::now() - start_).count() > limits_.seconds) {
    Refuse(LimitError::Limit::kSeconds);
  }
}

void LimitWatch::Refuse(LimitError::Limit limit) const {
  const auto added = [](const Table& table) { return table.stored() - table.size(); };
  const auto most = std::ranges::max_element(tables_, {}, added);
  throw LimitError(limit, static_cast<std::uint32_t>(most - tables_.begin()), added(*most));
}

}  // namespace nlog::core
