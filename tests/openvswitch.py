"""A private Open vSwitch, for tests that compare ours with it.

    with OpenVSwitch(folder) as real:
        bridge = real.add_bridge("br-int", ports=(1, 2), tunnels={4: "192.0.2.2"})
        bridge.replace(["table=0,priority=1,in_port=1,actions=output:2"])
        bridge.trace(1, frame).outputs          # ofproto/trace: [Sent(port=2, tun_id=None)]
        bridge.send(1, frame)                   # a real frame, through the datapath
        bridge.sent()                           # {2: [(0, b"…")]}

`ovsdb-server` and `ovs-vswitchd` run in `folder` with unix sockets, a datapath of type "dummy"
(OVS's own userspace datapath over ports that are files) and no kernel; they need no root. Both end
with the process that started them, however that ends.

Tunnels are Geneve, in earnest: one more bridge with one port is the underlay of all others, where
encapsulated frames leave and arrive. `send` and `sent` wrap and unwrap them, so that a tunnel looks
like any port that also has a tunnel key.

Cost: starting takes 0.3 s; `replace` is one process (10 ms); a frame or a trace is two or one
round trips of a socket, below 1 ms.
"""

import os
import re
import shutil
import struct
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from attrs import frozen

from tests.daemons import QUIET, ControlSocket, DaemonError, Daemons, await_socket

PROGRAMS = ("ovsdb-server", "ovs-vswitchd", "ovs-ofctl", "ovs-vsctl")
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
OPENFLOW = "OpenFlow15"

installed = pytest.mark.skipif(
    any(shutil.which(program) is None for program in PROGRAMS) and os.environ.get("CI") != "true",
    reason="Open vSwitch is not installed (Debian package openvswitch-switch)",
)

UNDERLAY, UNDERLAY_MAC = "under", "aa:55:aa:55:00:01"
UNDERLAY_NET = "192.0.2.0/24"
GENEVE_PORT = 6081
_OUTER = struct.Struct("!6s6sH BBHHHBBH4s4s HHHH BBHI")
_PCAP_HEADER_BYTES, _PCAP_RECORD = 24, struct.Struct("=IIII")


@frozen
class Sent:
    """A copy that leaves: the OpenFlow port, and the tunnel key if that is a tunnel."""

    port: int
    tun_id: int | None = None


@frozen
class RealTrace:
    """What `ofproto/trace` answers.

    `outputs` are the copies in order; `actions` and `megaflow` its last two lines; `text` all.
    """

    outputs: list[Sent]
    actions: str
    megaflow: str
    text: str


class OpenVSwitch(Daemons):
    """A database server and a switch daemon, with everything they have under `folder`.

    `ip` is where its tunnels end, an address of 192.0.2.0/24.
    """

    def __init__(self, folder: Path, ip: str = "192.0.2.254") -> None:
        super().__init__(folder)
        self.ip = IPv4Address(ip)
        self.database = self.spawn_database("db", SCHEMA)
        self.run("ovs-vsctl", f"--db={self.database}", "--no-wait", "init")
        self.spawn(
            *("ovs-vswitchd", "--enable-dummy=system", "--disable-system", self.database),
            *(f"--unixctl={folder}/vswitchd.ctl", f"--log-file={folder}/vswitchd.log", *QUIET),
        )
        await_socket(folder / "vswitchd.ctl")
        self._control = ControlSocket(folder / "vswitchd.ctl")
        self.received = 0
        self.underlay = Underlay(self)

    def appctl(self, command: str, *arguments: str) -> str:
        """What `ovs-appctl COMMAND ARGUMENT…` prints, over one lasting connection."""
        try:
            return str(self._control.call(command, arguments))
        except OSError as error:
            raise DaemonError(f"{command}: {error}\n{self.log()}") from error

    def vsctl(self, *arguments: str) -> str:
        """What `ovs-vsctl` prints; it waits until the daemon has done what it asks."""
        return self.run("ovs-vsctl", f"--db={self.database}", *arguments)

    def log(self) -> str:
        """The end of the daemon's log."""
        return (self.folder / "vswitchd.log").read_text()[-2000:]

    def add_bridge(
        self, name: str, ports: Iterable[int] = (), tunnels: Mapping[int, str] | None = None
    ) -> "Bridge":
        """A bridge with dummy ports, and tunnels to remote IPs, by their OpenFlow numbers."""
        self.vsctl("add-br", name, *_dummy_bridge(name))
        bridge = Bridge(self, name)
        # Otherwise flows would see the ports of first fragments as 0.
        bridge.ofctl("set-frags", "nx-match")
        for port in ports:
            bridge.add_port(port)
        for port, remote in (tunnels or {}).items():
            bridge.add_tunnel(port, remote)
        return bridge

    def receive(self, interface: str, frame: bytes) -> None:
        """Put a frame into a dummy interface, and wait until the datapath has done with it.

        One thread passes frames and answers commands, so what is counted here is done with.
        """
        self.received += 1
        self.appctl("netdev-dummy/receive", interface, frame.hex())
        while self._counted() < self.received:
            pass

    def _counted(self) -> int:
        told = self.appctl("dpif-netdev/pmd-stats-show")
        found = re.search(r"packets received: (\d+)", told)
        return int(found[1]) if found else 0


class Underlay:
    """The network below the tunnels of all bridges: one dummy port, and what left by it."""

    def __init__(self, real: OpenVSwitch) -> None:
        self._real = real
        capture = real.folder / f"{UNDERLAY}.pcap"
        real.vsctl(
            *("add-br", UNDERLAY, *_dummy_bridge(UNDERLAY, f"other-config:hwaddr={UNDERLAY_MAC}")),
            *("--", "add-port", UNDERLAY, f"{UNDERLAY}0", "--", "set", "interface", f"{UNDERLAY}0"),
            *("type=dummy", f"options:tx_pcap={capture}", "ofport_request=1"),
        )
        wires = "in_port=1,actions=LOCAL\nin_port=LOCAL,actions=output:1\n"
        management = f"unix:{real.folder}/{UNDERLAY}.mgmt"
        real.run("ovs-ofctl", "add-flows", management, "-", text=wires)
        real.appctl("netdev-dummy/ip4addr", UNDERLAY, f"{real.ip}/24")
        real.appctl("ovs/route/add", UNDERLAY_NET, UNDERLAY)
        self._capture = _Capture(capture)

    def reach(self, remote: str) -> None:
        """Let tunnels go to a remote IP."""
        self._real.appctl("tnl/neigh/set", UNDERLAY, remote, UNDERLAY_MAC)

    def arrive(self, outer: bytes) -> None:
        """Put an encapsulated frame in."""
        self._real.receive(f"{UNDERLAY}0", outer)

    def take(self) -> list[bytes]:
        """The encapsulated frames that left since this was last asked."""
        return self._capture.take()


class Bridge:
    """A bridge whose ports are files; what leaves by them is kept until `sent` is asked."""

    def __init__(self, real: OpenVSwitch, name: str) -> None:
        self.real = real
        self.name = name
        self.management = f"unix:{real.folder}/{name}.mgmt"
        self.tunnels: dict[int, IPv4Address] = {}
        self._captures: dict[int, _Capture] = {}
        self._numbers: dict[int, int] = {}

    def add_port(self, number: int, iface_id: str = "") -> None:
        """A dummy port; its name is the bridge's with the number.

        With an `iface_id` it is as a hypervisor attaches the VIF of that logical port, and gets
        its number from elsewhere.
        """
        name = f"{self.name}-{number}"
        capture = self.real.folder / f"{name}.pcap"
        request = f"external_ids:iface-id={iface_id}" if iface_id else f"ofport_request={number}"
        options = ("type=dummy", f"options:tx_pcap={capture}", request)
        self.real.vsctl("add-port", self.name, name, "--", "set", "interface", name, *options)
        self._captures[number] = _Capture(capture)
        self._numbers = {}

    def add_tunnel(self, number: int, remote: str) -> None:
        """A Geneve tunnel with the key from the flow."""
        name = f"{self.name}-{number}"
        options = ("type=geneve", f"options:remote_ip={remote}", "options:key=flow")
        command = ("add-port", self.name, name, "--", "set", "interface", name, *options)
        self.real.vsctl(*command, f"ofport_request={number}")
        self.know_tunnels({**{port: str(ip) for port, ip in self.tunnels.items()}, number: remote})

    def know_tunnels(self, tunnels: Mapping[int, str]) -> None:
        """Let tunnels that the bridge has, by number and remote IP, send and receive."""
        self.tunnels = {}
        self._numbers = {}
        for number, remote in tunnels.items():
            self.tunnels[number] = IPv4Address(remote)
            self.real.underlay.reach(remote)

    def replace(self, flows: Iterable[str], groups: Iterable[str] = ()) -> None:
        """Make these the only flows and groups, in one bundle, and forget what is cached."""
        lines = ["flow delete", "group delete"]
        lines += [f"group add {group}" for group in groups]
        lines += [f"flow add {flow}" for flow in flows]
        self.ofctl("bundle", "-", text="\n".join(lines) + "\n")
        self.real.appctl("revalidator/purge")

    def add_meter(self, meter: str) -> None:
        """Add a meter, such as `meter=1,pktps,bands=type=drop,rate=1`."""
        self.ofctl("add-meter", meter)

    def ofctl(self, command: str, *arguments: str, text: str = "") -> str:
        """What `ovs-ofctl` prints when it asks this bridge; a flow that is refused is an error."""
        front = ("ovs-ofctl", "-O", OPENFLOW, command, self.management)
        return self.real.run(*front, *arguments, text=text)

    def counters(self) -> dict[int, tuple[int, int]]:
        """Packets and bytes that hit the flows, by cookie; flows of one cookie are added up."""
        self.real.appctl("revalidator/purge")
        counted: dict[int, tuple[int, int]] = {}
        pattern = r"cookie=(0x[0-9a-f]+),.*? n_packets=(\d+), n_bytes=(\d+)"
        for cookie, packets, octets in re.findall(pattern, self.ofctl("dump-flows")):
            before = counted.get(int(cookie, 16), (0, 0))
            counted[int(cookie, 16)] = (before[0] + int(packets), before[1] + int(octets))
        return counted

    def trace(self, in_port: int, frame: bytes, tun_id: int | None = None) -> RealTrace:
        """What the bridge would do with a frame; `tun_id` if it comes by a tunnel."""
        flow = f"in_port={in_port}"
        if tun_id is not None:
            flow += f",tun_id={tun_id:#x},tun_src={self.tunnels[in_port]},tun_dst={self.real.ip}"
        text = self.real.appctl("ofproto/trace", self.name, flow, frame.hex())
        last = dict(re.findall(r"^(Megaflow|Datapath actions): (.*)$", text, re.MULTILINE))
        actions = last["Datapath actions"]
        return RealTrace(list(self._outputs(actions)), actions, last["Megaflow"], text)

    def send(self, in_port: int, frame: bytes, tun_id: int = 0) -> None:
        """Put a real frame into a port, and wait until all is done with it."""
        if in_port in self.tunnels:
            ends = self.tunnels[in_port], self.real.ip
            self.real.underlay.arrive(_encapsulated(*ends, frame, tun_id))
        else:
            self.real.receive(f"{self.name}-{in_port}", frame)

    def sent(self) -> dict[int, list[tuple[int, bytes]]]:
        """What left since this was last asked: (tunnel key, frame) by port; no empty lists."""
        left = {
            port: [(0, it) for it in capture.take()] for port, capture in self._captures.items()
        }
        by_remote = {remote: port for port, remote in self.tunnels.items()}
        for outer in self.real.underlay.take():
            remote, key, frame = _decapsulated(outer)
            left.setdefault(by_remote[remote], []).append((key, frame))
        return {port: frames for port, frames in left.items() if frames}

    def datapath_flows(self) -> list[str]:
        """The megaflows of the bridge in the datapath, fields and masks in full."""
        return self.real.appctl("dpif/dump-flows", "-m", self.name).splitlines()

    def connections(self) -> list[str]:
        """The connections that are tracked."""
        return self.real.appctl("dpctl/dump-conntrack").splitlines()

    def _outputs(self, actions: str) -> Iterator[Sent]:
        numbers = self._numbers or self._datapath_ports()
        by_remote = {str(remote): port for port, remote in self.tunnels.items()}
        for action in split_actions(actions):
            pushed = re.search(
                r"ipv4\(src=[^,]*,dst=([^,]*),.*geneve\(.*?vni=(0x[0-9a-f]+)", action
            )
            if action.isdecimal() and int(action) in numbers:
                yield Sent(numbers[int(action)])
            elif pushed:
                yield Sent(by_remote[pushed[1]], int(pushed[2], 16))

    def _datapath_ports(self) -> dict[int, int]:
        """OpenFlow numbers of the bridge's ports by their numbers in the datapath."""
        told = self.real.appctl("dpif/show")
        part = re.search(rf"^  {re.escape(self.name)}:\n((?:    .*\n?)*)", told, re.MULTILINE)
        found = re.findall(r" (\d+)/(\d+):", part[1] if part else "")
        self._numbers = {int(inner): int(outer) for outer, inner in found}
        return self._numbers


def split_actions(text: str) -> list[str]:
    """Datapath actions at the outermost level: "1,set(a,b),2" is 1, set(a,b) and 2."""
    return re.findall(r"(?:[^,()]|\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\))+", text)


class _Capture:
    """A capture file that grows, read from where it was left."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = _PCAP_HEADER_BYTES

    def take(self) -> list[bytes]:
        with self._path.open("rb") as file:
            file.seek(self._read_bytes)
            content = file.read()
        self._read_bytes += len(content)
        frames, place = [], 0
        while place < len(content):
            length = _PCAP_RECORD.unpack_from(content, place)[2]
            place += _PCAP_RECORD.size + length
            frames.append(content[place - length : place])
        return frames


def _dummy_bridge(name: str, *more: str) -> tuple[str, ...]:
    versions = "protocols=OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15"
    front = ("--", "set", "bridge", name, "datapath_type=dummy", "fail-mode=secure")
    return (*front, versions, *more)


def _encapsulated(source: IPv4Address, local: IPv4Address, frame: bytes, key: int) -> bytes:
    mac = bytes.fromhex(UNDERLAY_MAC.replace(":", ""))
    udp_bytes = 8 + 8 + len(frame)
    addresses = source.packed + local.packed
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + udp_bytes, 0, 0x4000, 64, 17, 0) + addresses
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + ip[12:]
    udp = struct.pack("!HHHH", 50000, GENEVE_PORT, udp_bytes, 0)
    geneve = struct.pack("!BBHI", 0, 0, 0x6558, key << 8)
    return mac + mac + b"\x08\0" + ip + udp + geneve + frame


def _decapsulated(outer: bytes) -> tuple[IPv4Address, int, bytes]:
    """Remote IP, key and inner frame of what left by the underlay."""
    *_, destination, _, udp_port, _, _, options, _, protocol, key = _OUTER.unpack_from(outer)
    assert (udp_port, options, protocol) == (GENEVE_PORT, 0, 0x6558), outer.hex()
    return IPv4Address(destination), key >> 8, outer[_OUTER.size :]
