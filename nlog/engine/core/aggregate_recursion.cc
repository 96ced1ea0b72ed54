// See aggregate_recursion.h.

#include "aggregate_recursion.h"

#include <algorithm>
#include <deque>
#include <queue>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "candidates.h"
#include "estimate.h"
#include "evaluation.h"
#include "executor.h"

namespace nlog::core {
namespace {

// Optima need no room above the highest rank: see aggregate_recursion.h.
constexpr std::uint32_t kOptimumRankMax = kRankMax;

// The greatest rank among the rows of the stratum that a binding rests on.
class Ranks {
 public:
  Ranks(std::span<const Table> tables, const std::vector<bool>& is_own, std::size_t positions)
      : tables_(tables), is_own_(is_own), by_position_(positions, 0) {}

  void Set(std::uint32_t position, std::uint32_t table, RowId row) {
    if (is_own_[table]) {
      by_position_[position] = static_cast<std::uint32_t>(tables_[table].Count(row));
    }
  }
  std::uint32_t Greatest() const { return *std::ranges::max_element(by_position_); }

 private:
  std::span<const Table> tables_;
  const std::vector<bool>& is_own_;
  std::vector<std::uint32_t> by_position_;
};

std::vector<std::size_t> WidthsOf(const Stratum& stratum, const CommitState& state) {
  std::vector<std::size_t> widths;
  for (const std::uint32_t table : stratum.tables) {
    widths.push_back(state.table(table).width());
  }
  return widths;
}

class OptimaMaintenance {
 public:
  OptimaMaintenance(const Stratum& stratum, CommitState& state);

  void Run() {
    if (stratum_.is_renewed) {
      GainAnew();
    } else {
      LoseFromBelow();
      JudgeSuspects();
      state_.ForgetFailures();
      OfferToWithdrawn();
      GainFromBelow();
    }
    SettleCandidates();
    state_.ForgetSuspectsThatWent();
    Account();
  }

 private:
  // Finds the rows that had a derivation which is lost.
  struct LostSink {
    static constexpr bool kTraces = false;

    OptimaMaintenance& maintenance;
    const Rule& rule;
    std::uint64_t emitted = 0;

    bool Emit(const Word* words) {
      ++emitted;
      maintenance.Suspect(rule, words);
      return false;
    }
  };

  // Offers what is derived as candidates.
  struct GainSink {
    static constexpr bool kTraces = true;

    OptimaMaintenance& maintenance;
    const Rule& rule;
    Ranks ranks;
    std::uint64_t emitted = 0;

    void Trace(std::uint32_t position, std::uint32_t table, RowId row) {
      ranks.Set(position, table, row);
      maintenance.NotePremise(table, row);
    }
    bool Emit(const Word* words) {
      ++emitted;
      maintenance.Offer(rule, words, ranks.Greatest());
      return false;
    }
  };

  // Ends as soon as the row at hand is derived from rows of lower ranks.
  struct JudgeSink {
    static constexpr bool kTraces = true;

    const OptimaMaintenance& maintenance;
    std::uint32_t column;
    Ranks ranks;

    void Trace(std::uint32_t position, std::uint32_t table, RowId row) {
      ranks.Set(position, table, row);
    }
    bool Emit(const Word* words) const {
      return words[column] == maintenance.judged_value_ &&
             ranks.Greatest() < maintenance.rank_at_start_;
    }
  };

  // A pipeline with its sink, ready to run from one row after another.
  template <typename Sink>
  struct Runner {
    template <typename... SinkArguments>
    Runner(const Rule& rule, const Pipeline& pipeline, Views views, CommitState& state,
           SinkArguments&&... arguments)
        : rule(rule),
          pipeline(pipeline),
          sink{std::forward<SinkArguments>(arguments)...},
          executor(state.tables(), pipeline, views, state.context(), state.should_stop(), sink) {}
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;

    const Rule& rule;
    const Pipeline& pipeline;
    Sink sink;
    Executor<Sink> executor;
  };

  struct OwnTable {
    Table& table;
    const Optimum& optimum;
    std::deque<Runner<LostSink>> lost = {};
    std::deque<Runner<GainSink>> gained = {};
    // By rules whose head the table is.
    std::deque<Runner<JudgeSink>> judges = {};
    std::deque<Runner<GainSink>> offers = {};
    std::vector<RowId> withdrawn = {};
  };

  enum class Fate : std::uint8_t { kSuspect, kStays, kWithdrawn };

  static std::uint64_t KeyOf(std::uint32_t own, RowId row) {
    return std::uint64_t{own} << 32 | row;
  }

  Ranks RanksOf(const Pipeline& pipeline) const {
    return Ranks(state_.tables(), is_own_, pipeline.steps.size() + 1);
  }

  // --- Withdraw -------------------------------------------------------------------------------

  void LoseFromBelow() {
    rank_at_start_ = 0;
    ForEachFromBelow([this](const Rule& rule, const Pipeline& delta) {
      const Table& source = state_.table(delta.table);
      const RowNumbers rows = delta.is_negated ? source.came() : source.went();
      if (!rows.empty()) {
        Runner<LostSink> runner(rule, delta, kAllOld, state_, *this, rule);
        for (std::size_t i = 0; i < rows.size(); ++i) {
          runner.executor.Run(source.Row(rows[i]));
        }
        AccountRetracted(runner);
      }
    });
  }

  // Marks a row that has lost a derivation from a row of rank `rank_at_start_`, or from below.
  void Suspect(const Rule& rule, const Word* words) {
    const Table& table = own_[rule.head_own].table;
    const RowId row = table.Find(words);
    if (row == kNoRow || !table.Visible(row, View::kOld) || table.Count(row) < rank_at_start_) {
      return;
    }
    if (fates_.emplace(KeyOf(rule.head_own, row), Fate::kSuspect).second) {
      suspects_.emplace(static_cast<std::uint32_t>(table.Count(row)), rule.head_own, row);
    }
  }

  void JudgeSuspects() {
    while (!suspects_.empty()) {
      const auto [rank, own, row] = suspects_.top();
      suspects_.pop();
      rank_at_start_ = rank;
      OwnTable& head = own_[own];
      const bool stays = IsDerived(head, row);
      fates_[KeyOf(own, row)] = stays ? Fate::kStays : Fate::kWithdrawn;
      if (!stays) {
        head.table.SetNew(row, false);
        head.withdrawn.push_back(row);
        --row_count_;
        for (Runner<LostSink>& runner : head.lost) {
          runner.executor.Run(head.table.Row(row));
        }
      }
    }
  }

  // Whether a row has a derivation of its value from rows of ranks below `rank_at_start_`.
  bool IsDerived(OwnTable& head, RowId row) {
    judged_value_ = head.table.Row(row)[head.optimum.column];
    return std::ranges::any_of(head.judges, [&](Runner<JudgeSink>& judge) {
      return judge.executor.Run(head.table.Row(row));
    });
  }

  // --- Improve --------------------------------------------------------------------------------

  void OfferToWithdrawn() {
    for (OwnTable& head : own_) {
      for (const RowId row : head.withdrawn) {
        for (Runner<GainSink>& offer : head.offers) {
          offer.executor.Run(head.table.Row(row));
        }
      }
    }
    state_.ForgetFailures();
  }

  void GainFromBelow() {
    ForEachFromBelow([this](const Rule& rule, const Pipeline& delta) {
      const Table& source = state_.table(delta.table);
      const RowNumbers rows = delta.is_negated ? source.went() : source.came();
      if (!rows.empty()) {
        Runner<GainSink> runner(rule, delta, kAllNew, state_, *this, rule, RanksOf(delta));
        for (std::size_t i = 0; i < rows.size(); ++i) {
          runner.executor.Run(source.Row(rows[i]));
          state_.NoteFailure(rule, delta, rows[i]);
        }
        AccountDerived(runner);
      }
    });
  }

  // Offers what follows from the tables below alone, for a stratum without rows.
  void GainAnew() {
    for (const Rule& rule : stratum_.rules) {
      const auto is_own = [](const Pipeline& delta) { return delta.own != Pipeline::kNotOwn; };
      if (std::ranges::any_of(rule.deltas, is_own)) {
        continue;
      }
      const Pipeline& start = CheapestStart(rule, state_.tables());
      const Table& source = state_.table(start.table);
      Runner<GainSink> runner(rule, start, kAllNew, state_, *this, rule, RanksOf(start));
      for (RowId row = 0; row < source.row_limit(); ++row) {
        if (source.Visible(row, View::kNew)) {
          runner.executor.Run(source.Row(row));
          state_.NoteFailure(rule, start, row);
        }
      }
      AccountDerived(runner);
    }
  }

  // Remembers how high the ranks are that rows of the stratum have had from before.
  void NotePremise(std::uint32_t table, RowId row) {
    if (stratum_.is_renewed || !is_own_[table] || !state_.table(table).Visible(row, View::kOld)) {
      return;
    }
    if (!fates_.empty()) {
      const auto fate = fates_.find(KeyOf(place_of_[table], row));
      if (fate != fates_.end() && fate->second == Fate::kWithdrawn) {
        return;
      }
    }
    const auto rank = static_cast<std::uint32_t>(state_.table(table).Count(row));
    rank_from_before_max_ = std::max(rank_from_before_max_, rank);
  }

  void Offer(const Rule& rule, const Word* words, std::uint32_t rank_below) {
    const RowId current = CurrentRow(rule.head_own, words);
    if (current == kNoRow || IsBetter(rule.head_own, words, current)) {
      candidates_.Push(rule.head_own, std::min(rank_below, kOptimumRankMax - 1) + 1, rule, words);
    }
  }

  // The row of the new view in the group of the row `words`, or kNoRow.
  RowId CurrentRow(std::uint32_t own, const Word* words) const {
    const auto& [table, optimum] = std::tie(own_[own].table, own_[own].optimum);
    const std::vector<std::uint32_t>& columns = table.indexes()[optimum.index].columns();
    for (const RowId row :
         table.Matches(optimum.index, [&](std::size_t i) { return words[columns[i]]; })) {
      if (table.Visible(row, View::kNew)) {
        return row;
      }
    }
    return kNoRow;
  }

  bool IsBetter(std::uint32_t own, const Word* words, RowId current) const {
    const std::uint32_t column = own_[own].optimum.column;
    return candidates_.IsBetter(own, words[column], own_[own].table.Row(current)[column]);
  }

  void SettleCandidates() {
    std::vector<Word> words;
    while (!candidates_.empty()) {
      const Candidates::Candidate candidate = candidates_.Pop(words);
      const RowId current = CurrentRow(candidate.own, words.data());
      if (current != kNoRow && !IsBetter(candidate.own, words.data(), current)) {
        continue;
      }
      Table& table = own_[candidate.own].table;
      if (current == kNoRow) {
        ++row_count_;
      } else {
        table.SetNew(current, false);
      }
      ExpectAnEnd(candidate, words);
      const RowId row = table.Obtain(words.data());
      table.SetNew(row, true);
      table.AddCount(row, candidate.rank - table.Count(row));
      state_.work().rederived += table.Visible(row, View::kOld);
      for (Runner<GainSink>& runner : own_[candidate.own].gained) {
        runner.sink.ranks.Set(static_cast<std::uint32_t>(runner.pipeline.steps.size()),
                              runner.pipeline.table, row);
        runner.executor.Run(table.Row(row));
        state_.NoteFailure(runner.rule, runner.pipeline, row);
      }
    }
  }

  // A chain of improvements that is longer than there are groups goes on for ever.
  void ExpectAnEnd(const Candidates::Candidate& candidate, const std::vector<Word>& words) const {
    if (candidate.rank <= rank_from_before_max_ + row_count_) {
      return;
    }
    const auto& [table, optimum] = std::tie(own_[candidate.own].table, own_[candidate.own].optimum);
    const char* text = optimum.is_least ? "there is no least value: it gets less for ever"
                                        : "there is no greatest value: it gets more for ever";
    std::vector<GroupError::Value> group;
    for (const std::uint32_t column : table.indexes()[optimum.index].columns()) {
      group.emplace_back(column, words[column]);
    }
    throw GroupError(candidate.rule->number, text, stratum_.tables[candidate.own], group);
  }

  // --------------------------------------------------------------------------------------------

  template <typename Visit>
  void ForEachFromBelow(Visit visit) {
    for (const Rule& rule : stratum_.rules) {
      for (const Pipeline& delta : rule.deltas) {
        if (delta.own == Pipeline::kNotOwn) {
          visit(rule, delta);
        }
      }
    }
  }

  void AccountRetracted(const Runner<LostSink>& runner) {
    RuleWork work = runner.executor.work();
    work.retracted = runner.sink.emitted;
    state_.Account(runner.rule, work);
  }
  void AccountDerived(const Runner<GainSink>& runner) {
    RuleWork work = runner.executor.work();
    work.derived = runner.sink.emitted;
    state_.Account(runner.rule, work);
  }
  void Account() {
    for (const OwnTable& own : own_) {
      std::ranges::for_each(own.lost, [this](const auto& runner) { AccountRetracted(runner); });
      std::ranges::for_each(own.gained, [this](const auto& runner) { AccountDerived(runner); });
      std::ranges::for_each(own.offers, [this](const auto& runner) { AccountDerived(runner); });
      for (const Runner<JudgeSink>& judge : own.judges) {
        state_.Account(judge.rule, judge.executor.work());
      }
    }
  }

  const Stratum& stratum_;
  CommitState& state_;
  // By the number of a table: whether it is of the stratum, and its place there.
  std::vector<bool> is_own_;
  std::vector<std::uint32_t> place_of_;
  std::deque<OwnTable> own_;

  // Of each row that was suspect, by KeyOf.
  std::unordered_map<std::uint64_t, Fate> fates_;
  // Rank, table and row; the lowest rank first.
  using Suspicion = std::tuple<std::uint32_t, std::uint32_t, RowId>;
  std::priority_queue<Suspicion, std::vector<Suspicion>, std::greater<>> suspects_;
  // Of the row that is judged, or that a pipeline was started from.
  std::uint32_t rank_at_start_ = 0;
  Word judged_value_ = 0;

  Candidates candidates_;
  // The rows in the new view, one a group.
  std::uint64_t row_count_ = 0;
  std::uint32_t rank_from_before_max_ = 0;
};

OptimaMaintenance::OptimaMaintenance(const Stratum& stratum, CommitState& state)
    : stratum_(stratum),
      state_(state),
      is_own_(state.tables().size(), false),
      place_of_(state.tables().size(), 0),
      candidates_(stratum.optima, state.context().interner(), WidthsOf(stratum, state)) {
  for (std::uint32_t own = 0; own < stratum.tables.size(); ++own) {
    const std::uint32_t number = stratum.tables[own];
    is_own_[number] = true;
    place_of_[number] = own;
    own_.push_back({.table = state.table(number), .optimum = stratum.optima[own]});
    row_count_ += stratum.is_renewed ? 0 : state.table(number).size();
  }
  for (const Rule& rule : stratum.rules) {
    OwnTable& head = own_[rule.head_own];
    const Pipeline& check = rule.check.front();
    head.judges.emplace_back(rule, check, kAllNew, state, *this, head.optimum.column,
                             RanksOf(check));
    head.offers.emplace_back(rule, check, kAllNew, state, *this, rule, RanksOf(check));
    for (const Pipeline& delta : rule.deltas) {
      if (delta.own != Pipeline::kNotOwn) {
        own_[delta.own].lost.emplace_back(rule, delta, kAllOld, state, *this, rule);
        own_[delta.own].gained.emplace_back(rule, delta, kAllNew, state, *this, rule,
                                            RanksOf(delta));
      }
    }
  }
}

}  // namespace

void MaintainOptima(const Stratum& stratum, CommitState& state) {
  OptimaMaintenance(stratum, state).Run();
}

}  // namespace nlog::core
