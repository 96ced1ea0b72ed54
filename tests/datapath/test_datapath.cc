// The datapath as a whole, under a slow path that does what it likes: the sanitizers see whether
// anything is used that went.

#include <stdexcept>
#include <string>
#include <vector>

#include "random_datapath.h"
#include "tests/core/check.h"

namespace vswitch {
namespace {

using test::RandomSwitch;

TEST(AnySlowPathIsSurvived) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    RandomSwitch random_switch(seed);
    for (int i = 0; i < 500; ++i) {
      random_switch.Step();
    }
    CHECK(random_switch.n_sent() > 0);
  }
}

// Batches of one and of many send the same, whatever frames they have.
TEST(ABatchIsItsFramesOneAfterTheOther) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CHECK(RandomSwitch::Sent(seed, 1) == RandomSwitch::Sent(seed, 7));
  }
}

}  // namespace
}  // namespace vswitch
