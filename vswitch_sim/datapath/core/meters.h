// Meters (OpenFlow 1.3, section 5.7): each a token bucket that a packet must find enough in.
//
// A bucket holds a meter's burst at most, starts full, and is filled at its rate in simulated time;
// a packet takes a token, or its bits, out, or is over the rate and takes nothing. A burst of 0 is
// a second's worth. All is counted in whole numbers, so that nothing depends on how often one asks.
//
// Cost: O(1). Thread safety: none.

#ifndef VSWITCH_SIM_DATAPATH_CORE_METERS_H_
#define VSWITCH_SIM_DATAPATH_CORE_METERS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace vswitch {

using Nanoseconds = std::int64_t;

enum class MeterUnit : std::uint8_t { kKilobits, kPackets };

class Meters {
 public:
  // Adds a meter, or begins one anew with a full bucket.
  void Set(std::uint32_t number, MeterUnit unit, std::uint32_t rate, std::uint32_t burst,
           Nanoseconds now) {
    const Tokens size = Tokens{burst != 0 ? burst : rate} * kPerUnit;
    meters_[number] = {unit, rate, size, size, now};
  }
  void Remove(std::uint32_t number) { meters_.erase(number); }

  // Whether a packet may pass. One that meets no such meter may.
  bool Passes(std::uint32_t number, std::size_t bytes, Nanoseconds now) {
    const auto found = meters_.find(number);
    if (found == meters_.end()) {
      return true;
    }
    Meter& meter = found->second;
    meter.tokens = std::min(meter.size, meter.tokens + Tokens{now - meter.filled} * meter.rate);
    meter.filled = now;
    const Tokens wanted =
        meter.unit == MeterUnit::kPackets ? kPerUnit : Tokens{bytes} * 8 * (kPerUnit / 1000);
    if (meter.tokens < wanted) {
      return false;
    }
    meter.tokens -= wanted;
    return true;
  }

 private:
  // Billionths of a packet or a kilobit: what a rate of 1 gives in a nanosecond.
  __extension__ using Tokens = __int128;
  static constexpr std::int64_t kPerUnit = 1'000'000'000;

  struct Meter {
    MeterUnit unit;
    std::uint32_t rate;
    Tokens size;
    Tokens tokens;
    Nanoseconds filled;
  };

  std::unordered_map<std::uint32_t, Meter> meters_;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_METERS_H_
