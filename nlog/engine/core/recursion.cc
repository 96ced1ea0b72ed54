// See recursion.h.
//
// Steps 1 and 3 are the same fixpoint with different sinks: a frontier of rows a table, which
// grows at its end while the delta plans that start at the table run from its rows.
//
// Step 1 reads only the old view and takes the new one away, so its sink acts at once. Step 3
// stores rows in the very tables that its pipelines walk through; its sink keeps them aside, and
// they are stored after each batch.

#include "recursion.h"

#include <algorithm>
#include <deque>
#include <vector>

#include "executor.h"

namespace nlog::core {
namespace {

// How many rows are started from before what they derive is stored.
constexpr std::size_t kBatchMax = 1024;

// Rows of one table in the order in which they changed, and how many have been started from.
struct Frontier {
  std::vector<RowId> rows;
  std::size_t started = 0;
};

struct OverdeleteSink {
  static constexpr bool kTraces = false;
  static constexpr bool kNotesFailures = false;
  static constexpr Views kViews = kAllOld;

  Table& head;
  Frontier& frontier;
  std::uint64_t emitted = 0;

  bool Emit(const Word* words) {
    ++emitted;
    const RowId row = head.Find(words);
    Require(row != kNoRow && head.Visible(row, View::kOld), "a derived row is not in its table");
    if (head.Visible(row, View::kNew)) {
      head.SetNew(row, false);
      frontier.rows.push_back(row);
    }
    return false;
  }

  void EndBatch() {}

  // The changes of a table below that matter to this step.
  static RowNumbers Changes(const Table& table, bool is_negated) {
    return is_negated ? table.came() : table.went();
  }
  static std::uint64_t& Account(RuleWork& work) { return work.retracted; }
};

struct InsertSink {
  static constexpr bool kTraces = false;
  static constexpr bool kNotesFailures = true;
  static constexpr Views kViews = kAllNew;

  Table& head;
  Frontier& frontier;
  std::uint64_t emitted = 0;
  std::size_t kept = 0;
  std::vector<Word> words_kept = {};

  bool Emit(const Word* words) {
    ++emitted;
    const RowId row = head.Find(words);
    if (row == kNoRow || !head.Visible(row, View::kNew)) {
      words_kept.insert(words_kept.end(), words, words + head.width());
      ++kept;
    }
    return false;
  }

  void EndBatch() {
    for (std::size_t i = 0; i < kept; ++i) {
      const RowId row = head.Obtain(words_kept.data() + i * head.width());
      if (!head.Visible(row, View::kNew)) {
        head.SetNew(row, true);
        frontier.rows.push_back(row);
      }
    }
    kept = 0;
    words_kept.clear();
  }

  static RowNumbers Changes(const Table& table, bool is_negated) {
    return is_negated ? table.went() : table.came();
  }
  static std::uint64_t& Account(RuleWork& work) { return work.derived; }
};

// A delta plan with its sink, ready to run from one batch of rows after another.
template <typename Sink>
class Runner {
 public:
  Runner(const Rule& rule, const Pipeline& delta, Frontier& frontier, CommitState& state)
      : rule_(rule),
        delta_(delta),
        source_(state.table(delta.table)),
        state_(state),
        sink_{.head = state.table(rule.head), .frontier = frontier},
        executor_(state.tables(), delta, Sink::kViews, state.context(), state.should_stop(),
                  sink_) {}
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Requires: `rows` does not belong to the frontier, which may move.
  void Run(const RowNumbers& rows) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      executor_.Run(source_.Row(rows[i]));
      if constexpr (Sink::kNotesFailures) {
        state_.NoteFailure(rule_, delta_, rows[i]);
      }
      if ((i + 1) % kBatchMax == 0) {
        sink_.EndBatch();
      }
    }
    sink_.EndBatch();
    state_.ForgetFailures();
  }

  void Account() const {
    RuleWork work = executor_.work();
    Sink::Account(work) = sink_.emitted;
    state_.Account(rule_, work);
  }

 private:
  const Rule& rule_;
  const Pipeline& delta_;
  const Table& source_;
  CommitState& state_;
  Sink sink_;
  Executor<Sink> executor_;
};

// One fixpoint over the delta plans of a stratum.
template <typename Sink>
class Fixpoint {
 public:
  Fixpoint(const Stratum& stratum, CommitState& state, std::vector<Frontier>& frontiers)
      : frontiers_(frontiers), runners_(stratum.tables.size()) {
    for (const Rule& rule : stratum.rules) {
      for (const Pipeline& delta : rule.deltas) {
        if (delta.own != Pipeline::kNotOwn) {
          runners_[delta.own].emplace_back(rule, delta, frontiers[rule.head_own], state);
        }
      }
    }
  }

  // Runs until every row of every frontier, present and to come, has been started from.
  void Run() {
    for (bool is_complete = false; !is_complete;) {
      is_complete = true;
      for (std::size_t own = 0; own < frontiers_.size(); ++own) {
        if (frontiers_[own].started < frontiers_[own].rows.size()) {
          is_complete = false;
          RunBatch(own);
        }
      }
    }
    for (const auto& runners : runners_) {
      for (const Runner<Sink>& runner : runners) {
        runner.Account();
      }
    }
  }

 private:
  void RunBatch(std::size_t own) {
    Frontier& frontier = frontiers_[own];
    const std::span<const RowId> rows = std::span(frontier.rows).subspan(frontier.started);
    batch_.assign(rows.begin(), rows.begin() + std::min(kBatchMax, rows.size()));
    frontier.started += batch_.size();
    for (Runner<Sink>& runner : runners_[own]) {
      runner.Run(RowNumbers(0, 0, batch_));
    }
  }

  std::vector<Frontier>& frontiers_;
  // By the place of the table they start at.
  std::vector<std::deque<Runner<Sink>>> runners_;
  std::vector<RowId> batch_;
};

// Runs the delta plans that start at tables below.
template <typename Sink>
void StartFromBelow(const Stratum& stratum, CommitState& state, std::vector<Frontier>& frontiers) {
  for (const Rule& rule : stratum.rules) {
    for (const Pipeline& delta : rule.deltas) {
      if (delta.own != Pipeline::kNotOwn) {
        continue;
      }
      const RowNumbers rows = Sink::Changes(state.table(delta.table), delta.is_negated);
      if (!rows.empty()) {
        Runner<Sink> runner(rule, delta, frontiers[rule.head_own], state);
        runner.Run(rows);
        runner.Account();
      }
    }
  }
}

bool IsEmpty(const std::vector<Frontier>& frontiers) {
  return std::ranges::all_of(frontiers, [](const Frontier& f) { return f.rows.empty(); });
}

struct FirstSink {
  static constexpr bool kTraces = false;
  bool Emit(const Word*) { return true; }
};

// Gives the new view back to the overdeleted rows that `rule` derives, and adds them to
// `rederived`. Failures do not matter: a binding that was not there before has a row from which a
// delta plan is run.
void Rederive(const Rule& rule, const Frontier& overdeleted, CommitState& state,
              Frontier& rederived) {
  if (overdeleted.rows.empty()) {
    return;
  }
  FirstSink sink;
  Executor<FirstSink> executor(state.tables(), rule.check.front(), kAllNew, state.context(),
                               state.should_stop(), sink);
  Table& head = state.table(rule.head);
  for (const RowId row : overdeleted.rows) {
    if (!head.Visible(row, View::kNew) && executor.Run(head.Row(row))) {
      head.SetNew(row, true);
      rederived.rows.push_back(row);
      ++state.work().rederived;
    }
  }
  state.Account(rule, executor.work());
  state.ForgetFailures();
}

}  // namespace

void MaintainByRederiving(const Stratum& stratum, CommitState& state) {
  std::vector<Frontier> overdeleted(stratum.tables.size());
  StartFromBelow<OverdeleteSink>(stratum, state, overdeleted);
  std::vector<Frontier> inserted(stratum.tables.size());
  if (!IsEmpty(overdeleted)) {
    Fixpoint<OverdeleteSink>(stratum, state, overdeleted).Run();
    for (const Rule& rule : stratum.rules) {
      Rederive(rule, overdeleted[rule.head_own], state, inserted[rule.head_own]);
    }
  }
  StartFromBelow<InsertSink>(stratum, state, inserted);
  if (!IsEmpty(inserted)) {
    Fixpoint<InsertSink>(stratum, state, inserted).Run();
  }
}

}  // namespace nlog::core
