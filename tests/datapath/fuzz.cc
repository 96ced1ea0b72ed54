// Passes damaged frames through datapaths with slow paths of dice, for as long as one likes:
//
//   frame-fuzz SECONDS [SEED]
//
// It is built with the sanitizers, which end it at the first byte that is read where there is none.
// What takes a minute for a step of some frames is called a hang.

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "random_datapath.h"

namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 10;
  std::uint64_t seed = argc > 2
                           ? std::strtoull(argv[2], nullptr, 10)
                           : static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
  std::printf("frame-fuzz: first seed %llu\n", static_cast<unsigned long long>(seed));
  const Clock::time_point begin = Clock::now();
  std::uint64_t n_sent = 0;
  std::uint64_t n_steps = 0;
  double longest_s = 0;
  for (; SecondsSince(begin) < seconds; ++seed) {
    vswitch::test::RandomSwitch random_switch(seed);
    for (int i = 0; i < 1000; ++i, ++n_steps) {
      const Clock::time_point step = Clock::now();
      random_switch.Step();
      longest_s = std::max(longest_s, SecondsSince(step));
    }
    n_sent += random_switch.n_sent();
  }
  std::printf("frame-fuzz: %llu steps of some 20 frames, %llu sent, the longest %.3f s\n",
              static_cast<unsigned long long>(n_steps), static_cast<unsigned long long>(n_sent),
              longest_s);
  return longest_s < 60 ? 0 : 1;
}
