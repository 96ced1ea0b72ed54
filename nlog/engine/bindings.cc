// The Python face of the core: the module nlog.engine._core, described by _core.pyi.
//
// Rows become words here and words rows (bindings_codec.h); everything else is the core's. A Store
// is what a database and the deltas of its commits share: the interner, the codec, and the lock
// that guards them and the tables. The lock is recursive, since Python code that a conversion calls
// may come back, and is never waited for with the GIL held; so every method may be called from any
// thread. A commit runs without the GIL and touches no Python object, but for the handlers of
// signals (bindings_signals.h), which may come back, too, and may then only read.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bindings_codec.h"
#include "bindings_plan.h"
#include "bindings_signals.h"
#include "bindings_work.h"
#include "core/database.h"
#include "core/functions.h"

namespace py = pybind11;

namespace nlog {
namespace {

using core::Word;

PyObject* evaluation_error = nullptr;
PyObject* row_error = nullptr;

[[noreturn]] void Raise(PyObject* type, const py::tuple& arguments) {
  PyErr_SetObject(type, arguments.ptr());
  throw py::error_already_set();
}

struct Store {
  std::shared_ptr<core::Interner> interner = std::make_shared<core::Interner>();
  Codec codec{interner};
  std::vector<TableCodec> tables;
  std::recursive_mutex mutex;
};

// Holds the lock of a store; lets other Python threads run while it waits.
class Guard {
 public:
  explicit Guard(Store& store) : lock_(store.mutex, std::try_to_lock) {
    if (!lock_) {
      const py::gil_scoped_release release;
      lock_.lock();
    }
  }

 private:
  std::unique_lock<std::recursive_mutex> lock_;
};

// The rows of a table that `words` hold, one after the other. Requires: the lock of the store.
py::list DecodeRows(Store& store, std::uint32_t number, const std::vector<Word>& words,
                    std::size_t count) {
  const TableCodec& table = store.tables[number];
  py::list rows;
  for (std::size_t i = 0; i < count; ++i) {
    rows.append(store.codec.DecodeRow(words.data() + i * table.columns.size(), table));
  }
  return rows;
}

class Delta {
 public:
  Delta(std::shared_ptr<Store> store, core::Delta delta)
      : store_(std::move(store)), delta_(std::move(delta)) {}

  std::size_t inserted_count() const { return delta_.inserted_count; }
  std::size_t deleted_count() const { return delta_.deleted_count; }
  py::list Inserted() const { return Decode(delta_.inserted, delta_.inserted_count); }
  py::list Deleted() const { return Decode(delta_.deleted, delta_.deleted_count); }

 private:
  py::list Decode(const std::vector<Word>& words, std::size_t count) const {
    const Guard guard(*store_);
    return DecodeRows(*store_, delta_.table, words, count);
  }

  std::shared_ptr<Store> store_;
  core::Delta delta_;
};

class Database {
 public:
  explicit Database(py::handle plan) : store_(std::make_shared<Store>()) {
    store_->tables = ReadTableCodecs(plan);
    const core::Plan core_plan = ReadPlan(plan, store_->codec);
    Evaluate([&](const core::ShouldStop& should_stop) {
      database_.emplace(core_plan, store_->interner, should_stop);
    });
  }

  void Insert(std::uint32_t table, const py::iterable& rows) {
    const std::size_t width = InputTable(table).columns.size();
    std::vector<Word> words;
    std::size_t count = 0;
    for (const py::handle row : rows) {
      const Guard guard(*store_);
      Append(table, row, words);
      ++count;
    }
    const Guard guard(*store_);
    RequireIdle();
    for (std::size_t i = 0; i < count; ++i) {
      database_->Insert(table, words.data() + i * width);
    }
  }

  void Delete(std::uint32_t table, const py::iterable& rows) {
    const std::size_t width = InputTable(table).columns.size();
    std::vector<Word> words;
    std::size_t count = 0;
    for (const py::handle row : rows) {
      const Guard guard(*store_);
      if (const std::optional<std::vector<Word>> found = Find(table, row)) {
        words.insert(words.end(), found->begin(), found->end());
        ++count;
      }
    }
    const Guard guard(*store_);
    RequireIdle();
    for (std::size_t i = 0; i < count; ++i) {
      database_->Delete(table, words.data() + i * width);
    }
  }

  std::vector<std::pair<std::uint32_t, Delta>> Prepare() {
    const Guard guard(*store_);
    RequireIdle();
    std::vector<core::Delta> deltas;
    {
      const Evaluating evaluating(is_evaluating_);
      Evaluate(
          [&](const core::ShouldStop& should_stop) { deltas = database_->Prepare(should_stop); });
    }
    std::vector<std::pair<std::uint32_t, Delta>> result;
    for (core::Delta& delta : deltas) {
      const std::uint32_t table = delta.table;
      result.emplace_back(table, Delta(store_, std::move(delta)));
    }
    return result;
  }

  void Publish() {
    const Guard guard(*store_);
    RequireIdle();
    if (!database_->is_prepared()) {
      throw std::logic_error("there is no transaction that is prepared");
    }
    database_->Publish();
  }

  std::vector<std::pair<std::uint32_t, Delta>> Commit() {
    const Guard guard(*store_);
    auto deltas = Prepare();
    database_->Publish();
    return deltas;
  }

  void Rollback() {
    const Guard guard(*store_);
    RequireIdle();
    database_->Rollback();
  }

  std::size_t Size(std::uint32_t table) {
    const Guard guard(*store_);
    TableOf(table);
    return database_->table(table).size();
  }

  bool Contains(std::uint32_t number, py::handle row) {
    const Guard guard(*store_);
    TableOf(number);
    const std::optional<std::vector<Word>> words = Find(number, row);
    if (!words) {
      return false;
    }
    const core::Table& table = database_->table(number);
    const core::RowId found = table.Find(words->data());
    return found != core::kNoRow && table.Visible(found, core::View::kOld);
  }

  py::list Rows(std::uint32_t number, const py::object& where) {
    const Guard guard(*store_);
    const TableCodec& table = TableOf(number);
    std::vector<std::pair<std::uint32_t, Word>> given;
    for (const py::handle column_object : where) {
      const auto column = py::cast<std::uint32_t>(column_object);
      const py::object value = where[column_object];
      if (column >= table.columns.size()) {
        throw py::index_error("table `" + table.name + "` has no column " + std::to_string(column));
      }
      const std::optional<Word> word = FindValue(value, where, table, column);
      if (!word) {
        return py::list();
      }
      given.emplace_back(column, *word);
    }
    const std::vector<core::RowId> selected = database_->Select(number, given);
    std::vector<Word> words;
    words.reserve(selected.size() * table.columns.size());
    for (const core::RowId row : selected) {
      CopyRow(number, row, words);
    }
    return DecodeRows(*store_, number, words, selected.size());
  }

  std::size_t AddIndex(std::uint32_t table, std::vector<std::uint32_t> columns) {
    const Guard guard(*store_);
    RequireIdle();
    const std::size_t width = TableOf(table).columns.size();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i] >= width || (i > 0 && columns[i] <= columns[i - 1])) {
        throw ValueError("an index is on ascending columns of its table");
      }
    }
    return database_->AddIndex(table, columns);
  }

  py::list Derivations(py::handle check, py::handle row, std::size_t limit) {
    const Guard guard(*store_);
    RequireIdle();
    std::vector<Word> words;
    Append(py::cast<std::uint32_t>(check.attr("table")), row, words);
    const core::Pipeline& pipeline = CompiledCheck(check);
    const std::set<core::Derivation> found = database_->Derivations(pipeline, words.data(), limit);
    words.clear();
    for (const core::Derivation& derivation : found) {
      for (const core::Support& support : derivation) {
        CopyRow(support.table, support.row, words);
      }
    }
    py::list derivations;
    const Word* next = words.data();
    for (const core::Derivation& derivation : found) {
      py::list supports;
      for (const core::Support& support : derivation) {
        const TableCodec& table = store_->tables[support.table];
        supports.append(py::make_tuple(support.table, store_->codec.DecodeRow(next, table)));
        next += table.columns.size();
      }
      derivations.append(supports);
    }
    return derivations;
  }

  core::Work work() {
    const Guard guard(*store_);
    return database_->work();
  }

 private:
  // Whether a commit is evaluated, for as long as this lives.
  class Evaluating {
   public:
    explicit Evaluating(bool& flag) : flag_(flag) { flag_ = true; }
    ~Evaluating() { flag_ = false; }
    Evaluating(const Evaluating&) = delete;
    Evaluating& operator=(const Evaluating&) = delete;

   private:
    bool& flag_;
  };

  // Refuses what would pull the tables from under a commit. Requires: the lock of the store, so
  // that only a signal handler can come here while a commit is evaluated.
  void RequireIdle() const {
    if (is_evaluating_) {
      throw std::runtime_error("a signal handler that runs within a commit can only read tables");
    }
  }

  const TableCodec& TableOf(std::uint32_t table) const {
    if (table >= store_->tables.size()) {
      throw py::index_error("there is no table " + std::to_string(table));
    }
    return store_->tables[table];
  }

  const TableCodec& InputTable(std::uint32_t number) const {
    const TableCodec& table = TableOf(number);
    if (!table.is_input) {
      throw ValueError("table `" + table.name +
                       "` is filled by rules; transactions write input tables only");
    }
    return table;
  }

  // The values of a row, as many as the table has columns. Raises RowError.
  py::object ValuesOf(const TableCodec& table, py::handle row) const {
    const std::size_t width = table.columns.size();
    const std::string wanted = "a row of table `" + table.name + "` is a sequence of " +
                               std::to_string(width) + (width == 1 ? " value" : " values");
    if (!IsSequence(row) || PyDict_Check(row.ptr()) != 0) {
      Raise(row_error, py::make_tuple(row, -1, wanted + "; this is " + Show(row)));
    }
    auto values = py::reinterpret_steal<py::object>(PySequence_Tuple(row.ptr()));
    if (!values) {
      throw py::error_already_set();
    }
    const auto size = static_cast<std::size_t>(PyTuple_GET_SIZE(values.ptr()));
    if (size != width) {
      Raise(row_error, py::make_tuple(row, -1, wanted + "; this one has " + std::to_string(size)));
    }
    return values;
  }

  // Converts each value of a row by `convert(value, type, column)`; raises RowError where it
  // throws.
  template <typename Convert>
  void ForEachValue(std::uint32_t number, py::handle row, Convert convert) {
    const TableCodec& table = TableOf(number);
    const py::object values = ValuesOf(table, row);
    for (std::size_t column = 0; column < table.columns.size(); ++column) {
      const auto value = py::reinterpret_borrow<py::object>(
          PyTuple_GET_ITEM(values.ptr(), static_cast<Py_ssize_t>(column)));
      try {
        convert(value, table.columns[column]);
      } catch (const ValueError& error) {
        Raise(row_error, py::make_tuple(row, column, error.what()));
      }
    }
  }

  // Adds the words of a stored row to `words`. Reads copy all they will decode before they decode
  // any of it: to make a Python object may run the garbage collector, and with it code that
  // commits.
  void CopyRow(std::uint32_t table, core::RowId row, std::vector<Word>& words) const {
    const core::RowRef stored = database_->table(table).Row(row);
    for (std::size_t column = 0; column < store_->tables[table].columns.size(); ++column) {
      words.push_back(stored[column]);
    }
  }

  // Runs an evaluation, and names the group of an aggregate that has no value.
  template <typename Run>
  void Evaluate(Run run) {
    try {
      EvaluateWatched(run);
    } catch (const core::GroupError& error) {
      const TableCodec& table = store_->tables[error.table()];
      py::list group;
      for (const auto& [column, word] : error.group()) {
        group.append(store_->codec.Decode(word, table.columns[column]));
      }
      const std::string text = std::string(error.what()) + ", in the group ";
      throw core::EvaluationError(error.rule(), text + Show(py::tuple(group)));
    }
  }

  // Adds the words of a row to `words`.
  void Append(std::uint32_t table, py::handle row, std::vector<Word>& words) {
    ForEachValue(table, row, [&](const py::object& value, const ValueType& type) {
      words.push_back(store_->codec.Encode(value, type));
    });
  }

  // The words of a row, or nothing if no table can hold it.
  std::optional<std::vector<Word>> Find(std::uint32_t table, py::handle row) {
    std::vector<Word> words;
    bool is_known = true;
    ForEachValue(table, row, [&](const py::object& value, const ValueType& type) {
      const std::optional<Word> word = store_->codec.Find(value, type);
      is_known = is_known && word.has_value();
      words.push_back(word.value_or(0));
    });
    return is_known ? std::optional(words) : std::nullopt;
  }

  std::optional<Word> FindValue(const py::object& value, py::handle where, const TableCodec& table,
                                std::uint32_t column) {
    try {
      return store_->codec.Find(value, table.columns[column]);
    } catch (const ValueError& error) {
      Raise(row_error, py::make_tuple(where, column, error.what()));
    }
  }

  // A check plan, compiled when it is first seen: plans are immutable, so one object is one plan.
  const core::Pipeline& CompiledCheck(py::handle check) {
    const auto known = checks_.find(check.ptr());
    if (known != checks_.end()) {
      return known->second.pipeline;
    }
    const core::StartPlan plan = ReadStartPlan(check, store_->codec);
    if (checks_.size() >= kChecksMax) {
      checks_.clear();
    }
    const auto plan_object = py::reinterpret_borrow<py::object>(check);
    return checks_.emplace(check.ptr(), Check{plan_object, database_->Compile(plan)})
        .first->second.pipeline;
  }

  struct Check {
    // Keeps the address from being used again.
    py::object plan;
    core::Pipeline pipeline;
  };

  static constexpr std::size_t kChecksMax = 4096;

  std::shared_ptr<Store> store_;
  std::optional<core::Database> database_;
  std::unordered_map<PyObject*, Check> checks_;
  bool is_evaluating_ = false;
};

void TranslateException(std::exception_ptr exception) {
  try {
    if (exception) {
      std::rethrow_exception(exception);
    }
  } catch (const core::EvaluationError& error) {
    PyErr_SetObject(evaluation_error, py::make_tuple(error.rule(), error.what()).ptr());
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

PYBIND11_MODULE(_core, module) {
  module.doc() = "Runs plans: tables, rules and transactions as words. See nlog/plan.py.";
  evaluation_error = AddException(module, "EvaluationError",
                                  "A function failed; args are the rule's number and a text.");
  row_error = AddException(
      module, "RowError", "A row does not fit its table; args are row, column (or -1) and a text.");
  py::register_exception_translator(TranslateException);
  AddWork(module);
  py::class_<Delta>(module, "Delta", py::is_final())
      .def_property_readonly("inserted_count", &Delta::inserted_count)
      .def_property_readonly("deleted_count", &Delta::deleted_count)
      .def("inserted", &Delta::Inserted)
      .def("deleted", &Delta::Deleted);
  py::class_<Database>(module, "Database", py::is_final())
      .def(py::init<py::handle>(), py::arg("plan"))
      .def("insert", &Database::Insert, py::arg("table"), py::arg("rows"))
      .def("delete", &Database::Delete, py::arg("table"), py::arg("rows"))
      .def("prepare", &Database::Prepare)
      .def("publish", &Database::Publish)
      .def("commit", &Database::Commit)
      .def("rollback", &Database::Rollback)
      .def("size", &Database::Size, py::arg("table"))
      .def("contains", &Database::Contains, py::arg("table"), py::arg("row"))
      .def("rows", &Database::Rows, py::arg("table"), py::arg("where"))
      .def("add_index", &Database::AddIndex, py::arg("table"), py::arg("columns"))
      .def("derivations", &Database::Derivations, py::arg("check"), py::arg("row"),
           py::arg("limit"))
      .def_property_readonly("work", &Database::work);
  module.def("functions", [] {
    std::vector<std::string> names;
    for (const core::Function& function : core::Functions()) {
      names.emplace_back(function.name);
    }
    return names;
  });
}

}  // namespace nlog
