// See bindings_work.h.

#include "bindings_work.h"

#include <cstdint>
#include <string>
#include <utility>

#include "core/work.h"

namespace py = pybind11;

namespace nlog {
namespace {

std::string ShowWork(const core::Work& work) {
  const std::pair<const char*, std::uint64_t> counters[] = {
      {"rows_read", work.total.rows_read}, {"probes", work.total.probes},
      {"derived", work.total.derived},     {"retracted", work.total.retracted},
      {"checked", work.checked},           {"rederived", work.rederived},
      {"inserted", work.inserted},         {"deleted", work.deleted},
  };
  std::string text;
  for (const auto& [name, count] : counters) {
    text += (text.empty() ? "Work(" : ", ") + std::string(name) + "=" + std::to_string(count);
  }
  return text + ")";
}

}  // namespace

void AddWork(py::module_& module) {
  using core::Work;
  py::class_<Work>(module, "Work", py::is_final())
      .def("__repr__", ShowWork)
      .def_property_readonly("rows_read", [](const Work& work) { return work.total.rows_read; })
      .def_property_readonly("probes", [](const Work& work) { return work.total.probes; })
      .def_property_readonly("derived", [](const Work& work) { return work.total.derived; })
      .def_property_readonly("retracted", [](const Work& work) { return work.total.retracted; })
      .def_readonly("checked", &Work::checked)
      .def_readonly("rederived", &Work::rederived)
      .def_readonly("inserted", &Work::inserted)
      .def_readonly("deleted", &Work::deleted)
      .def_property_readonly("by_rule",
                             [](const Work& work) {
                               py::dict by_rule;
                               for (const auto& [number, rule] : work.by_rule) {
                                 by_rule[py::int_(number)] =
                                     py::make_tuple(rule.rows_read, rule.derived, rule.retracted);
                               }
                               return by_rule;
                             })
      .def_property_readonly("costs", [](const Work& work) {
        py::dict costs;
        for (const auto& [number, rule] : work.by_rule) {
          costs[py::int_(number)] =
              py::make_tuple(static_cast<double>(rule.nanoseconds) * 1e-9, rule.rows_read,
                             rule.probes, rule.derived, rule.retracted);
        }
        return costs;
      });
}

}  // namespace nlog
