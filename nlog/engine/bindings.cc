// The Python face of the core: the module nlog.engine._core, described by _core.pyi.
//
// Rows become words here and words rows (bindings_rows.h, bindings_codec.h); everything else is the
// core's. Every method takes the lock of the Store (bindings_store.h), so it may be called from any
// thread. A commit runs without the GIL and touches no Python object, but for the handlers of
// signals (bindings_signals.h), which may come back, too, and may then only read.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bindings_codec.h"
#include "bindings_errors.h"
#include "bindings_plan.h"
#include "bindings_rows.h"
#include "bindings_signals.h"
#include "bindings_store.h"
#include "bindings_transfer.h"
#include "bindings_work.h"
#include "core/database.h"
#include "core/estimate.h"
#include "core/functions.h"

namespace py = pybind11;

namespace nlog {
namespace {

using core::Word;

class Snapshot {
 public:
  Snapshot(std::shared_ptr<Store> store, core::Snapshot snapshot)
      : store_(std::move(store)), snapshot_(std::move(snapshot)) {}

  std::size_t Size(std::uint32_t table) {
    const Guard guard(*store_);
    TableOf(*store_, table);
    return snapshot_.Size(table);
  }

  bool Contains(std::uint32_t table, py::handle row) {
    const Guard guard(*store_);
    const std::optional<std::vector<Word>> words = FindRow(*store_, TableOf(*store_, table), row);
    return words && snapshot_.Contains(table, words->data());
  }

  py::list Rows(std::uint32_t table, const py::object& where) {
    const Guard guard(*store_);
    const std::optional<Where> given = FindWhere(*store_, table, where);
    if (!given) {
      return py::list();
    }
    const auto [words, count] = snapshot_.Select(table, *given);
    return DecodeRows(*store_, table, words, count);
  }

 private:
  std::shared_ptr<Store> store_;
  core::Snapshot snapshot_;
};

// Puts codecs in the place of those that are numbered from `known` on.
void Extend(std::deque<TableCodec>& codecs, std::vector<TableCodec> all, std::size_t known) {
  codecs.erase(codecs.begin() + static_cast<std::ptrdiff_t>(known), codecs.end());
  std::move(all.begin() + static_cast<std::ptrdiff_t>(known), all.end(),
            std::back_inserter(codecs));
}

class Database {
 public:
  Database(py::handle plan, std::optional<std::uint64_t> rows_max,
           std::optional<double> seconds_max)
      : store_(std::make_shared<Store>()) {
    Extend(store_->tables, ReadTableCodecs(plan), 0);
    Extend(store_->keys, ReadKeyCodecs(plan), 0);
    const core::Plan core_plan = ReadPlan(plan, store_->codec);
    store_->functions.Extend(plan.attr("functions"));
    core::Limits limits;
    limits.rows = rows_max.value_or(limits.rows);
    limits.seconds = seconds_max.value_or(limits.seconds);
    Refusing(*store_, [&] {
      Evaluate([&](const core::ShouldStop& should_stop) {
        database_.emplace(core_plan, store_->interner, should_stop, limits, &store_->functions);
      });
    });
  }

  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() {
    const Guard guard(*store_);
    database_.reset();
  }

  void Insert(std::uint32_t table, const py::iterable& rows) {
    WriteNew(table, rows, &core::Database::Insert);
  }
  void Put(std::uint32_t table, const py::iterable& rows) {
    WriteNew(table, rows, &core::Database::Put);
  }
  void Delete(std::uint32_t table, const py::iterable& rows) {
    InputTable(table);
    WriteKnown(table, store_->tables[table], rows, &core::Database::Delete);
  }
  void Remove(std::uint32_t table, const py::iterable& keys) {
    if (InputTable(table); store_->keys[table].columns.empty()) {
      throw ValueError("table `" + store_->tables[table].name + "` has no key");
    }
    WriteKnown(table, store_->keys[table], keys, &core::Database::Remove);
  }

  void Apply(std::uint32_t table, const Delta& delta) {
    const PairGuard guard(*store_, *delta.store());
    RequireIdle();
    const TableCodec& source = TableOf(*delta.store(), delta.delta().table());
    RequireSameTypes(source, InputTable(table));
    const auto translated = [&](const std::vector<Word>& words) {
      return Translate(delta.store(), source, words, *store_);
    };
    const std::vector<Word> deleted = translated(delta.delta().Deleted());
    const std::vector<Word> inserted = translated(delta.delta().Inserted());
    Stage(table, deleted, delta.deleted_count(), &core::Database::Delete);
    Stage(table, inserted, delta.inserted_count(), &core::Database::Insert);
  }
  void InsertColumns(std::uint32_t table, py::handle columns) {
    const Guard guard(*store_);
    const EncodedRows rows = EncodeColumns(*store_, InputTable(table), columns);
    RequireIdle();
    Stage(table, rows.words, rows.count, &core::Database::Insert);
  }

  void ChangeProgram(py::handle during, py::handle after) {
    const Guard guard(*store_);
    RequireIdle();
    const core::Plan during_plan = ReadPlan(during, store_->codec);
    const core::Plan after_plan = ReadPlan(after, store_->codec);
    std::vector<TableCodec> tables = ReadTableCodecs(during);
    std::vector<TableCodec> keys = ReadKeyCodecs(during);
    const std::size_t known = database_->table_count();
    database_->ChangeProgram(during_plan, after_plan);
    checks_.clear();
    // Those of a change that was rolled back may be there still.
    Extend(store_->tables, std::move(tables), known);
    Extend(store_->keys, std::move(keys), known);
    store_->functions.Extend(during.attr("functions"));
  }

  bool HasDrifted() {
    const Guard guard(*store_);
    return database_->HasDrifted();
  }

  void Replan(py::handle plan) {
    const Guard guard(*store_);
    RequireIdle();
    database_->Replan(ReadPlan(plan, store_->codec));
    checks_.clear();
  }

  double RowsPerKey(std::uint32_t table, const std::vector<std::uint32_t>& columns) {
    const Guard guard(*store_);
    RequireColumns(table, columns);
    return core::RowsPerKey(database_->table(table), columns);
  }

  std::vector<std::pair<std::uint32_t, Delta>> Prepare() {
    const Guard guard(*store_);
    RequireIdle();
    std::vector<std::shared_ptr<core::Delta>> deltas;
    Refusing(*store_, [&] {
      const Evaluating evaluating(is_evaluating_);
      Evaluate(
          [&](const core::ShouldStop& should_stop) { deltas = database_->Prepare(should_stop); });
    });
    std::vector<std::pair<std::uint32_t, Delta>> result;
    for (std::shared_ptr<core::Delta>& delta : deltas) {
      const std::uint32_t table = delta->table();
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
    TableOf(*store_, table);
    return database_->table(table).size();
  }

  bool Contains(std::uint32_t number, py::handle row) {
    const Guard guard(*store_);
    const std::optional<std::vector<Word>> words = FindRow(*store_, TableOf(*store_, number), row);
    if (!words) {
      return false;
    }
    const core::Table& table = database_->table(number);
    const core::RowId found = table.Find(words->data());
    return found != core::kNoRow && table.Visible(found, core::View::kOld);
  }

  py::list Rows(std::uint32_t number, const py::object& where) {
    const Guard guard(*store_);
    const std::optional<Where> given = FindWhere(*store_, number, where);
    if (!given) {
      return py::list();
    }
    const std::vector<core::RowId> selected = database_->Select(number, *given);
    std::vector<Word> words;
    words.reserve(selected.size() * TableOf(*store_, number).columns.size());
    for (const core::RowId row : selected) {
      CopyRow(number, row, words);
    }
    return DecodeRows(*store_, number, words, selected.size());
  }

  // Keeps this object alive: see the module's definition.
  Snapshot TakeSnapshot() {
    const Guard guard(*store_);
    RequireIdle();
    return {store_, database_->TakeSnapshot()};
  }

  std::size_t AddIndex(std::uint32_t table, const std::vector<std::uint32_t>& columns) {
    const Guard guard(*store_);
    RequireIdle();
    RequireColumns(table, columns);
    return database_->AddIndex(table, columns);
  }

  py::list Derivations(py::handle check, py::handle row, std::size_t limit) {
    const Guard guard(*store_);
    RequireIdle();
    std::vector<Word> words;
    EncodeRow(*store_, TableOf(*store_, py::cast<std::uint32_t>(check.attr("table"))), row, words);
    const core::Pipeline& pipeline = CompiledCheck(check);
    const std::set<core::Derivation> found = FindDerivations(pipeline, words.data(), limit);
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

  core::Work profile() {
    const Guard guard(*store_);
    return database_->profile();
  }

  std::size_t Bytes(std::uint32_t table) {
    const Guard guard(*store_);
    TableOf(*store_, table);
    return database_->table(table).bytes();
  }

 private:
  std::set<core::Derivation> FindDerivations(const core::Pipeline& check, const Word* row,
                                             std::size_t limit) {
    const PythonFunctions::Evaluation evaluation(store_->functions);
    const Evaluating evaluating(is_evaluating_);
    std::set<core::Derivation> found;
    EvaluateWatched([&](const core::ShouldStop& should_stop) {
      found = database_->Derivations(check, row, limit, should_stop);
    });
    return found;
  }

  using Write = void (core::Database::*)(std::uint32_t, const Word*);

  // Stages rows that lie one after the other.
  void Stage(std::uint32_t table, const std::vector<Word>& words, std::size_t count, Write write) {
    const std::size_t width = store_->tables[table].columns.size();
    for (std::size_t i = 0; i < count; ++i) {
      (*database_.*write)(table, words.data() + i * width);
    }
  }

  // Stages rows that may be new.
  void WriteNew(std::uint32_t table, const py::iterable& rows, Write write) {
    InputTable(table);
    std::vector<Word> words;
    std::size_t count = 0;
    for (const py::handle row : rows) {
      const Guard guard(*store_);
      EncodeRow(*store_, store_->tables[table], row, words);
      ++count;
    }
    const Guard guard(*store_);
    RequireIdle();
    Stage(table, words, count, write);
  }

  // Stages rows or keys, of which those that no table can hold make no change.
  void WriteKnown(std::uint32_t table, const TableCodec& codec, const py::iterable& rows,
                  Write write) {
    std::vector<Word> words;
    std::size_t count = 0;
    for (const py::handle row : rows) {
      const Guard guard(*store_);
      if (const std::optional<std::vector<Word>> found = FindRow(*store_, codec, row)) {
        words.insert(words.end(), found->begin(), found->end());
        ++count;
      }
    }
    const Guard guard(*store_);
    RequireIdle();
    for (std::size_t i = 0; i < count; ++i) {
      (*database_.*write)(table, words.data() + i * codec.columns.size());
    }
  }

  // Refuses what would pull the tables from under a commit. Requires: the lock of the store, so
  // that only a signal handler can come here while a commit is evaluated.
  void RequireIdle() const {
    if (is_evaluating_) {
      throw std::runtime_error(
          "a signal handler that runs within a commit or an explanation can only read tables");
    }
  }

  void RequireColumns(std::uint32_t table, const std::vector<std::uint32_t>& columns) const {
    const std::size_t width = TableOf(*store_, table).columns.size();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i] >= width || (i > 0 && columns[i] <= columns[i - 1])) {
        throw ValueError("an index is on ascending columns of its table");
      }
    }
  }

  const TableCodec& InputTable(std::uint32_t number) const {
    const TableCodec& table = TableOf(*store_, number);
    if (!table.is_input) {
      throw ValueError("table `" + table.name +
                       "` is filled by rules; transactions write input tables only");
    }
    return table;
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

}  // namespace

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
      .def(py::init<py::handle, std::optional<std::uint64_t>, std::optional<double>>(),
           py::arg("plan"), py::arg("rows_max") = py::none(), py::arg("seconds_max") = py::none())
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
  module.def("functions", [] {
    std::vector<std::string> names;
    for (const core::Function& function : core::Functions()) {
      names.emplace_back(function.name);
    }
    return names;
  });
}

}  // namespace nlog
