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
  std::uint64_t Number(std::size_t i, std::uint64_t max, const char* what) const {
    return NumberOf(parts[i], max, what);
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

Action ReadSet(const Written& written) {
  const FlowKey settable = SettableBits();
  const FlowKey rewritable = RewritableBits();
  SetAction action{KeyOf(written[1], "a value"), KeyOf(written[2], "a mask"), false};
  for (const Field& field : kFields) {
    for (unsigned word = field.place.word; word < field.place.word + (field.place.width + 63) / 64;
         ++word) {
      if ((action.mask.words[word] & field.place.Mask() & ~settable.words[word]) != 0) {
        throw py::value_error(std::string(field.name) + " cannot be set");
      }
    }
  }
  for (std::size_t word = 0; word < kKeyWords; ++word) {
    action.mask.words[word] &= settable.words[word];
    action.value.words[word] &= action.mask.words[word];
    action.writes_packet =
        action.writes_packet || (action.mask.words[word] & rewritable.words[word]) != 0;
  }
  return {std::make_unique<const SetAction>(action)};
}

Action ReadPushVlan(const Written& written) {
  const auto tpid = static_cast<std::uint16_t>(written.Number(1, 0xFFFF, "a TPID"));
  if (!IsTagType(tpid)) {
    throw py::value_error("a TPID is 0x8100 or 0x88a8; this is " + Show(written[1]));
  }
  return {PushTagAction{tpid, static_cast<std::uint16_t>(written.Number(2, 0xFFFF, "a TCI"))}};
}

struct Kind {
  std::size_t n_arguments;
  Action (*read)(const Written&);
};

const std::map<std::string, Kind, std::less<>>& Kinds() {
  constexpr std::uint64_t kMax32 = 0xFFFFFFFF;
  static const std::map<std::string, Kind, std::less<>> kinds{
      {"set", {2, ReadSet}},
      {"push_vlan", {2, ReadPushVlan}},
      {"pop_vlan", {0, [](const Written&) -> Action { return {PopTagAction{}}; }}},
      {"output",
       {1,
        [](const Written& written) -> Action {
          return {OutputAction{static_cast<std::uint32_t>(written.Number(1, kMax32, "a port"))}};
        }}},
      {"clone",
       {1,
        [](const Written& written) -> Action {
          return {CloneAction{ActionsOf(written[1], written.reasons, written.depth + 1)}};
        }}},
      {"meter",
       {1,
        [](const Written& written) -> Action {
          return {MeterAction{static_cast<std::uint32_t>(written.Number(1, kMax32, "a meter"))}};
        }}},
      {"ct",
       {1,
        [](const Written& written) -> Action {
          return {std::make_unique<const ConnectionAction>(RequestOf(written[1]))};
        }}},
      {"recirc",
       {1,
        [](const Written& written) -> Action {
          return {RecirculateAction{
              static_cast<std::uint32_t>(written.Number(1, kMax32, "a recirc_id"))}};
        }}},
      {"controller",
       {1,
        [](const Written& written) -> Action { return {ControllerAction{written.ReasonAt(1)}}; }}},
      {"drop",
       {1, [](const Written& written) -> Action { return {DropAction{written.ReasonAt(1)}}; }}},
  };
  return kinds;
}

Action ActionOf(py::handle action, Reasons& reasons, int depth) {
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
  return found->second.read({parts, reasons, depth});
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
    read.push_back(ActionOf(action, reasons, depth));
  }
  return read;
}

}  // namespace

Actions ActionsOf(py::handle actions, Reasons& reasons) { return ActionsOf(actions, reasons, 0); }

}  // namespace vswitch
