// The hash of some words of a key: four lanes that do not wait for each other, folded at the end.

#ifndef VSWITCH_SIM_DATAPATH_CORE_HASH_H_
#define VSWITCH_SIM_DATAPATH_CORE_HASH_H_

#include <cstddef>

#include "key.h"

namespace vswitch {

class Hasher {
 public:
  // Adds the `i`th word.
  void Add(std::size_t i, Word word) {
    Word& lane = lanes_[i % 4];
    lane = (lane ^ word) * kOdd;
    lane ^= lane >> 32;
  }

  Word Value() const {
    Word value = lanes_[0];
    for (std::size_t lane = 1; lane < 4; ++lane) {
      value = (value ^ lanes_[lane]) * kOdd;
      value ^= value >> 29;
    }
    return value;
  }

 private:
  static constexpr Word kOdd = 0x9E3779B97F4A7C15;

  Word lanes_[4] = {1, 2, 3, 4};
};

inline Word HashOf(const FlowKey& key) {
  Hasher hasher;
  for (std::size_t i = 0; i < kKeyWords; ++i) {
    hasher.Add(i, key.words[i]);
  }
  return hasher.Value();
}

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_HASH_H_
