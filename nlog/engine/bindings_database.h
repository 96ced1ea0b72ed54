// The database as Python sees it: the class Database of _core.pyi.
//
// Rows become words here and words rows (bindings_rows.h, bindings_codec.h); everything else is the
// core's. Every method takes the lock of the Store (bindings_store.h), so it may be called from any
// thread. A commit runs without the GIL and touches no Python object, but for the handlers of
// signals (bindings_signals.h), which may come back, too, and may then only read.
//
// Included by bindings.cc alone.

#ifndef NLOG_ENGINE_BINDINGS_DATABASE_H_
#define NLOG_ENGINE_BINDINGS_DATABASE_H_

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bindings_capacities.h"
#include "bindings_checks.h"
#include "bindings_codec.h"
#include "bindings_errors.h"
#include "bindings_plan.h"
#include "bindings_rows.h"
#include "bindings_signals.h"
#include "bindings_snapshot.h"
#include "bindings_store.h"
#include "bindings_transfer.h"
#include "bindings_work.h"
#include "core/database.h"
#include "core/estimate.h"
#include "core/functions.h"

namespace nlog {

namespace py = pybind11;
using core::Word;

// Puts codecs in the place of those that are numbered from `known` on.
inline void Extend(std::deque<TableCodec>& codecs, std::vector<TableCodec> all, std::size_t known) {
  codecs.erase(codecs.begin() + static_cast<std::ptrdiff_t>(known), codecs.end());
  std::move(all.begin() + static_cast<std::ptrdiff_t>(known), all.end(),
            std::back_inserter(codecs));
}

class Database {
 public:
  Database(py::handle plan, std::optional<std::uint64_t> rows_max,
           std::optional<double> seconds_max,
           const std::map<std::string, std::uint32_t>& capacities_given, bool evaluates)
      : Database(plan, rows_max, seconds_max, ReadCapacities(capacities_given), evaluates) {}

  Database(py::handle plan, std::optional<std::uint64_t> rows_max,
           std::optional<double> seconds_max, const core::Capacities& capacities, bool evaluates)
      : store_(std::make_shared<Store>(capacities)) {
    PlanRead read = ReadPlan(plan, store_->codec);
    store_->functions.Extend(plan);
    Extend(store_->tables, std::move(read.tables), 0);
    Extend(store_->keys, std::move(read.keys), 0);
    core::Limits limits;
    limits.rows = rows_max.value_or(limits.rows);
    limits.seconds = seconds_max.value_or(limits.seconds);
    Refusing(*store_, [&] {
      Evaluate([&](const core::ShouldStop& should_stop) {
        database_.emplace(read.plan, store_->interner, should_stop, limits, &store_->functions,
                          capacities, evaluates);
      });
    });
    store_->database = &*database_;
  }

  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() {
    const Guard guard(*store_);
    store_->database = nullptr;
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
    const TableCodec& target = store_->tables[table];
    Stage(table, target, deleted, delta.deleted_count(), &core::Database::Delete);
    Stage(table, target, inserted, delta.inserted_count(), &core::Database::Insert);
  }
  void InsertColumns(std::uint32_t table, py::handle columns) {
    const Guard guard(*store_);
    const EncodedRows rows = EncodeColumns(*store_, InputTable(table), columns);
    Stage(table, store_->tables[table], rows.words, rows.count, &core::Database::Insert);
  }

  void ChangeProgram(py::handle during, py::handle after) {
    const Guard guard(*store_);
    RequireIdle();
    PlanRead during_read = ReadPlan(during, store_->codec);
    const PlanRead after_read = ReadPlan(after, store_->codec);
    const std::size_t functions_known = store_->functions.count();
    const std::size_t known = database_->table_count();
    store_->functions.Extend(during);
    try {
      store_->functions.Extend(after);
      database_->ChangeProgram(during_read.plan, after_read.plan);
    } catch (...) {
      store_->functions.Truncate(functions_known);
      throw;
    }
    // Those of a change that was rolled back may be there still.
    Extend(store_->tables, std::move(during_read.tables), known);
    Extend(store_->keys, std::move(during_read.keys), known);
  }

  bool HasDrifted() {
    const Guard guard(*store_);
    return database_->HasDrifted();
  }

  void Replan(py::handle plan) {
    const Guard guard(*store_);
    RequireIdle();
    database_->Replan(ReadPlan(plan, store_->codec).plan);
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
      const AtWork at_work(is_at_work_);
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
    RequirePrepared();
    PublishPrepared();
  }

  // Publishes what is prepared in several databases, in one step; in none if one is not prepared.
  static void PublishAll(const py::tuple& given) {
    std::set<Database*> databases;
    std::vector<Store*> stores;
    for (const py::handle one : given) {
      if (!py::isinstance<Database>(one)) {
        throw py::type_error(Show(one) + " is no Database");
      }
      auto* database = py::cast<Database*>(one);
      if (databases.insert(database).second) {
        stores.push_back(database->store_.get());
      }
    }
    const AllGuard guard(stores);
    for (const Database* database : databases) {
      database->RequireIdle();
      database->RequirePrepared();
    }
    for (Database* database : databases) {
      database->PublishPrepared();
    }
  }

  std::vector<std::pair<std::uint32_t, Delta>> Commit() {
    const Guard guard(*store_);
    auto deltas = Prepare();
    PublishPrepared();
    return deltas;
  }

  void Rollback() {
    const Guard guard(*store_);
    RequireNoWork();
    database_->Rollback();
    has_broken_off_ = false;
  }

  // How many transactions were published.
  std::uint64_t commit_count() {
    const Guard guard(*store_);
    return commit_count_;
  }
  // Whether the transaction was broken off amid rows that were staged.
  bool has_broken_off() {
    const Guard guard(*store_);
    return has_broken_off_;
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
    const auto compiled = [&]() -> const core::Pipeline& {
      return checks_.Of(check, *database_, store_->codec);
    };
    EncodeRow(*store_, TableOf(*store_, compiled().table), row, words);
    // Looked up again: to encode may have run code that changed the program.
    RequireIdle();
    const std::set<core::Derivation> found = FindDerivations(compiled(), words.data(), limit);
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
    const AtWork at_work(is_at_work_);
    std::set<core::Derivation> found;
    EvaluateWatched([&](const core::ShouldStop& should_stop) {
      found = database_->Derivations(check, row, limit, should_stop);
    });
    return found;
  }

  using Write = void (core::Database::*)(std::uint32_t, const Word*);

  // Stages rows, or keys, that lie one after the other; if that fails, the whole transaction is
  // forgotten, and nothing is staged before it is rolled back.
  void Stage(std::uint32_t table, const TableCodec& codec, const std::vector<Word>& words,
             std::size_t count, Write write) {
    RequireIdle();
    if (database_->is_prepared()) {
      throw std::logic_error("the transaction is prepared: publish it or roll it back");
    }
    const AtWork at_work(is_at_work_);
    const std::size_t width = codec.columns.size();
    SignalPoll poll;
    try {
      for (std::size_t i = 0; i < count; ++i) {
        poll();
        (*database_.*write)(table, words.data() + i * width);
      }
    } catch (...) {
      database_->Rollback();
      has_broken_off_ = true;
      throw;
    }
  }

  void RequirePrepared() const {
    if (!database_->is_prepared()) {
      throw std::logic_error("there is no transaction that is prepared");
    }
  }

  void PublishPrepared() {
    database_->Publish();
    ++commit_count_;
  }

  // Stages rows that may be new.
  void WriteNew(std::uint32_t table, const py::iterable& rows, Write write) {
    InputTable(table);
    std::vector<Word> words;
    std::size_t count = 0;
    SignalPoll poll;
    for (const py::handle row : rows) {
      poll();
      const Guard guard(*store_);
      EncodeRow(*store_, store_->tables[table], row, words);
      ++count;
    }
    const Guard guard(*store_);
    Stage(table, store_->tables[table], words, count, write);
  }

  // Stages rows or keys, of which those that no table can hold make no change.
  void WriteKnown(std::uint32_t table, const TableCodec& codec, const py::iterable& rows,
                  Write write) {
    std::vector<Word> words;
    std::size_t count = 0;
    SignalPoll poll;
    for (const py::handle row : rows) {
      poll();
      const Guard guard(*store_);
      if (const std::optional<std::vector<Word>> found = FindRow(*store_, codec, row)) {
        words.insert(words.end(), found->begin(), found->end());
        ++count;
      }
    }
    const Guard guard(*store_);
    Stage(table, codec, words, count, write);
  }

  // Refuses what would pull the tables from under a commit. Requires: the lock of the store, so
  // that only a signal handler can come here while the database is at work.
  void RequireNoWork() const {
    if (is_at_work_) {
      throw std::runtime_error(
          "a signal handler that runs while rows are staged or within a commit or an explanation "
          "can only read tables");
    }
  }
  void RequireIdle() const {
    RequireNoWork();
    if (has_broken_off_) {
      throw std::runtime_error(
          "the transaction was broken off while rows were staged: roll it back");
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
      std::string group;
      for (const auto& [column, word] : error.group()) {
        const py::object value = store_->codec.Decode(word, table.columns[column]);
        group += (group.empty() ? "" : ", ") + Show(value);
      }
      const std::string text = std::string(error.what()) + ", in the group (" + group + ")";
      throw core::EvaluationError(error.rule(), text);
    }
  }

  std::shared_ptr<Store> store_;
  std::optional<core::Database> database_;
  CompiledChecks checks_;
  std::uint64_t commit_count_ = 0;
  bool is_at_work_ = false;
  bool has_broken_off_ = false;
};

}  // namespace nlog

#endif  // NLOG_ENGINE_BINDINGS_DATABASE_H_
