// See megaflows.h.

#include "megaflows.h"

#include <algorithm>
#include <utility>

#include "hash.h"

namespace vswitch {
namespace {

// Masks are put in order once in so many look-ups.
constexpr std::uint64_t kFindsPerOrder = 1024;

FlowKey Masked(const FlowKey& key, const FlowKey& mask) {
  FlowKey masked;
  for (std::size_t i = 0; i < kKeyWords; ++i) {
    masked.words[i] = key.words[i] & mask.words[i];
  }
  return masked;
}

void SortByNumber(std::vector<MegaflowRecord>& records) {
  std::sort(records.begin(), records.end(),
            [](const auto& left, const auto& right) { return left.number < right.number; });
}

}  // namespace

MegaflowRecord::MegaflowRecord(const Megaflow& megaflow)
    : number(megaflow.number),
      key(megaflow.key),
      mask(megaflow.mask_table->mask),
      counts(megaflow.counts) {}

MaskTable::MaskTable(const FlowKey& of_mask) : mask(of_mask) {
  for (std::size_t i = 0; i < kKeyWords; ++i) {
    if (mask.words[i] != 0) {
      words.push_back(static_cast<std::uint8_t>(i));
    }
  }
}

Word MaskTable::Hash(const FlowKey& key) const {
  Hasher hasher;
  for (std::size_t i = 0; i < words.size(); ++i) {
    hasher.Add(i, key.words[words[i]] & mask.words[words[i]]);
  }
  return hasher.Value();
}

bool MaskTable::Agree(const FlowKey& left, const FlowKey& right) const {
  return std::all_of(words.begin(), words.end(), [&](std::uint8_t i) {
    return ((left.words[i] ^ right.words[i]) & mask.words[i]) == 0;
  });
}

Megaflow* Megaflows::Find(const FlowKey& key) {
  if (++n_finds_ % kFindsPerOrder == 0) {
    SortMasks();
  }
  for (const auto& table : mask_tables_) {
    ++masks_tried_;
    const std::uint32_t slot = table->slots.Find(table->Hash(key), [&](std::uint32_t candidate) {
      return table->Agree(key, slots_[candidate].key);
    });
    if (slot != SlotTable::kNone) {
      ++table->n_hits;
      return &slots_[slot];
    }
  }
  return nullptr;
}

const Megaflow* Megaflows::Peek(const FlowKey& key) const {
  for (const auto& table : mask_tables_) {
    const std::uint32_t slot = table->slots.Find(table->Hash(key), [&](std::uint32_t candidate) {
      return table->Agree(key, slots_[candidate].key);
    });
    if (slot != SlotTable::kNone) {
      return &slots_[slot];
    }
  }
  return nullptr;
}

MaskTable& Megaflows::TableOf(const FlowKey& mask) {
  const auto found = std::find_if(mask_tables_.begin(), mask_tables_.end(),
                                  [&](const auto& table) { return table->mask == mask; });
  if (found != mask_tables_.end()) {
    return **found;
  }
  return *mask_tables_.emplace_back(std::make_unique<MaskTable>(mask));
}

Megaflow& Megaflows::Add(MegaflowNumber number, const FlowKey& key, const FlowKey& mask,
                         Actions actions) {
  const FlowKey masked = Masked(key, mask);
  const auto same = [&](std::uint32_t slot) { return slots_[slot].key == masked; };
  const std::uint32_t before = TableOf(mask).slots.Find(TableOf(mask).Hash(masked), same);
  if (before != SlotTable::kNone) {
    Remove(slots_[before]);
  }
  MaskTable& table = TableOf(mask);
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.Append().handle.slot = free_slots_.back();
  }
  Megaflow& megaflow = slots_[free_slots_.back()];
  by_number_.emplace(number, free_slots_.back());
  table.slots.Insert(table.Hash(masked), free_slots_.back());
  free_slots_.pop_back();
  megaflow.number = number;
  megaflow.mask_table = &table;
  megaflow.key = masked;
  megaflow.actions = std::move(actions);
  megaflow.counts = {};
  return megaflow;
}

std::optional<MegaflowRecord> Megaflows::Remove(MegaflowNumber number) {
  const auto found = by_number_.find(number);
  if (found == by_number_.end()) {
    return std::nullopt;
  }
  Megaflow& megaflow = slots_[found->second];
  const MegaflowRecord record(megaflow);
  Remove(megaflow);
  return record;
}

void Megaflows::Remove(Megaflow& megaflow) {
  MaskTable* const table = megaflow.mask_table;
  if (n_pins_ > 0) {
    left_behind_.push_back(std::move(megaflow.actions));
  }
  megaflow.actions = Actions();
  table->slots.Erase(table->Hash(megaflow.key), megaflow.handle.slot);
  if (table->slots.size() == 0) {
    std::erase_if(mask_tables_, [&](const auto& other) { return other.get() == table; });
  }
  by_number_.erase(megaflow.number);
  megaflow.mask_table = nullptr;
  ++megaflow.handle.generation;
  free_slots_.push_back(megaflow.handle.slot);
}

std::vector<MegaflowRecord> Megaflows::RemoveIdle(double used_s) {
  std::vector<MegaflowRecord> removed;
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    Megaflow& megaflow = slots_[slot];
    if (megaflow.mask_table != nullptr && megaflow.counts.used_s <= used_s) {
      removed.emplace_back(megaflow);
      Remove(megaflow);
    }
  }
  SortByNumber(removed);
  return removed;
}

std::vector<MegaflowRecord> Megaflows::Records() const {
  std::vector<MegaflowRecord> records;
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    const Megaflow& megaflow = slots_[slot];
    if (megaflow.mask_table != nullptr) {
      records.emplace_back(megaflow);
    }
  }
  SortByNumber(records);
  return records;
}

void Megaflows::SortMasks() {
  std::stable_sort(
      mask_tables_.begin(), mask_tables_.end(),
      [](const auto& left, const auto& right) { return left->n_hits > right->n_hits; });
  for (const auto& table : mask_tables_) {
    table->n_hits = 0;
  }
}

}  // namespace vswitch
