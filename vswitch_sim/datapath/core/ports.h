// The switch's ports, and what went through each.
//
// A port that was removed takes its counters with it.

#ifndef VSWITCH_SIM_DATAPATH_CORE_PORTS_H_
#define VSWITCH_SIM_DATAPATH_CORE_PORTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <unordered_map>

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
  void Add(std::uint32_t number) { ports_.try_emplace(number); }
  void Remove(std::uint32_t number) { ports_.erase(number); }

  bool Has(std::uint32_t number) const { return ports_.contains(number); }

  void CountReceived(std::uint32_t number, std::size_t bytes) {
    if (const auto found = ports_.find(number); found != ports_.end()) {
      ++found->second.rx_packets;
      found->second.rx_bytes += bytes;
    }
  }
  void CountSent(std::uint32_t number, std::size_t bytes) {
    if (const auto found = ports_.find(number); found != ports_.end()) {
      ++found->second.tx_packets;
      found->second.tx_bytes += bytes;
    }
  }

  std::map<std::uint32_t, Port> All() const { return {ports_.begin(), ports_.end()}; }

 private:
  std::unordered_map<std::uint32_t, Port> ports_;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_PORTS_H_
