// Python functions that rules call (nlog/python_functions.py), as the core's foreign functions.
//
// They come with plans, by number. A call takes the GIL, turns words into values and the result
// into a word. What a function raises makes it fail: the text names the function, its arguments and
// the exception, and CauseOf has the exception itself. What is no Exception, such as
// KeyboardInterrupt, ends the evaluation as a signal handler's does (bindings_signals.h).
//
// While a function runs, nothing may use the database: see Guard in bindings_store.h.
//
// Requires: the lock of the store; the GIL, but for Compute.

#ifndef NLOG_ENGINE_BINDINGS_FUNCTIONS_H_
#define NLOG_ENGINE_BINDINGS_FUNCTIONS_H_

#include <pybind11/pybind11.h>

#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "bindings_codec.h"
#include "core/foreign.h"

namespace nlog {

class PythonFunctions : public core::ForeignFunctions {
 public:
  // The codec must outlive this.
  explicit PythonFunctions(Codec& codec) : codec_(codec) {}

  // Takes over the functions of a plan that are not known yet: those beyond as many as there are.
  // Throws PlanError, having changed nothing, if the others are not those that are known.
  void Extend(pybind11::handle plan);
  // Forgets all but the first `count`.
  void Truncate(std::size_t count);
  std::size_t count() const { return functions_.size(); }

  bool is_running() const { return is_running_; }

  // The exception that made a function fail with this text, or an empty object.
  pybind11::object CauseOf(const std::string& text) const;

  // Forgets what failed when it ends.
  class Evaluation {
   public:
    explicit Evaluation(PythonFunctions& functions) : functions_(functions) {}
    ~Evaluation() {
      functions_.ForgetFailures();
      functions_.causes_.clear();
    }
    Evaluation(const Evaluation&) = delete;
    Evaluation& operator=(const Evaluation&) = delete;

   private:
    PythonFunctions& functions_;
  };

 protected:
  std::optional<core::Word> Compute(std::span<const core::Word> call,
                                    std::string& failure) override;

 private:
  struct Function {
    std::string name;
    pybind11::object body;
    std::vector<ValueType> parameters;
    ValueType result;
  };

  void Take(std::size_t number, pybind11::handle function, bool is_known);
  Function Read(pybind11::handle function);
  core::ForeignSignature SignatureOf(const Function& function);

  pybind11::object Run(const Function& function, const pybind11::tuple& arguments);
  std::string TextOfCall(const Function& function, const pybind11::tuple& arguments) const;

  Codec& codec_;
  std::vector<Function> functions_;
  // By the texts of failures.
  std::unordered_map<std::string, pybind11::object> causes_;
  bool is_running_ = false;
};

}  // namespace nlog

#endif  // NLOG_ENGINE_BINDINGS_FUNCTIONS_H_
