// Marks of rows, against a map.

#include <map>
#include <random>

#include "check.h"
#include "nlog/engine/core/marks.h"

namespace nlog::core {
namespace {

TEST(RowsWithoutMarksHaveNone) {
  const Marks marks;
  CHECK(marks.Of(0) == 0);
  CHECK(marks.Of(kNoRow - 1) == 0);
}

TEST(MarksAgreeWithAMap) {
  std::mt19937 random(1);
  Marks marks;
  std::map<RowId, Marks::Flags> expected;
  for (int i = 0; i < 5000; ++i) {
    const RowId row = random() % 2 == 0 ? random() % 200 : kNoRow - 1 - random() % 200;
    const Marks::Flags flag = 1u << random() % 3;
    marks.At(row) ^= flag;
    expected[row] ^= flag;
    const RowId other = random() % 400;
    CHECK(marks.Of(other) == (expected.contains(other) ? expected[other] : 0));
  }
  for (const auto& [row, flags] : expected) {
    CHECK(marks.Of(row) == flags);
  }
}

}  // namespace
}  // namespace nlog::core
