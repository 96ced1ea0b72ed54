// A table with an index against maps from rows to counts and views, through random transactions
// that are committed or rolled back.

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "check.h"
#include "nlog/engine/core/table.h"

namespace nlog::core {
namespace {

using WordRow = std::vector<Word>;

struct ModelRow {
  std::int64_t count = 0;
  bool is_visible = false;

  bool operator==(const ModelRow&) const = default;
};
using Model = std::map<WordRow, ModelRow>;

// The values of columns: the last makes a column wide, in the middle of a table's life.
constexpr std::array<Word, 3> kValues = {0, 1, Word{1} << 40};
// A number of derivations that does not fit beside a row's state.
constexpr std::int64_t kMany = std::int64_t{1} << 30;

std::set<WordRow> VisibleRows(const Model& model) {
  std::set<WordRow> rows;
  for (const auto& [row, state] : model) {
    if (state.is_visible) {
      rows.insert(row);
    }
  }
  return rows;
}

WordRow RowOf(const Table& table, RowId row) {
  WordRow words;
  for (std::size_t column = 0; column < table.width(); ++column) {
    words.push_back(table.Row(row)[column]);
  }
  return words;
}

std::set<WordRow> Scan(const Table& table, View view) {
  std::set<WordRow> rows;
  for (RowId row = 0; row < table.row_limit(); ++row) {
    if (table.Visible(row, view)) {
      CHECK(rows.insert(RowOf(table, row)).second);
      CHECK(table.Find(RowOf(table, row).data()) == row);
    }
  }
  return rows;
}

// All rows that an index finds, key by key.
std::set<WordRow> ScanIndex(const Table& table, std::size_t index, View view) {
  const std::vector<std::uint32_t>& columns = table.indexes()[index].columns();
  std::set<WordRow> rows;
  std::vector<std::size_t> key(columns.size(), 0);
  for (;;) {
    for (const RowId row :
         table.Matches(index, [&key](std::size_t i) { return kValues[key[i]]; })) {
      for (std::size_t i = 0; i < key.size(); ++i) {
        CHECK(table.Row(row)[columns[i]] == kValues[key[i]]);
      }
      if (table.Visible(row, view)) {
        CHECK(rows.insert(RowOf(table, row)).second);
      }
    }
    std::size_t digit = 0;
    while (digit < key.size() && ++key[digit] == kValues.size()) {
      key[digit++] = 0;
    }
    if (digit == key.size()) {
      return rows;
    }
  }
}

void CheckViews(const Table& table, const Model& before, const Model& after) {
  const std::set<WordRow> old_rows = VisibleRows(before);
  const std::set<WordRow> new_rows = VisibleRows(after);
  CHECK(Scan(table, View::kOld) == old_rows);
  CHECK(Scan(table, View::kNew) == new_rows);
  CHECK(table.size() == old_rows.size());
  for (std::size_t index = 0; index < table.indexes().size(); ++index) {
    CHECK(ScanIndex(table, index, View::kOld) == old_rows);
    CHECK(ScanIndex(table, index, View::kNew) == new_rows);
  }
}

std::set<WordRow> RowsOf(const Table& table, const RowNumbers& rows) {
  std::set<WordRow> result;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CHECK(result.insert(RowOf(table, rows[i])).second);
  }
  return result;
}

std::set<WordRow> Difference(const Model& left, const Model& right) {
  std::set<WordRow> rows = VisibleRows(left);
  for (const WordRow& row : VisibleRows(right)) {
    rows.erase(row);
  }
  return rows;
}

void CheckSealed(const Table& table, const Model& before, const Model& after) {
  CHECK(RowsOf(table, table.came()) == Difference(after, before));
  CHECK(RowsOf(table, table.went()) == Difference(before, after));
}

void CheckCounts(const Table& table, const Model& model) {
  for (const auto& [words, state] : model) {
    const RowId row = table.Find(words.data());
    CHECK((row != kNoRow) == state.is_visible);
    CHECK(row == kNoRow || table.Count(row) == state.count);
  }
}

WordRow RandomRow(std::mt19937& random, std::size_t width) {
  WordRow row(width);
  for (Word& word : row) {
    word = kValues[random() % kValues.size()];
  }
  return row;
}

// Makes changes as a stratum with or without counts would.
void Change(Table& table, Model& model, bool is_counting, std::mt19937& random) {
  for (std::uint32_t step = random() % 12; step > 0; --step) {
    const WordRow words = RandomRow(random, table.width());
    ModelRow& state = model[words];
    const RowId row = table.Obtain(words.data());
    if (is_counting) {
      const std::int64_t gain = random() % 5 == 0 ? kMany : 1;
      const std::int64_t loss = random() % 2 == 0 ? -1 : -state.count;
      const std::int64_t weight = state.count > 0 && random() % 2 == 0 ? loss : gain;
      table.AddCount(row, weight);
      state.count += weight;
      state.is_visible = state.count > 0;
    } else {
      state.is_visible = random() % 2 == 0;
      table.SetNew(row, state.is_visible);
    }
  }
  if (is_counting) {
    table.SettleCounts();
  }
}

void RunTransactions(std::size_t width, bool is_counting, unsigned seed) {
  std::mt19937 random(seed);
  Table table(width);
  if (width > 0) {
    table.AddIndex({0});
  }
  Model model;
  for (int transaction = 0; transaction < 60; ++transaction) {
    Model changed = model;
    Change(table, changed, is_counting, random);
    CheckViews(table, model, changed);
    if (transaction == 20 && width > 1) {
      CHECK(table.AddIndex({1}) == 1);
      CHECK(table.AddIndex({0}) == 0);
      CHECK(table.AddIndex({}) == 2);
      CheckViews(table, model, changed);
    }
    table.Seal();
    CheckSealed(table, model, changed);
    if (random() % 3 == 0) {
      table.Rollback();
    } else {
      table.Commit();
      model = changed;
    }
    CHECK(!table.touched());
    CheckViews(table, model, model);
    CheckCounts(table, model);
  }
}

TEST(AFullTableIsLeftAsItWas) {
  Table table(1, 7, {.rows = 3});
  table.AddIndex({0});
  for (Word word = 0; word < 3; ++word) {
    table.SetNew(table.Obtain(&word), true);
  }
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Word more = 9;
    bool is_full = false;
    try {
      table.Obtain(&more);
    } catch (const CapacityError& error) {
      is_full =
          error.full() == CapacityError::What::kRows && error.capacity() == 3 && error.table() == 7;
    }
    CHECK(is_full);
    CHECK(table.stored() == 3);
    CHECK(table.Find(&more) == kNoRow);
  }
  table.Rollback();
  const Word more = 9;
  CHECK(table.Obtain(&more) != kNoRow);
}

TEST(TablesAgreeWithMaps) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    for (const std::size_t width : {0, 1, 2, 3}) {
      RunTransactions(width, seed % 2 == 0, seed);
    }
  }
}

TEST(NumbersOfDeletedRowsAreUsedAgain) {
  Table table(1);
  for (Word value = 0; value < 1000; ++value) {
    const RowId row = table.Obtain(&value);
    table.SetNew(row, true);
    table.Seal();
    table.Commit();
    table.SetNew(row, false);
    table.Seal();
    table.Commit();
  }
  CHECK(table.row_limit() == 1);
  CHECK(table.size() == 0);
}

TEST(NegativeCountsAreRefused) {
  Table table(1);
  const Word word = 1;
  table.AddCount(table.Obtain(&word), -1);
  bool is_refused = false;
  try {
    table.SettleCounts();
  } catch (const InternalError&) {
    is_refused = true;
  }
  CHECK(is_refused);
  table.Rollback();
  CHECK(table.Find(&word) == kNoRow);
}

}  // namespace
}  // namespace nlog::core
