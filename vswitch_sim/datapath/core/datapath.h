// The datapath: from a frame that comes in to what leaves, by megaflows and their actions.
//
// A packet's key is looked up in the exact-match cache, then in the megaflows. One that nothing
// covers is put to the slow path, whose answer becomes a megaflow if there is room and it says so.
// Recirculation looks up again, at most kPassesMax times a frame and kDepthMax deep.
//
// The slow path may do to the datapath what it likes while it is asked, `Process` included. What it
// throws ends the frame: what the sink was given of it is void, and nothing of it is counted. What
// meters and connections saw of it stays seen.
//
// Ownership: frames are the caller's and must stay until the call returns. Cost: a frame costs one
// pass over its headers and a look-up; bytes are copied only where an action writes to them.
// Thread safety: none.

#ifndef VSWITCH_SIM_DATAPATH_CORE_DATAPATH_H_
#define VSWITCH_SIM_DATAPATH_CORE_DATAPATH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "actions.h"
#include "bytes.h"
#include "connections.h"
#include "exact_cache.h"
#include "key.h"
#include "megaflows.h"
#include "meters.h"
#include "packet.h"
#include "ports.h"
#include "reasons.h"

namespace vswitch {

// What the slow path answers.
struct Translation {
  FlowKey mask;
  Actions actions;
  // Whether it is a megaflow from now on.
  bool keep;
};

class SlowPath {
 public:
  virtual ~SlowPath() = default;
  virtual Translation Translate(MegaflowNumber number, const FlowKey& key, Bytes frame) = 0;
};

// Where packets go. Their bytes are good during the call.
class Sink {
 public:
  virtual ~Sink() = default;
  // What comes next is of the `i`th frame of a batch.
  virtual void Begin(std::size_t i) = 0;
  virtual void Output(std::uint32_t port, Word tun_id, const Packet& packet) = 0;
  virtual void Controller(const ControllerAction& action, const Packet& packet) = 0;
  virtual void Drop(Reason reason) = 0;
};

// A frame, and what it comes with; `recirc_id` is 0 unless a controller has made it.
struct Arrival {
  std::uint32_t in_port;
  Word tun_id;
  Bytes frame;
  std::uint32_t recirc_id = 0;
};

struct Limits {
  std::size_t megaflows_max;
  std::size_t exact_max;
  std::size_t connections_max;
};

struct Work {
  std::uint64_t exact_hits = 0;
  std::uint64_t megaflow_hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t megaflows_refused = 0;
  std::uint64_t recirculations = 0;

  Work& operator+=(const Work& other);
};

class Datapath {
 public:
  static constexpr int kDepthMax = 16;
  static constexpr int kPassesMax = 1024;

  Datapath(SlowPath& slow_path, const Limits& limits)
      : slow_path_(slow_path),
        megaflows_(limits.megaflows_max),
        exact_(limits.exact_max),
        connections_(limits.connections_max) {}

  // Passes frames, one after the other.
  void Process(std::span<const Arrival> arrivals, Sink& sink);

  // Simulated time. Requires: it does not go back.
  void SetTime(double now_s);
  double now_s() const { return now_s_; }

  // Takes away megaflows that no packet used for so long, and connections that have expired.
  std::vector<MegaflowRecord> Expire(double idle_s);

  void SetMeter(std::uint32_t number, MeterUnit unit, std::uint32_t rate, std::uint32_t burst) {
    meters_.Set(number, unit, rate, burst, now_);
  }
  void RemoveMeter(std::uint32_t number) { meters_.Remove(number); }

  Ports& ports() { return ports_; }
  Megaflows& megaflows() { return megaflows_; }
  const ExactCache& exact() const { return exact_; }
  Connections& connections() { return connections_; }
  Nanoseconds now() const { return now_; }
  Reasons& reasons() { return reasons_; }
  const Work& work() const { return work_; }

 private:
  // One call of Process.
  class Passage;

  SlowPath& slow_path_;
  Ports ports_;
  Reasons reasons_;
  Megaflows megaflows_;
  ExactCache exact_;
  Meters meters_;
  Connections connections_;
  Work work_;
  MegaflowNumber next_number_ = 1;
  double now_s_ = 0;
  Nanoseconds now_ = 0;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_CORE_DATAPATH_H_
