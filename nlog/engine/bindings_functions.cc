// See bindings_functions.h.

#include "bindings_functions.h"

#include <cstddef>

#include "core/interrupt.h"

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

void PythonFunctions::Extend(py::handle functions) {
  std::size_t number = 0;
  for (const py::handle function : functions) {
    if (number++ < functions_.size()) {
      continue;
    }
    Function known{.name = py::cast<std::string>(function.attr("name")),
                   .body = function.attr("body"),
                   .parameters = {},
                   .result = ValueType(function.attr("result"))};
    for (const py::handle parameter : function.attr("parameters")) {
      known.parameters.emplace_back(parameter);
    }
    functions_.push_back(std::move(known));
  }
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

std::string PythonFunctions::TextOf(const Function& function, const py::tuple& arguments) const {
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
      failure = TextOf(function, arguments) + " gave a wrong value: " + error.what();
    }
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_Exception)) {
      error.restore();
      throw core::Interrupted();
    }
    failure = TextOf(function, arguments) + " raised " + TextOfException(error);
    causes_[failure] = error.value();
  }
  return std::nullopt;
}

}  // namespace nlog
