// Python's signals while the core evaluates without the GIL, so that Ctrl-C ends a commit.
//
// Python only notes that a signal came, and runs its handler when the main thread asks for it. A
// SignalWatch is a core::ShouldStop that asks ten times a second: it takes the GIL and runs the
// handlers, and the evaluation stops if one raises, as that of SIGINT does. On other threads Python
// runs no handlers, so there the watch asks once and then leaves the GIL alone.
//
// While rows are read in, the GIL is held, and handlers run between rows (SignalPoll).
//
// Handlers are any Python code, and may call the very database that is being evaluated: see
// Database::RequireIdle.

#ifndef NLOG_ENGINE_BINDINGS_SIGNALS_H_
#define NLOG_ENGINE_BINDINGS_SIGNALS_H_

#include <pybind11/pybind11.h>

#include <chrono>
#include <cstddef>
#include <functional>

#include "core/interrupt.h"

namespace nlog {

class SignalWatch {
 public:
  // Whether a handler raised; Python's error indicator is then set. Requires: this thread does not
  // hold the GIL.
  bool operator()() {
    if (!is_on_main_thread_ || Clock::now() < next_) {
      return false;
    }
    const pybind11::gil_scoped_acquire acquire;
    is_on_main_thread_ = IsOnMainThread();
    const bool has_raised = is_on_main_thread_ && PyErr_CheckSignals() != 0;
    next_ = Clock::now() + kPause;
    return has_raised;
  }

 private:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::milliseconds kPause{100};

  static bool IsOnMainThread() {
    const pybind11::object main = pybind11::module_::import("threading").attr("main_thread")();
    return pybind11::cast<unsigned long>(main.attr("ident")) == PyThread_get_thread_ident();
  }

  // Until the first question tells.
  bool is_on_main_thread_ = true;
  Clock::time_point next_ = Clock::now() + kPause;
};

// Asks for signals while rows are read or staged with the GIL, each time after some of them. Throws
// what a handler raises.
class SignalPoll {
 public:
  void operator()() {
    if (++count_ % kRowsPerAsk == 0 && PyErr_CheckSignals() != 0) [[unlikely]] {
      throw pybind11::error_already_set();
    }
  }

 private:
  static constexpr std::size_t kRowsPerAsk = 1024;

  std::size_t count_ = 0;
};

// Says in a flag that the database is at work, for as long as this lives.
class AtWork {
 public:
  explicit AtWork(bool& flag) : flag_(flag) { flag_ = true; }
  ~AtWork() { flag_ = false; }
  AtWork(const AtWork&) = delete;
  AtWork& operator=(const AtWork&) = delete;

 private:
  bool& flag_;
};

// Runs evaluate(should_stop) without the GIL; throws what a signal handler raises meanwhile.
template <typename Evaluate>
void EvaluateWatched(Evaluate evaluate) {
  SignalWatch watch;
  try {
    const pybind11::gil_scoped_release release;
    evaluate(core::ShouldStop(std::ref(watch)));
  } catch (const core::Interrupted&) {
    throw pybind11::error_already_set();
  }
}

}  // namespace nlog

#endif  // NLOG_ENGINE_BINDINGS_SIGNALS_H_
