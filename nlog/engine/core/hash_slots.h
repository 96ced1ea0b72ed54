// An open-addressing hash set of row numbers (or any 32-bit numbers): the one hash table of the
// core. It stores numbers and 32 bits of their hash; what a number stands for is known to the
// caller alone, who passes the hash and a test for equality with every look-up.
//
// Linear probing over a power of two of 8-byte slots, at most three quarters full. Erasing shifts
// the slots that follow back, so there are no tombstones and look-ups never slow down with age.
//
// Cost: 11 to 16 bytes an entry, or 11 if their number was known; Find, Insert and Erase O(1)
// expected; growing reads slots only, in their order, and gives
// their memory back meanwhile. Insert does not allocate after ReserveOne; Erase never
// allocates. Thread safety: none; const methods may run concurrently.

#ifndef NLOG_ENGINE_CORE_HASH_SLOTS_H_
#define NLOG_ENGINE_CORE_HASH_SLOTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "array.h"

namespace nlog::core {

class HashSlots {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  std::size_t size() const { return size_; }

  // The number stored under `hash` for which `equal(number)` holds, or kNone.
  template <typename Equal>
  std::uint32_t Find(std::uint32_t hash, Equal equal) const {
    return slots_.empty() ? kNone : At(Seek(hash, equal));
  }

  // Where a number stands: the place of the one stored under `hash` for which `equal(number)`
  // holds, or the empty one where it belongs; good until the next change. Requires: there are
  // places, as after ReserveOne.
  using Place = std::size_t;
  template <typename Equal>
  Place Seek(std::uint32_t hash, Equal equal) const {
    for (Place place = Home(hash);; place = After(place)) {
      const Slot& slot = slots_[place];
      if (slot.empty() || (slot.hash == hash && equal(slot.number()))) {
        return place;
      }
    }
  }
  // The number at a place, or kNone.
  std::uint32_t At(Place place) const { return slots_[place].number(); }
  // Adds a number. Requires: Seek gave the place, which is empty, after ReserveOne.
  void InsertAt(Place place, std::uint32_t hash, std::uint32_t number) {
    slots_[place] = {~number, hash};
    ++size_;
  }

  // Makes room for `count` numbers in all.
  void Reserve(std::size_t count) {
    const std::size_t wanted = std::max(kSlotsMin, count / 3 * 4 + 4);
    if (wanted > slots_.size()) {
      Resize(wanted);
    }
  }

  // Makes room, so that the next Insert cannot fail.
  void ReserveOne() {
    if ((size_ + 1) * 4 > slots_.size() * 3) [[unlikely]] {
      Grow();
    }
  }

  // Fetches what Find will read first.
  void Prefetch(std::uint32_t hash) const {
    if (!slots_.empty()) {
      __builtin_prefetch(slots_.data() + Home(hash));
    }
  }
  // The first number stored under `hash`, or kNone: for fetching what Find will compare.
  std::uint32_t Guess(std::uint32_t hash) const {
    return Find(hash, [](std::uint32_t) { return true; });
  }
  std::size_t bytes() const { return slots_.bytes(); }

  // Adds a number. Requires: it is not there.
  void Insert(std::uint32_t hash, std::uint32_t number) {
    ReserveOne();
    Put(Slot{~number, hash});
    ++size_;
  }

  // Puts `number` in the place of `old`, which has the same hash. Requires: `old` is there.
  void Replace(std::uint32_t hash, std::uint32_t old, std::uint32_t number) {
    slots_[PlaceOf(hash, old)].flipped = ~number;
  }

  // Removes a number. Requires: it is there.
  void Erase(std::uint32_t hash, std::uint32_t number) {
    Place hole = PlaceOf(hash, number);
    for (Place next = After(hole); !slots_[next].empty(); next = After(next)) {
      if (Distance(Home(slots_[next].hash), next) >= Distance(hole, next)) {
        slots_[hole] = slots_[next];
        hole = next;
      }
    }
    slots_[hole].flipped = 0;
    --size_;
  }

 private:
  struct Slot {
    // All bits of the number flipped, so that a slot of zeros is empty.
    std::uint32_t flipped;
    std::uint32_t hash;

    std::uint32_t number() const { return ~flipped; }
    bool empty() const { return flipped == 0; }
  };

  static constexpr std::size_t kSlotsMin = 8;
  // After how many slots moved their memory goes back, a multiple of a huge page.
  static constexpr std::size_t kSlotsAtOnce = std::size_t{1} << 20;

  Place Home(std::uint32_t hash) const {
    return static_cast<Place>((std::uint64_t{hash} * slots_.size()) >> 32);
  }
  Place After(Place place) const { return place + 1 == slots_.size() ? 0 : place + 1; }
  // How many steps lead from one place to another.
  std::size_t Distance(Place from, Place to) const {
    return to >= from ? to - from : to + slots_.size() - from;
  }

  Place PlaceOf(std::uint32_t hash, std::uint32_t number) const {
    return Seek(hash, [number](std::uint32_t other) { return other == number; });
  }

  void Put(Slot slot) {
    Place place = Home(slot.hash);
    while (!slots_[place].empty()) {
      place = After(place);
    }
    slots_[place] = slot;
  }

  void Resize(std::size_t count) {
    Array<Slot> resized;
    resized.ResizeZeroed(count);
    std::swap(resized, slots_);
    Array<Slot>& before = resized;
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (!before[i].empty()) {
        Put(before[i]);
      }
      if (i % kSlotsAtOnce == 0 && i > 0) {
        before.GiveBack(i - kSlotsAtOnce, i);
      }
    }
  }

  void Grow() { Resize(slots_.empty() ? kSlotsMin : slots_.size() + slots_.size() / 2); }

  Array<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_HASH_SLOTS_H_
