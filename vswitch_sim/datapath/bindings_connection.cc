// See bindings_connection.h.

#include "bindings_connection.h"

#include <arpa/inet.h>

#include <functional>
#include <map>
#include <string>

#include "bindings_key.h"
#include "core/bytes.h"

namespace py = pybind11;

namespace vswitch {
namespace {

// Reads a dictionary by what each of its keys means.
template <typename Into>
using Readers = std::map<std::string, void (*)(Into&, py::handle), std::less<>>;

template <typename Into>
void ReadInto(Into& into, py::handle given, const Readers<Into>& readers, const char* what) {
  if (!py::isinstance<py::dict>(given)) {
    throw py::type_error(std::string(what) + " is a dict; this is " + Show(given));
  }
  for (const auto& [name, value] : py::reinterpret_borrow<py::dict>(given)) {
    const auto found =
        py::isinstance<py::str>(name) ? readers.find(py::cast<std::string>(name)) : readers.end();
    if (found == readers.end()) {
      throw py::value_error(std::string(what) + " has no argument " + Show(name));
    }
    found->second(into, value);
  }
}

bool BoolOf(py::handle value, const char* what) {
  if (!py::isinstance<py::bool_>(value)) {
    throw py::type_error(std::string(what) + " is a bool; this is " + Show(value));
  }
  return value.ptr() == Py_True;
}

// A value and a mask, each of 128 bits at most.
struct Masked {
  std::array<Word, 2> value;
  std::array<Word, 2> mask;
};

Masked MaskedOf(py::handle given, unsigned width, const std::string& what) {
  if (!py::isinstance<py::tuple>(given) || py::len(given) != 2) {
    throw py::type_error(what + " is a pair, (value, mask); this is " + Show(given));
  }
  const auto read = [&](py::handle part) {
    const FlowKey bits = KeyOf(part, what);
    for (std::size_t word = 0; word < kKeyWords; ++word) {
      const Word allowed = word >= (width + 63) / 64 ? 0
                           : width < 64              ? (Word{1} << width) - 1
                                                     : ~Word{0};
      if ((bits.words[word] & ~allowed) != 0) {
        throw py::value_error(what + " has " + std::to_string(width) + " bits; this is " +
                              Show(part));
      }
    }
    return std::array<Word, 2>{bits.words[0], bits.words[1]};
  };
  const auto pair = py::reinterpret_borrow<py::tuple>(given);
  Masked masked{read(pair[0]), read(pair[1])};
  masked.value[0] &= masked.mask[0];
  masked.value[1] &= masked.mask[1];
  return masked;
}

struct NatArguments {
  NatRequest request;
  bool names_kind = false;
  std::optional<Address> address_min;
  std::optional<Address> address_max;
  bool is_min_ipv6 = false;
  bool is_max_ipv6 = false;
  std::optional<std::uint16_t> port_min;
  std::optional<std::uint16_t> port_max;
};

Address AddressOf(py::handle value, bool& is_ipv6) {
  if (!py::isinstance<py::str>(value)) {
    throw py::type_error("an address is a str; this is " + Show(value));
  }
  const auto text = py::cast<std::string>(value);
  std::uint8_t bytes[16] = {};
  is_ipv6 = inet_pton(AF_INET6, text.c_str(), bytes) == 1;
  if (is_ipv6) {
    return {Load64(bytes), Load64(bytes + 8)};
  }
  if (inet_pton(AF_INET, text.c_str(), bytes) != 1) {
    throw py::value_error("no address: " + Show(value));
  }
  return {0, Load32(bytes)};
}

std::uint16_t PortOf(py::handle value) {
  const auto port = static_cast<std::uint16_t>(NumberOf(value, 0xFFFF, "a port of nat"));
  if (port == 0) {
    throw py::value_error("a port of nat is from 1 to 65535; this is 0");
  }
  return port;
}

// Joins the ends of ranges; an end that is not named is the other one.
void JoinRanges(NatArguments& arguments) {
  NatRequest& request = arguments.request;
  if (arguments.address_max && !arguments.address_min) {
    throw py::value_error("nat has an address_max without an address_min");
  }
  if (arguments.port_max && !arguments.port_min) {
    throw py::value_error("nat has a port_max without a port_min");
  }
  if (arguments.address_min) {
    const bool is_one = !arguments.address_max;
    request.addresses =
        AddressRange{*arguments.address_min, arguments.address_max.value_or(*arguments.address_min),
                     arguments.is_min_ipv6};
    if ((!is_one && arguments.is_min_ipv6 != arguments.is_max_ipv6) ||
        request.addresses->max < request.addresses->min) {
      throw py::value_error("nat's address_max is below its address_min, or of another version");
    }
  }
  if (arguments.port_min) {
    request.ports =
        PortRange{*arguments.port_min, arguments.port_max.value_or(*arguments.port_min)};
    if (request.ports->max < request.ports->min) {
      throw py::value_error("nat's port_max is below its port_min");
    }
  }
  if (!arguments.names_kind && (request.addresses || request.ports || request.is_persistent)) {
    throw py::value_error("nat has a range, but not whether it is for the source: say source");
  }
}

NatRequest NatOf(py::handle given) {
  static const Readers<NatArguments> readers{
      {"source",
       [](NatArguments& arguments, py::handle value) {
         arguments.names_kind = true;
         arguments.request.kind =
             BoolOf(value, "source") ? NatRequest::Kind::kSource : NatRequest::Kind::kDestination;
       }},
      {"address_min",
       [](NatArguments& arguments, py::handle value) {
         arguments.address_min = AddressOf(value, arguments.is_min_ipv6);
       }},
      {"address_max",
       [](NatArguments& arguments, py::handle value) {
         arguments.address_max = AddressOf(value, arguments.is_max_ipv6);
       }},
      {"port_min",
       [](NatArguments& arguments, py::handle value) { arguments.port_min = PortOf(value); }},
      {"port_max",
       [](NatArguments& arguments, py::handle value) { arguments.port_max = PortOf(value); }},
      {"persistent",
       [](NatArguments& arguments, py::handle value) {
         arguments.request.is_persistent = BoolOf(value, "persistent");
       }},
  };
  NatArguments arguments;
  ReadInto(arguments, given, readers, "nat");
  JoinRanges(arguments);
  return arguments.request;
}

}  // namespace

ConnectionRequest RequestOf(py::handle connection) {
  static const Readers<ConnectionRequest> readers{
      {"zone",
       [](ConnectionRequest& request, py::handle value) {
         request.zone = static_cast<std::uint16_t>(NumberOf(value, 0xFFFF, "a zone"));
       }},
      {"commit", [](ConnectionRequest& request,
                    py::handle value) { request.commits = BoolOf(value, "commit"); }},
      {"force", [](ConnectionRequest& request,
                   py::handle value) { request.forces = BoolOf(value, "force"); }},
      {"mark",
       [](ConnectionRequest& request, py::handle value) {
         const Masked masked = MaskedOf(value, 32, "mark");
         request.mark = static_cast<std::uint32_t>(masked.value[0]);
         request.mark_mask = static_cast<std::uint32_t>(masked.mask[0]);
       }},
      {"label",
       [](ConnectionRequest& request, py::handle value) {
         const Masked masked = MaskedOf(value, 128, "label");
         request.label = masked.value;
         request.label_mask = masked.mask;
       }},
      {"nat", [](ConnectionRequest& request, py::handle value) { request.nat = NatOf(value); }},
      {"alg",
       [](ConnectionRequest&, py::handle value) {
         throw py::value_error("ct knows no alg, such as " + Show(value) +
                               ": connections that a protocol announces are not expected");
       }},
  };
  ConnectionRequest request;
  ReadInto(request, connection, readers, "ct");
  if (request.forces && !request.commits) {
    throw py::value_error("ct forces without a commit: say commit, too");
  }
  if (request.nat && request.nat->kind != NatRequest::Kind::kUndo && !request.commits) {
    throw py::value_error("nat names a source or destination without a commit: say commit, too");
  }
  return request;
}

}  // namespace vswitch
