// The megaflows: what is done to all packets that agree in the bits of a mask.
//
// Tuple space: the megaflows of one mask are one hash table by the masked key. Megaflows are
// disjoint, so the first that is found is the one, and masks are tried in the order of how often
// they were right of late, as Open vSwitch's dpcls does.
//
// A megaflow lives in a slot, and whoever keeps its slot keeps its generation, too: that grows when
// the megaflow goes, so a handle to what is gone tells so. References to a megaflow are good until
// it is taken away.
//
// What is taken away while packets are on their way (`Pin`) leaves its actions behind until the
// last of them is through.
//
// Cost: a look-up tries half the masks at worst on average, O(1) expected each. Thread safety:
// none.

#ifndef VSWITCH_SIM_DATAPATH_CORE_MEGAFLOWS_H_
#define VSWITCH_SIM_DATAPATH_CORE_MEGAFLOWS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "actions.h"
#include "chunked.h"
#include "key.h"
#include "slot_table.h"

namespace vswitch {

using MegaflowNumber = std::uint64_t;

struct Handle {
  std::uint32_t slot = SlotTable::kNone;
  std::uint32_t generation = 0;
};

struct MegaflowCounts {
  std::uint64_t n_packets = 0;
  std::uint64_t n_bytes = 0;
  double used_s = 0;
};

struct MaskTable;

// What a packet needs comes first, in one line of memory.
struct alignas(64) Megaflow {
  Handle handle;
  Actions actions;
  MegaflowCounts counts;
  // Null in a slot that is free.
  MaskTable* mask_table = nullptr;
  // Of zeros outside the mask.
  FlowKey key;
  MegaflowNumber number = 0;
};

// The megaflows of one mask.
struct MaskTable {
  explicit MaskTable(const FlowKey& of_mask);

  Word Hash(const FlowKey& key) const;
  // Whether two keys agree in the mask.
  bool Agree(const FlowKey& left, const FlowKey& right) const;

  FlowKey mask;
  // The words in which the mask has bits.
  std::vector<std::uint8_t> words;
  SlotTable slots;
  // How often it was right since masks were last put in order.
  std::uint64_t n_hits = 0;
};

// What is left of a megaflow that went, or a picture of one that is there.
struct MegaflowRecord {
  explicit MegaflowRecord(const Megaflow& megaflow);

  MegaflowNumber number;
  FlowKey key;
  FlowKey mask;
  MegaflowCounts counts;
};

class Megaflows {
 public:
  explicit Megaflows(std::size_t size_max) : size_max_(size_max) {}

  std::size_t size() const { return by_number_.size(); }
  bool is_full() const { return size() >= size_max_; }
  std::size_t mask_count() const { return mask_tables_.size(); }
  // How many masks look-ups have tried.
  std::uint64_t masks_tried() const { return masks_tried_; }

  // The megaflow that covers a key, or null. Counts in the order of masks only.
  Megaflow* Find(const FlowKey& key);
  // The same, and counts nothing.
  const Megaflow* Peek(const FlowKey& key) const;

  // Null if it went.
  Megaflow* At(Handle handle) { return IsThere(handle) ? &slots_[handle.slot] : nullptr; }
  // Fetches what Guess will read; what Guess is to be told.
  Word PrefetchFirstMask(const FlowKey& key) const {
    if (mask_tables_.empty()) {
      return 0;
    }
    const Word hash = mask_tables_.front()->Hash(key);
    mask_tables_.front()->slots.Prefetch(hash);
    return hash;
  }
  // The megaflow that Find will find, if the first mask is the right one.
  Handle Guess(Word hash) const {
    if (mask_tables_.empty()) {
      return {};
    }
    return {mask_tables_.front()->slots.Find(hash, [](std::uint32_t) { return true; }), 0};
  }
  // Fetch what a packet of a megaflow needs, of which it may turn out to be none.
  void Prefetch(Handle handle) const {
    if (handle.slot < slots_.size()) {
      const Megaflow& megaflow = slots_[handle.slot];
      __builtin_prefetch(&megaflow);
      __builtin_prefetch(&megaflow.key.words[4]);
    }
  }
  void PrefetchActions(Handle handle) const {
    if (handle.slot < slots_.size()) {
      __builtin_prefetch(slots_[handle.slot].actions.data());
    }
  }
  bool IsThere(Handle handle) const {
    return handle.slot < slots_.size() &&
           slots_[handle.slot].handle.generation == handle.generation;
  }

  // Adds a megaflow in the place of one with the same mask and key, if there is one. Requires: not
  // full, and a number that was never used.
  Megaflow& Add(MegaflowNumber number, const FlowKey& key, const FlowKey& mask, Actions actions);

  // Takes one away, if it is there.
  std::optional<MegaflowRecord> Remove(MegaflowNumber number);

  // Takes away those not used since before `used_s`; in the order of their numbers.
  std::vector<MegaflowRecord> RemoveIdle(double used_s);

  // All, in the order of their numbers.
  std::vector<MegaflowRecord> Records() const;

  // Keeps all actions where they are while it lives.
  class Pin {
   public:
    explicit Pin(Megaflows& megaflows) : megaflows_(megaflows) { ++megaflows_.n_pins_; }
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;
    ~Pin() {
      if (--megaflows_.n_pins_ == 0 && !megaflows_.left_behind_.empty()) {
        megaflows_.left_behind_.clear();
      }
    }

   private:
    Megaflows& megaflows_;
  };

 private:
  MaskTable& TableOf(const FlowKey& mask);
  void Remove(Megaflow& megaflow);
  void SortMasks();

  std::size_t size_max_;
  Chunked<Megaflow> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::unordered_map<MegaflowNumber, std::uint32_t> by_number_;
  std::vector<std::unique_ptr<MaskTable>> mask_tables_;
  std::uint64_t n_finds_ = 0;
  std::uint64_t masks_tried_ = 0;
  std::size_t n_pins_ = 0;
  std::vector<Actions> left_behind_;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_MEGAFLOWS_H_
