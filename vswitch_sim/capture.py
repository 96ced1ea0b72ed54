"""Writing what crosses the underlay to a pcapng file.

One interface stands for each host's NIC; a frame is recorded as the NIC sends it, so every
segment is in the file once, and those the underlay drops are there too. Time is the capture's
own: frame n was sent n microseconds after the epoch.
"""

from types import TracebackType
from typing import BinaryIO, Self

from pcapng import FileWriter
from pcapng.blocks import EnhancedPacket, InterfaceDescription, SectionHeader

LINKTYPE_ETHERNET = 1


class CaptureWriter:
    """A pcapng file being written; a context manager that closes it.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: str) -> None:
        """Open the file, replacing what is there."""
        self._file: BinaryIO = open(path, "wb")  # noqa: SIM115  # closed by __exit__
        self._section = SectionHeader(options={"shb_userappl": "vswitch_sim"})
        self._writer = FileWriter(self._file, self._section)
        self._interfaces: dict[str, int] = {}
        self._time_us = 0

    def write(self, interface: str, frame: bytes) -> None:
        """Append an Ethernet frame sent by an interface, which is made if it is new."""
        if interface not in self._interfaces:
            description = self._section.new_member(
                InterfaceDescription,
                link_type=LINKTYPE_ETHERNET,
                options={"if_name": interface},
            )
            self._writer.write_block(description)
            self._interfaces[interface] = len(self._interfaces)
        block = self._section.new_member(
            EnhancedPacket,
            interface_id=self._interfaces[interface],
            timestamp_high=self._time_us >> 32,
            timestamp_low=self._time_us & 0xFFFFFFFF,
            packet_len=len(frame),
            packet_data=frame,
        )
        self._writer.write_block(block)
        self._time_us += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
