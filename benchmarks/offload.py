"""What a tunnel costs its hosts, with and without a NIC that cuts and coalesces TCP packets.

    python -m benchmarks.offload [--rounds 200] [--plot build/bench/offload.png]

A VM sends TCP frames of growing size to a VM on another host: without a tunnel, by STT, Geneve
and VXLAN, over NICs with TSO and LRO, with checksum offload alone, and with none. What the two
hosts do is counted (packets through the stack, headers, bytes copied and summed: the same on
every machine) and timed; what the NICs do is neither, as it would be done in hardware. Every
frame is compared at the far end before anything is told. "sum 0" is a tunnel whose UDP checksum
is zero.

Times are the best of the rounds, in CPU time of this Python: their ratios mean something, their
sums do not. The network paper measures the same in throughput and CPU load (NSDI 2014, section
on performance): STT as good as no tunnel, GRE, which its NICs could not cut, far behind.
"""

import random
import struct
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from pathlib import Path

import click
from attrs import frozen
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from vswitch_sim import Nic, Offload, Tunnel, TunnelEnd, Work, finish, partial_checksum

MTU = 1500
# What leaves room for every tunnel's headers in the MTU.
MSS = 1400
SIZES = (MSS, 4 * MSS, 16 * MSS, 46 * MSS)
A, B = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
TUNNELS = {
    "none": None,
    "STT": Tunnel(A, B, "stt"),
    "Geneve": Tunnel(A, B, "geneve"),
    "Geneve, sum 0": Tunnel(A, B, "geneve", udp_checksum=False),
    "VXLAN, sum 0": Tunnel(A, B, "vxlan", udp_checksum=False),
}
NICS: dict[str, Callable[[], Nic]] = {
    "TSO, LRO, checksums": lambda: Nic(mtu=MTU),
    "checksums": lambda: Nic(tso=False, lro=False, mtu=MTU),
    "nothing": lambda: Nic(tso=False, lro=False, checksum=False, mtu=MTU),
}


@frozen
class Cost:
    """What carrying one frame took of both hosts: their work, and CPU time in nanoseconds."""

    nic: str
    tunnel: str
    size: int
    sender: Work
    receiver: Work
    send_ns: int
    receive_ns: int

    @property
    def ns_per_byte(self) -> float:
        """CPU time of both hosts for each byte of TCP payload."""
        return (self.send_ns + self.receive_ns) / self.size

    def total(self, name: str) -> int:
        """A counter of `Work`, of both hosts."""
        return int(getattr(self.sender, name) + getattr(self.receiver, name))

    @property
    def touched_per_byte(self) -> float:
        """How often both hosts together copied or summed each byte of payload."""
        return (self.total("bytes_copied") + self.total("bytes_checksummed")) / self.size


def tcp_frame(size: int) -> bytes:
    """A TCP segment of so many random bytes, its checksum left to be completed."""
    ethernet = bytes.fromhex("020000000002 020000000001 0800")
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40 + size, 1, 0x4000, 64, 6, 0) + bytes(
        (10, 0, 0, 1, 10, 0, 0, 2)
    )
    tcp = struct.pack("!HHIIBBHHH", 33000, 80, 1, 1, 5 << 4, 0x18, 0xFFFF, 0, 0)
    return partial_checksum(ethernet + ip + tcp + random.Random(size).randbytes(size))


def carry(nic: str, name: str, size: int, rounds: int) -> Cost:
    """Send a frame `rounds` times and once more for the counters.

    Raises:
        AssertionError: something else arrived.
    """
    tunnel, frame = TUNNELS[name], tcp_frame(size)
    offload = Offload(partial=True, mss=MSS)
    sender, receiver = TunnelEnd(NICS[nic]()), TunnelEnd(NICS[nic]())
    send_ns = receive_ns = 1 << 62
    for _ in range(rounds + 1):
        sender.work, receiver.work = Work(), Work()
        begin = time.process_time_ns()
        if tunnel is None:
            sends = sender.prepare_untunnelled(frame, offload)
        else:
            sends = sender.prepare(frame, tunnel, 1, offload)
        sent = time.process_time_ns()
        packets = [packet for send in sends for packet in sender.nic.transmit(send)]
        received = receiver.nic.receive(packets, l3=14 if tunnel is None else 0)
        handed_up = time.process_time_ns()
        if tunnel is None:
            frames = receiver.accept_untunnelled(received)
        else:
            frames = [(one.frame, one.offload) for one in receiver.accept(received)]
        end = time.process_time_ns()
        send_ns, receive_ns = min(send_ns, sent - begin), min(receive_ns, end - handed_up)
    arrived = [one for part, known in frames for one in finish(part, known, Work())]
    assert payload(arrived) == payload([frame]), f"{name} over a NIC with {nic} lost something"
    return Cost(nic, name, size, sender.work, receiver.work, send_ns, receive_ns)


def payload(frames: Sequence[bytes]) -> bytes:
    """The TCP payload of frames without options or tags."""
    return b"".join(frame[54:] for frame in frames)


def measure(rounds: int, sizes: Sequence[int] = SIZES) -> list[Cost]:
    """Every NIC, tunnel and size."""
    return [carry(nic, name, size, rounds) for nic in NICS for name in TUNNELS for size in sizes]


def show(costs: Sequence[Cost], console: Console) -> None:
    """Print a table for each NIC, of the largest frames, and one by size of frame.

    × is the time without a tunnel.
    """
    largest = max(cost.size for cost in costs)
    for nic in NICS:
        title = f"{largest:,} bytes of TCP payload; NICs do: {nic}"
        table = Table("tunnel", title=title, box=SIMPLE, padding=(0, 1, 0, 0))
        for column in ("packets", "headers", "copied", "summed", "send", "receive", "ns/B", "×"):
            table.add_column(column, justify="right")
        chosen = [cost for cost in costs if cost.nic == nic and cost.size == largest]
        for cost in chosen:
            table.add_row(
                cost.tunnel,
                *(f"{cost.total(name):,}" for name in ("packets", "headers")),
                *(f"{cost.total(f'bytes_{name}'):,}" for name in ("copied", "checksummed")),
                f"{cost.send_ns / 1000:,.0f} µs",
                f"{cost.receive_ns / 1000:,.0f} µs",
                f"{cost.ns_per_byte:.2f}",
                f"{cost.ns_per_byte / chosen[0].ns_per_byte:.1f}",
            )
        console.print(table)
    able = [cost for cost in costs if cost.nic == next(iter(NICS))]
    table = Table(
        "tunnel", title=f"ns a byte by bytes of TCP payload; NICs do: {able[0].nic}", box=SIMPLE
    )
    for size in sorted({cost.size for cost in able}):
        table.add_column(f"{size:,}", justify="right")
    for name in TUNNELS:
        line = [cost for cost in able if cost.tunnel == name]
        table.add_row(name, *(f"{cost.ns_per_byte:.2f}" for cost in line))
    console.print(table)


def draw(costs: Sequence[Cost], path: Path) -> None:
    """Write the picture: time by frame size, and operations for the largest, NICs with all."""
    from matplotlib import pyplot  # noqa: PLC0415 matplotlib is not among the test requirements

    path.parent.mkdir(parents=True, exist_ok=True)
    figure, (by_size, headers, touched) = pyplot.subplots(1, 3, figsize=(15, 4.5))
    able = [cost for cost in costs if cost.nic == next(iter(NICS))]
    for name in TUNNELS:
        line = [cost for cost in able if cost.tunnel == name]
        sizes = [cost.size for cost in line]
        by_size.plot(sizes, [cost.ns_per_byte for cost in line], "o-", label=name)
    by_size.set(xscale="log", yscale="log", xlabel="TCP payload of a frame, bytes")
    by_size.set_xticks(SIZES, [f"{size:,}" for size in SIZES])
    by_size.minorticks_off()
    by_size.set_title("CPU time of both hosts, ns a byte")
    by_size.legend()
    largest = [cost for cost in able if cost.size == max(one.size for one in able)]
    names = [cost.tunnel for cost in largest]
    headers.barh(names, [cost.total("headers") for cost in largest])
    headers.set_title(f"header operations for {largest[0].size:,} bytes")
    touched.barh(names, [cost.touched_per_byte for cost in largest])
    touched.set_title("copies and sums of each byte")
    for axes in (headers, touched):
        axes.invert_yaxis()
    figure.suptitle("Tunnels over NICs with TSO, LRO and checksum offload")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


@click.command()
@click.option("--rounds", default=200, show_default=True, help="How often each frame is sent.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="A picture to write.")
def main(rounds: int, plot: Path | None) -> None:
    """Measure what tunnels cost hosts whose NICs cut and coalesce TCP packets, or do not."""
    console = Console()
    with console.status("carrying frames"):
        costs = measure(rounds)
    show(costs, console)
    if plot is not None:
        draw(costs, plot)
        console.print(f"drawn: {plot}")


if __name__ == "__main__":
    main()
