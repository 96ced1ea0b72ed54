// See bindings_key.h.

#include "bindings_key.h"

#include <cstring>

namespace py = pybind11;

namespace vswitch {
namespace {

void RequireInt(py::handle value, const std::string& what) {
  if (PyLong_Check(value.ptr()) == 0) {
    throw py::type_error(what + " is an int; this is " + Show(value));
  }
}

}  // namespace

FlowKey KeyOf(py::handle value, const std::string& what) {
  RequireInt(value, what);
  const auto bytes = py::reinterpret_steal<py::object>(PyObject_CallMethod(
      value.ptr(), "to_bytes", "ns", static_cast<Py_ssize_t>(kKeyBytes), "little"));
  if (!bytes) {
    PyErr_Clear();
    throw py::value_error(what + " has from 0 to " + std::to_string(kKeyBytes * 8) +
                          " bits; this is " + Show(value));
  }
  FlowKey key;
  std::memcpy(key.words.data(), PyBytes_AS_STRING(bytes.ptr()), kKeyBytes);
  return key;
}

py::object IntOf(const FlowKey& key) {
  auto number = py::reinterpret_steal<py::object>(_PyLong_FromByteArray(
      reinterpret_cast<const unsigned char*>(key.words.data()), kKeyBytes, 1, 0));
  if (!number) {
    throw py::error_already_set();
  }
  return number;
}

std::uint64_t NumberOf(py::handle value, std::uint64_t max, const std::string& what) {
  RequireInt(value, what);
  const std::uint64_t number = PyLong_AsUnsignedLongLong(value.ptr());
  const bool is_out_of_range = number == static_cast<std::uint64_t>(-1) && PyErr_Occurred();
  if (is_out_of_range || number > max) {
    PyErr_Clear();
    throw py::value_error(what + " is from 0 to " + std::to_string(max) + "; this is " +
                          Show(value));
  }
  return number;
}

std::string Show(py::handle value) {
  constexpr std::size_t kLengthMax = 80;
  std::string text = py::repr(value);
  if (text.size() > kLengthMax) {
    text.resize(kLengthMax);
    while (!text.empty() && (text.back() & 0xC0) == 0x80) {
      text.pop_back();
    }
    if (!text.empty() && (text.back() & 0x80) != 0) {
      text.pop_back();
    }
    text += "…";
  }
  return text;
}

}  // namespace vswitch
