// See counting.h. Emitted rows go straight to the head's table, which no pipeline of the stratum
// reads.

#include "counting.h"

#include <algorithm>
#include <array>
#include <vector>

#include "estimate.h"
#include "executor.h"

namespace nlog::core {
namespace {

// Adds to counts of the head's rows, a batch at a time: where a row is, in a table of any size, is
// far from where the last one was, and the batch lets the memory fetch all of them at once.
class CountSink {
 public:
  static constexpr bool kTraces = false;

  CountSink(Table& head, std::int64_t weight)
      : head_(head), weight_(weight), words_(kBatch * head.width()) {}

  bool Emit(const Word* row) {
    const std::size_t width = head_.width();
    Word* const words = words_.data() + kept_ * width;
    for (std::size_t i = 0; i < width; ++i) {
      words[i] = row[i];
    }
    hashes_[kept_] = head_.Hash(row);
    head_.PrefetchHash(hashes_[kept_]);
    if (++kept_ == kBatch) {
      Flush();
    }
    return false;
  }

  // Requires: no pipeline that reads the head runs.
  void Flush() {
    for (std::size_t i = 0; i < kept_; ++i) {
      head_.PrefetchFound(hashes_[i]);
    }
    for (std::size_t i = 0; i < kept_; ++i) {
      head_.AddCount(head_.Obtain(words_.data() + i * head_.width(), hashes_[i]), weight_);
    }
    emitted_ += kept_;
    kept_ = 0;
  }

  std::uint64_t emitted() const { return emitted_; }

 private:
  static constexpr std::size_t kBatch = 64;

  Table& head_;
  const std::int64_t weight_;
  std::vector<Word> words_;
  std::array<std::uint32_t, kBatch> hashes_;
  std::size_t kept_ = 0;
  std::uint64_t emitted_ = 0;
};

// Runs one pipeline of a rule, from one row after another, each of which adds `weight` to what it
// derives.
class Run {
 public:
  Run(const Rule& rule, const Pipeline& delta, std::int64_t weight, Views views, CommitState& state)
      : rule_(rule),
        delta_(delta),
        weight_(weight),
        state_(state),
        source_(state.table(delta.table)),
        sink_(state.table(rule.head), weight),
        executor_(state.tables(), delta, views, state.context(), state.should_stop(), sink_) {}

  // Failures matter where the weight is positive: else the row is none of the new view.
  template <typename Numbers>
  void Start(const Numbers& rows) {
    executor_.RunAll(source_, rows, [this](RowId row) {
      if (weight_ > 0) {
        state_.NoteFailure(rule_, delta_, row);
      }
    });
  }

  // How many rows it has derived so far, all of them in the head's table.
  std::size_t derived() {
    sink_.Flush();
    return sink_.emitted();
  }

  void End() {
    sink_.Flush();
    state_.ForgetFailures();
    RuleWork work = executor_.work();
    (weight_ > 0 ? work.derived : work.retracted) = sink_.emitted();
    state_.Account(rule_, work);
  }

 private:
  const Rule& rule_;
  const Pipeline& delta_;
  const std::int64_t weight_;
  CommitState& state_;
  const Table& source_;
  CountSink sink_;
  Executor<CountSink> executor_;
};

void Apply(const Rule& rule, const Pipeline& delta, const RowNumbers& rows, std::int64_t weight,
           CommitState& state) {
  if (!rows.empty()) {
    Run run(rule, delta, weight, kTelescope, state);
    run.Start(rows);
    run.End();
  }
}

// Whether the rule derived nothing in the old view, since a table that its body joins was empty.
bool WasEmpty(const Rule& rule, const CommitState& state) {
  return std::ranges::any_of(rule.deltas, [&](const Pipeline& delta) {
    return !delta.is_negated && state.table(delta.table).size() == 0;
  });
}

// The rows of the new view numbered from `begin` to `end`.
std::vector<RowId> VisibleRows(const Table& table, RowId begin, RowId end) {
  std::vector<RowId> rows;
  for (RowId row = begin; row < end; ++row) {
    if (table.Visible(row, View::kNew)) {
      rows.push_back(row);
    }
  }
  return rows;
}

// Derives all that the rule derives in the new view, from the atom that makes it cheapest. What the
// first rows derive tells how many there will be, so that the head's table grows once.
void ApplyInFull(const Rule& rule, CommitState& state) {
  constexpr RowId kSampled = 16;
  const Pipeline& start = CheapestStart(rule, state.tables());
  const Table& source = state.table(start.table);
  Table& head = state.table(rule.head);
  const RowId head_begin = head.row_limit();
  const RowId sampled = source.row_limit() / kSampled;
  Run run(rule, start, 1, kAllNew, state);
  const auto run_from = [&](RowId begin, RowId end) -> Yield {
    run.Start(VisibleRows(source, begin, end));
    return {run.derived(), head.row_limit() - head_begin};
  };
  const Yield half = run_from(0, sampled / 2);
  const Yield whole = run_from(sampled / 2, sampled);
  const std::size_t expected = ExtrapolateDistinct(half, whole, kSampled);
  head.Expect(head_begin + expected + expected / 32);
  run_from(sampled, source.row_limit());
  run.End();
}

}  // namespace

void MaintainByCounting(const Stratum& stratum, CommitState& state) {
  for (const Rule& rule : stratum.rules) {
    if (stratum.is_renewed || WasEmpty(rule, state)) {
      ApplyInFull(rule, state);
      continue;
    }
    for (const Pipeline& delta : rule.deltas) {
      const Table& source = state.table(delta.table);
      Apply(rule, delta, source.came(), delta.is_negated ? -1 : 1, state);
      Apply(rule, delta, source.went(), delta.is_negated ? 1 : -1, state);
    }
  }
  for (const std::uint32_t table : stratum.tables) {
    state.table(table).SettleCounts();
  }
}

}  // namespace nlog::core
