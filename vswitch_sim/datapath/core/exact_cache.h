// The exact-match cache: from a whole key to the megaflow that covers it.
//
// Set-associative: a key's hash names a set of four places. An entry that was found is not asked
// again whether its megaflow is right, for only the megaflow's going makes it wrong, and its handle
// tells that. So nothing is ever taken out: what is dead is written over, and now and then what has
// stood for longest. Not each time: where there are more flows than places, a new one is unlikely
// to come again before it has to go itself.
//
// Cost: 212 bytes a place; a look-up compares 4 tags of 4 bytes, and the key of the one that fits.
// Thread safety: none.

#ifndef VSWITCH_SIM_DATAPATH_CORE_EXACT_CACHE_H_
#define VSWITCH_SIM_DATAPATH_CORE_EXACT_CACHE_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "key.h"
#include "megaflows.h"

namespace vswitch {

class ExactCache {
 public:
  // A cache of at most `size_max` entries: the largest power of two of them, 4 at least, or none.
  explicit ExactCache(std::size_t size_max)
      : sets_(size_max < kWays ? 0 : std::bit_floor(size_max) / kWays),
        entries_(sets_.size() * kWays) {}

  std::uint64_t evictions() const { return evictions_; }

  // The megaflow of a key, or null.
  Megaflow* Find(Megaflows& megaflows, const FlowKey& key, Word hash) {
    if (sets_.empty()) {
      return nullptr;
    }
    const Set& set = sets_[SetOf(hash)];
    for (std::size_t way = 0; way < kWays; ++way) {
      const Entry& entry = entries_[SetOf(hash) * kWays + way];
      if (set.tags[way] == TagOf(hash) && entry.key == key) {
        return megaflows.At(entry.handle);
      }
    }
    return nullptr;
  }

  // Fetches what Guess will read.
  void Prefetch(Word hash) const {
    if (!sets_.empty()) {
      __builtin_prefetch(&sets_[SetOf(hash)]);
    }
  }
  // The megaflow that Find will find, more likely than not; and fetches what it will read.
  Handle Guess(Word hash) const {
    if (sets_.empty()) {
      return {};
    }
    const Set& set = sets_[SetOf(hash)];
    for (std::size_t way = 0; way < kWays; ++way) {
      if (set.tags[way] == TagOf(hash)) {
        const Entry& entry = entries_[SetOf(hash) * kWays + way];
        __builtin_prefetch(&entry.key.words[0]);
        __builtin_prefetch(&entry.key.words[8]);
        __builtin_prefetch(&entry.key.words[16]);
        return {set.slots[way], 0};
      }
    }
    return {};
  }

  // Remembers the megaflow of a key.
  void Insert(const Megaflows& megaflows, const FlowKey& key, Word hash, Handle handle) {
    if (sets_.empty()) {
      return;
    }
    Set& set = sets_[SetOf(hash)];
    Entry* const ways = &entries_[SetOf(hash) * kWays];
    std::size_t way = 0;
    while (way < kWays && megaflows.IsThere(ways[way].handle) &&
           !(set.tags[way] == TagOf(hash) && ways[way].key == key)) {
      ++way;
    }
    if (way == kWays) {
      if (++set.refused % kRefusedPerEviction != 0) {
        return;
      }
      way = set.refused / kRefusedPerEviction % kWays;
      ++evictions_;
    }
    set.tags[way] = TagOf(hash);
    set.slots[way] = handle.slot;
    ways[way] = {key, handle};
  }

  // How many entries lead to megaflows that are there. Cost: linear in the places.
  std::size_t CountEntries(const Megaflows& megaflows) const {
    return static_cast<std::size_t>(
        std::count_if(entries_.begin(), entries_.end(),
                      [&](const Entry& entry) { return megaflows.IsThere(entry.handle); }));
  }

 private:
  static constexpr std::size_t kWays = 4;
  static constexpr std::uint32_t kRefusedPerEviction = 8;

  struct alignas(64) Set {
    std::uint32_t tags[kWays] = {};
    // The slots of the entries' megaflows, which are known before the entries are.
    std::uint32_t slots[kWays] = {};
    // How often it was found full.
    std::uint32_t refused = 0;
  };
  struct alignas(64) Entry {
    FlowKey key;
    Handle handle;
  };

  std::size_t SetOf(Word hash) const { return hash & (sets_.size() - 1); }
  static std::uint32_t TagOf(Word hash) { return static_cast<std::uint32_t>(hash >> 32); }

  std::vector<Set> sets_;
  std::vector<Entry> entries_;
  std::uint64_t evictions_ = 0;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_EXACT_CACHE_H_
