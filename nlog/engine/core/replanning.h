// When to plan again, by how the sizes of tables have changed since the last time.
//
// The order in which a rule's body is joined is chosen for the sizes that tables had when the plan
// was made, and any order is right. A table has drifted when it has become several times as large,
// or as small; small tables do not, and those that no rule looks rows up in by a key do not matter.
// To ask costs a comparison for each table that a transaction touches.
//
// Thread safety: none.

#ifndef NLOG_ENGINE_CORE_REPLANNING_H_
#define NLOG_ENGINE_CORE_REPLANNING_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "program.h"
#include "table.h"

namespace nlog::core {

class PlannedSizes {
 public:
  static constexpr std::size_t kDriftFactor = 8;
  static constexpr std::size_t kSmall = 64;

  // For a program that was planned when the tables had the sizes they have.
  PlannedSizes(const Program& program, std::span<const Table> tables);

  // Whether the table, of which so many rows are stored, has drifted. One that came later has not.
  bool HasDrifted(std::uint32_t table, std::size_t rows) const noexcept;

 private:
  // By table; kIgnored if no rule looks up rows of it.
  static constexpr std::size_t kIgnored = static_cast<std::size_t>(-1);

  std::vector<std::size_t> sizes_;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_REPLANNING_H_
