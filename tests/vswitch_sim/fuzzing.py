"""Frames and outer packets that nobody should send, for all that reads bytes of others.

`visit` feeds one batch made from a seed to parsers, switch, NIC, reassembler and tunnels: noise,
and right frames and packets cut, stretched, flipped, spliced and with chosen values at chosen
places. None of them may raise, and what comes out must hold: frames are no runts, what was sent
right arrives among the noise, and memory stays bounded.
"""

import random
from ipaddress import ip_address

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from vswitch_sim import Flow, FlowUpdate, Match, Output, SetField, Switch
from vswitch_sim.datapath._core import parse
from vswitch_sim.tunnel import (
    Nic,
    Offload,
    Reassembler,
    Tunnel,
    TunnelEnd,
    Work,
    encapsulate,
    finish,
    partial_checksum,
)
from vswitch_sim.tunnel.inner import read_inner, verify

DATA = Raw(bytes(range(200)))
ETHER = Ether(src="0a:00:00:00:00:01", dst="0a:00:00:00:00:02")
FRAMES = [
    bytes(frame)
    for frame in (
        ETHER / ARP(),
        ETHER / IP() / TCP() / DATA,
        ETHER / Dot1Q(vlan=5) / IP(tos=2) / UDP() / DATA,
        ETHER / Dot1AD() / Dot1Q() / IP() / ICMP() / DATA,
        ETHER / IP(flags="MF", frag=0) / UDP() / DATA,
        ETHER / IPv6() / IPv6ExtHdrHopByHop() / TCP() / DATA,
        ETHER / IPv6() / IPv6ExtHdrFragment(offset=3) / DATA,
        Ether(src=ETHER.src, dst=ETHER.dst, type=0x88CC) / DATA,
    )
]
BASES = ("192.0.2.", "2001:db8::")
TUNNELS = [
    Tunnel(ip_address(f"{base}1"), ip_address(f"{base}2"), kind, udp_checksum=summed)
    for base in BASES
    for kind, summed in (("stt", True), ("geneve", True), ("vxlan", False))
]
OCTETS = (0x00, 0x01, 0x06, 0x11, 0x2C, 0x3F, 0x45, 0x60, 0x7F, 0x80, 0xFF)
PARTIAL_BYTES_MAX = 20_000


def right_packets(chance: random.Random) -> list[bytes]:
    """What our own ends send for a random frame by a random tunnel."""
    tunnel, frame = chance.choice(TUNNELS), chance.choice(FRAMES)
    inner = read_inner(frame)
    offload = Offload()
    if inner.l4 and not inner.fragment and chance.random() < 0.5:
        frame, offload = partial_checksum(frame), Offload(partial=True, mss=chance.choice([0, 50]))
    end = TunnelEnd(Nic(mtu=1500), first_packet_id=chance.getrandbits(4))
    return end.transmit(frame, tunnel, chance.getrandbits(24), offload)


def mutated(chance: random.Random, data: bytes) -> bytes:
    """The bytes with some of them changed, gone, or come from elsewhere."""
    out = bytearray(data)
    for _ in range(chance.randint(0, 4)):
        place = chance.randrange(len(out)) if out else 0
        match chance.randrange(6):
            case 0 if out:
                out[place] ^= 1 << chance.randrange(8)
            case 1 if out:
                out[place] = chance.choice(OCTETS)
            case 2:
                del out[place:]
            case 3:
                out[place:place] = chance.randbytes(chance.randint(1, 40))
            case 4:
                out += chance.choice(FRAMES)
            case _:
                del out[place : place + chance.randint(1, 8)]
    return bytes(out)


def summed(packet: bytes) -> bytes:
    """An outer IPv4 packet whose own checksums are right again, so that readers read on."""
    try:
        outer = IP(packet)
        del outer.chksum
        for layer in (TCP, UDP):
            if layer in outer:
                del outer[layer].chksum
        return bytes(outer)
    except Exception:  # noqa: BLE001  # scapy raises whatever it likes of bytes like these
        return packet


def a_switch() -> Switch:
    switch = Switch("fuzzed")
    switch.add_port(1, "in", "vif")
    switch.add_port(2, "out", "vif")
    to = SetField("ipv4_dst", 7)
    flows = [
        Flow(0, 2, Match.of(eth_type=0x0800), (to, Output(2))),
        Flow(0, 1, Match(), (Output(2),)),
    ]
    switch.apply(FlowUpdate(add=flows))
    return switch


def visit(seed: int, rounds: int = 30) -> int:
    """Feed one batch; how many packets were fed."""
    chance = random.Random(seed)
    switch = a_switch()
    reassembler = Reassembler(PARTIAL_BYTES_MAX, 50, 5.0, uniform=True)
    end = TunnelEnd(Nic(), reassembler=reassembler, zero_checksum_ipv6=seed % 2 == 0)
    work, fed, kept = Work(), 0, []
    for n in range(rounds):
        frame = mutated(chance, chance.choice(FRAMES))
        frame = chance.randbytes(chance.randint(0, 120)) if chance.random() < 0.1 else frame
        parse(frame)
        verify(frame, read_inner(frame), work)
        offload = Offload(partial=True, mss=chance.choice([0, 1, 50, 0xFFFF]))
        assert finish(frame, offload, work)
        switch.process(1, frame)
        packets = right_packets(chance)
        packets = [mutated(chance, one) if chance.random() < 0.7 else one for one in packets]
        packets = [summed(one) if chance.random() < 0.3 else one for one in packets]
        kept = chance.sample(kept + packets, min(len(kept + packets), 20))
        packets += chance.choices(kept, k=2) if kept else []
        for one in end.receive(packets, now_s=chance.uniform(0, n)):
            assert len(one.frame) >= 14
            assert all(finish(one.frame, one.offload, work))
            parse(one.frame)
        assert reassembler.partial_bytes <= PARTIAL_BYTES_MAX
        fed += 1 + len(packets)
    sent = chance.randbytes(3000)
    packets = encapsulate(sent, seed, TUNNELS[0], packet_id=1 << 31, mtu=576)
    chance.shuffle(packets)
    assert [one.frame for one in end.receive(packets, now_s=rounds)] == [sent]
    return fed
