// Allocations that fail when a test says so. The operators new of the test program count down;
// while none was asked to fail they are as ever.
//
//   {
//     const FailingAllocation failing(7);   // the eighth from now throws std::bad_alloc
//     database.Prepare();
//   }
//
// One at a time, on one thread.

#ifndef NLOG_TESTS_CORE_FAILING_ALLOCATIONS_H_
#define NLOG_TESTS_CORE_FAILING_ALLOCATIONS_H_

#include <cstdint>

namespace nlog::core::test {

class FailingAllocation {
 public:
  // Lets `before` allocations succeed, and the next one fail.
  explicit FailingAllocation(std::int64_t before);
  ~FailingAllocation();
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
};

}  // namespace nlog::core::test

#endif  // NLOG_TESTS_CORE_FAILING_ALLOCATIONS_H_
