// See aggregation.h.

#include "aggregation.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "evaluation.h"
#include "hash_slots.h"
#include "values.h"

namespace nlog::core {
namespace {

using Kind = AggregateFunction::Kind;

// The changed rows of the source, those of one group after those of another.
class ChangesByGroup {
 public:
  struct Change {
    RowId row;
    bool is_new;
  };

  // If all of it `is_renewed`, every row of the new view has come.
  ChangesByGroup(const Table& source, std::size_t group_width, bool is_renewed)
      : source_(source), group_width_(group_width), is_renewed_(is_renewed) {
    std::vector<std::uint32_t> group_of;
    group_of.reserve(source.came().size() + source.went().size());
    ForEachRow([&](RowId row, bool) { group_of.push_back(GroupOf(row)); });
    const std::size_t count = group_of.size();
    for (const std::uint32_t group : group_of) {
      ++ends_[group];
    }
    std::size_t end = 0;
    for (std::size_t& group_end : ends_) {
      end += std::exchange(group_end, end);
    }
    changes_.resize(count);
    std::size_t place = 0;
    ForEachRow(
        [&](RowId row, bool is_new) { changes_[ends_[group_of[place++]]++] = {row, is_new}; });
  }

  std::size_t size() const { return ends_.size(); }
  std::span<const Change> operator[](std::size_t group) const {
    const std::size_t begin = group == 0 ? 0 : ends_[group - 1];
    return std::span(changes_).subspan(begin, ends_[group] - begin);
  }

 private:
  template <typename Visit>
  void ForEachRow(Visit visit) {
    if (is_renewed_) {
      for (RowId row = 0; row < source_.row_limit(); ++row) {
        if (source_.Visible(row, View::kNew)) {
          visit(row, true);
        }
      }
      return;
    }
    const RowNumbers came = source_.came();
    for (std::size_t i = 0; i < came.size(); ++i) {
      visit(came[i], true);
    }
    const RowNumbers went = source_.went();
    for (std::size_t i = 0; i < went.size(); ++i) {
      visit(went[i], false);
    }
  }

  // The number of the group that a row is of.
  std::uint32_t GroupOf(RowId row) {
    const RowRef words = source_.Row(row);
    Hasher hasher;
    for (std::size_t i = 0; i < group_width_; ++i) {
      hasher.Add(words[i]);
    }
    const std::uint32_t known = slots_.Find(hasher.Value(), [&](std::uint32_t group) {
      const RowRef member = source_.Row(members_[group]);
      for (std::size_t i = 0; i < group_width_; ++i) {
        if (words[i] != member[i]) {
          return false;
        }
      }
      return true;
    });
    if (known != HashSlots::kNone) {
      return known;
    }
    const auto group = static_cast<std::uint32_t>(members_.size());
    members_.push_back(row);
    ends_.push_back(0);
    slots_.Insert(hasher.Value(), group);
    return group;
  }

  const Table& source_;
  const std::size_t group_width_;
  const bool is_renewed_;
  HashSlots slots_;
  // By group: one of its rows, and where its changes end.
  std::vector<RowId> members_;
  std::vector<std::size_t> ends_;
  std::vector<Change> changes_;
};

using Changes = std::span<const ChangesByGroup::Change>;

class Maintenance {
 public:
  Maintenance(const Aggregation& aggregation, bool is_renewed, CommitState& state)
      : aggregation_(aggregation),
        is_renewed_(is_renewed),
        state_(state),
        interner_(state.context().interner()),
        source_(state.table(aggregation.source)),
        head_(state.table(aggregation.head)),
        row_(head_.width()) {}

  void Run() {
    const ChangesByGroup changes(source_, aggregation_.group, is_renewed_);
    for (std::size_t group = 0; group < changes.size(); ++group) {
      Update(changes[group]);
    }
    state_.Account(aggregation_.number, work_);
  }

 private:
  void CountRow() {
    const ShouldStop& should_stop = state_.should_stop();
    if (++work_.rows_read % kRowsPerAsk == 0 && should_stop && should_stop()) {
      throw Interrupted();
    }
  }

  // Replaces the row of the group that `changes` are of.
  void Update(Changes changes) {
    const RowRef member = source_.Row(changes.front().row);
    for (std::size_t i = 0; i < aggregation_.group; ++i) {
      row_[i] = member[i];
    }
    const RowId old_row = is_renewed_ ? kNoRow : OldRow();
    const bool was_there = old_row != kNoRow;
    bool is_changed = !was_there;
    bool has_rows = true;
    for (std::size_t i = 0; i < aggregation_.functions.size(); ++i) {
      const std::size_t column = aggregation_.group + i;
      const AggregateFunction& function = aggregation_.functions[i];
      const std::optional<Word> before =
          was_there ? std::optional(head_.Row(old_row)[column]) : std::nullopt;
      const std::optional<Word> value = ValueOf(function, before, changes);
      has_rows = has_rows && value.has_value();
      is_changed = is_changed || value != before;
      row_[column] = value.value_or(0);
    }
    for (std::size_t i = 0; i < changes.size(); ++i) {
      CountRow();
    }
    if (!is_changed) {
      return;
    }
    if (was_there) {
      head_.SetNew(old_row, false);
      ++work_.retracted;
    }
    if (has_rows) {
      head_.SetNew(head_.Obtain(row_.data()), true);
      ++work_.derived;
    }
  }

  RowId OldRow() {
    ++work_.probes;
    for (const RowId row :
         head_.Matches(aggregation_.index, [&](std::size_t i) { return row_[i]; })) {
      if (head_.Visible(row, View::kOld)) {
        return row;
      }
    }
    return kNoRow;
  }

  std::vector<GroupError::Value> GroupColumns() const {
    std::vector<GroupError::Value> columns;
    for (std::uint32_t i = 0; i < aggregation_.group; ++i) {
      columns.emplace_back(i, row_[i]);
    }
    return columns;
  }

  // The value of a group; none if that shows that the group has no rows.
  std::optional<Word> ValueOf(const AggregateFunction& function, std::optional<Word> before,
                              Changes changes) {
    switch (function.kind) {
      case Kind::kCount:
        return Count(before, changes);
      case Kind::kDistinct:
        return CountDistinct(function, before, changes);
      case Kind::kSum:
        return Sum(function, before, changes);
      case Kind::kMin:
      case Kind::kMax:
        return Extreme(function, before, changes);
      case Kind::kList:
      case Kind::kSet:
        return List(function, before, changes);
    }
    return std::nullopt;
  }

  std::optional<Word> Count(std::optional<Word> before, Changes changes) const {
    Word count = before.value_or(0);
    for (const auto& [row, is_new] : changes) {
      count += is_new ? 1 : -1;
    }
    return count == 0 ? std::nullopt : std::optional(count);
  }

  Word Sum(const AggregateFunction& function, std::optional<Word> before, Changes changes) const {
    auto sum = static_cast<__int128>(static_cast<std::int64_t>(before.value_or(0)));
    for (const auto& [row, is_new] : changes) {
      const auto value = static_cast<std::int64_t>(source_.Row(row)[function.column]);
      sum += is_new ? static_cast<__int128>(value) : -static_cast<__int128>(value);
    }
    if (sum > std::numeric_limits<std::int64_t>::max() ||
        sum < std::numeric_limits<std::int64_t>::min()) {
      throw GroupError(aggregation_.number, "integer overflow in a sum", aggregation_.head,
                       GroupColumns());
    }
    return static_cast<Word>(sum);
  }

  std::optional<Word> CountDistinct(const AggregateFunction& function, std::optional<Word> before,
                                    Changes changes) {
    GatherDistinct(function, changes);
    const Word count = before.value_or(0) + gained_.size() - lost_.size();
    return count == 0 ? std::nullopt : std::optional(count);
  }

  std::optional<Word> Extreme(const AggregateFunction& function, std::optional<Word> before,
                              Changes changes) {
    std::optional<Word> best = before;
    bool is_lost = false;
    for (const auto& [row, is_new] : changes) {
      const Word value = source_.Row(row)[function.column];
      if (is_new && (!best || IsBetter(function, value, *best))) {
        best = value;
      }
      is_lost = is_lost || (!is_new && value == before);
    }
    return is_lost && best == before ? ReadExtreme(function) : best;
  }

  std::optional<Word> ReadExtreme(const AggregateFunction& function) {
    ++work_.probes;
    std::optional<Word> best;
    for (const RowId row :
         source_.Matches(function.index, [&](std::size_t i) { return row_[i]; })) {
      CountRow();
      const Word value = source_.Row(row)[function.column];
      if (source_.Visible(row, View::kNew) && (!best || IsBetter(function, value, *best))) {
        best = value;
      }
    }
    return best;
  }

  bool IsBetter(const AggregateFunction& function, Word left, Word right) const {
    const std::strong_ordering order = CompareValues(interner_, function.type, left, right);
    return function.kind == Kind::kMin ? order < 0 : order > 0;
  }

  std::optional<Word> List(const AggregateFunction& function, std::optional<Word> before,
                           Changes changes) {
    if (function.kind == Kind::kSet) {
      GatherDistinct(function, changes);
    } else {
      Gather(function, changes);
    }
    const std::span<const Word> old = before ? interner_.Tuple(*before) : std::span<const Word>();
    if (before && gained_.empty() && lost_.empty()) {
      return before;
    }
    const auto is_before = [&](Word left, Word right) {
      return CompareValues(interner_, function.type, left, right) < 0;
    };
    std::ranges::sort(gained_, is_before);
    std::ranges::sort(lost_, is_before);
    kept_.clear();
    std::ranges::set_difference(old, lost_, std::back_inserter(kept_), is_before);
    merged_.clear();
    std::ranges::merge(kept_, gained_, std::back_inserter(merged_), is_before);
    return merged_.empty() ? std::nullopt : std::optional(interner_.InternTuple(merged_));
  }

  // The values that came and those that went, as often as they did.
  void Gather(const AggregateFunction& function, Changes changes) {
    gained_.clear();
    lost_.clear();
    for (const auto& [row, is_new] : changes) {
      (is_new ? gained_ : lost_).push_back(source_.Row(row)[function.column]);
    }
  }

  // The values that the group has and had not, and those it had and has not.
  void GatherDistinct(const AggregateFunction& function, Changes changes) {
    Gather(function, changes);
    gained_.insert(gained_.end(), lost_.begin(), lost_.end());
    std::ranges::sort(gained_);
    gained_.erase(std::ranges::unique(gained_).begin(), gained_.end());
    lost_.clear();
    std::erase_if(gained_, [&](Word value) {
      const bool was_there = !is_renewed_ && HasValue(function, value, View::kOld);
      const bool is_there = HasValue(function, value, View::kNew);
      if (was_there && !is_there) {
        lost_.push_back(value);
      }
      return was_there || !is_there;
    });
  }

  bool HasValue(const AggregateFunction& function, Word value, View view) {
    ++work_.probes;
    const auto key = [&](std::size_t i) { return i < aggregation_.group ? row_[i] : value; };
    for (const RowId row : source_.Matches(function.index, key)) {
      CountRow();
      if (source_.Visible(row, view)) {
        return true;
      }
    }
    return false;
  }

  const Aggregation& aggregation_;
  const bool is_renewed_;
  CommitState& state_;
  Interner& interner_;
  const Table& source_;
  Table& head_;
  RuleWork work_;
  // The row of the group at hand as it will be: its columns first.
  std::vector<Word> row_;
  std::vector<Word> gained_;
  std::vector<Word> lost_;
  std::vector<Word> kept_;
  std::vector<Word> merged_;
};

}  // namespace

void MaintainAggregation(const Aggregation& aggregation, bool is_renewed, CommitState& state) {
  Maintenance(aggregation, is_renewed, state).Run();
}

}  // namespace nlog::core
