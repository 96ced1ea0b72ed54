// Doing independent things side by side.
//
// A thread a task, as many at a time as there are processors; the one that asks waits, and asks in
// turn whether to go on, since only it may call a ShouldStop, and throws Interrupted when all
// others have stopped. Everything ends before the call does, also if something fails. The error
// that is thrown is that of the first task, in their order, that failed: the same in every run.
//
// Cost: tens of microseconds a thread. Requires: the tasks share nothing that any of them changes.

#ifndef NLOG_ENGINE_CORE_CONCURRENCY_H_
#define NLOG_ENGINE_CORE_CONCURRENCY_H_

#include <cstddef>
#include <functional>

#include "interrupt.h"

namespace nlog::core {

// How many tasks run at a time.
std::size_t ProcessorCount();

// Runs task(i, should_stop) for all i below `count`. `should_stop`, as tasks get it, may be called
// by any thread. Throws what a task throws, and Interrupted.
void RunConcurrently(std::size_t count,
                     const std::function<void(std::size_t, const ShouldStop&)>& task,
                     const ShouldStop& should_stop);

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_CONCURRENCY_H_
