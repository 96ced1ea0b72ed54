"""A datapath without caches: every packet asks the rules, and actions are done the obvious way.

Rules are (key, mask, actions); the first that covers a packet counts, as in a flow table.
`translate` answers for both: the actions, and the mask of all the bits that had to be looked at, so
that its megaflows are disjoint.
"""

from attrs import define, field

from tests.vswitch_sim import frame_twin
from tests.vswitch_sim.frame_twin import LAYOUT, METADATA

DEPTH_MAX, PASSES_MAX = 16, 1024
ALL = (1 << 32) - 1


def translate(rules: list, key: int) -> tuple[int, list]:
    """The mask and actions of the megaflow of a key."""
    looked_at = 0
    for value, mask, actions in rules:
        looked_at |= mask
        if (key ^ value) & mask == 0:
            return looked_at, actions
    return looked_at, [("drop", "nothing fits")]


@define
class Packet:
    frame: bytes
    metadata: dict[str, int]

    def key(self) -> int:
        return frame_twin.key_of(self.frame, self.metadata)


@define
class Twin:
    """Passes frames; what became of the last one is in the lists."""

    rules: list
    ports: set[int]
    egress: list = field(factory=list)
    controller: list = field(factory=list)
    drops: list = field(factory=list)
    n_passes: int = 0

    def process(self, in_port: int, frame: bytes, tun_id: int, recirc_id: int = 0) -> None:
        self.egress, self.controller, self.drops, self.n_passes = [], [], [], 0
        if len(frame) < 14:
            self.drops.append("runt")
            return
        metadata = {"in_port": in_port, "tun_id": tun_id, "recirc_id": recirc_id}
        self.look_up(Packet(frame, metadata), 0)

    def look_up(self, packet: Packet, depth: int) -> None:
        self.do(translate(self.rules, packet.key())[1], packet, depth)

    def do(self, actions: list, packet: Packet, depth: int) -> None:
        for name, *arguments in actions:
            match name:
                case "set":
                    self.set(packet, *arguments)
                case "push_vlan":
                    packet.frame = frame_twin.push_vlan(packet.frame, *arguments)
                case "pop_vlan":
                    packet.frame = frame_twin.pop_vlan(packet.frame)
                case "output" if arguments[0] in self.ports:
                    self.egress.append((*arguments, packet.metadata["tun_id"], packet.frame))
                case "output":
                    self.drops.append("no_such_port")
                case "clone":
                    copy = Packet(packet.frame, dict(packet.metadata))
                    self.do(arguments[0], copy, depth)
                case "recirc":
                    if depth == DEPTH_MAX or self.n_passes == PASSES_MAX:
                        self.drops.append("recirculation_limit")
                        return
                    self.n_passes += 1
                    packet.metadata["recirc_id"] = arguments[0]
                    self.look_up(packet, depth + 1)
                    return
                case "controller":
                    came = packet.metadata["in_port"], packet.metadata["tun_id"]
                    self.controller.append((*arguments, *came, packet.frame))
                case "drop":
                    self.drops.append(arguments[0])

    @staticmethod
    def set(packet: Packet, value: int, mask: int) -> None:
        for name in METADATA:
            shift, width = LAYOUT[name]
            bits = mask >> shift & (1 << width) - 1
            before = packet.metadata.get(name, 0)
            packet.metadata[name] = before & ~bits | value >> shift & bits
        packet.frame = frame_twin.write(packet.frame, value, mask)
