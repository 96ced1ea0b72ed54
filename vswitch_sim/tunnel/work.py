"""What tunnelling costs a host: operations of its CPU, counted where they are done.

Functions that may run in software or in a NIC take a `Work` and add to it; a host has one, a NIC
another. So "done in hardware" means: counted elsewhere.

Cost: an addition for each header, not for each byte.
"""

from attrs import define

from vswitch_sim.checksum import internet_checksum


@define
class Work:
    """Operations since it was made.

    Attributes:
        packets: packets that passed through the stack, each way.
        headers: headers written, read or changed.
        bytes_copied: payload and header bytes written to another place in memory.
        bytes_checksummed: bytes summed.
    """

    packets: int = 0
    headers: int = 0
    bytes_copied: int = 0
    bytes_checksummed: int = 0

    def checksum(self, *parts: bytes | bytearray) -> int:
        """The Internet checksum of the parts; all but the last have an even length."""
        self.bytes_checksummed += sum(map(len, parts))
        return internet_checksum(*parts)
