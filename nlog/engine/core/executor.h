// The executor: runs one pipeline from given rows, depth first, and hands each row it emits to a
// sink.
//
// Steps are nested loops: look-ups recurse, the others run in place. Nothing is allocated a row,
// and nothing is called through a pointer but the functions of rules.
//
// A binding of the body for which a function fails emits nothing. Whether that is an error is not
// for the executor to say: between the old and the new view, a pipeline sees bindings that hold in
// neither (see verification.h). It keeps the text of the first failure in the FunctionContext.
//
// A sink is a type with
//   static constexpr bool kTraces;   whether it wants to know the rows of the body
//   bool Emit(const Word* row);      takes a row of the head; true ends the run
// and, if kTraces, Trace(position, table, row), called for each positive atom that matched before
// the Emit it leads to. A sink must not store rows in tables that the pipeline reads, nor index
// them; it may change in which views a row is visible, except in a view being read.
//
// Rows may be without end, so a run can be interrupted: see interrupt.h.
//
// Thread safety: an executor is used by one thread; several may run over the same tables.

#ifndef NLOG_ENGINE_CORE_EXECUTOR_H_
#define NLOG_ENGINE_CORE_EXECUTOR_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "functions.h"
#include "interrupt.h"
#include "program.h"
#include "table.h"
#include "words.h"
#include "work.h"

namespace nlog::core {

// The views in which atoms before and after the one a pipeline starts at are read.
struct Views {
  View before;
  View after;
};

inline constexpr Views kTelescope{View::kNew, View::kOld};
inline constexpr Views kAllOld{View::kOld, View::kOld};
inline constexpr Views kAllNew{View::kNew, View::kNew};

template <typename Sink>
class Executor {
 public:
  // All arguments must outlive the executor.
  Executor(std::span<const Table> tables, const Pipeline& pipeline, Views views,
           FunctionContext& context, const ShouldStop& should_stop, Sink& sink)
      : tables_(tables),
        pipeline_(pipeline),
        views_(views),
        context_(context),
        should_stop_(should_stop),
        sink_(sink),
        registers_(pipeline.registers),
        emitted_(pipeline.steps.back().arguments.size()) {}

  // Runs the pipeline from one row, stored or not (anything with a word for each column); whether
  // the sink ended the run. Throws Interrupted.
  template <typename Row>
  bool Run(const Row& row) {
    CountRow();
    return Load(row, pipeline_.loads, pipeline_.checks) && RunFrom(pipeline_.steps.data());
  }

  // Runs the pipeline from rows of `table`, the one it starts at, as Run does; calls
  // started(row) after each.
  template <typename Numbers, typename Started>
  void RunAll(const Table& table, const Numbers& rows, Started started) {
    const std::size_t size = rows.size();
    for (std::size_t i = 0; i < size; ++i) {
      if (i + kFar < size) {
        table.Prefetch(rows[i + kFar]);
      }
      if (i + kNear < size) {
        Foresee(pipeline_.foresight, table.Row(rows[i + kNear]));
      }
      Run(table.Row(rows[i]));
      started(rows[i]);
    }
  }

  // The work so far. What was emitted is for the sink's user to count.
  const RuleWork& work() const { return work_; }

 private:
  // How many rows ahead of the one that a look-up visits are being fetched, and how many ahead of
  // it, what follows on them.
  static constexpr std::size_t kFar = 12;
  static constexpr std::size_t kNear = 6;

  void CountRow() {
    if (++work_.rows_read % kRowsPerAsk == 0 && should_stop_ && should_stop_()) [[unlikely]] {
      throw Interrupted();
    }
  }

  template <typename Row>
  bool Load(const Row& row, const std::vector<ColumnRegister>& loads,
            const std::vector<ColumnRegister>& checks) {
    for (const auto& [column, register_number] : loads) {
      registers_[register_number] = row[column];
    }
    for (const auto& [column, register_number] : checks) {
      if (registers_[register_number] != row[column]) {
        return false;
      }
    }
    return true;
  }

  auto KeyOf(const Step& step) const {
    return [registers = registers_.data(), numbers = step.arguments.data()](std::size_t i) {
      return registers[numbers[i]];
    };
  }

  View ViewOf(const Step& step) const {
    return step.is_before_start ? views_.before : views_.after;
  }

  // Calls a step's function; false if it failed.
  bool Call(const Step& step, Word* result) {
    *result = step.function(context_, Arguments(registers_.data(), step.arguments));
    if (context_.failed()) [[unlikely]] {
      context_.Resume();
      return false;
    }
    return true;
  }

  // The visible row that a step asks for, or kNoRow.
  RowId FindVisible(const Step& step) {
    ++work_.probes;
    const Table& table = tables_[step.table];
    const RowId row = table.FindKey(KeyOf(step));
    return row != kNoRow && table.Visible(row, ViewOf(step)) ? row : kNoRow;
  }

  bool Exists(const Step& step) {
    const RowId row = FindVisible(step);
    if (row == kNoRow) {
      return false;
    }
    Trace(step, row);
    return true;
  }

  void Trace(const Step& step, RowId row) {
    if constexpr (Sink::kTraces) {
      sink_.Trace(step.position, step.table, row);
    }
  }

  bool Visit(const Step& step, const Table& table, RowId row) {
    CountRow();
    if (!table.Visible(row, ViewOf(step)) || !Load(table.Row(row), step.loads, step.checks)) {
      return false;
    }
    Trace(step, row);
    return RunFrom(&step + 1);
  }

  bool Lookup(const Step& step) {
    ++work_.probes;
    const Table& table = tables_[step.table];
    const std::span<const RowId> rows = table.Matches(step.index, KeyOf(step));
    const std::size_t size = rows.size();
    for (std::size_t i = 0; i < std::min(size, kFar); ++i) {
      table.Prefetch(rows[i]);
    }
    for (std::size_t i = 0; i < std::min(size, kNear); ++i) {
      Foresee(step.foresight, table.Row(rows[i]));
    }
    for (std::size_t i = 0; i < size; ++i) {
      if (i + kFar < size) {
        table.Prefetch(rows[i + kFar]);
      }
      if (i + kNear < size) {
        Foresee(step.foresight, table.Row(rows[i + kNear]));
      }
      if (Visit(step, table, rows[i])) {
        return true;
      }
    }
    return false;
  }

  // Fetches what the look-up will read first that follows on `row`.
  void Foresee(const Foresight& foresight, const RowRef& row) const {
    if (foresight.key.empty()) {
      return;
    }
    const Step& step = pipeline_.steps[foresight.step];
    const auto key = [&](std::size_t i) {
      const Foresight::Part& part = foresight.key[i];
      return part.is_column ? row[part.number] : registers_[part.number];
    };
    if (step.kind == Step::Kind::kLookup) {
      tables_[step.table].PrefetchMatches(step.index, key);
    } else {
      tables_[step.table].PrefetchKey(key);
    }
  }

  bool Emit(const Step& step) {
    for (std::size_t i = 0; i < emitted_.size(); ++i) {
      emitted_[i] = registers_[step.arguments[i]];
    }
    return sink_.Emit(emitted_.data());
  }

  // Runs the steps from `step` on for the present binding; whether the sink ended the run.
  bool RunFrom(const Step* step) {
    for (Word value;; ++step) {
      switch (step->kind) {
        case Step::Kind::kLookup:
          return Lookup(*step);
        case Step::Kind::kExists:
          if (!Exists(*step)) {
            return false;
          }
          break;
        case Step::Kind::kNotExists:
          if (FindVisible(*step) != kNoRow) {
            return false;
          }
          break;
        case Step::Kind::kCall:
          if (!Call(*step, &registers_[step->result])) {
            return false;
          }
          break;
        case Step::Kind::kTest:
          if (step->is_difference) {
            if (registers_[step->arguments[0]] == registers_[step->arguments[1]]) {
              return false;
            }
          } else if (!Call(*step, &value) || value == 0) {
            return false;
          }
          break;
        case Step::Kind::kEmit:
          return Emit(*step);
      }
    }
  }

  std::span<const Table> tables_;
  const Pipeline& pipeline_;
  const Views views_;
  FunctionContext& context_;
  const ShouldStop& should_stop_;
  Sink& sink_;
  std::vector<Word> registers_;
  std::vector<Word> emitted_;
  RuleWork work_;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_EXECUTOR_H_
