// A datapath with a slow path that answers by dice, for tests and for fuzzing.
//
// Its slow path adds actions of every kind, and now and then, while it is asked, takes megaflows or
// ports away, passes frames itself, or throws.

#ifndef TESTS_DATAPATH_RANDOM_DATAPATH_H_
#define TESTS_DATAPATH_RANDOM_DATAPATH_H_

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "random_frames.h"
#include "vswitch_sim/datapath/core/datapath.h"

namespace vswitch::test {

// What a slow path of dice throws.
struct Refusal : std::runtime_error {
  Refusal() : std::runtime_error("the dice say no") {}
};

class RandomSwitch : private SlowPath, private Sink {
 public:
  explicit RandomSwitch(std::uint64_t seed);

  // Does one thing: passes some frames, lets time pass, takes something away.
  void Step();

  std::uint64_t n_received() const { return n_received_; }
  std::uint64_t n_sent() const { return n_sent_; }

  // All bytes sent of a fixed series of frames, passed so many at a time by a slow path that
  // answers by key alone.
  static std::vector<Frame> Sent(std::uint64_t seed, std::size_t batch_size);

 private:
  Translation Translate(MegaflowNumber number, const FlowKey& key, Bytes frame) override;
  void Begin(std::size_t) override {}
  void Output(std::uint32_t port, Word tun_id, const Packet& packet) override;
  void Controller(const ControllerAction& action, const Packet& packet) override;
  void Drop(Reason) override {}

  void ProcessSome(std::size_t count);
  Actions RandomActions(int depth);
  FlowKey RandomMask();

  Random random_;
  Datapath datapath_;
  double now_s_ = 0;
  // How often the slow path may still pass frames itself in this step.
  int nested_left_ = 0;
  std::uint64_t n_received_ = 0;
  std::uint64_t n_sent_ = 0;
  // Whether it answers by key alone, and keeps what it sends.
  bool is_steady_ = false;
  std::vector<Frame> sent_;
};

}  // namespace vswitch::test

#endif  // TESTS_DATAPATH_RANDOM_DATAPATH_H_
