// The switch's ports, and what went through each.
//
// A port that was removed takes its counters with it. Cost: numbers below kNearMax are looked up in
// an array, as most are.

#ifndef VSWITCH_SIM_DATAPATH_CORE_PORTS_H_
#define VSWITCH_SIM_DATAPATH_CORE_PORTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace vswitch {

struct Port {
  std::uint64_t rx_packets = 0;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_packets = 0;
  std::uint64_t tx_bytes = 0;
};

class Ports {
 public:
  // Adds a port; one that is there already stays as it is.
  void Add(std::uint32_t number) {
    const auto place = ports_.try_emplace(number).first;
    if (number < kNearMax) {
      if (near_.size() <= number) {
        near_.resize(number + 1);
      }
      near_[number] = &place->second;
    }
  }
  void Remove(std::uint32_t number) {
    ports_.erase(number);
    if (number < near_.size()) {
      near_[number] = nullptr;
    }
  }

  // Null if there is none.
  Port* Find(std::uint32_t number) {
    if (number < kNearMax) {
      return number < near_.size() ? near_[number] : nullptr;
    }
    const auto found = ports_.find(number);
    return found != ports_.end() ? &found->second : nullptr;
  }

  const std::map<std::uint32_t, Port>& All() const { return ports_; }

 private:
  static constexpr std::uint32_t kNearMax = 4096;

  std::map<std::uint32_t, Port> ports_;
  std::vector<Port*> near_;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_PORTS_H_
