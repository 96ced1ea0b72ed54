// See recursion.h.
//
// Insertion is a fixpoint: a frontier of rows a table, which grows at its end while the delta plans
// that start at the table run from its rows. What is derived belongs into the very tables that the
// plans walk through; so it is kept aside and stored after each batch.

#include "recursion.h"

#include <algorithm>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include "deletion.h"
#include "estimate.h"
#include "executor.h"
#include "ranks.h"

namespace nlog::core {
namespace {

// How many rows are started from before what they derive is stored.
constexpr std::size_t kBatchMax = 1024;
// How many rows ahead of the one that is stored the hash is being fetched.
constexpr std::size_t kFetched = 16;

// Rows of one table in the order in which they came, and how many have been started from.
struct Frontier {
  std::vector<RowId> rows;
  std::size_t started = 0;
};

// What inserts rows share.
struct Insertion {
  const Stratum& stratum;
  CommitState& state;
  // By the place of their table in the stratum.
  std::vector<Frontier> frontiers;
};

// Rows of a table to be, with the hash of each and the highest rank that it rests on.
class DerivedRows {
 public:
  explicit DerivedRows(std::size_t width) : width_(width) {}

  std::size_t size() const { return hashes_.size(); }
  const Word* Row(std::size_t i) const { return words_.data() + i * width_; }
  std::uint32_t Hash(std::size_t i) const { return hashes_[i]; }
  Rank& Highest(std::size_t i) { return highest_[i]; }
  std::span<const Rank> highest() const { return highest_; }

  void Add(const Word* row, std::uint32_t hash, Rank highest) {
    words_.insert(words_.end(), row, row + width_);
    hashes_.push_back(hash);
    highest_.push_back(highest);
  }
  void Clear() {
    words_.clear();
    hashes_.clear();
    highest_.clear();
  }

 private:
  std::size_t width_;
  std::vector<Word> words_;
  std::vector<std::uint32_t> hashes_;
  std::vector<Rank> highest_;
};

// Keeps the rows that are not in the head's new view. Whether they are is asked a batch at a time,
// so that the memory fetches what is read for all of them at once.
struct InsertSink {
  static constexpr bool kTraces = true;
  static constexpr std::size_t kAskedMax = 64;

  Table& head;
  Footing footing;
  // Of the row started from; 0 if it is of another stratum.
  Rank start_rank = 0;
  std::uint64_t emitted = 0;
  DerivedRows unasked = DerivedRows(head.width());
  DerivedRows kept = DerivedRows(head.width());

  void Trace(std::uint32_t position, std::uint32_t, RowId row) { footing.Trace(position, row); }

  bool Emit(const Word* words) {
    ++emitted;
    const std::uint32_t hash = head.Hash(words);
    head.PrefetchHash(hash);
    unasked.Add(words, hash, std::max(start_rank, footing.Highest()));
    if (unasked.size() == kAskedMax) {
      Ask();
    }
    return false;
  }

  void Ask() {
    for (std::size_t i = 0; i < unasked.size(); ++i) {
      const RowId row = head.Find(unasked.Row(i), unasked.Hash(i));
      if (row == kNoRow || !head.Visible(row, View::kNew)) {
        kept.Add(unasked.Row(i), unasked.Hash(i), unasked.Highest(i));
      }
    }
    unasked.Clear();
  }
};

// A delta plan with its sink, ready to run from one batch of rows after another.
class Runner {
 public:
  Runner(const Rule& rule, const Pipeline& delta, Insertion& insertion)
      : rule_(rule),
        delta_(delta),
        insertion_(insertion),
        state_(insertion.state),
        source_(state_.table(delta.table)),
        sink_{.head = state_.table(rule.head),
              .footing = Footing(delta, insertion.stratum, state_.tables())},
        executor_(state_.tables(), delta, kAllNew, state_.context(), state_.should_stop(), sink_) {}
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Requires: `rows` does not belong to a frontier, which may move.
  void Run(const RowNumbers& rows) {
    const bool is_own = delta_.own != Pipeline::kNotOwn;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      sink_.start_rank = is_own ? RankOf(source_, rows[i]) : 0;
      executor_.Run(source_.Row(rows[i]));
      state_.NoteFailure(rule_, delta_, rows[i]);
      if ((i + 1) % kBatchMax == 0) {
        Store();
      }
    }
    Store();
  }

  void Account() const {
    RuleWork work = executor_.work();
    work.derived = sink_.emitted;
    state_.Account(rule_, work);
  }

 private:
  void Store() {
    sink_.Ask();
    DerivedRows& kept = sink_.kept;
    if (kept.size() > 0 && std::ranges::max(kept.highest()) > state_.rank_max() - kRankStep)
        [[unlikely]] {
      const Renumbering renumbering(insertion_.stratum, state_.tables(), state_.rank_max());
      for (std::size_t i = 0; i < kept.size(); ++i) {
        kept.Highest(i) = renumbering.After(kept.Highest(i));
      }
    }
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (i + kFetched < kept.size()) {
        sink_.head.PrefetchHash(kept.Hash(i + kFetched));
      }
      const RowId row = sink_.head.Obtain(kept.Row(i), kept.Hash(i));
      if (!sink_.head.Visible(row, View::kNew)) {
        SetRank(sink_.head, row, kept.Highest(i) + kRankStep);
        sink_.head.SetNew(row, true);
        insertion_.frontiers[rule_.head_own].rows.push_back(row);
      }
    }
    kept.Clear();
  }

  const Rule& rule_;
  const Pipeline& delta_;
  Insertion& insertion_;
  CommitState& state_;
  const Table& source_;
  InsertSink sink_;
  Executor<InsertSink> executor_;
};

// Runs the delta plans that start at the stratum's own tables.
class Fixpoint {
 public:
  explicit Fixpoint(Insertion& insertion)
      : frontiers_(insertion.frontiers), runners_(insertion.frontiers.size()) {
    for (const Rule& rule : insertion.stratum.rules) {
      for (const Pipeline& delta : rule.deltas) {
        if (delta.own != Pipeline::kNotOwn) {
          runners_[delta.own].emplace_back(rule, delta, insertion);
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
      std::ranges::for_each(runners, &Runner::Account);
    }
  }

 private:
  void RunBatch(std::size_t own) {
    Frontier& frontier = frontiers_[own];
    const std::span<const RowId> rows = std::span(frontier.rows).subspan(frontier.started);
    batch_.assign(rows.begin(), rows.begin() + std::min(kBatchMax, rows.size()));
    frontier.started += batch_.size();
    for (Runner& runner : runners_[own]) {
      runner.Run(RowNumbers(0, 0, batch_));
    }
  }

  std::vector<Frontier>& frontiers_;
  // By the place of the table they start at.
  std::vector<std::deque<Runner>> runners_;
  std::vector<RowId> batch_;
};

bool JoinsOwn(const Rule& rule) {
  return std::ranges::any_of(rule.deltas,
                             [](const Pipeline& delta) { return delta.own != Pipeline::kNotOwn; });
}

// Derives what follows from the tables below alone, into a stratum without rows.
void StartAnew(Insertion& insertion) {
  for (const Rule& rule : insertion.stratum.rules) {
    if (JoinsOwn(rule)) {
      continue;
    }
    const Pipeline& start = CheapestStart(rule, insertion.state.tables());
    const Table& source = insertion.state.table(start.table);
    std::vector<RowId> rows;
    for (RowId row = 0; row < source.row_limit(); ++row) {
      if (source.Visible(row, View::kNew)) {
        rows.push_back(row);
      }
    }
    Runner runner(rule, start, insertion);
    runner.Run(RowNumbers(0, 0, rows));
    runner.Account();
  }
}

// Runs the delta plans that start at tables below. While the stratum has no rows, those of rules
// that join its own tables have nothing to find: all that they derive will follow from rows of the
// frontiers.
void StartFromBelow(Insertion& insertion) {
  const bool is_empty = std::ranges::all_of(insertion.stratum.tables, [&](std::uint32_t table) {
    return insertion.state.table(table).size() == 0;
  });
  for (const Rule& rule : insertion.stratum.rules) {
    if (is_empty && JoinsOwn(rule)) {
      continue;
    }
    for (const Pipeline& delta : rule.deltas) {
      if (delta.own != Pipeline::kNotOwn) {
        continue;
      }
      const Table& source = insertion.state.table(delta.table);
      const RowNumbers rows = delta.is_negated ? source.went() : source.came();
      if (!rows.empty()) {
        Runner runner(rule, delta, insertion);
        runner.Run(rows);
        runner.Account();
      }
    }
  }
}

struct FirstSink {
  static constexpr bool kTraces = true;

  Footing footing;

  void Trace(std::uint32_t position, std::uint32_t, RowId row) { footing.Trace(position, row); }
  bool Emit(const Word*) { return true; }
};

// Gives the new view back to the rows in doubt that `rule` derives. Failures do not matter: a
// binding that was not there before has a row from which a delta plan is run.
void Rederive(const Rule& rule, std::span<const RowId> in_doubt, Insertion& insertion) {
  if (in_doubt.empty()) {
    return;
  }
  CommitState& state = insertion.state;
  const Pipeline& check = rule.check.front();
  FirstSink sink{.footing = Footing(check, insertion.stratum, state.tables())};
  Executor<FirstSink> executor(state.tables(), check, kAllNew, state.context(), state.should_stop(),
                               sink);
  Table& head = state.table(rule.head);
  for (const RowId row : in_doubt) {
    if (head.Visible(row, View::kNew) || !executor.Run(head.Row(row))) {
      continue;
    }
    Rank highest = sink.footing.Highest();
    if (highest > state.rank_max() - kRankStep) [[unlikely]] {
      highest = Renumbering(insertion.stratum, state.tables(), state.rank_max()).After(highest);
    }
    SetRank(head, row, highest + kRankStep);
    head.SetNew(row, true);
    insertion.frontiers[rule.head_own].rows.push_back(row);
    ++state.work().rederived;
  }
  state.Account(rule, executor.work());
  state.ForgetFailures();
}

}  // namespace

void MaintainByRanks(const Stratum& stratum, CommitState& state) {
  Insertion insertion{.stratum = stratum,
                      .state = state,
                      .frontiers = std::vector<Frontier>(stratum.tables.size())};
  if (stratum.is_renewed) {
    StartAnew(insertion);
  } else {
    const std::vector<std::vector<RowId>> in_doubt = TakeUnfounded(stratum, state);
    for (const Rule& rule : stratum.rules) {
      Rederive(rule, in_doubt[rule.head_own], insertion);
    }
    StartFromBelow(insertion);
  }
  if (std::ranges::any_of(insertion.frontiers, [](const Frontier& f) { return !f.rows.empty(); })) {
    Fixpoint(insertion).Run();
  }
}

}  // namespace nlog::core
