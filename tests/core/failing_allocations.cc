// See failing_allocations.h.

#include "failing_allocations.h"

#include <cstdlib>
#include <new>

namespace {

// Allocations until one fails; none does while it is negative.
std::int64_t countdown = -1;

}  // namespace

void* operator new(std::size_t size) {
  if (countdown >= 0 && countdown-- == 0) {
    throw std::bad_alloc();
  }
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace nlog::core::test {

FailingAllocation::FailingAllocation(std::int64_t before) { countdown = before; }
FailingAllocation::~FailingAllocation() { countdown = -1; }

}  // namespace nlog::core::test
