// See estimate.h.

#include "estimate.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace nlog::core {
namespace {

constexpr std::size_t kSampledMax = 1024;

double KeysBySample(const Table& table, const std::vector<std::uint32_t>& columns) {
  const std::size_t stride = std::max<std::size_t>(table.row_limit() / kSampledMax, 1);
  std::map<std::vector<Word>, std::size_t> seen;
  std::size_t sampled = 0;
  for (std::size_t row = 0; row < table.row_limit(); row += stride) {
    const auto id = static_cast<RowId>(row);
    if (!table.Visible(id, View::kOld) && !table.Visible(id, View::kNew)) {
      continue;
    }
    std::vector<Word> key;
    for (const std::uint32_t column : columns) {
      key.push_back(table.Row(id)[column]);
    }
    ++seen[key];
    ++sampled;
  }
  const auto once =
      std::ranges::count(seen, std::size_t{1}, [](const auto& s) { return s.second; });
  const double share =
      static_cast<double>(table.stored()) / static_cast<double>(std::max<std::size_t>(sampled, 1));
  const double more = static_cast<double>(seen.size()) - static_cast<double>(once);
  return std::max(std::sqrt(share) * static_cast<double>(once) + more, 1.0);
}

}  // namespace

double RowsPerKey(const Table& table, const std::vector<std::uint32_t>& columns) {
  const auto rows = static_cast<double>(table.stored());
  if (columns.empty()) {
    return rows;
  }
  const auto index = std::ranges::find(table.indexes(), columns, &Index::columns);
  if (index != table.indexes().end()) {
    return rows / static_cast<double>(std::max<std::size_t>(index->key_count(), 1));
  }
  return rows / KeysBySample(table, columns);
}

double EstimateRead(const Pipeline& pipeline, std::span<const Table> tables) {
  double bindings = static_cast<double>(tables[pipeline.table].new_size());
  double read = bindings;
  for (const Step& step : pipeline.steps) {
    if (step.kind == Step::Kind::kLookup) {
      const Table& table = tables[step.table];
      const std::size_t keys = table.indexes()[step.index].key_count();
      bindings *= static_cast<double>(table.new_size()) /
                  static_cast<double>(std::max<std::size_t>(keys, 1));
      read += bindings;
    }
  }
  return read;
}

const Pipeline& CheapestStart(const Rule& rule, std::span<const Table> tables) {
  const Pipeline* best = nullptr;
  double best_read = 0;
  for (const Pipeline& delta : rule.deltas) {
    if (!delta.is_negated) {
      const double read = EstimateRead(delta, tables);
      if (best == nullptr || read < best_read) {
        best = &delta;
        best_read = read;
      }
    }
  }
  Require(best != nullptr, "a rule starts at no positive atom");
  return *best;
}

std::size_t ExtrapolateDistinct(const Yield& half, const Yield& whole, std::size_t parts) {
  const auto repeats = [](const Yield& yield) {
    return static_cast<double>(yield.derived - yield.distinct);
  };
  const auto share = static_cast<double>(parts);
  const double most = share * static_cast<double>(whole.distinct);
  const double squared = std::max(2 * repeats(whole) - 4 * repeats(half), 0.0) * share * share;
  const double linear = std::max(repeats(whole) - squared / share / share, 0.0) * share;
  const double repeated = squared + linear;
  const double fewest = std::max(share * static_cast<double>(whole.derived) - repeated,
                                 static_cast<double>(whole.distinct));
  return static_cast<std::size_t>(std::min(fewest + std::min(repeated, fewest) / 4, most));
}

}  // namespace nlog::core
