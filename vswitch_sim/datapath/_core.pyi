"""The datapath in C++: from a frame to what leaves the switch, by the flows that it was given.

It knows no flow tables. A packet that no megaflow covers is put to `translate`, once; what that
answers is a megaflow from then on: every packet that agrees with the key in the bits of the mask
gets the same actions. In front of the megaflows, which are found by one hash a mask, an exact-match
cache finds them by the whole key.

A *key* crosses this boundary as one integer of KEY_BYTES bytes: fields stand side by side at the
places that `layout` tells. A mask is an integer of the same places.

Actions are done in order to one packet, which the next action sees as the last one left it:

    ("set", value, mask)            write the bits of `mask`, headers and metadata (`tun_id`, …);
                                    checksums follow; a header that the packet lacks stays lacking.
                                    Not recirc_id, eth_type, ip_proto, ip_frag, tcp_flags, inner_tag
    ("push_vlan", tpid, tci)        a new outermost tag
    ("pop_vlan",)                   without the outermost tag, if there is one
    ("output", port)                a copy leaves by a port, with the `tun_id` that it has now
    ("clone", actions)              a copy of packet and metadata goes through `actions`
    ("meter", meter)                drops the packet as `meter`, and ends this list, if it is over
                                    the rate; one that is not set lets all pass
    ("ct", connection)              goes through connection tracking (`Connection`)
    ("recirc", recirc_id)           is looked up again, with `recirc_id` in its key; ends this list.
                                    More than 16 deep, or 1,024 times a frame, it is dropped as
                                    `recirculation_limit`
    ("controller", reason)          a copy goes to the controller (`Outcome.controller`)
    ("drop", reason)                counts a drop under its name; the packet goes on

A megaflow without actions drops in silence: say why with "drop".
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypedDict, final

KEY_BYTES: int

Action: TypeAlias = tuple[Any, ...]
# A megaflow's mask and actions; whether to keep it, or to do the actions this once.
Translation: TypeAlias = tuple[int, Sequence[Action], bool]

def layout() -> dict[str, tuple[int, int]]:
    """Every field's (shift, width) in a key, in bits from its low end."""

@final
class Parsed:
    """A frame's headers: its part of the key, and where they lie, in bytes (0: not there).

    `l4` is 0 for a later fragment; `end` is where the IP packet ends, padding excluded.
    """

    @property
    def key(self) -> int: ...
    @property
    def l3(self) -> int: ...
    @property
    def l4(self) -> int: ...
    @property
    def end(self) -> int: ...

def parse(frame: bytes) -> Parsed | None:
    """Read a frame's headers; None if it is a runt, shorter than an Ethernet header."""

class Nat(TypedDict, total=False):
    """How `ct` rewrites addresses; without `source`, it only does what its connection has already.

    Attributes:
        source: the source is rewritten on commit, or the destination.
        address_min: first of the addresses; without, these stay.
        address_max: last of them, `address_min` if left out.
        port_min: first of the ports, likewise.
        port_max: last of them.
        persistent: one source address gets one address always.
    """

    source: bool
    address_min: str
    address_max: str
    port_min: int
    port_max: int
    persistent: bool

class Connection(TypedDict, total=False):
    """The arguments of `ct`; mark and label are (value, mask) and written on commit only.

    Afterwards the packet's ct_state, ct_zone, ct_mark and ct_label are set, and it is rewritten as
    `nat` says. The bits of ct_state are new 1, est 2, rel 4, rpl 8, inv 0x10, trk 0x20, snat 0x40,
    dnat 0x80. `force` needs `commit`. An `alg` is refused: there is none.

    TCP is followed by its windows, UDP and other protocols by who has spoken, ICMP by queries and
    their answers; an ICMP error is related to the connection of the packet that it quotes. What has
    a wrong checksum is invalid. Later fragments get what the first one got, if they come after it.
    """

    zone: int
    commit: bool
    force: bool
    mark: tuple[int, int]
    label: tuple[int, int]
    nat: Nat
    alg: str

@final
class Outcome:
    """What became of a frame.

    Attributes:
        egress: (port, tun_id, frame), in order.
        controller: (reason, in_port, frame) for each copy to the controller.
        drops: the names of the drops, in order.
    """

    @property
    def egress(self) -> list[tuple[int, int, bytes]]: ...
    @property
    def controller(self) -> list[tuple[str, int, bytes]]: ...
    @property
    def drops(self) -> list[str]: ...

@final
class Megaflow:
    """A megaflow as it was when asked for; it has counted the packet that it was asked for, too."""

    @property
    def number(self) -> int: ...
    @property
    def key(self) -> int: ...
    @property
    def mask(self) -> int: ...
    @property
    def n_packets(self) -> int: ...
    @property
    def n_bytes(self) -> int: ...
    @property
    def used_s(self) -> float: ...

@final
class Datapath:
    """Ports, megaflows, the exact-match cache, meters, connections, and counters of all of them.

    `translate(number, key, frame)` answers for a packet that nothing covers. `number` is the one
    that the megaflow bears if it is kept; `frame` is the packet as it is then. It may call whatever
    it likes here. What it raises ends `process`, and nothing of the packet is sent or counted,
    though what meters and connections saw of it stays seen; it ends `process_batch`, too, where the
    frames before were counted, but what they sent is lost. Megaflows are disjoint: one with the
    mask and key of another takes its place. When there are `megaflows_max`, an answer is not kept
    (`megaflows_refused`).

    Time is simulated: `now_s` never goes back.
    """

    def __init__(
        self,
        translate: Callable[[int, int, bytes], Translation],
        *,
        megaflows_max: int = 200_000,
        exact_max: int = 8_192,
        connections_max: int = 65_536,
    ) -> None: ...
    def add_port(self, number: int) -> None: ...
    def remove_port(self, number: int) -> None:
        """Outputs to the port are then dropped as `no_such_port`; its counters are gone."""

    def process(self, in_port: int, frame: bytes, tun_id: int, now_s: float) -> Outcome:
        """Pass one frame. A runt, shorter than an Ethernet header, is dropped as `runt`."""

    def process_batch(
        self, in_ports: Sequence[int], frames: Sequence[bytes], now_s: float
    ) -> tuple[list[tuple[int, int, int, bytes]], list[tuple[str, int, bytes]]]:
        """Pass many; (place in the batch, port, tun_id, frame) of each that leaves, in order.

        And `Outcome.controller` of all. A frame that nothing wrote is the one given.
        """

    def trace_lookup(self, key: int) -> Megaflow | None:
        """The megaflow that covers a key; counts nothing."""

    def remove(self, numbers: Sequence[int]) -> list[Megaflow]:
        """Take megaflows away; what they had counted. Unknown numbers are passed over."""

    def expire(self, now_s: float, idle_s: float) -> list[Megaflow]:
        """Take away what no packet has used for so long; connections that timed out, too."""

    def megaflows(self) -> list[Megaflow]:
        """All, by number."""

    def set_meter(self, meter: int, unit: str, rate: int, burst: int) -> None:
        """Add or change a meter (OpenFlow 1.3, 5.7), a bucket that is full at first.

        `unit` is "kbps" or "pktps", `burst` in kilobits or packets; 0 is a second's worth.
        """

    def remove_meter(self, meter: int) -> None: ...
    def connections(self, zone: int | None = None) -> list[str]:
        """The connections of a zone, or all, as `ovs-appctl dpctl/dump-conntrack` prints them."""

    def flush_connections(self, zone: int | None = None) -> int:
        """End the connections of a zone, or all; how many there were."""

    @property
    def counters(self) -> dict[str, int]:
        """Hits of each cache, misses, evictions, entries, packets and bytes by port, …: by name."""

    @property
    def drops(self) -> dict[str, int]:
        """How often each reason to drop came up, by name."""
