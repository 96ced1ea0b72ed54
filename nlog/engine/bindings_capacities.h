// Capacities of the core that a caller lowers, by the names that CapacityError has (_core.pyi).

#ifndef NLOG_ENGINE_BINDINGS_CAPACITIES_H_
#define NLOG_ENGINE_BINDINGS_CAPACITIES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "bindings_codec.h"
#include "core/capacities.h"

namespace nlog {

// Throws ValueError if there is no capacity of a name.
inline core::Capacities ReadCapacities(const std::map<std::string, std::uint32_t>& given) {
  core::Capacities capacities;
  for (const auto& [name, capacity] : given) {
    if (name == "ranks") {
      capacities.ranks = std::clamp<std::int64_t>(capacity, 1024, core::kRankMax);
      continue;
    }
    std::size_t* const one = name == "rows"       ? &capacities.rows
                             : name == "places"   ? &capacities.places
                             : name == "values"   ? &capacities.values
                             : name == "elements" ? &capacities.elements
                                                  : nullptr;
    if (one == nullptr) {
      throw ValueError("there is no capacity `" + name + "`");
    }
    *one = capacity;
  }
  return capacities;
}

}  // namespace nlog

#endif  // NLOG_ENGINE_BINDINGS_CAPACITIES_H_
