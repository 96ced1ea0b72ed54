// See bindings_actions.h.

#include "bindings_actions.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "bindings_connection.h"
#include "bindings_key.h"
#include "core/rewrite.h"

namespace py = pybind11;

namespace vswitch {
namespace {

// Clones within clones, at most.
constexpr int kDepthMax = 16;

Actions ActionsOf(py::handle actions, Reasons& reasons, int depth);

// One action as Python wrote it.
struct Written {
  py::tuple parts;
  Reasons& reasons;
  int depth;

  py::object operator[](std::size_t i) const { return parts[i]; }
  std::uint16_t Number16(std::size_t i, const char* what) const {
    return static_cast<std::uint16_t>(NumberOf(parts[i], 0xFFFF, what));
  }
  std::uint32_t Number32(std::size_t i, const char* what) const {
    return static_cast<std::uint32_t>(NumberOf(parts[i], 0xFFFFFFFF, what));
  }
  Reason ReasonAt(std::size_t i) const {
    if (!py::isinstance<py::str>(parts[i])) {
      throw py::type_error("a reason is a str; this is " + Show(parts[i]));
    }
    return reasons.NumberOf(py::cast<std::string>(parts[i]));
  }
};

// What the mask of "set" may say beside what lies in a packet's bytes: all metadata but recirc_id.
FlowKey SettableBits() {
  FlowKey bits = RewritableBits();
  for (const std::size_t word : kMetadataWords) {
    bits.words[word] |= kMetadata.words[word];
  }
  Set(bits, place::kRecircId, 0);
  return bits;
}

// Bits of metadata are set word by word, those of the packet together.
void ReadSet(const Written& written, Actions& into) {
  const FlowKey settable = SettableBits();
  RewriteAction action{KeyOf(written[1], "a value"), KeyOf(written[2], "a mask")};
  for (const Field& field : kFields) {
    for (unsigned word = field.place.word; word < field.place.word + (field.place.width + 63) / 64;
         ++word) {
      if ((action.mask.words[word] & field.place.Mask() & ~settable.words[word]) != 0) {
        throw py::value_error(std::string(field.name) + " cannot be set");
      }
    }
  }
  bool writes_packet = false;
  for (std::size_t word = 0; word < kKeyWords; ++word) {
    const Word metadata = action.mask.words[word] & kMetadata.words[word];
    if (metadata != 0) {
      into.push_back({SetMetadataAction{static_cast<std::uint32_t>(word),
                                        action.value.words[word] & metadata, metadata}});
    }
    action.mask.words[word] &= settable.words[word] & ~metadata;
    writes_packet = writes_packet || action.mask.words[word] != 0;
  }
  if (writes_packet) {
    into.push_back({std::make_unique<const RewriteAction>(action)});
  }
}

void ReadPushVlan(const Written& written, Actions& into) {
  const std::uint16_t tpid = written.Number16(1, "a TPID");
  if (!IsTagType(tpid)) {
    throw py::value_error("a TPID is 0x8100 or 0x88a8; this is " + Show(written[1]));
  }
  into.push_back({PushTagAction{tpid, written.Number16(2, "a TCI")}});
}

struct Kind {
  std::size_t n_arguments;
  // Adds it, as the core knows it, to actions.
  void (*read)(const Written&, Actions&);
};

const std::map<std::string, Kind, std::less<>>& Kinds() {
  static const std::map<std::string, Kind, std::less<>> kinds{
      {"set", {2, ReadSet}},
      {"push_vlan", {2, ReadPushVlan}},
      {"pop_vlan", {0, [](const Written&, Actions& into) { into.push_back({PopTagAction{}}); }}},
      {"output",
       {1, [](const Written& written,
              Actions& into) { into.push_back({OutputAction{written.Number32(1, "a port")}}); }}},
      {"clone",
       {1,
        [](const Written& written, Actions& into) {
          into.push_back({CloneAction{ActionsOf(written[1], written.reasons, written.depth + 1)}});
        }}},
      {"meter",
       {1, [](const Written& written,
              Actions& into) { into.push_back({MeterAction{written.Number32(1, "a meter")}}); }}},
      {"ct",
       {1,
        [](const Written& written, Actions& into) {
          into.push_back(
              {std::make_unique<const ConnectionAction>(ConnectionAction{RequestOf(written[1])})});
        }}},
      {"ct_clear",
       {0, [](const Written&, Actions& into) { into.push_back({ForgetConnectionAction{}}); }}},
      {"recirc",
       {1,
        [](const Written& written, Actions& into) {
          into.push_back({RecirculateAction{written.Number32(1, "a recirc_id")}});
        }}},
      {"controller",
       {2,
        [](const Written& written, Actions& into) {
          into.push_back(
              {ControllerAction{written.ReasonAt(1), written.Number32(2, "a recirc_id")}});
        }}},
      {"drop",
       {1, [](const Written& written,
              Actions& into) { into.push_back({DropAction{written.ReasonAt(1)}}); }}},
  };
  return kinds;
}

void ReadAction(py::handle action, Reasons& reasons, int depth, Actions& into) {
  if (!py::isinstance<py::tuple>(action) || py::len(action) == 0) {
    throw py::type_error("an action is a tuple that begins with its name; this is " + Show(action));
  }
  const auto parts = py::reinterpret_borrow<py::tuple>(action);
  if (!py::isinstance<py::str>(parts[0])) {
    throw py::type_error("an action begins with its name; this is " + Show(action));
  }
  const auto found = Kinds().find(py::cast<std::string>(parts[0]));
  if (found == Kinds().end()) {
    std::string names;
    for (const auto& [name, kind] : Kinds()) {
      names += (names.empty() ? "" : ", ") + name;
    }
    throw py::value_error("no action is called " + Show(parts[0]) + "; there are " + names);
  }
  if (parts.size() != found->second.n_arguments + 1) {
    throw py::value_error("action " + found->first + " has " +
                          std::to_string(found->second.n_arguments) + " arguments; this is " +
                          Show(action));
  }
  found->second.read({parts, reasons, depth}, into);
}

Actions ActionsOf(py::handle actions, Reasons& reasons, int depth) {
  if (depth > kDepthMax) {
    throw py::value_error("clones lie within clones more than " + std::to_string(kDepthMax) +
                          " deep");
  }
  if (!py::isinstance<py::tuple>(actions) && !py::isinstance<py::list>(actions)) {
    throw py::type_error("actions are a list or a tuple; this is " + Show(actions));
  }
  Actions read;
  for (const py::handle action : py::tuple(py::reinterpret_borrow<py::object>(actions))) {
    ReadAction(action, reasons, depth, read);
  }
  return read;
}

}  // namespace

Actions ActionsOf(py::handle actions, Reasons& reasons) { return ActionsOf(actions, reasons, 0); }

}  // namespace vswitch
