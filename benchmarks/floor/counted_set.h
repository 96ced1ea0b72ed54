// A table as a specialist keeps it: a set of rows of 32-bit columns with the number of derivations
// of each, by open addressing in one block of memory. The floor of the benchmarks is made of these.
//
// A slot is the row and its count, nothing else; a row's home is the high part of hash × capacity,
// so that a table grows by one pass in order over the old slots and the new. Linear probing, at
// most three quarters full; a deletion shifts back what follows, so there are no tombstones.
//
// `change` goes through a short queue that has the memory of a row's home fetched before the row
// gets there: order does not matter to counts. `flush` empties it; everything that reads needs
// that. With `track` on, rows that came or went are remembered until `settle` tells the net change
// of each once: a row that went keeps its slot, with count 0, until then.
//
// Requires: counts below 2^30, and never below 0. One thread. Copying is not allowed.
// Cost: a change is a hash and about one cache miss; 4 (N + 1) bytes / 0.5 to 0.75 a row.

#ifndef BENCHMARKS_FLOOR_COUNTED_SET_H_
#define BENCHMARKS_FLOOR_COUNTED_SET_H_

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace floor_ {

template <size_t N>
using Row = std::array<uint32_t, N>;

// The rows that a commit brought and took away.
template <size_t N>
struct Delta {
  std::vector<Row<N>> inserted;
  std::vector<Row<N>> deleted;

  void clear() {
    inserted.clear();
    deleted.clear();
  }
  size_t size() const { return inserted.size() + deleted.size(); }
};

template <size_t N>
class CountedSet {
 public:
  Delta<N> delta;  // what `settle` found last

  CountedSet() { allocate(64); }
  CountedSet(const CountedSet&) = delete;
  CountedSet& operator=(const CountedSet&) = delete;
  ~CountedSet() { release(slots_, capacity_); }

  // Makes room for so many rows in all, and a twentieth more.
  void reserve(size_t rows) {
    const size_t wanted = rows + rows * 2 / 5 + 64;
    if (wanted > capacity_) resize(wanted);
  }

  void track(bool on) { tracking_ = on; }

  void change(const Row<N>& row, int by) {
    Pending& pending = queue_[queued_++ % kAhead];
    if (queued_ > kAhead) apply(pending.row, pending.by);
    pending = {row, by};
    __builtin_prefetch(&slots_[home(row)], 1);
  }

  void flush() {
    const size_t first = queued_ > kAhead ? queued_ - kAhead : 0;
    for (size_t at = first; at < queued_; ++at) {
      apply(queue_[at % kAhead].row, queue_[at % kAhead].by);
    }
    queued_ = 0;
  }

  // Fills `delta` with the rows whose presence differs from that at the last call.
  void settle() {
    flush();
    delta.clear();
    for (const Row<N>& row : touched_) {
      const size_t at = find(row);
      const bool was = slots_[at].state & kWas;
      slots_[at].state &= kCount;
      if (slots_[at].state == 0) {
        if (was) delta.deleted.push_back(row);
        erase(at);
      } else if (!was) {
        delta.inserted.push_back(row);
      }
    }
    touched_.clear();
  }

  bool contains(const Row<N>& row) const { return (slots_[find(row)].state & kCount) != 0; }

  size_t size() const { return size_; }

  template <typename F>
  void for_each(F&& visit) const {
    for (size_t at = 0; at < capacity_; ++at) {
      if (slots_[at].state & kCount) visit(slots_[at].row);
    }
  }

 private:
  static constexpr uint32_t kTouched = 1u << 31;
  static constexpr uint32_t kWas = 1u << 30;
  static constexpr uint32_t kCount = kWas - 1;
  static constexpr size_t kAhead = 16;
  static constexpr size_t kPage = size_t{1} << 21;
  static constexpr size_t kSlotsFreed = size_t{1} << 20;

  struct Slot {
    Row<N> row;
    uint32_t state;  // the count, and the two marks; 0: free
  };
  struct Pending {
    Row<N> row;
    int by;
  };

  size_t home(const Row<N>& row) const {
    uint64_t hash = 0;
    for (size_t at = 0; at + 1 < N; at += 2) {
      hash ^= uint64_t{row[at]} << 32 | row[at + 1];
      hash *= 0x9E3779B97F4A7C15u;
      hash ^= hash >> 32;
    }
    if constexpr (N % 2 == 1) hash = (hash ^ row[N - 1]) * 0x9E3779B97F4A7C15u;
    hash *= 0xD6E8FEB86659FD93u;
    return static_cast<size_t>((static_cast<unsigned __int128>(hash) * capacity_) >> 64);
  }

  size_t after(size_t at) const { return at + 1 == capacity_ ? 0 : at + 1; }

  size_t find(const Row<N>& row) const {
    size_t at = home(row);
    while (slots_[at].state != 0 && slots_[at].row != row) at = after(at);
    return at;
  }

  void apply(const Row<N>& row, int by) {
    size_t at = find(row);
    if (slots_[at].state == 0) {
      if (4 * ++size_ > 3 * capacity_) {
        resize(capacity_ + capacity_ / 3);
        at = find(row);
      }
      slots_[at].row = row;
      slots_[at].state = static_cast<uint32_t>(by);
      if (tracking_) remember(at, false);
      return;
    }
    const bool was = slots_[at].state & kCount;
    slots_[at].state += static_cast<uint32_t>(by);
    const bool is = slots_[at].state & kCount;
    if (was != is && tracking_ && !(slots_[at].state & kTouched)) remember(at, was);
  }

  void remember(size_t at, bool was) {
    slots_[at].state |= was ? kTouched | kWas : kTouched;
    touched_.push_back(slots_[at].row);
  }

  void erase(size_t hole) {
    --size_;
    for (size_t at = after(hole); slots_[at].state != 0; at = after(at)) {
      const size_t wanted = home(slots_[at].row);
      const bool stays = hole < at ? hole < wanted && wanted <= at : hole < wanted || wanted <= at;
      if (stays) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole].state = 0;
  }

  void allocate(size_t capacity) {
    const size_t bytes = capacity * sizeof(Slot);
    void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) {
      std::fprintf(stderr, "no memory for %zu bytes\n", bytes);
      std::exit(1);
    }
    if (bytes >= 4 * kPage) madvise(block, bytes, MADV_HUGEPAGE);
    slots_ = static_cast<Slot*>(block);
    capacity_ = capacity;
  }

  static void release(Slot* slots, size_t capacity) { munmap(slots, capacity * sizeof(Slot)); }

  void resize(size_t capacity) {
    Slot* const old = slots_;
    const size_t count = capacity_;
    allocate(capacity);
    for (size_t at = 0; at < count; ++at) {
      if (old[at].state != 0) slots_[find(old[at].row)] = old[at];
      if (at % kSlotsFreed == 0 && at > 0) give_back(&old[at - kSlotsFreed]);
    }
    release(old, count);
  }

  // Slots that were moved are in order too: their memory goes back while the others move.
  static void give_back(Slot* from) {
    const uintptr_t begin = (reinterpret_cast<uintptr_t>(from) + kPage - 1) / kPage * kPage;
    const uintptr_t end = reinterpret_cast<uintptr_t>(from + kSlotsFreed) / kPage * kPage;
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }

  Slot* slots_ = nullptr;
  size_t capacity_ = 0;
  size_t size_ = 0;
  bool tracking_ = false;
  std::vector<Row<N>> touched_;
  std::array<Pending, kAhead> queue_;
  size_t queued_ = 0;
};

}  // namespace floor_

#endif  // BENCHMARKS_FLOOR_COUNTED_SET_H_
