// The Python face of the core: the module nlog.engine._core, described by _core.pyi.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bindings_database.h"
#include "bindings_errors.h"
#include "bindings_work.h"
#include "core/functions.h"

namespace nlog {

PYBIND11_MODULE(_core, module) {
  module.doc() = "Runs plans: tables, rules and transactions as words. See nlog/plan.py.";
  AddExceptions(module);
  AddWork(module);
  py::class_<Delta>(module, "Delta", py::is_final())
      .def_property_readonly("inserted_count", &Delta::inserted_count)
      .def_property_readonly("deleted_count", &Delta::deleted_count)
      .def("inserted", &Delta::Inserted)
      .def("deleted", &Delta::Deleted);
  py::class_<Snapshot>(module, "Snapshot", py::is_final())
      .def("size", &Snapshot::Size, py::arg("table"))
      .def("contains", &Snapshot::Contains, py::arg("table"), py::arg("row"))
      .def("rows", &Snapshot::Rows, py::arg("table"), py::arg("where"));
  py::class_<Database>(module, "Database", py::is_final())
      .def(py::init<py::handle, std::optional<std::uint64_t>, std::optional<double>,
                    const std::map<std::string, std::uint32_t>&, bool>(),
           py::arg("plan"), py::arg("rows_max") = py::none(), py::arg("seconds_max") = py::none(),
           py::arg("capacities") = py::dict(), py::arg("evaluates") = true)
      .def("insert", &Database::Insert, py::arg("table"), py::arg("rows"))
      .def("delete", &Database::Delete, py::arg("table"), py::arg("rows"))
      .def("put", &Database::Put, py::arg("table"), py::arg("rows"))
      .def("remove", &Database::Remove, py::arg("table"), py::arg("keys"))
      .def("apply", &Database::Apply, py::arg("table"), py::arg("delta"))
      .def("insert_columns", &Database::InsertColumns, py::arg("table"), py::arg("columns"))
      .def("has_drifted", &Database::HasDrifted)
      .def("replan", &Database::Replan, py::arg("plan"))
      .def("rows_per_key", &Database::RowsPerKey, py::arg("table"), py::arg("columns"))
      .def("change_program", &Database::ChangeProgram, py::arg("during"), py::arg("after"))
      .def("prepare", &Database::Prepare)
      .def("publish", &Database::Publish)
      .def("commit", &Database::Commit)
      .def_property_readonly("commit_count", &Database::commit_count)
      .def_property_readonly("has_broken_off", &Database::has_broken_off)
      .def("rollback", &Database::Rollback)
      .def("size", &Database::Size, py::arg("table"))
      .def("contains", &Database::Contains, py::arg("table"), py::arg("row"))
      .def("rows", &Database::Rows, py::arg("table"), py::arg("where"))
      .def("snapshot", &Database::TakeSnapshot, py::keep_alive<0, 1>())
      .def("add_index", &Database::AddIndex, py::arg("table"), py::arg("columns"))
      .def("derivations", &Database::Derivations, py::arg("check"), py::arg("row"),
           py::arg("limit"))
      .def_property_readonly("profile", &Database::profile)
      .def("bytes", &Database::Bytes, py::arg("table"))
      .def_property_readonly("work", &Database::work);
  module.def("publish_all", &Database::PublishAll, py::arg("databases"));
  module.def("functions", [] {
    std::vector<std::string> names;
    for (const core::Function& function : core::Functions()) {
      names.emplace_back(function.name);
    }
    return names;
  });
}

}  // namespace nlog
