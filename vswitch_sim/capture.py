"""Writing what crosses the fabric to pcapng files, in simulated time.

A capture has points: VIFs, where a VM's frames enter and leave its switch, and links of the
underlay. Without any it has every NIC, and holds each packet once, as the NIC sends it, those
included that the underlay drops. Each point is an interface of the file with a name; each frame
has the time in nanoseconds, its direction, and a comment if the underlay drops it.

At a VIF "inbound" is into the switch; on a link `AtLink("hv1", "core")` "outbound" is from hv1.
"""

import struct
import warnings
from types import TracebackType
from typing import BinaryIO, Self
from zlib import crc32

from attrs import frozen
from pcapng import FileWriter
from pcapng.blocks import EnhancedPacket, InterfaceDescription, SectionHeader

from vswitch_sim.underlay import Crossing

LINKTYPE_ETHERNET = 1
# if_tsresol: times are in units of 10 to the power of -9 seconds.
_NANOSECONDS = b"\x09"
# epb_flags, the two low bits.
INBOUND, OUTBOUND = 1, 2
_ETHERTYPES = {4: 0x0800, 6: 0x86DD}


@frozen
class AtVif:
    """The place where frames pass between a VM and port `port_number` of a host's switch."""

    host: str
    port_number: int


@frozen
class AtLink:
    """The link between two nodes of the underlay, in both directions."""

    a: str
    b: str


class CaptureWriter:
    """A pcapng file being written; a context manager that closes it."""

    def __init__(self, path: str) -> None:
        """Open the file, replacing what is there.

        Raises:
            OSError: the file cannot be opened.
        """
        self._file: BinaryIO = open(path, "wb")  # noqa: SIM115  # closed by __exit__
        self._section = SectionHeader(options={"shb_userappl": "vswitch_sim"})
        self._writer = FileWriter(self._file, self._section)
        self._interfaces: dict[str, int] = {}

    def write(
        self,
        interface: str,
        frame: bytes,
        time_ns: int = 0,
        direction: int = OUTBOUND,
        comment: str = "",
    ) -> None:
        """Append an Ethernet frame that passed an interface, which is made if it is new."""
        if interface not in self._interfaces:
            self._add_interface(interface)
        options: dict[str, object] = {"epb_flags": direction}
        if comment:
            options["opt_comment"] = comment
        block = self._section.new_member(
            EnhancedPacket,
            interface_id=self._interfaces[interface],
            timestamp_high=time_ns >> 32,
            timestamp_low=time_ns & 0xFFFFFFFF,
            packet_len=len(frame),
            packet_data=frame,
            options=options,
        )
        self._writer.write_block(block)

    def _add_interface(self, name: str) -> None:
        description = self._section.new_member(
            InterfaceDescription,
            link_type=LINKTYPE_ETHERNET,
            options={"if_name": name, "if_tsresol": _NANOSECONDS},
        )
        with warnings.catch_warnings():
            # The library's own table of options has a deprecated entry for if_tsresol.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._writer.write_block(description)
        self._interfaces[name] = len(self._interfaces)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


@frozen
class Capture:
    """What a writer is to record: frames at `points`, or, without any, at every NIC."""

    _writer: CaptureWriter
    _points: frozenset[AtVif | AtLink]

    def crossed(self, crossing: Crossing, nic: str, time_ns: int) -> None:
        """Take a packet that a node put on a link; `nic` is the host of that node, or ""."""
        sender, receiver = crossing.sender, crossing.receiver
        if not self._points:
            name, direction = nic, OUTBOUND
        elif AtLink(sender, receiver) in self._points:
            name, direction = f"{sender}--{receiver}", OUTBOUND
        elif AtLink(receiver, sender) in self._points:
            name, direction = f"{receiver}--{sender}", INBOUND
        else:
            return
        if name:
            comment = f"dropped: {crossing.drop}" if crossing.drop else ""
            self._writer.write(name, _framed(crossing), time_ns, direction, comment)

    def passed(self, vif: AtVif, name: str, frame: bytes, is_sent: bool, time_ns: int) -> None:
        """Take a frame that passed a VIF, sent by its VM or delivered to it."""
        if vif in self._points:
            self._writer.write(name, frame, time_ns, INBOUND if is_sent else OUTBOUND)


def _framed(crossing: Crossing) -> bytes:
    """The Ethernet frame in which a packet leaves a node for the next."""
    ethertype = struct.pack("!H", _ETHERTYPES.get(crossing.packet[0] >> 4, 0))
    return _mac(crossing.receiver) + _mac(crossing.sender) + ethertype + crossing.packet


def _mac(node: str) -> bytes:
    # Locally administered, and the same in every run.
    return b"\x02\0" + crc32(node.encode()).to_bytes(4, "big")
