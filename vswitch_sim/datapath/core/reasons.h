// The names of reasons, numbered as they come up, and how often each was the reason to drop.

#ifndef VSWITCH_SIM_DATAPATH_CORE_REASONS_H_
#define VSWITCH_SIM_DATAPATH_CORE_REASONS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "actions.h"

namespace vswitch {

// What the datapath itself drops for.
inline constexpr Reason kRunt = 0;
inline constexpr Reason kNoSuchPort = 1;
inline constexpr Reason kMeter = 2;
inline constexpr Reason kRecirculationLimit = 3;

class Reasons {
 public:
  Reasons() {
    for (const std::string_view name : {"runt", "no_such_port", "meter", "recirculation_limit"}) {
      NumberOf(name);
    }
  }

  Reason NumberOf(std::string_view name) {
    const auto [found, is_new] =
        numbers_.try_emplace(std::string(name), static_cast<Reason>(names_.size()));
    if (is_new) {
      names_.push_back(found->first);
      drops_.push_back(0);
    }
    return found->second;
  }
  const std::string& NameOf(Reason reason) const { return names_[reason]; }

  void CountDrop(Reason reason) { ++drops_[reason]; }
  // By number.
  const std::vector<std::uint64_t>& drops() const { return drops_; }

 private:
  std::unordered_map<std::string, Reason> numbers_;
  std::vector<std::string> names_;
  std::vector<std::uint64_t> drops_;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_REASONS_H_
