// States against plain vectors, with counts that fit the narrow form, the wide one, and neither.

#include <array>
#include <random>
#include <vector>

#include "check.h"
#include "nlog/engine/core/states.h"

namespace nlog::core {
namespace {

struct Model {
  std::int64_t count = 0;
  States::Flags flags = 0;
};

void CheckStates(const States& states, const std::vector<Model>& model) {
  CHECK(states.size() == model.size());
  for (RowId row = 0; row < model.size(); ++row) {
    CHECK(states.Count(row) == model[row].count);
    for (const States::Flags flag : {1, 2, 4}) {
      CHECK(states.Has(row, flag) == ((model[row].flags & flag) != 0));
    }
  }
}

// Random changes, of counts out of the first so many of `kCounts`.
void RunChanges(std::size_t counts, unsigned seed) {
  static constexpr std::array<std::int64_t, 10> kCounts{
      0, 1, -1, 15, -16, 16, -17, (1 << 28) - 1, 1 << 28, -(std::int64_t{1} << 40)};
  std::mt19937 random(seed);
  States states;
  std::vector<Model> model;
  for (int step = 0; step < 400; ++step) {
    const auto row = static_cast<RowId>(model.empty() ? 0 : random() % model.size());
    const std::uint32_t choice = random() % 6;
    if (choice == 0 || model.empty()) {
      states.Add();
      model.emplace_back();
    } else if (choice == 1) {
      states.Forget(static_cast<RowId>(model.size() - 1));
      states.DropLast();
      model.pop_back();
    } else if (choice == 2) {
      const States::Flags flag = States::Flags{1} << random() % 3;
      const bool is_set = random() % 2 == 0;
      is_set ? states.Set(row, flag) : states.Clear(row, flag);
      model[row].flags = is_set ? model[row].flags | flag : model[row].flags & ~flag;
    } else if (choice == 3) {
      states.Forget(row);
      states.Reset(row);
      model[row] = {};
    } else {
      model[row].count = kCounts[random() % counts];
      states.SetCount(row, model[row].count);
    }
    CheckStates(states, model);
  }
}

TEST(StatesAgreeWithAVector) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    for (const std::size_t counts : {5, 8, 10}) {
      RunChanges(counts, seed);
    }
  }
}

TEST(SmallCountsTakeAByte) {
  States states;
  for (int i = 0; i < 1000; ++i) {
    states.Add();
    states.SetCount(static_cast<RowId>(i), 15);
  }
  CHECK(states.bytes() < 2048);
  states.SetCount(7, 16);
  CHECK(states.bytes() >= 4000);
  CHECK(states.Count(6) == 15 && states.Count(7) == 16);
}

}  // namespace
}  // namespace nlog::core
