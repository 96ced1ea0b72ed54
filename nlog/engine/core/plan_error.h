// A plan that the core cannot run: a fault of whoever wrote it, not of the rules.
//
// The error names the place: whoever goes through a plan wraps what may throw in Within, and the
// names add up on the way out, as in
//
//   strata[2].rules[0].deltas[1].pipeline.steps[3]: there is no table 9
//
// Cost: none where nothing is thrown.

#ifndef NLOG_ENGINE_CORE_PLAN_ERROR_H_
#define NLOG_ENGINE_CORE_PLAN_ERROR_H_

#include <cstddef>
#include <stdexcept>
#include <string>

namespace nlog::core {

class PlanError : public std::invalid_argument {
 public:
  explicit PlanError(const std::string& text) : PlanError("", text) {}

  // The same, in a part of something larger.
  PlanError In(const std::string& part) const {
    const bool is_joined = !place_.empty() && place_.front() != '[';
    return PlanError(part + (is_joined ? "." : "") + place_, text_);
  }

 private:
  PlanError(const std::string& place, const std::string& text)
      : std::invalid_argument(place.empty() ? text : place + ": " + text),
        place_(place),
        text_(text) {}

  std::string place_;
  std::string text_;
};

// Calls work(), which goes through the named part of a plan, or its element `number`.
template <typename Work>
decltype(auto) Within(const char* part, Work work) {
  try {
    return work();
  } catch (const PlanError& error) {
    throw error.In(part);
  }
}
template <typename Work>
decltype(auto) Within(const char* part, std::size_t number, Work work) {
  try {
    return work();
  } catch (const PlanError& error) {
    throw error.In(part + ("[" + std::to_string(number) + "]"));
  }
}

inline void Expect(bool condition, const char* text) {
  if (!condition) [[unlikely]] {
    throw PlanError(text);
  }
}
// The text is made where it is needed only.
template <typename Text>
void Expect(bool condition, Text text) {
  if (!condition) [[unlikely]] {
    throw PlanError(text());
  }
}

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_PLAN_ERROR_H_
