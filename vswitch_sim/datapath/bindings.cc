// The datapath's Python face; see _core.pyi, which tells what each name does.

#include <pybind11/pybind11.h>

#include <string>

#include "core/key.h"

namespace py = pybind11;

namespace vswitch {
namespace {

py::dict Layout() {
  py::dict layout;
  for (const Field& field : kFields) {
    const unsigned shift = field.place.word * 64 + field.place.bit;
    layout[py::str(std::string(field.name))] = py::make_tuple(shift, field.place.width);
  }
  return layout;
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.attr("KEY_BYTES") = kKeyBytes;
  module.def("layout", Layout);
}

}  // namespace vswitch
