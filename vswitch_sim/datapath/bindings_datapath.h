// The `Datapath` of Python: the core's, with a slow path that is a Python function.

#ifndef VSWITCH_SIM_DATAPATH_BINDINGS_DATAPATH_H_
#define VSWITCH_SIM_DATAPATH_BINDINGS_DATAPATH_H_

#include <pybind11/pybind11.h>

#include <optional>
#include <string>
#include <vector>

#include "core/datapath.h"

namespace vswitch {

// The bytes of a frame, which are the frame's. Throws: TypeError.
Bytes BytesOf(pybind11::handle frame);

// What became of a frame.
struct Outcome {
  pybind11::list egress;
  pybind11::list controller;
  pybind11::list drops;
};

class PythonDatapath : private SlowPath {
 public:
  PythonDatapath(pybind11::object translate, const Limits& limits);

  Outcome Process(std::uint32_t in_port, pybind11::handle frame, Word tun_id, double now_s);
  pybind11::tuple ProcessBatch(const pybind11::object& in_ports, const pybind11::object& frames,
                               double now_s);
  std::optional<MegaflowRecord> Peek(const FlowKey& key);
  std::vector<MegaflowRecord> Remove(const pybind11::iterable& numbers);
  std::vector<MegaflowRecord> Expire(double now_s, double idle_s);
  std::vector<std::string> ConnectionTexts(const pybind11::object& zone);
  std::size_t FlushConnections(const pybind11::object& zone);
  pybind11::dict Counters();
  pybind11::dict Drops();

  Datapath& core() { return datapath_; }

  // For Python's garbage collector: what it holds is what holds it, more often than not.
  int Traverse(visitproc visit, void* argument) const;
  void Clear() { translate_ = pybind11::none(); }

 private:
  Translation Translate(MegaflowNumber number, const FlowKey& key, Bytes frame) override;
  // Throws: ValueError if time goes back or is no time.
  void SetTime(double now_s);

  pybind11::object translate_;
  Datapath datapath_;
};

}  // namespace vswitch

#endif  // VSWITCH_SIM_DATAPATH_BINDINGS_DATAPATH_H_
