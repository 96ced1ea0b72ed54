"""Geneve (RFC 8926) and VXLAN (RFC 7348): an Ethernet frame behind a UDP header.

    outer IP | UDP, 8 bytes | Geneve: 8 bytes and options, or VXLAN: 8 bytes | frame

The source port is a hash of the inner flow. The UDP checksum is a real one or zero; packets over
IPv6 with a zero checksum are dropped unless asked for (RFC 8926, section 3.3; RFC 6936). A NIC
that knows TCP and UDP can fill the checksum in, but it cannot cut: there is no sequence number
in a UDP header by which a receiver could put a frame together again. So each packet is one frame.

Options of Geneve are sent as given; received ones are skipped, unless one is critical, which
nobody here understands. Bad input is the name of a drop, never an exception.

Cost: a header.
"""

import struct

from vswitch_sim.errors import TopologyError
from vswitch_sim.tunnel.inner import ETHERNET_BYTES, UDP, flow_hash, read_inner
from vswitch_sim.tunnel.marking import outer_tos, unmarked
from vswitch_sim.tunnel.outer import PACKET_BYTES_MAX, Tunnel, ip_header, read_outer, source_port
from vswitch_sim.tunnel.reassembly import TunnelFrame, address
from vswitch_sim.tunnel.segmentation import Send, fill_checksum
from vswitch_sim.tunnel.work import Work

PORTS = {"geneve": 6081, "vxlan": 4789}
UDP_HEADER_BYTES = 8
SHIM_BYTES = 8

_UDP = struct.Struct("!HHHH")
_TRANSPARENT_ETHERNET = 0x6558
_GENEVE_CONTROL, _GENEVE_CRITICAL = 0x80, 0x40
_VXLAN_I = 0x08
_OPTIONS_BYTES_MAX = 4 * 63


def prepare(
    frame: bytes, vni: int, tunnel: Tunnel, *, options: bytes = b"", work: Work | None = None
) -> Send:
    """One packet for a NIC, which fills in the UDP checksum, if the tunnel has one.

    Args:
        frame: an Ethernet frame without its FCS, 14 bytes or more.
        vni: 24 bits, the tunnel key.
        tunnel: the two ends; its kind is `geneve` or `vxlan`.
        options: of Geneve, as on the wire.
        work: where header operations are counted.

    Raises:
        TopologyError: an argument outside these limits; the message names it.
    """
    work = work or Work()
    shim = _shim(tunnel, vni, options)
    inner = read_inner(frame)
    length = UDP_HEADER_BYTES + len(shim) + len(frame)
    if len(frame) < ETHERNET_BYTES or tunnel.ip_bytes + length > PACKET_BYTES_MAX:
        raise TopologyError(f"a {tunnel.kind} packet cannot carry a frame of {len(frame)} bytes")
    flow = flow_hash(frame, inner)
    udp = _UDP.pack(source_port(flow), PORTS[tunnel.kind], length, 0)
    tos = outer_tos(inner.tos(frame), tunnel.dscp, tunnel.ecn)
    ip = ip_header(tunnel, UDP, length, tos, flow)
    # The frame's headers were read, three were written.
    work.headers += 4
    work.bytes_copied += len(ip) + UDP_HEADER_BYTES + len(shim)
    work.bytes_checksummed += len(ip) if tunnel.source.version == 4 else 0
    return Send(ip + udp, (shim, frame), 0, len(ip), checksum=tunnel.udp_checksum)


def encapsulate(
    frame: bytes, vni: int, tunnel: Tunnel, *, options: bytes = b"", work: Work | None = None
) -> bytes:
    """The outer packet that carries a frame; arguments and errors are those of `prepare`."""
    work = work or Work()
    return packet(prepare(frame, vni, tunnel, options=options, work=work), work)


def frame_bytes_max(tunnel: Tunnel) -> int:
    """The largest frame one packet without options can carry, in bytes."""
    return PACKET_BYTES_MAX - tunnel.ip_bytes - UDP_HEADER_BYTES - SHIM_BYTES


def packet(send: Send, work: Work) -> bytes:
    """A send that is not to be cut, as one packet, its checksum filled in if asked for."""
    payload = b"".join(send.payload)
    head = bytearray(send.head)
    if send.checksum:
        fill_checksum(head, payload, send.l3, send.l4, work)
    return bytes(head) + payload


def _shim(tunnel: Tunnel, vni: int, options: bytes) -> bytes:
    if not 0 <= vni < 1 << 24:
        raise TopologyError(f"VNI {vni:#x} is too wide (24 bits)")
    if tunnel.kind == "vxlan":
        if options:
            raise TopologyError("VXLAN has no options")
        return struct.pack("!B3xI", _VXLAN_I, vni << 8)
    if len(options) % 4 or len(options) > _OPTIONS_BYTES_MAX:
        raise TopologyError(
            f"Geneve options are words of 4 bytes, {_OPTIONS_BYTES_MAX} bytes at most, "
            f"not {len(options)} bytes"
        )
    critical = _GENEVE_CRITICAL if any(kind & 0x80 for kind in _option_kinds(options)) else 0
    words = len(options) // 4
    return struct.pack("!BBHI", words, critical, _TRANSPARENT_ETHERNET, vni << 8) + options


def _option_kinds(options: bytes) -> list[int]:
    kinds, place = [], 0
    while place + 4 <= len(options):
        kinds.append(options[place + 2])
        place += 4 + 4 * (options[place + 3] & 0x1F)
    return kinds


def decapsulate(
    packet: bytes,
    *,
    verified: bool = False,
    uniform: bool = False,
    zero_checksum_ipv6: bool = False,
    work: Work | None = None,
) -> TunnelFrame | str:
    """The frame that a Geneve or VXLAN packet carries, or the name of the drop.

    These are `bad_ip_header`, `bad_ip_checksum`, `outer_fragment`, `not_udp_tunnel`,
    `bad_udp_length`, `zero_checksum`, `bad_udp_checksum`, `unknown_version`, `bad_header` (no
    VNI, options beyond the packet, no Ethernet frame), `control_packet`, `critical_option` and
    `ecn_drop`.

    Args:
        packet: from its IP header on.
        verified: whether the NIC found the UDP checksum right.
        uniform: whether the outer DSCP replaces the frame's (RFC 2983).
        zero_checksum_ipv6: accept IPv6 packets without a UDP checksum.
        work: where the host's operations are counted.
    """
    work = work or Work()
    outer = read_outer(packet)
    if isinstance(outer, str):
        return outer
    room_bytes = outer.end - outer.l4
    if outer.protocol != UDP or room_bytes < UDP_HEADER_BYTES:
        return "not_udp_tunnel"
    _, port, length, checksum = _UDP.unpack_from(packet, outer.l4)
    if port not in PORTS.values():
        return "not_udp_tunnel"
    work.headers += 2
    if not UDP_HEADER_BYTES + SHIM_BYTES <= length <= room_bytes:
        return "bad_udp_length"
    if checksum == 0 and len(outer.source) == 16 and not zero_checksum_ipv6:
        return "zero_checksum"
    if checksum and not verified and not outer.checksum_is_right(packet, work):
        return "bad_udp_checksum"
    start = outer.l4 + UDP_HEADER_BYTES
    read = _read_geneve if port == PORTS["geneve"] else _read_vxlan
    header = read(packet, start, outer.l4 + length)
    work.headers += 1
    if isinstance(header, str):
        return header
    vni, place = header
    frame = packet[place : outer.l4 + length]
    if len(frame) < ETHERNET_BYTES:
        return "bad_header"
    marked = unmarked(frame, read_inner(frame), outer.tos, uniform)
    if marked is None:
        return "ecn_drop"
    return TunnelFrame(address(outer.source), address(outer.destination), vni, marked)


def _read_vxlan(packet: bytes, start: int, _: int) -> tuple[int, int] | str:
    if not packet[start] & _VXLAN_I:
        return "bad_header"
    return int.from_bytes(packet[start + 4 : start + 7], "big"), start + SHIM_BYTES


def _read_geneve(packet: bytes, start: int, end: int) -> tuple[int, int] | str:
    first, flags, kind = struct.unpack_from("!BBH", packet, start)
    place = start + SHIM_BYTES + 4 * (first & 0x3F)
    if first >> 6:
        return "unknown_version"
    if flags & _GENEVE_CONTROL:
        return "control_packet"
    if place > end or kind != _TRANSPARENT_ETHERNET:
        return "bad_header"
    kinds = _option_kinds(packet[start + SHIM_BYTES : place])
    if flags & _GENEVE_CRITICAL or any(kind & 0x80 for kind in kinds):
        return "critical_option"
    return int.from_bytes(packet[start + 4 : start + 7], "big"), place
