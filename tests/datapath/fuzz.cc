// Passes damaged frames through datapaths with slow paths of dice, for as long as one likes:
//
//   frame-fuzz SECONDS [SEED]
//
// It is built with the sanitizers, which end it at the first byte that is read where there is none.
// Seconds are of processor time; a step of some frames that takes over kStepMaxS is called a hang.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "random_datapath.h"

namespace {

constexpr double kStepMaxS = 10;

double ProcessorSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 10;
  std::uint64_t seed =
      argc > 2
          ? std::strtoull(argv[2], nullptr, 10)
          : static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  std::printf("frame-fuzz: first seed %llu\n", static_cast<unsigned long long>(seed));
  std::uint64_t n_received = 0;
  std::uint64_t n_sent = 0;
  double longest_s = 0;
  for (; ProcessorSeconds() < seconds; ++seed) {
    vswitch::test::RandomSwitch random_switch(seed);
    for (int i = 0; i < 1000 && ProcessorSeconds() < seconds; ++i) {
      const double step_s = ProcessorSeconds();
      random_switch.Step();
      longest_s = std::max(longest_s, ProcessorSeconds() - step_s);
    }
    n_received += random_switch.n_received();
    n_sent += random_switch.n_sent();
  }
  std::printf("frame-fuzz: %llu frames received, %llu sent, the longest step %.3f s\n",
              static_cast<unsigned long long>(n_received), static_cast<unsigned long long>(n_sent),
              longest_s);
  return longest_s < kStepMaxS ? 0 : 1;
}
