// The database: the tables of a plan, kept equal to what its rules derive from the input tables.
//
// A transaction: Insert and Delete stage changes of input tables; Prepare evaluates the rules, and
// throws if that fails; then Publish makes everything visible at once. Rollback, at any time
// before, leaves everything as it was; Prepare does so itself before it throws. What can fail
// happens in Prepare, so that several databases can change together: prepare all, then publish all.
// Reads see the last committed state, whatever is staged or prepared. Guards (guards.h) say what
// else a commit is refused for.
//
// The table named `$unit` (of no columns) gets its row, and the rules are evaluated once, when the
// database is made; or, if that is put off, in the first transaction, for which `$unit` is staged.
//
// Ownership: the interner is shared with whoever decodes words, and deltas with whoever reads them;
// a delta that outlives the database, or the next change, holds its words by then.
// Thread safety: none. One lock must guard every use of a database, its interner and all that share
// the interner.

#ifndef NLOG_ENGINE_CORE_DATABASE_H_
#define NLOG_ENGINE_CORE_DATABASE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "capacities.h"
#include "delta.h"
#include "evaluation.h"
#include "foreign.h"
#include "guards.h"
#include "interner.h"
#include "interrupt.h"
#include "plan.h"
#include "program.h"
#include "replanning.h"
#include "snapshot.h"
#include "table.h"
#include "work.h"

namespace nlog::core {

// A row that a derivation rests on, and its atom's position in the rule's body.
struct Support {
  std::uint32_t position;
  std::uint32_t table;
  RowId row;

  auto operator<=>(const Support&) const = default;
};
// The rows of the positive atoms of a rule's body, by position.
using Derivation = std::vector<Support>;

// The tables of a plan, empty, with its indexes. Throws PlanError.
std::vector<Table> MakeTables(const Plan& plan, const Capacities& capacities = {});

class Database {
 public:
  // Throws PlanError if the plan is faulty, and what Prepare throws on empty inputs. `should_stop`
  // is not kept; `foreign` must outlive the database, and is needed if rules call what is foreign.
  Database(const Plan& plan, std::shared_ptr<Interner> interner, const ShouldStop& should_stop = {},
           const Limits& limits = {}, ForeignFunctions* foreign = nullptr,
           const Capacities& capacities = {}, bool evaluates = true);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() { KeepDeltas(); }

  const Table& table(std::uint32_t number) const { return tables_[number]; }
  std::size_t table_count() const { return tables_.size(); }
  const std::shared_ptr<Interner>& interner() const { return interner_; }

  // Stages the row of words (as many as the table has columns). The last call for a row wins.
  // Requires: the table is an input. Throws std::logic_error after Prepare, and CapacityError or
  // std::bad_alloc, having staged nothing of the row. O(number of indexes).
  void Insert(std::uint32_t table, const Word* row);
  void Delete(std::uint32_t table, const Word* row);
  // Stages the row in place of those that agree with it in the key of the table, or just the row if
  // the table has none. O(number of indexes) and the rows of that key that the transaction touched.
  void Put(std::uint32_t table, const Word* row);
  // Stages that the rows with these words in the key of the table go. Requires: it has a key.
  void Remove(std::uint32_t table, const Word* key);

  // Stages another program. Its rules take the place of the present ones when it is published; how
  // the tables change until then is worked out under `during`, which has the rules of both
  // (transition.h), and by what is staged after this. Both plans number the present tables as they
  // are, with the indexes they have and more, and may retire them; further tables may follow. A
  // table that is retired in `after` must be empty in the end, unless it has no columns. Throws
  // PlanError, having changed nothing, and std::logic_error unless the transaction is new.
  void ChangeProgram(const Plan& during, const Plan& after);

  // Whether a table that rules look rows up in has drifted since they were planned (replanning.h),
  // with what is staged, or the program has changed.
  bool HasDrifted() const;
  // Goes over to another plan of the same rules, with other orders of joins and other indexes; what
  // is staged stays staged. Throws PlanError or std::logic_error, or std::bad_alloc, having changed
  // nothing. Cost: the indexes that were not there.
  void Replan(const Plan& plan);

  // The changes of the output tables that Publish will make, in the order of the tables; tables
  // that do not change are left out. Throws as Evaluate does, KeyError, ConstraintError or
  // LimitError, after rolling back, and std::logic_error if the transaction is prepared already.
  std::vector<std::shared_ptr<Delta>> Prepare(const ShouldStop& should_stop = {});
  // Makes what was prepared visible. Requires: prepared. Linear in the touched rows.
  void Publish() noexcept;
  // Prepare and Publish in one.
  std::vector<std::shared_ptr<Delta>> Commit(const ShouldStop& should_stop = {});
  // Forgets what was staged or prepared. Linear in the touched rows.
  void Rollback() noexcept;

  // Grows whenever tables or indexes may have got other numbers or gone, so that what was made by
  // Compile before must not be run.
  std::uint64_t layout_count() const { return layout_count_; }

  // Whether a transaction is between Prepare and its end.
  bool is_prepared() const { return prepared_.has_value(); }

  // The rows whose columns have the given words. Uses the index on most columns that are all given,
  // if any, else reads the whole table, and a byte for each number free to be used again. Requires:
  // columns are in range and differ.
  std::vector<RowId> Select(std::uint32_t table,
                            std::span<const std::pair<std::uint32_t, Word>> where) const;

  // The number of the index on the columns (ascending, in range), made if there is none.
  std::size_t AddIndex(std::uint32_t table, const std::vector<std::uint32_t>& columns);

  // Checks a check plan for Derivations and lays it out. Throws PlanError.
  Pipeline Compile(const StartPlan& check) const;

  // The first `limit` distinct derivations of `row` (of the table that `check` starts at) by a
  // check plan made by Compile. Bindings for which a function fails are passed over. Throws
  // Interrupted.
  std::set<Derivation> Derivations(const Pipeline& check, const Word* row, std::size_t limit,
                                   const ShouldStop& should_stop = {}) const;

  // The state of the last commit, to be read later, too. The database must outlive it.
  Snapshot TakeSnapshot();

  // The work of the last transaction that was published.
  const Work& work() const { return work_; }
  // That of all transactions that were published since the last change of the program.
  const Work& profile() const { return profile_; }

 private:
  // A program that is to take the place of another, and what it takes to finish or to forget that.
  struct ProgramChange {
    std::optional<Program> during;
    std::optional<Program> after;
    std::optional<Guards> guards;
    // What each table has after the change, and had before it, if it was there.
    std::vector<std::size_t> indexes_after;
    std::vector<std::size_t> indexes_before;
    std::vector<bool> is_output_before;
    std::vector<bool> is_output_after;
    // Tables that are empty afterwards, without indexes.
    std::vector<std::pair<std::uint32_t, Table>> vacated;
  };

  Work Run(const LimitWatch& watch);
  void FinishChange() noexcept;
  void ForgetChange() noexcept;
  void RequireOpen() const;
  void Touch(std::uint32_t table);
  template <typename Key>
  void DeleteByKey(std::uint32_t table, std::size_t index, Key key);
  void ForgetTouched() noexcept;
  std::vector<std::shared_ptr<Delta>> OutputDeltas();
  void KeepDeltas() noexcept;
  void PrepareVersion();

  Typing typing() const;
  // Those of the program that is in force when the transaction ends.
  const Guards& guards() const { return change_ ? *change_->guards : guards_; }
  void ExpectKnownTables(const Plan& plan) const;

  std::shared_ptr<Interner> interner_;
  ForeignFunctions* foreign_;
  // What each table was declared as when it first came.
  std::vector<TablePlan> declared_;
  std::vector<Table> tables_;
  std::vector<bool> is_output_;
  Program program_;
  PlannedSizes planned_sizes_;
  bool has_drifted_ = false;
  Guards guards_;
  Limits limits_;
  Capacities capacities_;
  // The tables that the running transaction may have touched.
  std::vector<std::uint32_t> touched_;
  // Whether an input table is among them.
  std::vector<bool> is_touched_;
  // Those that may still read tables, if somebody holds them.
  std::vector<std::weak_ptr<Delta>> deltas_;
  std::unique_ptr<ProgramChange> change_;
  std::uint64_t layout_count_ = 0;
  // The last of a chain that snapshots hold on to.
  std::shared_ptr<Version> version_ = std::make_shared<Version>();
  // What Publish adds to the chain; nothing if no snapshot lives.
  std::vector<Delta> next_changes_;
  std::shared_ptr<Version> next_version_;
  // The work of the running transaction, once it is prepared.
  std::optional<Work> prepared_;
  Work work_;
  Work profile_;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_DATABASE_H_
