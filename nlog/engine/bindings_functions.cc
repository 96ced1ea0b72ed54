// See bindings_functions.h.

#include "bindings_functions.h"

#include <cstddef>

#include "core/interrupt.h"
#include "core/plan_error.h"

namespace py = pybind11;

namespace nlog {
namespace {

using core::Word;

// Such as "ValueError: no such port"; an exception may have no text, or fail to tell it.
std::string TextOfException(const py::error_already_set& error) {
  std::string text = py::cast<std::string>(error.type().attr("__name__"));
  try {
    const auto said = py::cast<std::string>(py::str(error.value()));
    text += said.empty() ? "" : ": " + said;
  } catch (const py::error_already_set&) {
    text += ", which has no text";
  }
  return text;
}

}  // namespace

PythonFunctions::Function PythonFunctions::Read(py::handle function) {
  Function read{.name = TextOf(function.attr("name")),
                .body = function.attr("body"),
                .parameters = {},
                .result = ValueType(function.attr("result"))};
  for (const py::handle parameter : function.attr("parameters")) {
    read.parameters.emplace_back(parameter);
  }
  return read;
}

core::ForeignSignature PythonFunctions::SignatureOf(const Function& function) {
  core::ForeignSignature signature{{}, codec_.TypeWord(function.result)};
  for (const ValueType& parameter : function.parameters) {
    signature.parameters.push_back(codec_.TypeWord(parameter));
  }
  return signature;
}

void PythonFunctions::Extend(py::handle plan) {
  const std::size_t known = functions_.size();
  try {
    core::Within("functions", [&] {
      core::Expect(
          py::hasattr(plan, "functions") && py::isinstance<py::tuple>(plan.attr("functions")),
          "there is no tuple of functions");
      const py::tuple functions(plan.attr("functions"));
      core::Expect(functions.size() >= known, "functions that are known are missing");
      for (std::size_t number = 0; number < functions.size(); ++number) {
        core::Within("", number, [&] { Take(number, functions[number], number < known); });
      }
    });
  } catch (...) {
    Truncate(known);
    throw;
  }
}

void PythonFunctions::Take(std::size_t number, py::handle function, bool is_known) {
  try {
    Function read = Read(function);
    core::ForeignSignature signature = SignatureOf(read);
    if (!is_known) {
      functions_.push_back(std::move(read));
      signatures_.push_back(std::move(signature));
    } else if (read.name != functions_[number].name || !read.body.is(functions_[number].body) ||
               signature != signatures_[number]) {
      throw core::PlanError("this function is another than it was");
    }
  } catch (const ValueError& error) {
    throw core::PlanError(error.what());
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_AttributeError) && !error.matches(PyExc_TypeError)) {
      throw;
    }
    throw core::PlanError(Show(function) + " is no function of a plan");
  }
}

void PythonFunctions::Truncate(std::size_t count) {
  functions_.erase(functions_.begin() + static_cast<std::ptrdiff_t>(count), functions_.end());
  signatures_.resize(count);
}

py::object PythonFunctions::CauseOf(const std::string& text) const {
  const auto cause = causes_.find(text);
  return cause == causes_.end() ? py::object() : cause->second;
}

py::object PythonFunctions::Run(const Function& function, const py::tuple& arguments) {
  is_running_ = true;
  try {
    py::object value = function.body(*arguments);
    is_running_ = false;
    return value;
  } catch (...) {
    is_running_ = false;
    throw;
  }
}

std::string PythonFunctions::TextOfCall(const Function& function,
                                        const py::tuple& arguments) const {
  std::string text = function.name + "(";
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    text += (i == 0 ? "" : ", ") + Show(arguments[i]);
  }
  return text + ")";
}

std::optional<Word> PythonFunctions::Compute(std::span<const Word> call, std::string& failure) {
  const py::gil_scoped_acquire acquire;
  const Function& function = functions_[call[0]];
  py::tuple arguments(call.size() - 1);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    arguments[i] = codec_.Decode(call[i + 1], function.parameters[i]);
  }
  try {
    const py::object value = Run(function, arguments);
    try {
      return codec_.Encode(value, function.result);
    } catch (const ValueError& error) {
      failure = TextOfCall(function, arguments) + " gave a wrong value: " + error.what();
    }
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_Exception)) {
      error.restore();
      throw core::Interrupted();
    }
    failure = TextOfCall(function, arguments) + " raised " + TextOfException(error);
    causes_[failure] = error.value();
  }
  return std::nullopt;
}

}  // namespace nlog
