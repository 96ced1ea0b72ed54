// See snapshot.h.

#include "snapshot.h"

#include <algorithm>

#include "database.h"

namespace nlog::core {
namespace {

// Adds the words of a row to `words`.
void AddRow(const Table& table, RowId number, std::vector<Word>& words) {
  const RowRef row = table.Row(number);
  for (std::size_t column = 0; column < table.width(); ++column) {
    words.push_back(row[column]);
  }
}

// Moves each of `count` rows to `there`, or takes it out of `elsewhere` if it is in that.
void Move(const std::vector<Word>& words, std::size_t count, std::set<std::vector<Word>>& elsewhere,
          std::set<std::vector<Word>>& there) {
  const std::size_t width = count == 0 ? 0 : words.size() / count;
  for (std::size_t i = 0; i < count; ++i) {
    const auto begin = words.begin() + static_cast<std::ptrdiff_t>(i * width);
    std::vector<Word> row(begin, begin + static_cast<std::ptrdiff_t>(width));
    if (elsewhere.erase(row) == 0) {
      there.insert(std::move(row));
    }
  }
}

}  // namespace

Version::~Version() {
  std::shared_ptr<Version> rest = std::move(next);
  while (rest && rest.use_count() == 1) {
    std::shared_ptr<Version> after = std::move(rest->next);
    rest = std::move(after);
  }
}

void Snapshot::CatchUp() {
  while (version_->next) {
    for (const Delta& delta : version_->changes) {
      Undo(delta);
    }
    version_ = version_->next;
  }
}

void Snapshot::Undo(const Delta& delta) {
  Overlay& overlay = overlays_[delta.table()];
  Move(delta.Inserted(), delta.inserted_count(), overlay.restored, overlay.hidden);
  Move(delta.Deleted(), delta.deleted_count(), overlay.hidden, overlay.restored);
}

std::size_t Snapshot::Size(std::uint32_t table) {
  CatchUp();
  const Overlay& overlay = overlays_[table];
  return database_.table(table).size() - overlay.hidden.size() + overlay.restored.size();
}

bool Snapshot::Contains(std::uint32_t number, const Word* row) {
  CatchUp();
  const Overlay& overlay = overlays_[number];
  const Table& table = database_.table(number);
  const WordRow words(row, row + table.width());
  if (overlay.hidden.contains(words)) {
    return false;
  }
  const RowId found = table.Find(row);
  return (found != kNoRow && table.Visible(found, View::kOld)) || overlay.restored.contains(words);
}

std::pair<std::vector<Word>, std::size_t> Snapshot::Select(
    std::uint32_t number, std::span<const std::pair<std::uint32_t, Word>> where) {
  CatchUp();
  const Overlay& overlay = overlays_[number];
  const Table& table = database_.table(number);
  std::pair<std::vector<Word>, std::size_t> selected;
  auto& [words, count] = selected;
  for (const RowId row : database_.Select(number, where)) {
    AddRow(table, row, words);
    ++count;
    if (!overlay.hidden.empty()) {
      const auto begin = words.end() - static_cast<std::ptrdiff_t>(table.width());
      if (overlay.hidden.contains(WordRow(begin, words.end()))) {
        words.erase(begin, words.end());
        --count;
      }
    }
  }
  for (const WordRow& row : overlay.restored) {
    if (std::ranges::all_of(where,
                            [&](const auto& pair) { return row[pair.first] == pair.second; })) {
      words.insert(words.end(), row.begin(), row.end());
      ++count;
    }
  }
  return selected;
}

}  // namespace nlog::core
