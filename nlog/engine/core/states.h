// States: for each row of one table the views it is visible in, whether it is logged, and a count.
//
// Nearly all counts are small, but those of a recursive stratum, which are ranks, and those of
// projections. So a state takes one byte, three bits for flags and five for the count, until a
// count needs more, and four bytes from then on, with 29 bits for it; what does not fit these
// either stands in a table beside. The flags are the low bits of the first byte, whatever the
// width (on little-endian machines, as all of rows.h): reading them is one load.
//
// Cost: O(1) a call; the first large count rewrites all states, which happens at most once a table.
// Errors: std::bad_alloc leaves the states as they were. Thread safety: none; const methods may run
// concurrently.

#ifndef NLOG_ENGINE_CORE_STATES_H_
#define NLOG_ENGINE_CORE_STATES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "array.h"
#include "words.h"

namespace nlog::core {

class States {
 public:
  using Flags = std::uint8_t;

  static constexpr int kFlagBits = 3;

  std::size_t size() const { return bytes_.size() >> shift_; }
  std::size_t bytes() const { return bytes_.bytes(); }
  void Prefetch(RowId row) const { __builtin_prefetch(At(row)); }

  // Makes room for so many in all, so that growing to that size cannot fail.
  void Reserve(std::size_t count) { bytes_.Reserve(count << shift_); }
  // Adds a state without flags, with count 0.
  void Add() {
    bytes_.Resize(bytes_.size() + (std::size_t{1} << shift_));
    Reset(static_cast<RowId>(size() - 1));
  }
  void DropLast() { bytes_.Resize(bytes_.size() - (std::size_t{1} << shift_)); }
  void Reset(RowId row) { std::memset(At(row), 0, std::size_t{1} << shift_); }
  // Forgets what stands beside for a row that goes.
  void Forget(RowId row) {
    if (!spilled_.empty()) {
      spilled_.erase(row);
    }
  }

  bool Has(RowId row, Flags flags) const { return (*At(row) & flags) != 0; }
  void Set(RowId row, Flags flags) { *At(row) |= flags; }
  void Clear(RowId row, Flags flags) { *At(row) &= static_cast<Flags>(~flags); }

  std::int64_t Count(RowId row) const {
    if (!is_wide()) {
      return static_cast<std::int8_t>(*At(row)) >> kFlagBits;
    }
    const std::int64_t count = static_cast<std::int32_t>(Wide(row)) >> kFlagBits;
    return count == kSpilled ? spilled_.at(row) : count;
  }

  // Keeps the flags. Cannot fail if the row had that count before.
  void SetCount(RowId row, std::int64_t count) {
    if (!is_wide()) {
      if (count >= kNarrowMin && count <= kNarrowMax) [[likely]] {
        *At(row) = static_cast<Flags>((count << kFlagBits) | (*At(row) & kFlags));
        return;
      }
      Widen();
    }
    const bool fits = count > kSpilled && count < -kSpilled;
    if (!fits) [[unlikely]] {
      spilled_[row] = count;
    }
    const auto stored = static_cast<std::int32_t>(fits ? count : kSpilled);
    const std::uint32_t state =
        (static_cast<std::uint32_t>(stored) << kFlagBits) | (*At(row) & kFlags);
    std::memcpy(At(row), &state, sizeof(state));
  }

 private:
  static constexpr Flags kFlags = (1u << kFlagBits) - 1;
  static constexpr int kWideShift = 2;
  static constexpr std::int64_t kNarrowMin = -(1 << (7 - kFlagBits));
  static constexpr std::int64_t kNarrowMax = -kNarrowMin - 1;
  // Stands for a count that does not fit, which is in `spilled_`.
  static constexpr std::int64_t kSpilled = -(std::int64_t{1} << (31 - kFlagBits));

  bool is_wide() const { return shift_ != 0; }
  std::uint8_t* At(RowId row) { return bytes_.data() + (std::size_t{row} << shift_); }
  const std::uint8_t* At(RowId row) const { return bytes_.data() + (std::size_t{row} << shift_); }

  std::uint32_t Wide(RowId row) const {
    std::uint32_t state;
    std::memcpy(&state, At(row), sizeof(state));
    return state;
  }

  void Widen() {
    States wider;
    wider.shift_ = kWideShift;
    wider.bytes_.Resize(size() << kWideShift);
    for (std::size_t row = 0; row < size(); ++row) {
      const auto state = static_cast<std::int32_t>(static_cast<std::int8_t>(bytes_[row]));
      std::memcpy(wider.At(static_cast<RowId>(row)), &state, sizeof(state));
    }
    *this = std::move(wider);
  }

  Array<std::uint8_t> bytes_;
  // The binary logarithm of the bytes a state takes.
  int shift_ = 0;
  std::unordered_map<RowId, std::int64_t> spilled_;
};

}  // namespace nlog::core

#endif  // NLOG_ENGINE_CORE_STATES_H_
