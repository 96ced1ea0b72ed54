// See verification.h.

#include "verification.h"

#include <algorithm>
#include <span>
#include <vector>

#include "evaluation.h"

namespace nlog::core {
namespace {

// Runs one verify plan, from one row after another.
class Verification {
 public:
  Verification(const Pipeline& plan, CommitState& state)
      : plan_(plan),
        state_(state),
        equal_(FindFunction("eq")->body),
        registers_(plan.registers),
        has_value_(plan.registers.size(), true) {}

  // Whether the rule fails for a binding with this row; the text is then in the context.
  bool Run(const RowRef& row) {
    CountRow();
    return Load(row, plan_.loads, plan_.checks) && Join(plan_.steps.data());
  }

  const RuleWork& work() const { return work_; }

 private:
  void CountRow() {
    const ShouldStop& should_stop = state_.should_stop();
    if (++work_.rows_read % kRowsPerAsk == 0 && should_stop && should_stop()) {
      throw Interrupted();
    }
  }

  bool Load(const RowRef& row, const std::vector<ColumnRegister>& loads,
            const std::vector<ColumnRegister>& checks) {
    for (const auto& [column, register_number] : loads) {
      registers_[register_number] = row[column];
    }
    return std::ranges::all_of(checks, [&](const ColumnRegister& check) {
      return registers_[check.register_number] == row[check.column];
    });
  }

  auto KeyOf(const Step& step) const {
    return [this, &step](std::size_t i) { return registers_[step.arguments[i]]; };
  }

  bool IsThere(const Step& step) {
    ++work_.probes;
    const Table& table = state_.table(step.table);
    const RowId row = table.FindKey(KeyOf(step));
    return row != kNoRow && table.Visible(row, View::kNew);
  }

  // Joins the positive atoms from `step` on; whether a binding fails.
  bool Join(const Step* step) {
    if (step->kind == Step::Kind::kExists) {
      return IsThere(*step) && Join(step + 1);
    }
    if (step->kind != Step::Kind::kLookup) {
      return Judge(step);
    }
    ++work_.probes;
    const Table& table = state_.table(step->table);
    for (const RowId row : table.Matches(step->index, KeyOf(*step))) {
      CountRow();
      if (table.Visible(row, View::kNew) && Load(table.Row(row), step->loads, step->checks) &&
          Join(step + 1)) {
        return true;
      }
    }
    return false;
  }

  // Takes the steps from `first` on for the present binding; whether it fails.
  bool Judge(const Step* first) {
    for (const Step* step = first; step->kind != Step::Kind::kEmit; ++step) {
      if (step->kind == Step::Kind::kCall) {
        has_value_[step->result] = false;
      }
    }
    do {
      is_gained_ = is_incomplete_ = false;
      for (const Step* step = first; step->kind != Step::Kind::kEmit; ++step) {
        if (!Take(*step)) {
          state_.ForgetFailures();
          return false;
        }
      }
    } while (is_gained_ && is_incomplete_);
    return state_.context().has_failure();
  }

  // False if the step excludes the binding.
  bool Take(const Step& step) {
    if (step.kind == Step::Kind::kTest && step.function == equal_) {
      return Equate(step.arguments[0], step.arguments[1]);
    }
    if (step.kind == Step::Kind::kCall && has_value_[step.result]) {
      return true;
    }
    if (!std::ranges::all_of(step.arguments, [&](std::uint32_t i) { return has_value_[i]; })) {
      is_incomplete_ = true;
      return true;
    }
    if (step.kind == Step::Kind::kNotExists) {
      return !IsThere(step);
    }
    FunctionContext& context = state_.context();
    const Word value = step.function(context, Arguments(registers_.data(), step.arguments));
    if (context.failed()) {
      context.Resume();
      is_incomplete_ = true;
      return true;
    }
    if (step.kind == Step::Kind::kTest) {
      return value != 0;
    }
    Give(step.result, value);
    return true;
  }

  bool Equate(std::uint32_t left, std::uint32_t right) {
    if (has_value_[left] && has_value_[right]) {
      return registers_[left] == registers_[right];
    }
    if (has_value_[left]) {
      Give(right, registers_[left]);
    } else if (has_value_[right]) {
      Give(left, registers_[right]);
    } else {
      is_incomplete_ = true;
    }
    return true;
  }

  void Give(std::uint32_t register_number, Word value) {
    registers_[register_number] = value;
    has_value_[register_number] = true;
    is_gained_ = true;
  }

  const Pipeline& plan_;
  CommitState& state_;
  const FunctionBody equal_;
  std::vector<Word> registers_;
  std::vector<bool> has_value_;
  // Whether, in the present round, a register got a value, or a step lacked one.
  bool is_gained_ = false;
  bool is_incomplete_ = false;
  RuleWork work_;
};

// Suspects of one delta plan.
void Verify(std::span<const Suspect> suspects, CommitState& state) {
  const Rule& rule = *suspects.front().rule;
  const Pipeline& delta = *suspects.front().delta;
  Require(!rule.verifies.empty(), "a function failed in a rule without verify plans");
  Verification verification(rule.verifies[static_cast<std::size_t>(&delta - rule.deltas.data())],
                            state);
  const Table& source = state.table(delta.table);
  for (const Suspect& suspect : suspects) {
    Require(source.Visible(suspect.row, View::kNew) != delta.is_negated,
            "a failure was noted at a row that is none of the new view");
    if (verification.Run(source.Row(suspect.row))) {
      throw EvaluationError(rule.number, state.context().TakeFailure());
    }
  }
  state.Account(rule, verification.work());
}

}  // namespace

void VerifySuspects(CommitState& state) {
  for (std::span<const Suspect> rest = state.suspects(); !rest.empty();) {
    const auto end = std::ranges::find_if(
        rest, [&](const Suspect& suspect) { return suspect.delta != rest.front().delta; });
    const auto count = static_cast<std::size_t>(end - rest.begin());
    Verify(rest.first(count), state);
    rest = rest.subspan(count);
  }
  state.ForgetSuspects();
}

}  // namespace nlog::core
