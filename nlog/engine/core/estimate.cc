// See estimate.h.

#include "estimate.h"

#include <algorithm>

namespace nlog::core {

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

}  // namespace nlog::core
