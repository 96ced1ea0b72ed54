// See database.h.

#include "database.h"

#include <algorithm>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>

#include "commit_state.h"
#include "evaluation.h"
#include "executor.h"
#include "transition.h"

namespace nlog::core {
namespace {

constexpr char kUnitTable[] = "$unit";

// Makes the tables of a plan that are not there yet, and the indexes that are not.
void ExtendTables(const Plan& plan, const Capacities& capacities, std::vector<Table>& tables) {
  ExpectTables(plan);
  for (std::size_t number = 0; number < plan.tables.size(); ++number) {
    const TablePlan& table_plan = plan.tables[number];
    if (number == tables.size()) {
      tables.emplace_back(table_plan.width(), static_cast<std::uint32_t>(number), capacities);
    }
    Table& table = tables[number];
    for (std::size_t i = 0; i < table_plan.indexes.size(); ++i) {
      if (table.AddIndex(table_plan.indexes[i]) != i) {
        throw PlanError("table `" + table_plan.name + "` lost an index");
      }
    }
  }
}

std::vector<bool> OutputsOf(const Plan& plan) {
  std::vector<bool> is_output;
  for (const TablePlan& table : plan.tables) {
    is_output.push_back(table.kind == TableKind::kOutput);
  }
  return is_output;
}

// The index on the most columns that are all wanted.
std::optional<std::size_t> BestIndex(const Table& table,
                                     std::span<const std::optional<Word>> wanted) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < table.indexes().size(); ++i) {
    const std::vector<std::uint32_t>& columns = table.indexes()[i].columns();
    const bool is_usable = std::ranges::all_of(
        columns, [wanted](std::uint32_t column) { return wanted[column].has_value(); });
    if (is_usable && (!best || columns.size() > table.indexes()[*best].columns().size())) {
      best = i;
    }
  }
  return best;
}

// Collects derivations from the traces of a check plan.
struct DerivationSink {
  static constexpr bool kTraces = true;

  std::size_t limit;
  std::vector<std::optional<Support>> trace;
  std::set<Derivation> found = {};

  void Trace(std::uint32_t position, std::uint32_t table, RowId row) {
    trace[position] = {position, table, row};
  }

  bool Emit(const Word*) {
    Derivation derivation;
    for (const std::optional<Support>& support : trace) {
      if (support) {
        derivation.push_back(*support);
      }
    }
    found.insert(derivation);
    return found.size() >= limit;
  }
};

}  // namespace

std::vector<Table> MakeTables(const Plan& plan, const Capacities& capacities) {
  std::vector<Table> tables;
  ExtendTables(plan, capacities, tables);
  return tables;
}

Database::Database(const Plan& plan, std::shared_ptr<Interner> interner,
                   const ShouldStop& should_stop, const Limits& limits, ForeignFunctions* foreign,
                   const Capacities& capacities, bool evaluates)
    : interner_(std::move(interner)),
      foreign_(foreign),
      declared_(plan.tables),
      tables_(MakeTables(plan, capacities)),
      program_(plan, typing()),
      planned_sizes_(program_, tables_),
      guards_(plan, tables_),
      limits_(limits),
      capacities_(capacities) {
  is_touched_.resize(plan.tables.size(), false);
  is_output_ = OutputsOf(plan);
  const auto unit = std::ranges::find(plan.tables, kUnitTable, &TablePlan::name);
  if (unit != plan.tables.end()) {
    if (unit->width() != 0 || unit->kind == TableKind::kRetired) {
      throw PlanError("the table `$unit` has no columns");
    }
    Insert(static_cast<std::uint32_t>(unit - plan.tables.begin()), nullptr);
    if (evaluates) {
      Commit(should_stop);
    }
  }
}

Typing Database::typing() const {
  return {*interner_,
          foreign_ == nullptr ? std::span<const ForeignSignature>() : foreign_->signatures()};
}

Pipeline Database::Compile(const StartPlan& check) const {
  Schema schema{.tables = {}, .typing = typing()};
  for (std::size_t number = 0; number < tables_.size(); ++number) {
    TableShape& shape = schema.tables.emplace_back(TableShape{declared_[number].types, {}});
    for (const Index& index : tables_[number].indexes()) {
      shape.indexes.push_back(index.columns());
    }
  }
  return CompilePipeline(check, schema);
}

// Throws PlanError unless the tables are as they were, or retired; more may follow.
void Database::ExpectKnownTables(const Plan& plan) const {
  Expect(plan.tables.size() >= declared_.size(), "a plan lacks tables that are there");
  for (std::size_t number = 0; number < declared_.size(); ++number) {
    Within("tables", number, [&] {
      const TablePlan& known = declared_[number];
      const TablePlan& table = plan.tables[number];
      const bool is_retired = table.kind == TableKind::kRetired;
      Expect(table.types == known.types, "a table has other columns than it had");
      Expect(is_retired || (table.kind == known.kind && table.key == known.key),
             "a table is of another kind than it was, or has another key");
    });
  }
}

void Database::RequireOpen() const {
  if (is_prepared()) {
    throw std::logic_error("the transaction is prepared: publish it or roll it back");
  }
}

void Database::Touch(std::uint32_t table) {
  if (touched_.empty()) {
    KeepDeltas();
  }
  if (!is_touched_[table]) {
    touched_.push_back(table);
    is_touched_[table] = true;
  }
}

void Database::Insert(std::uint32_t table, const Word* row) {
  RequireOpen();
  Touch(table);
  tables_[table].SetNew(tables_[table].Obtain(row), true);
}

void Database::Delete(std::uint32_t table, const Word* row) {
  RequireOpen();
  const RowId found = tables_[table].Find(row);
  if (found != kNoRow) {
    Touch(table);
    tables_[table].SetNew(found, false);
  }
}

template <typename Key>
void Database::DeleteByKey(std::uint32_t number, std::size_t index, Key key) {
  Touch(number);
  Table& table = tables_[number];
  for (const RowId row : table.Matches(index, key)) {
    table.SetNew(row, false);
  }
}

void Database::Put(std::uint32_t table, const Word* row) {
  RequireOpen();
  if (const std::optional<std::size_t> index = guards().key_index(table)) {
    const std::vector<std::uint32_t>& columns = tables_[table].indexes()[*index].columns();
    DeleteByKey(table, *index, [&](std::size_t i) { return row[columns[i]]; });
  }
  Insert(table, row);
}

void Database::Remove(std::uint32_t table, const Word* key) {
  RequireOpen();
  if (const std::optional<std::size_t> index = guards().key_index(table)) {
    DeleteByKey(table, *index, [key](std::size_t i) { return key[i]; });
  } else {
    Delete(table, key);
  }
}

void Database::ChangeProgram(const Plan& during, const Plan& after) {
  if (is_prepared() || !touched_.empty() || change_) {
    throw std::logic_error("the program is changed first in a transaction, and once");
  }
  auto change = std::make_unique<ProgramChange>();
  ++layout_count_;
  for (const Table& table : tables_) {
    change->indexes_before.push_back(table.indexes().size());
  }
  KeepDeltas();
  change->is_output_before = is_output_;
  change->is_output_after = OutputsOf(after);
  change_ = std::move(change);
  try {
    ExpectKnownTables(during);
    ExtendTables(during, capacities_, tables_);
    declared_.insert(declared_.end(), during.tables.begin() + declared_.size(),
                     during.tables.end());
    Expect(after.tables.size() == tables_.size(),
           "the two plans of a change have not the same tables");
    ExpectKnownTables(after);
    for (std::size_t number = 0; number < tables_.size(); ++number) {
      Expect(std::ranges::equal(
                 after.tables[number].indexes,
                 tables_[number].indexes() | std::views::take(after.tables[number].indexes.size()),
                 {}, {}, &Index::columns),
             "the later plan of a change has other indexes");
    }
    change_->during.emplace(during, typing());
    change_->after.emplace(after, typing());
    change_->guards.emplace(after, tables_);
    for (std::uint32_t number = 0; number < tables_.size(); ++number) {
      const TablePlan& table = after.tables[number];
      const std::optional<std::size_t> key = change_->guards->key_index(number);
      Within("tables", number, [&] {
        Expect(!key || *key < table.indexes.size(),
               "the later plan of a change has no index on the key of the table");
      });
      change_->indexes_after.push_back(table.indexes.size());
      if (table.kind == TableKind::kRetired) {
        change_->vacated.emplace_back(number, Table(table.width(), number, capacities_));
      }
      const bool is_output = table.kind == TableKind::kOutput;
      if (number < is_output_.size()) {
        is_output_[number] = is_output_[number] || is_output;
      } else {
        is_output_.push_back(is_output);
      }
    }
    is_touched_.resize(tables_.size(), false);
  } catch (...) {
    ForgetChange();
    throw;
  }
}

void Database::FinishChange() noexcept {
  if (!change_) {
    return;
  }
  for (std::size_t number = 0; number < tables_.size(); ++number) {
    tables_[number].KeepIndexes(change_->indexes_after[number]);
  }
  for (auto& [number, table] : change_->vacated) {
    tables_[number] = std::move(table);
  }
  program_ = std::move(*change_->after);
  guards_ = std::move(*change_->guards);
  is_output_ = std::move(change_->is_output_after);
  has_drifted_ = true;
  ++layout_count_;
  change_.reset();
}

void Database::ForgetChange() noexcept {
  if (!change_) {
    return;
  }
  const std::size_t count = change_->indexes_before.size();
  while (tables_.size() > count) {
    tables_.pop_back();
  }
  declared_.resize(std::min(declared_.size(), count));
  for (std::size_t number = 0; number < count; ++number) {
    tables_[number].KeepIndexes(change_->indexes_before[number]);
  }
  is_touched_.resize(count);
  is_output_ = std::move(change_->is_output_before);
  ++layout_count_;
  change_.reset();
}

// Evaluates what is staged, under the program that it is to be evaluated under.
Work Database::Run(const LimitWatch& watch) {
  const ShouldStop should_stop = std::ref(watch);
  const bool is_concurrent = !watch.is_limited();
  if (!change_) {
    return Evaluate(program_, tables_, *interner_, touched_, should_stop, is_concurrent, foreign_,
                    capacities_.ranks);
  }
  CommitState state(tables_, *interner_, should_stop, foreign_, capacities_.ranks);
  RankForRecursion(program_, *change_->during, state, touched_);
  Work work = Evaluate(*change_->during, tables_, *interner_, touched_, should_stop, is_concurrent,
                       foreign_, capacities_.ranks);
  CountAfterRecursion(program_, *change_->during, *change_->after, state, touched_);
  work += state.work();
  for (const auto& [number, table] : change_->vacated) {
    Require(tables_[number].new_size() == 0 || table.width() == 0,
            "a table that goes has rows left");
  }
  std::ranges::sort(touched_);
  touched_.erase(std::ranges::unique(touched_).begin(), touched_.end());
  return work;
}

std::vector<std::shared_ptr<Delta>> Database::Prepare(const ShouldStop& should_stop) {
  RequireOpen();
  try {
    const LimitWatch watch(limits_, tables_, should_stop);
    Work guarding;
    guards().RequireKeys(tables_, touched_, guarding);
    Work work = Run(watch);
    guards().RequireConstraints(tables_);
    watch.RequireEnd();
    work.total += guarding.total;
    std::vector<std::shared_ptr<Delta>> deltas = OutputDeltas();
    if (change_) {
      // Tables may be replaced when it is published.
      std::ranges::for_each(deltas, [](const auto& delta) { delta->Copy(); });
    }
    if (version_.use_count() > 1) {
      PrepareVersion();
    }
    for (const auto& [rule, rule_work] : work.by_rule) {
      profile_.by_rule.try_emplace(rule);  // so that Publish need not allocate
    }
    prepared_ = std::move(work);
    return deltas;
  } catch (...) {
    Rollback();
    throw;
  }
}

void Database::Publish() noexcept {
  if (change_) {
    profile_ = {};
  } else {
    profile_ += *prepared_;
  }
  for (const std::uint32_t table : touched_) {
    tables_[table].Commit();
    has_drifted_ = has_drifted_ || planned_sizes_.HasDrifted(table, tables_[table].stored());
  }
  ForgetTouched();
  FinishChange();
  std::swap(work_, *prepared_);
  prepared_.reset();
  if (next_version_) {
    version_->changes = std::move(next_changes_);
    version_->next = std::move(next_version_);
    version_ = version_->next;
  }
}

std::vector<std::shared_ptr<Delta>> Database::OutputDeltas() {
  std::vector<std::shared_ptr<Delta>> deltas;
  for (const std::uint32_t number : touched_) {
    const Table& table = tables_[number];
    if (is_output_[number] && !(table.came().empty() && table.went().empty())) {
      deltas.push_back(std::make_shared<Delta>(number, table));
    }
  }
  std::ranges::sort(deltas, {}, [](const auto& delta) { return delta->table(); });
  deltas_.insert(deltas_.end(), deltas.begin(), deltas.end());
  return deltas;
}

void Database::KeepDeltas() noexcept {
  for (const std::weak_ptr<Delta>& held : deltas_) {
    if (const std::shared_ptr<Delta> delta = held.lock()) {
      delta->Keep();
    }
  }
  deltas_.clear();
}

std::vector<std::shared_ptr<Delta>> Database::Commit(const ShouldStop& should_stop) {
  std::vector<std::shared_ptr<Delta>> deltas = Prepare(should_stop);
  Publish();
  return deltas;
}

void Database::Rollback() noexcept {
  if (is_prepared()) {
    KeepDeltas();
  }
  for (const std::uint32_t table : touched_) {
    tables_[table].Rollback();
  }
  ForgetTouched();
  ForgetChange();
  prepared_.reset();
  next_changes_.clear();
  next_version_.reset();
}

void Database::PrepareVersion() {
  std::vector<Delta> changes;
  for (const std::uint32_t number : touched_) {
    const Table& table = tables_[number];
    if (!table.came().empty() || !table.went().empty()) {
      changes.emplace_back(number, table).Copy();
    }
  }
  next_version_ = std::make_shared<Version>();
  next_changes_ = std::move(changes);
}

Snapshot Database::TakeSnapshot() {
  if (is_prepared() && !next_version_) {
    PrepareVersion();
  }
  return {*this, version_};
}

void Database::ForgetTouched() noexcept {
  for (const std::uint32_t table : touched_) {
    is_touched_[table] = false;
  }
  touched_.clear();
}

std::vector<RowId> Database::Select(std::uint32_t number,
                                    std::span<const std::pair<std::uint32_t, Word>> where) const {
  const Table& table = tables_[number];
  std::vector<std::optional<Word>> wanted(table.width());
  for (const auto& [column, word] : where) {
    wanted[column] = word;
  }
  std::vector<RowId> selected;
  const auto visit = [&](RowId row) {
    const auto agrees = [words = table.Row(row)](const auto& pair) {
      return words[pair.first] == pair.second;
    };
    if (table.Visible(row, View::kOld) && std::ranges::all_of(where, agrees)) {
      selected.push_back(row);
    }
  };
  const std::optional<std::size_t> index = BestIndex(table, wanted);
  if (where.size() == table.width()) {
    const RowId row = table.FindKey([&](std::size_t i) { return *wanted[i]; });
    if (row != kNoRow) {
      visit(row);
    }
  } else if (index) {
    const std::vector<std::uint32_t>& columns = table.indexes()[*index].columns();
    for (const RowId row :
         table.Matches(*index, [&](std::size_t i) { return *wanted[columns[i]]; })) {
      visit(row);
    }
  } else {
    for (RowId row = 0; row < table.row_limit(); ++row) {
      visit(row);
    }
  }
  return selected;
}

std::size_t Database::AddIndex(std::uint32_t table, const std::vector<std::uint32_t>& columns) {
  return tables_[table].AddIndex(columns);
}

std::set<Derivation> Database::Derivations(const Pipeline& check, const Word* row,
                                           std::size_t limit, const ShouldStop& should_stop) const {
  if (limit == 0) {
    return {};
  }
  FunctionContext context(*interner_, foreign_);
  DerivationSink sink{.limit = limit,
                      .trace = std::vector<std::optional<Support>>(check.steps.size())};
  Executor<DerivationSink> executor(tables_, check, kAllOld, context, should_stop, sink);
  executor.Run(row);
  return std::move(sink.found);
}

}  // namespace nlog::core
