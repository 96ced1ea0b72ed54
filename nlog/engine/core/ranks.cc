// See ranks.h.

#include "ranks.h"

namespace nlog::core {
namespace {

template <typename Visit>
void ForEachRow(const Stratum& stratum, std::span<Table> tables, Visit visit) {
  for (const std::uint32_t number : stratum.tables) {
    Table& table = tables[number];
    for (RowId row = 0; row < table.row_limit(); ++row) {
      if (table.Visible(row, View::kNew)) {
        visit(table, row);
      }
    }
  }
}

}  // namespace

Footing::Footing(const Pipeline& pipeline, const Stratum& stratum, std::span<const Table> tables)
    : rows_(pipeline.steps.size(), kNoRow) {
  for (const Step& step : pipeline.steps) {
    if (step.kind != Step::Kind::kLookup && step.kind != Step::Kind::kExists) {
      continue;
    }
    const auto found = std::ranges::find(stratum.tables, step.table);
    if (found != stratum.tables.end()) {
      const auto own = static_cast<std::uint32_t>(found - stratum.tables.begin());
      atoms_.push_back({step.position, own, &tables[step.table]});
    }
  }
}

std::vector<OwnRow> Footing::RowsFrom(Rank limit) const {
  std::vector<OwnRow> rows;
  for (const Atom& atom : atoms_) {
    const RowId row = rows_[atom.position];
    if (RankOf(*atom.table, row) >= limit) {
      rows.push_back({atom.own, row});
    }
  }
  return rows;
}

Renumbering::Renumbering(const Stratum& stratum, std::span<Table> tables, Rank rank_max) {
  ForEachRow(stratum, tables,
             [this](const Table& table, RowId row) { before_.push_back(RankOf(table, row)); });
  std::ranges::sort(before_);
  before_.erase(std::ranges::unique(before_).begin(), before_.end());
  const Rank count = static_cast<Rank>(before_.size());
  if (count > rank_max - 2 * kRankStep) {
    throw CapacityError(CapacityError::What::kRanks, static_cast<std::size_t>(rank_max),
                        stratum.tables.front());
  }
  spacing_ = std::clamp<Rank>(rank_max / 2 / std::max<Rank>(count, 1), 1, kRankStep);
  ForEachRow(stratum, tables,
             [this](Table& table, RowId row) { SetRank(table, row, After(RankOf(table, row))); });
}

Rank Renumbering::After(Rank before) const {
  const auto found = std::ranges::lower_bound(before_, before);
  return before == 0 ? 0 : Place(static_cast<std::size_t>(found - before_.begin()));
}

}  // namespace nlog::core
