// See bindings_errors.h.

#include "bindings_errors.h"

#include <exception>
#include <string>

namespace py = pybind11;

namespace nlog {
namespace {

PyObject* evaluation_error = nullptr;
PyObject* key_error = nullptr;
PyObject* constraint_error = nullptr;
PyObject* limit_error = nullptr;
PyObject* capacity_error = nullptr;
PyObject* row_error = nullptr;

[[noreturn]] void Raise(PyObject* type, const py::tuple& arguments) {
  PyErr_SetObject(type, arguments.ptr());
  throw py::error_already_set();
}

const char* NameOf(core::CapacityError::What full) {
  switch (full) {
    case core::CapacityError::What::kRows:
      return "rows";
    case core::CapacityError::What::kPlaces:
      return "places";
    case core::CapacityError::What::kTexts:
      return "texts";
    case core::CapacityError::What::kTuples:
      return "tuples";
    case core::CapacityError::What::kElements:
      return "elements";
    case core::CapacityError::What::kRanks:
      return "ranks";
  }
  return "";
}

void TranslateException(std::exception_ptr exception) {
  try {
    if (exception) {
      std::rethrow_exception(exception);
    }
  } catch (const core::LimitError& error) {
    const bool is_rows = error.limit() == core::LimitError::Limit::kRows;
    PyErr_SetObject(
        limit_error,
        py::make_tuple(is_rows ? "rows" : "seconds", error.table(), error.added()).ptr());
  } catch (const core::CapacityError& error) {
    const py::object table = error.table() == core::CapacityError::kNoTable
                                 ? py::object(py::none())
                                 : py::int_(error.table());
    PyErr_SetObject(capacity_error,
                    py::make_tuple(NameOf(error.full()), error.capacity(), table).ptr());
  } catch (const core::InternalError& error) {
    PyErr_SetString(PyExc_AssertionError, error.what());
  }
}

// Makes an exception class of the module, which lives as long as the interpreter.
PyObject* AddException(py::module_& module, const char* name, const char* doc) {
  const std::string full_name = "nlog.engine._core." + std::string(name);
  PyObject* type = PyErr_NewExceptionWithDoc(full_name.c_str(), doc, nullptr, nullptr);
  if (type == nullptr) {
    throw py::error_already_set();
  }
  module.add_object(name, type);
  return type;
}

}  // namespace

void AddExceptions(py::module_& module) {
  evaluation_error =
      AddException(module, "EvaluationError",
                   "A function failed; args are the rule's number and a text, the cause is what a "
                   "Python function raised.");
  key_error = AddException(module, "KeyConflictError",
                           "Rows have one key; args are a list of (table, row, row), and whether "
                           "there are more.");
  constraint_error = AddException(module, "ConstraintError",
                                  "Constraint tables have rows; args are a dict of these.");
  limit_error = AddException(module, "LimitError",
                             "A limit was reached; args are its name, the table that grew most and "
                             "by how many rows.");
  capacity_error = AddException(
      module, "CapacityError",
      "Something is full; args are what (rows, places, texts, tuples, elements or ranks), how much "
      "it holds, and the number of its table, or None.");
  row_error = AddException(
      module, "RowError", "A row does not fit its table; args are row, column (or -1) and a text.");
  py::register_exception_translator(TranslateException);
}

void RaiseRowError(py::handle row, int column, const std::string& text) {
  Raise(row_error, py::make_tuple(row, column, text));
}

void RaiseRefusal(Store& store, const core::KeyError& error) {
  py::list conflicts;
  for (const core::KeyConflict& conflict : error.conflicts()) {
    const TableCodec& table = store.tables[conflict.table];
    conflicts.append(py::make_tuple(conflict.table,
                                    store.codec.DecodeRow(conflict.first.data(), table),
                                    store.codec.DecodeRow(conflict.second.data(), table)));
  }
  Raise(key_error, py::make_tuple(conflicts, error.has_more()));
}

void RaiseRefusal(Store& store, const core::ConstraintError& error) {
  py::dict tables;
  for (const core::RowsOfTable& rows : error.rows()) {
    tables[py::int_(rows.table)] = DecodeRows(store, rows.table, rows.words, rows.count);
  }
  Raise(constraint_error, py::make_tuple(tables));
}

void RaiseRefusal(Store& store, const core::EvaluationError& error) {
  const py::object raised = py::handle(evaluation_error)(error.rule(), error.what());
  py::object cause = store.functions.CauseOf(error.what());
  if (cause) {
    PyException_SetCause(raised.ptr(), cause.release().ptr());
  }
  PyErr_SetObject(evaluation_error, raised.ptr());
  throw py::error_already_set();
}

}  // namespace nlog
