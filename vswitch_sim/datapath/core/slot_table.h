// An open-addressing hash table of slots: numbers below 2^32 - 1, whose keys the caller knows.
//
// Linear probing over a power of two of places, at most half full. Erasing shifts the places that
// follow back, so look-ups never slow down with age.
//
// Cost: Find, Insert and Erase O(1) expected, 32 to 64 bytes an entry. Thread safety: none; const
// methods may run concurrently.

#ifndef VSWITCH_SIM_DATAPATH_CORE_SLOT_TABLE_H_
#define VSWITCH_SIM_DATAPATH_CORE_SLOT_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace vswitch {

class SlotTable {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  std::size_t size() const { return size_; }

  // The slot stored under `hash` for which `equal(slot)` holds, or kNone.
  template <typename Equal>
  std::uint32_t Find(std::uint64_t hash, Equal equal) const {
    for (std::size_t at = hash & mask(); places_[at].slot != kNone; at = (at + 1) & mask()) {
      if (places_[at].hash == hash && equal(places_[at].slot)) {
        return places_[at].slot;
      }
    }
    return kNone;
  }

  // Fetches what Find will read first.
  void Prefetch(std::uint64_t hash) const { __builtin_prefetch(&places_[hash & mask()]); }

  // Requires: the slot is not there.
  void Insert(std::uint64_t hash, std::uint32_t slot) {
    if (2 * (size_ + 1) > places_.size()) {
      const std::vector<Place> before =
          std::exchange(places_, std::vector<Place>(2 * places_.size()));
      for (const Place& place : before) {
        if (place.slot != kNone) {
          Put(place);
        }
      }
    }
    Put({hash, slot});
    ++size_;
  }

  // Requires: the slot is there, under that hash.
  void Erase(std::uint64_t hash, std::uint32_t slot) {
    std::size_t hole = hash & mask();
    while (places_[hole].slot != slot) {
      hole = (hole + 1) & mask();
    }
    for (std::size_t next = (hole + 1) & mask(); places_[next].slot != kNone;
         next = (next + 1) & mask()) {
      const std::size_t home = places_[next].hash & mask();
      if (((next - home) & mask()) >= ((next - hole) & mask())) {
        places_[hole] = places_[next];
        hole = next;
      }
    }
    places_[hole].slot = kNone;
    --size_;
  }

 private:
  struct Place {
    std::uint64_t hash = 0;
    std::uint32_t slot = kNone;
  };

  std::size_t mask() const { return places_.size() - 1; }

  void Put(Place place) {
    std::size_t at = place.hash & mask();
    while (places_[at].slot != kNone) {
      at = (at + 1) & mask();
    }
    places_[at] = place;
  }

  std::vector<Place> places_ = std::vector<Place>(8);
  std::size_t size_ = 0;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_SLOT_TABLE_H_
