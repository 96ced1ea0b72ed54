// See bindings_datapath.h.

#include "bindings_datapath.h"

#include <cmath>
#include <utility>

#include "bindings_actions.h"
#include "bindings_key.h"
#include "core/connection_text.h"

namespace py = pybind11;

namespace vswitch {
namespace {

constexpr std::uint64_t kMax32 = 0xFFFFFFFF;
// How many frames of a batch are on their way from memory while one is read.
constexpr std::size_t kFetchedAhead = 8;

py::tuple ToController(const Reasons& reasons, Reason reason, std::uint32_t in_port,
                       const py::object& frame) {
  return py::make_tuple(reasons.NameOf(reason), in_port, frame);
}

// A packet's bytes as an object: the frame itself if nothing was written.
py::object FrameOf(const Packet& packet, py::handle received) {
  if (packet.is_as_received()) {
    return py::reinterpret_borrow<py::object>(received);
  }
  const Bytes bytes = packet.bytes();
  return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

py::object IntOf(Word value) {
  auto number = py::reinterpret_steal<py::object>(PyLong_FromUnsignedLongLong(value));
  if (!number) {
    throw py::error_already_set();
  }
  return number;
}

class OutcomeSink : public Sink {
 public:
  OutcomeSink(py::handle frame, const Reasons& reasons) : frame_(frame), reasons_(reasons) {}

  Outcome& outcome() { return outcome_; }

  void Begin(std::size_t) override {}
  void Output(std::uint32_t port, Word tun_id, const Packet& packet) override {
    outcome_.egress.append(py::make_tuple(port, tun_id, FrameOf(packet, frame_)));
  }
  void Controller(Reason reason, std::uint32_t in_port, const Packet& packet) override {
    outcome_.controller.append(ToController(reasons_, reason, in_port, FrameOf(packet, frame_)));
  }
  void Drop(Reason reason) override { outcome_.drops.append(reasons_.NameOf(reason)); }

 private:
  py::handle frame_;
  const Reasons& reasons_;
  Outcome outcome_;
};

class BatchSink : public Sink {
 public:
  BatchSink(const py::tuple& frames, const Reasons& reasons) : frames_(frames), reasons_(reasons) {}

  py::tuple outcome() const { return py::make_tuple(egress_, controller_); }

  void Begin(std::size_t i) override { place_ = i; }
  void Output(std::uint32_t port, Word tun_id, const Packet& packet) override {
    const auto row = py::reinterpret_steal<py::object>(PyTuple_New(4));
    if (!row) {
      throw py::error_already_set();
    }
    PyTuple_SET_ITEM(row.ptr(), 0, IntOf(place_).release().ptr());
    PyTuple_SET_ITEM(row.ptr(), 1, IntOf(port).release().ptr());
    PyTuple_SET_ITEM(row.ptr(), 2, IntOf(tun_id).release().ptr());
    PyTuple_SET_ITEM(row.ptr(), 3, FrameOf(packet, received()).release().ptr());
    egress_.append(row);
  }
  void Controller(Reason reason, std::uint32_t in_port, const Packet& packet) override {
    controller_.append(ToController(reasons_, reason, in_port, FrameOf(packet, received())));
  }
  void Drop(Reason) override {}

 private:
  py::handle received() const {
    return PyTuple_GET_ITEM(frames_.ptr(), static_cast<Py_ssize_t>(place_));
  }

  const py::tuple& frames_;
  const Reasons& reasons_;
  std::size_t place_ = 0;
  py::list egress_;
  py::list controller_;
};

py::tuple TupleOf(const py::object& values, const char* what) {
  auto tuple = py::reinterpret_steal<py::tuple>(PySequence_Tuple(values.ptr()));
  if (!tuple) {
    PyErr_Clear();
    throw py::type_error(std::string(what) + " are a sequence; this is " + Show(values));
  }
  return tuple;
}

std::optional<std::uint16_t> ZoneOf(const py::object& zone) {
  if (zone.is_none()) {
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(NumberOf(zone, 0xFFFF, "a zone"));
}

}  // namespace

Bytes BytesOf(py::handle frame) {
  if (PyBytes_Check(frame.ptr()) == 0) {
    throw py::type_error("a frame is bytes; this is " + Show(frame));
  }
  return {reinterpret_cast<const std::uint8_t*>(PyBytes_AS_STRING(frame.ptr())),
          static_cast<std::size_t>(PyBytes_GET_SIZE(frame.ptr()))};
}

PythonDatapath::PythonDatapath(py::object translate, const Limits& limits)
    : translate_(std::move(translate)), datapath_(*this, limits) {
  if (PyCallable_Check(translate_.ptr()) == 0) {
    throw py::type_error("translate is a function; this is " + Show(translate_));
  }
}

Outcome PythonDatapath::Process(std::uint32_t in_port, py::handle frame, Word tun_id,
                                double now_s) {
  const Arrival arrival{in_port, tun_id, BytesOf(frame)};
  SetTime(now_s);
  OutcomeSink sink(frame, datapath_.reasons());
  datapath_.Process({&arrival, 1}, sink);
  return std::move(sink.outcome());
}

py::tuple PythonDatapath::ProcessBatch(const py::object& in_ports, const py::object& frames,
                                       double now_s) {
  const py::tuple ports = TupleOf(in_ports, "in_ports");
  const py::tuple received = TupleOf(frames, "frames");
  if (ports.size() != received.size()) {
    throw py::value_error(std::to_string(ports.size()) + " in_ports for " +
                          std::to_string(received.size()) + " frames");
  }
  std::vector<Arrival> arrivals;
  arrivals.reserve(received.size());
  for (std::size_t i = 0; i < received.size(); ++i) {
    if (i + kFetchedAhead < received.size()) {
      const auto ahead = static_cast<Py_ssize_t>(i + kFetchedAhead);
      __builtin_prefetch(PyTuple_GET_ITEM(received.ptr(), ahead));
    }
    const auto place = static_cast<Py_ssize_t>(i);
    arrivals.push_back({static_cast<std::uint32_t>(
                            NumberOf(PyTuple_GET_ITEM(ports.ptr(), place), kMax32, "a port")),
                        0, BytesOf(PyTuple_GET_ITEM(received.ptr(), place))});
  }
  SetTime(now_s);
  BatchSink sink(received, datapath_.reasons());
  datapath_.Process(arrivals, sink);
  return sink.outcome();
}

std::optional<MegaflowRecord> PythonDatapath::Peek(const FlowKey& key) {
  const Megaflow* const megaflow = datapath_.megaflows().Peek(key);
  return megaflow != nullptr ? std::optional<MegaflowRecord>(*megaflow) : std::nullopt;
}

std::vector<MegaflowRecord> PythonDatapath::Remove(const py::iterable& numbers) {
  std::vector<MegaflowNumber> wanted;
  for (const py::handle number : numbers) {
    wanted.push_back(NumberOf(number, ~std::uint64_t{0}, "a megaflow's number"));
  }
  std::vector<MegaflowRecord> removed;
  for (const MegaflowNumber number : wanted) {
    if (const auto record = datapath_.megaflows().Remove(number)) {
      removed.push_back(*record);
    }
  }
  return removed;
}

std::vector<MegaflowRecord> PythonDatapath::Expire(double now_s, double idle_s) {
  if (std::isnan(idle_s) || idle_s < 0) {
    throw py::value_error("idle_s is no duration: " + std::to_string(idle_s));
  }
  SetTime(now_s);
  return datapath_.Expire(idle_s);
}

std::vector<std::string> PythonDatapath::ConnectionTexts(const py::object& zone) {
  const std::optional<std::uint16_t> wanted = ZoneOf(zone);
  std::vector<std::string> texts;
  for (const Connection* const connection : datapath_.connections().All(datapath_.now())) {
    if (!wanted || connection->original.zone == *wanted) {
      texts.push_back(TextOf(*connection));
    }
  }
  return texts;
}

std::size_t PythonDatapath::FlushConnections(const py::object& zone) {
  return datapath_.connections().Flush(ZoneOf(zone));
}

py::dict PythonDatapath::Counters() {
  const Work& work = datapath_.work();
  const ConnectionWork& connection_work = datapath_.connections().work();
  py::dict counters;
  counters["connections"] = datapath_.connections().size();
  counters["connections_evicted"] = connection_work.evicted;
  counters["connections_refused"] = connection_work.refused;
  counters["nat_exhausted"] = connection_work.nat_exhausted;
  counters["exact_hits"] = work.exact_hits;
  counters["exact_entries"] = datapath_.exact().CountEntries(datapath_.megaflows());
  counters["exact_evictions"] = datapath_.exact().evictions();
  counters["megaflow_hits"] = work.megaflow_hits;
  counters["megaflows"] = datapath_.megaflows().size();
  counters["megaflows_refused"] = work.megaflows_refused;
  counters["masks"] = datapath_.megaflows().mask_count();
  counters["masks_tried"] = datapath_.megaflows().masks_tried();
  counters["misses"] = work.misses;
  counters["recirculations"] = work.recirculations;
  for (const auto& [number, port] : datapath_.ports().All()) {
    const std::string name = "port_" + std::to_string(number);
    counters[py::str(name + "_rx_packets")] = port.rx_packets;
    counters[py::str(name + "_rx_bytes")] = port.rx_bytes;
    counters[py::str(name + "_tx_packets")] = port.tx_packets;
    counters[py::str(name + "_tx_bytes")] = port.tx_bytes;
  }
  return counters;
}

py::dict PythonDatapath::Drops() {
  const Reasons& reasons = datapath_.reasons();
  py::dict drops;
  for (Reason reason = 0; reason < reasons.drops().size(); ++reason) {
    if (reasons.drops()[reason] != 0) {
      drops[py::str(reasons.NameOf(reason))] = reasons.drops()[reason];
    }
  }
  return drops;
}

Translation PythonDatapath::Translate(MegaflowNumber number, const FlowKey& key, Bytes frame) {
  const py::object answer =
      translate_(number, vswitch::IntOf(key),
                 py::bytes(reinterpret_cast<const char*>(frame.data()), frame.size()));
  if (!py::isinstance<py::tuple>(answer) || py::len(answer) != 3) {
    throw py::type_error("translate answers (mask, actions, keep); this is " + Show(answer));
  }
  const auto parts = py::reinterpret_borrow<py::tuple>(answer);
  if (!py::isinstance<py::bool_>(parts[2])) {
    throw py::type_error("whether to keep a megaflow is a bool; this is " + Show(parts[2]));
  }
  return {KeyOf(parts[0], "a mask"), ActionsOf(parts[1], datapath_.reasons()),
          parts[2].ptr() == Py_True};
}

void PythonDatapath::SetTime(double now_s) {
  constexpr double kTimeMaxS = 9e9;
  if (!(now_s >= 0 && now_s < kTimeMaxS)) {
    throw py::value_error("now_s is from 0 to 9e9 seconds; this is " + std::to_string(now_s));
  }
  if (now_s < datapath_.now_s()) {
    throw py::value_error("time does not go back from " + std::to_string(datapath_.now_s()) +
                          " to " + std::to_string(now_s));
  }
  datapath_.SetTime(now_s);
}

int PythonDatapath::Traverse(visitproc visit, void* argument) const {
  return translate_ ? visit(translate_.ptr(), argument) : 0;
}

}  // namespace vswitch
