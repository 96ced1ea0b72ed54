// HashSlots against a set, with hashes so few that long runs of collisions form and are broken up.

#include <algorithm>
#include <random>
#include <set>

#include "check.h"
#include "nlog/engine/core/hash_slots.h"
#include "nlog/engine/core/words.h"

namespace nlog::core {
namespace {

TEST(SlotsAgreeWithASet) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    HashSlots slots;
    std::set<std::uint32_t> model;
    const std::uint32_t hash_limit = 1 + random() % 40;
    const auto hash_of = [hash_limit](std::uint32_t number) { return number * 7 % hash_limit; };
    for (int step = 0; step < 300; ++step) {
      const std::uint32_t number = random() % 48;
      const std::uint32_t hash = hash_of(number);
      if (model.contains(number)) {
        slots.Erase(hash, number);
        model.erase(number);
      } else if (random() % 3 != 0) {
        slots.Insert(hash, number);
        model.insert(number);
      }
      CHECK(slots.size() == model.size());
      for (std::uint32_t sought = 0; sought < 48; ++sought) {
        const std::uint32_t found =
            slots.Find(hash_of(sought), [sought](std::uint32_t other) { return other == sought; });
        CHECK(found == (model.contains(sought) ? sought : HashSlots::kNone));
      }
    }
  }
}

TEST(GrowingALargeSetKeepsAllAndGivesItsMemoryBackMeanwhile) {
  constexpr std::uint32_t kMany = 1'500'000;
  const auto hash_of = [](std::uint32_t number) { return number * 0x9E3779B1u; };
  HashSlots slots;
  for (std::uint32_t number = 0; number < kMany; ++number) {
    slots.ReserveOne();
    const HashSlots::Place place = slots.Seek(hash_of(number), [](std::uint32_t) { return true; });
    CHECK(slots.At(place) == HashSlots::kNone);
    slots.InsertAt(place, hash_of(number), number);
  }
  slots.Reserve(2 * kMany);
  CHECK(slots.size() == kMany);
  for (std::uint32_t number = 0; number < kMany; ++number) {
    const std::uint32_t found =
        slots.Find(hash_of(number), [number](std::uint32_t other) { return other == number; });
    CHECK(found == number);
  }
}

TEST(NoWordMakesHashesForgetTheOthers) {
  for (const Word word : {0xA0761D6478BD642Full, 0xE7037ED1A0B428DBull, 0ull, ~0ull}) {
    std::set<std::uint32_t> after;
    for (Word other = 0; other < 1000; ++other) {
      Hasher hasher;
      hasher.Add(other);
      hasher.Add(word);
      after.insert(hasher.Value());
    }
    CHECK(after.size() > 990);
  }
}

TEST(ReplaceKeepsThePlace) {
  HashSlots slots;
  slots.Insert(5, 1);
  slots.Insert(5, 2);
  slots.Replace(5, 1, 3);
  const auto find = [&slots](std::uint32_t number) {
    return slots.Find(5, [number](std::uint32_t other) { return other == number; });
  };
  CHECK(find(1) == HashSlots::kNone);
  CHECK(find(2) == 2);
  CHECK(find(3) == 3);
  CHECK(slots.size() == 2);
}

}  // namespace
}  // namespace nlog::core
