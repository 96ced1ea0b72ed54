"""Which buckets of a group get a packet.

A group of type "select" hashes the fields that make a flow what it is, or those it names; they
count in the mask, so that each flow gets a megaflow. Buckets are drawn by weighted rendezvous:
each has a score from the flow's hash and its own number, and the best one wins. So weights hold
exactly on average, and a bucket that goes moves only the flows it had.

A bucket that watches nothing is live. One that watches is if its port is up, or a bucket of its
group is live.
"""

from collections.abc import Iterable
from hashlib import blake2b
from math import log

from vswitch_sim.fields import FIELDS, has_layer
from vswitch_sim.flow import Bucket
from vswitch_sim.tables import BucketEntry, GroupEntry, View
from vswitch_sim.walk import Needs

WATCH_DEPTH_MAX = 16

_FLOW_FIELDS = (
    *("eth_src", "eth_dst", "eth_type", "vlan_vid", "ipv4_src", "ipv4_dst", "ipv6_src"),
    *("ipv6_dst", "ip_proto", "tcp_src", "tcp_dst", "udp_src", "udp_dst"),
)


def chosen(view: View, group: GroupEntry, key: int, needs: Needs) -> tuple[list[BucketEntry], int]:
    """The buckets that get a packet, and the bits of its key that were read to tell.

    Adds what the choice depends on to `needs`.
    """
    match group.type.kind:
        case "all" | "indirect":
            return list(group.buckets), 0
        case "ff":
            for entry in group.buckets:
                if is_live(view, entry.bucket, needs):
                    return [entry], 0
            return [], 0
        case "select":
            live = [
                entry
                for entry in group.buckets
                if entry.bucket.weight and is_live(view, entry.bucket, needs)
            ]
            mask, hashed = _hashed(group.type.fields or _FLOW_FIELDS, key)
            # A tie is as good as impossible, and goes to the first.
            return [min(live, key=lambda entry: _score(entry.bucket, hashed))] if live else [], mask
    raise AssertionError(f"no groups of type {group.type.kind}")


def is_live(view: View, bucket: Bucket, needs: Needs, depth: int = 0) -> bool:
    """Whether a bucket is live; adds what that depends on to `needs`."""
    if bucket.watch_port is None and bucket.watch_group is None:
        return True
    if bucket.watch_port is not None:
        needs.ports.add(bucket.watch_port)
        if view.is_live(bucket.watch_port):
            return True
    if bucket.watch_group is None or depth >= WATCH_DEPTH_MAX:
        return False
    needs.groups.add(bucket.watch_group)
    watched = view.group(bucket.watch_group)
    return watched is not None and any(
        is_live(view, entry.bucket, needs, depth + 1) for entry in watched.buckets
    )


def _hashed(names: Iterable[str], key: int) -> tuple[int, bytes]:
    """The bits of the key that are hashed, or were read to tell whether they are, and all that."""
    mask = read = 0
    for name in names:
        there, bits = has_layer(key, FIELDS[name].needs)
        read |= bits
        if there:
            mask |= FIELDS[name].key_mask
    size_bytes = (mask.bit_length() + 7) // 8
    return mask | read, (key & mask).to_bytes(size_bytes, "little")


def _score(bucket: Bucket, hashed: bytes) -> float:
    number = bucket.bucket.to_bytes(4, "little")
    drawn = int.from_bytes(blake2b(number + hashed, digest_size=6).digest(), "little")
    return -log((drawn + 1) / (1 << 48)) / bucket.weight
