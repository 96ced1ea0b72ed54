// See deletion.h.
//
// Which view is read. Derivations lost to a change below are those of the old view. What rests on a
// row that rises or goes is sought in the new view, while the row is still in it: a row that was
// not shaken so far rests on a derivation that both views have. Checks read the new view: what was
// taken away is out of it, and what came below may already serve.

#include "deletion.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <limits>
#include <queue>
#include <utility>

#include "executor.h"
#include "marks.h"
#include "ranks.h"

namespace nlog::core {
namespace {

// How many rows one search may look at, and how many derivations of each it tries.
constexpr int kSearchMax = 256;
constexpr std::size_t kWaysMax = 4;

constexpr Rank kAnyRank = std::numeric_limits<Rank>::max();

enum Mark : Marks::Flags { kShaken = 1, kFirm = 2, kDoubtful = 4 };

// The marks of the rows of a stratum.
class OwnMarks {
 public:
  explicit OwnMarks(std::size_t table_count) : marks_(table_count) {}

  Marks::Flags Of(OwnRow row) const { return marks_[row.own].Of(row.row); }
  // Whether the row lacked the mark.
  bool Put(OwnRow row, Mark mark) {
    Marks::Flags& flags = marks_[row.own].At(row.row);
    const bool is_new = (flags & mark) == 0;
    flags |= mark;
    return is_new;
  }
  void Take(OwnRow row, Mark mark) {
    marks_[row.own].At(row.row) &= ~static_cast<Marks::Flags>(mark);
  }

 private:
  std::vector<Marks> marks_;
};

struct Shaken {
  Rank rank;
  OwnRow row;

  bool operator>(const Shaken& other) const { return rank > other.rank; }
};

// Shaken rows to be judged, lowest first.
class ShakenRows {
 public:
  explicit ShakenRows(OwnMarks& marks) : marks_(marks) {}

  bool empty() const { return rows_.empty(); }
  void Add(Rank rank, OwnRow row) {
    if (marks_.Put(row, kShaken)) {
      rows_.push({rank, row});
    }
  }
  OwnRow TakeLowest() {
    const OwnRow row = rows_.top().row;
    rows_.pop();
    marks_.Take(row, kShaken);
    return row;
  }

 private:
  OwnMarks& marks_;
  std::priority_queue<Shaken, std::vector<Shaken>, std::greater<>> rows_;
};

// Shakes the rows that rested on the row at which the pipeline starts.
struct LossSink {
  static constexpr bool kTraces = true;

  Table& head;
  std::uint32_t own;
  View view;
  Footing footing;
  ShakenRows& shaken;
  // The rank of the row that is lost, and the one to which it rises.
  Rank rank_before = 0;
  Rank rank_after = kAnyRank;
  std::uint64_t lost = 0;

  void Trace(std::uint32_t position, std::uint32_t, RowId row) { footing.Trace(position, row); }

  bool Emit(const Word* words) {
    const RowId row = head.Find(words);
    if (row == kNoRow || !head.Visible(row, view)) {
      Require(view == View::kNew, "a derived row is not in its table");
      return false;
    }
    const Rank rank = RankOf(head, row);
    if (rank > rank_before && rank <= rank_after && rank > footing.Highest()) {
      ++lost;
      shaken.Add(rank, {own, row});
    }
    return false;
  }
};

// Runs a delta plan from rows that are lost.
class Loss {
 public:
  Loss(const Rule& rule, const Pipeline& delta, View view, const Stratum& stratum,
       CommitState& state, ShakenRows& shaken)
      : rule_(rule),
        state_(state),
        sink_{.head = state.table(rule.head),
              .own = rule.head_own,
              .view = view,
              .footing = Footing(delta, stratum, state.tables()),
              .shaken = shaken},
        executor_(state.tables(), delta, view == View::kOld ? kAllOld : kAllNew, state.context(),
                  state.should_stop(), sink_) {}
  Loss(const Loss&) = delete;
  Loss& operator=(const Loss&) = delete;

  void Run(const RowRef& row) { executor_.Run(row); }
  void Run(const RowRef& row, Rank rank_before, Rank rank_after) {
    sink_.rank_before = rank_before;
    sink_.rank_after = rank_after;
    executor_.Run(row);
  }

  void Account() const {
    RuleWork work = executor_.work();
    work.retracted = sink_.lost;
    state_.Account(rule_, work);
  }

 private:
  const Rule& rule_;
  CommitState& state_;
  LossSink sink_;
  Executor<LossSink> executor_;
};

// A derivation that rests on rows which are not settled.
struct Way {
  Rank highest;
  std::vector<OwnRow> unsettled;
};

// Looks for a derivation from settled rows; gathers the lowest-ranking others below a ceiling.
struct WaysSink {
  static constexpr bool kTraces = true;

  Footing footing;
  Rank settled = 0;
  Rank ceiling = 0;
  std::vector<Way>* ways = nullptr;

  void Trace(std::uint32_t position, std::uint32_t, RowId row) { footing.Trace(position, row); }

  bool Emit(const Word*) {
    const Rank highest = footing.Highest();
    if (highest < settled) {
      return true;
    }
    const bool is_full = ways->size() == kWaysMax;
    if (highest < ceiling && (!is_full || highest < ways->back().highest)) {
      if (is_full) {
        ways->pop_back();
      }
      const auto place = std::ranges::upper_bound(*ways, highest, {}, &Way::highest);
      ways->insert(place, Way{highest, footing.RowsFrom(settled)});
    }
    return false;
  }
};

// Runs a check plan.
class Check {
 public:
  Check(const Rule& rule, const Stratum& stratum, CommitState& state)
      : rule_(rule),
        state_(state),
        sink_{.footing = Footing(rule.check.front(), stratum, state.tables())},
        executor_(state.tables(), rule.check.front(), kAllNew, state.context(), state.should_stop(),
                  sink_) {}
  Check(const Check&) = delete;
  Check& operator=(const Check&) = delete;

  // Whether the rule derives the row from rows that rank below `settled`; if not, adds to `ways`
  // derivations from rows that rank below `ceiling`, kWaysMax in all.
  bool Run(const RowRef& row, Rank settled, Rank ceiling, std::vector<Way>& ways) {
    sink_.settled = settled;
    sink_.ceiling = ceiling;
    sink_.ways = &ways;
    return executor_.Run(row);
  }

  void Account() const { state_.Account(rule_, executor_.work()); }

 private:
  const Rule& rule_;
  CommitState& state_;
  WaysSink sink_;
  Executor<WaysSink> executor_;
};

class Deletion {
 public:
  Deletion(const Stratum& stratum, CommitState& state)
      : stratum_(stratum),
        state_(state),
        marks_(stratum.tables.size()),
        shaken_(marks_),
        losses_(stratum.tables.size()),
        checks_(stratum.tables.size()),
        in_doubt_(stratum.tables.size()) {}

  std::vector<std::vector<RowId>> Run() {
    LoseFromBelow();
    if (!shaken_.empty()) {
      Prepare();
      while (!shaken_.empty()) {
        Judge(shaken_.TakeLowest());
      }
      Account();
    }
    state_.ForgetFailures();
    return std::move(in_doubt_);
  }

 private:
  Table& TableOf(OwnRow row) const { return state_.table(stratum_.tables[row.own]); }

  void LoseFromBelow() {
    for (const Rule& rule : stratum_.rules) {
      for (const Pipeline& delta : rule.deltas) {
        const Table& source = state_.table(delta.table);
        const RowNumbers rows = delta.is_negated ? source.came() : source.went();
        if (delta.own != Pipeline::kNotOwn || rows.empty()) {
          continue;
        }
        Loss loss(rule, delta, View::kOld, stratum_, state_, shaken_);
        for (std::size_t i = 0; i < rows.size(); ++i) {
          loss.Run(source.Row(rows[i]));
        }
        loss.Account();
      }
    }
  }

  void Prepare() {
    for (const Rule& rule : stratum_.rules) {
      checks_[rule.head_own].emplace_back(rule, stratum_, state_);
      for (const Pipeline& delta : rule.deltas) {
        if (delta.own != Pipeline::kNotOwn) {
          losses_[delta.own].emplace_back(rule, delta, View::kNew, stratum_, state_, shaken_);
        }
      }
    }
  }

  void Account() const {
    for (std::size_t own = 0; own < stratum_.tables.size(); ++own) {
      std::ranges::for_each(losses_[own], &Loss::Account);
      std::ranges::for_each(checks_[own], &Check::Account);
    }
  }

  // Keeps, raises or takes away a shaken row. Requires: all that rank lower were judged.
  void Judge(OwnRow shaken) {
    Table& table = TableOf(shaken);
    const Rank rank = RankOf(table, shaken.row);
    std::vector<Way> ways;
    if (FindWays(shaken, rank, kAnyRank, ways)) {
      return;
    }
    const Rank highest = FindFirm(shaken, rank, ways);
    if (highest != 0) {
      LoseFrom(shaken, rank, highest + kRankNudge);
      SetRank(table, shaken.row, highest + kRankNudge);
    } else {
      LoseFrom(shaken, rank, kAnyRank);
      table.SetNew(shaken.row, false);
      if (!ways.empty()) {
        in_doubt_[shaken.own].push_back(shaken.row);
      }
    }
  }

  void LoseFrom(OwnRow row, Rank rank_before, Rank rank_after) {
    for (Loss& loss : losses_[row.own]) {
      loss.Run(TableOf(row).Row(row.row), rank_before, rank_after);
    }
  }

  bool FindWays(OwnRow row, Rank settled, Rank ceiling, std::vector<Way>& ways) {
    ++state_.work().checked;
    return std::ranges::any_of(checks_[row.own], [&](Check& check) {
      return check.Run(TableOf(row).Row(row.row), settled, ceiling, ways);
    });
  }

  // The highest rank among rows, firm or settled, that derive the row and above which there is room
  // for it; 0 if none are found.
  Rank FindFirm(OwnRow shaken, Rank settled, const std::vector<Way>& ways) {
    looks_left_ = kSearchMax;
    doubted_.clear();
    marks_.Put(shaken, kDoubtful);
    for (const Way& way : ways) {
      if (way.highest <= state_.rank_max() - kRankNudge && IsFirm(way, settled)) {
        // The rows found wanting may have been so only for want of this one.
        for (const OwnRow row : doubted_) {
          marks_.Take(row, kDoubtful);
        }
        marks_.Take(shaken, kDoubtful);
        marks_.Put(shaken, kFirm);
        return way.highest;
      }
    }
    return 0;
  }

  bool IsFirm(const Way& way, Rank settled) {
    return std::ranges::all_of(way.unsettled, [&](OwnRow row) { return IsFirm(row, settled); });
  }

  // Whether a row is found to rest on settled rows, by steps to ever lower ranks.
  bool IsFirm(OwnRow row, Rank settled) {
    const Marks::Flags marks = marks_.Of(row);
    if ((marks & kFirm) != 0) {
      return true;
    }
    if ((marks & kDoubtful) != 0 || looks_left_ == 0) {
      return false;
    }
    --looks_left_;
    std::vector<Way> ways;
    const bool is_firm =
        FindWays(row, settled, RankOf(TableOf(row), row.row), ways) ||
        std::ranges::any_of(ways, [&](const Way& way) { return IsFirm(way, settled); });
    marks_.Put(row, is_firm ? kFirm : kDoubtful);
    if (!is_firm) {
      doubted_.push_back(row);
    }
    return is_firm;
  }

  const Stratum& stratum_;
  CommitState& state_;
  OwnMarks marks_;
  ShakenRows shaken_;
  // Delta plans by the table they start at, and check plans by the table of the head.
  std::vector<std::deque<Loss>> losses_;
  std::vector<std::deque<Check>> checks_;
  // Rows taken away that some rule still derived then.
  std::vector<std::vector<RowId>> in_doubt_;
  // Of the search at hand: how many more rows it may look at, and those it found doubtful.
  int looks_left_ = 0;
  std::vector<OwnRow> doubted_;
};

}  // namespace

std::vector<std::vector<RowId>> TakeUnfounded(const Stratum& stratum, CommitState& state) {
  return Deletion(stratum, state).Run();
}

}  // namespace nlog::core
