// Stopping an evaluation from outside, for rules may take long or never end.
//
// Who starts an evaluation may hand it a ShouldStop. Each executor asks it once in kRowsPerAsk rows
// that it reads, on the thread that evaluates; true makes it throw Interrupted, which leaves the
// database as any other error does: as it was before the transaction. An empty ShouldStop is never
// asked.
//
// Cost: a test of a counter a row, and the call. Work that reads no rows is not interrupted:
// sealing tables, committing and rolling back, which are linear in the rows touched.

#ifndef NLOG_ENGINE_CORE_INTERRUPT_H_
#define NLOG_ENGINE_CORE_INTERRUPT_H_

#include <cstdint>
#include <functional>
#include <stdexcept>

namespace nlog::core {

using ShouldStop = std::function<bool()>;

inline constexpr std::uint64_t kRowsPerAsk = 4096;

class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("the evaluation was interrupted") {}
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_INTERRUPT_H_
