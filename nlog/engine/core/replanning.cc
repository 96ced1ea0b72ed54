// See replanning.h. Database::Replan stands here, too: what is kept beside rows (counts of
// derivations, ranks) says nothing of the order in which a body is joined, so a program may take
// the place of one with the same rules at any time at which none is run.

#include "replanning.h"

#include <algorithm>
#include <utility>

#include "database.h"

namespace nlog::core {
namespace {

// Whether two programs fill the same tables by the same rules, as far as the core can tell.
bool HaveSameRules(const Program& one, const Program& other) {
  const auto same_rule = [](const Rule& a, const Rule& b) {
    return a.number == b.number && a.head == b.head && a.deltas.size() == b.deltas.size();
  };
  const auto same_stratum = [&](const Stratum& a, const Stratum& b) {
    return a.is_recursive == b.is_recursive && a.tables == b.tables &&
           a.aggregation.has_value() == b.aggregation.has_value() &&
           std::ranges::equal(a.rules, b.rules, same_rule);
  };
  return std::ranges::equal(one.strata(), other.strata(), same_stratum);
}

}  // namespace

PlannedSizes::PlannedSizes(const Program& program, std::span<const Table> tables)
    : sizes_(tables.size(), kIgnored) {
  for (const Stratum& stratum : program.strata()) {
    for (const Rule& rule : stratum.rules) {
      for (const Pipeline& delta : rule.deltas) {
        for (const Step& step : delta.steps) {
          if (step.kind == Step::Kind::kLookup) {
            sizes_[step.table] = tables[step.table].stored();
          }
        }
      }
    }
  }
}

bool PlannedSizes::HasDrifted(std::uint32_t table, std::size_t rows) const noexcept {
  if (table >= sizes_.size() || sizes_[table] == kIgnored) {
    return false;
  }
  const auto [least, most] = std::minmax(sizes_[table], rows);
  return most >= kSmall && most / kDriftFactor >= least;
}

bool Database::HasDrifted() const {
  return has_drifted_ || std::ranges::any_of(touched_, [this](std::uint32_t table) {
           return planned_sizes_.HasDrifted(table, tables_[table].stored());
         });
}

void Database::Replan(const Plan& plan) {
  RequireOpen();
  if (change_) {
    throw std::logic_error("the program is being changed, and planned for that");
  }
  Expect(plan.tables.size() == tables_.size(), "another plan of a program has other tables");
  ExpectKnownTables(plan);
  std::vector<Table> shapes = MakeTables(plan, capacities_);
  Program program(plan, typing());
  Guards guards(plan, shapes);
  if (!HaveSameRules(program, program_)) {
    throw PlanError("another plan of a program has other rules");
  }
  std::vector<std::vector<Index>> indexes;
  for (std::size_t number = 0; number < tables_.size(); ++number) {
    indexes.push_back(tables_[number].MissingIndexes(shapes[number]));
  }
  PlannedSizes sizes(program, tables_);
  for (std::size_t number = 0; number < tables_.size(); ++number) {
    tables_[number].ArrangeIndexes(std::move(indexes[number]));
  }
  program_ = std::move(program);
  guards_ = std::move(guards);
  planned_sizes_ = std::move(sizes);
  has_drifted_ = false;
  ++layout_count_;
}

}  // namespace nlog::core
