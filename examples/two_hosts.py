"""A network by hand: two hosts, one logical switch, a VM that comes, a frame, and its trace.

python examples/two_hosts.py
"""

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from nvp_state import Acl, Emulation, Host, NetworkState, Port, Switch


def main() -> None:
    """Send a frame from host to host, and ask why it came where it came."""
    state = NetworkState()
    lab = Emulation(state)
    with state.transaction() as tx:
        tx.add(Host("hv1", "192.0.2.1"), Host("hv2", "192.0.2.2"), Switch("s0", "acme"))
        tx.add(Port("vm-1", "s0", "0a:00:00:00:00:01", ip="10.0.0.1", host="hv1"))

    with state.transaction() as tx:
        tx.add(Port("vm-2", "s0", "0a:00:00:00:00:02", ip="10.0.0.2", host="hv2"))

    link = Ether(src="0a:00:00:00:00:01", dst="0a:00:00:00:00:02")
    frame = bytes(link / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=53) / b"hello")
    for delivery in lab.send("vm-1", frame):
        print(f"{delivery.port} got {delivery.frame[-5:].decode()}")
    print(lab.trace("vm-1", frame))

    with state.transaction() as tx:
        tx.add(Acl("s0", "to-lport", 100, "udp.dst == 53", "drop"))
    print(f"with an access rule: {len(lab.send('vm-1', frame))} copies")


if __name__ == "__main__":
    main()
