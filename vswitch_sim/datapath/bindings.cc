// The datapath's Python face; see _core.pyi, which tells what each name does.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <utility>

#include "bindings_datapath.h"
#include "bindings_key.h"
#include "core/key.h"
#include "core/parse.h"

namespace py = pybind11;

namespace vswitch {
namespace {

constexpr std::uint64_t kMax32 = 0xFFFFFFFF;
constexpr std::uint64_t kMax64 = 0xFFFFFFFFFFFFFFFF;

struct Parsed {
  FlowKey key;
  Headers headers;
};

py::dict Layout() {
  py::dict layout;
  for (const Field& field : kFields) {
    const unsigned shift = field.place.word * 64 + field.place.bit;
    layout[py::str(std::string(field.name))] = py::make_tuple(shift, field.place.width);
  }
  return layout;
}

std::optional<Parsed> ParseFrame(const py::object& frame) {
  Parsed parsed;
  if (!Parse(BytesOf(frame), parsed.key, parsed.headers)) {
    return std::nullopt;
  }
  return parsed;
}

std::uint32_t Number32(py::handle value, const char* what) {
  return static_cast<std::uint32_t>(NumberOf(value, kMax32, what));
}

void SetMeter(PythonDatapath& self, const py::object& meter, const std::string& unit,
              const py::object& rate, const py::object& burst) {
  if (unit != "kbps" && unit != "pktps") {
    throw py::value_error("a meter's unit is kbps or pktps; this is " + unit);
  }
  const std::uint32_t rate_per_s = Number32(rate, "a rate");
  if (rate_per_s == 0) {
    throw py::value_error("a meter's rate is 1 at least");
  }
  self.core().SetMeter(Number32(meter, "a meter"),
                       unit == "kbps" ? MeterUnit::kKilobits : MeterUnit::kPackets, rate_per_s,
                       Number32(burst, "a burst"));
}

PythonDatapath* Self(PyObject* object) { return py::cast<PythonDatapath*>(py::handle(object)); }

// Lets Python's garbage collector see through a Datapath to its `translate`.
void CollectGarbage(PyHeapTypeObject* heap_type) {
  PyTypeObject* const type = &heap_type->ht_type;
  type->tp_flags |= Py_TPFLAGS_HAVE_GC;
  type->tp_traverse = [](PyObject* object, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(object));
    const auto* const self = py::detail::is_holder_constructed(object) ? Self(object) : nullptr;
    return self != nullptr ? self->Traverse(visit, arg) : 0;
  };
  type->tp_clear = [](PyObject* object) {
    Self(object)->Clear();
    return 0;
  };
}

void AddPlainTypes(py::module_& module) {
  py::class_<Parsed>(module, "Parsed")
      .def_property_readonly("key", [](const Parsed& self) { return IntOf(self.key); })
      .def_property_readonly("l3", [](const Parsed& self) { return self.headers.l3; })
      .def_property_readonly("l4", [](const Parsed& self) { return self.headers.l4; })
      .def_property_readonly("end", [](const Parsed& self) { return self.headers.end; });
  py::class_<Outcome>(module, "Outcome")
      .def_property_readonly("egress", [](const Outcome& self) { return self.egress; })
      .def_property_readonly("controller", [](const Outcome& self) { return self.controller; })
      .def_property_readonly("drops", [](const Outcome& self) { return self.drops; });
  using Record = MegaflowRecord;
  py::class_<Record>(module, "Megaflow")
      .def_property_readonly("number", [](const Record& self) { return self.number; })
      .def_property_readonly("key", [](const Record& self) { return IntOf(self.key); })
      .def_property_readonly("mask", [](const Record& self) { return IntOf(self.mask); })
      .def_property_readonly("n_packets", [](const Record& self) { return self.counts.n_packets; })
      .def_property_readonly("n_bytes", [](const Record& self) { return self.counts.n_bytes; })
      .def_property_readonly("used_s", [](const Record& self) { return self.counts.used_s; });
}

void AddDatapath(py::module_& module) {
  using Self = PythonDatapath;
  py::class_<Self>(module, "Datapath", py::custom_type_setup(CollectGarbage))
      .def(py::init([](py::object translate, std::size_t megaflows_max, std::size_t exact_max,
                       std::size_t connections_max) {
             return std::make_unique<Self>(std::move(translate),
                                           Limits{megaflows_max, exact_max, connections_max});
           }),
           py::arg("translate"), py::kw_only(), py::arg("megaflows_max") = 200'000,
           py::arg("exact_max") = 8'192, py::arg("connections_max") = 65'536)
      .def(
          "add_port",
          [](Self& self, const py::object& number) {
            self.core().ports().Add(Number32(number, "a port"));
          },
          py::arg("number"))
      .def(
          "remove_port",
          [](Self& self, const py::object& number) {
            self.core().ports().Remove(Number32(number, "a port"));
          },
          py::arg("number"))
      .def(
          "process",
          [](Self& self, const py::object& in_port, const py::object& frame,
             const py::object& tun_id, double now_s, const py::object& recirc_id) {
            const Arrival arrival{Number32(in_port, "a port"), NumberOf(tun_id, kMax64, "a tun_id"),
                                  BytesOf(frame), Number32(recirc_id, "a recirc_id")};
            return self.Process(arrival, frame, now_s);
          },
          py::arg("in_port"), py::arg("frame"), py::arg("tun_id"), py::arg("now_s"),
          py::arg("recirc_id") = 0)
      .def("process_batch", &Self::ProcessBatch, py::arg("in_ports"), py::arg("frames"),
           py::arg("now_s"))
      .def(
          "trace_lookup",
          [](Self& self, const py::object& key) { return self.Peek(KeyOf(key, "a key")); },
          py::arg("key"))
      .def("remove", &Self::Remove, py::arg("numbers"))
      .def("expire", &Self::Expire, py::arg("now_s"), py::arg("idle_s"))
      .def("megaflows", [](Self& self) { return self.core().megaflows().Records(); })
      .def("set_meter", &SetMeter, py::arg("meter"), py::arg("unit"), py::arg("rate"),
           py::arg("burst"))
      .def(
          "remove_meter",
          [](Self& self, const py::object& meter) {
            self.core().RemoveMeter(Number32(meter, "a meter"));
          },
          py::arg("meter"))
      .def("connections", &Self::ConnectionTexts, py::arg("zone") = py::none())
      .def("flush_connections", &Self::FlushConnections, py::arg("zone") = py::none())
      .def_property_readonly("counters", &Self::Counters)
      .def_property_readonly("drops", &Self::Drops);
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.attr("KEY_BYTES") = kKeyBytes;
  module.def("layout", Layout);
  module.def("parse", ParseFrame, py::arg("frame"));
  AddPlainTypes(module);
  AddDatapath(module);
}

}  // namespace vswitch
