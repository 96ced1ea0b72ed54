"""Fields, matches, actions and flows: what is refused, what is equal, and how they read."""

import pytest
from hypothesis import given, settings

from tests.vswitch_sim.flows import flows, matches
from tests.vswitch_sim.frames import specs
from tests.vswitch_sim.linear import covers
from vswitch_sim import (
    FIELDS,
    IN_PORT,
    Bucket,
    DecTtl,
    Flow,
    FlowError,
    Group,
    Match,
    Move,
    Output,
    Resubmit,
    SetField,
)
from vswitch_sim.fields import PRESENCE
from vswitch_sim.packet import parse

WIDTHS = {
    **{f"reg{n}": 32 for n in range(16)},
    "in_port": 32,
    "metadata": 64,
    "tun_id": 64,
    "eth_dst": 48,
    "eth_src": 48,
    "eth_type": 16,
    "vlan_vid": 13,
    "vlan_pcp": 3,
    "arp_op": 16,
    "arp_spa": 32,
    "arp_tpa": 32,
    "arp_sha": 48,
    "arp_tha": 48,
    "ip_proto": 8,
    "ip_dscp": 6,
    "ip_ecn": 2,
    "ip_ttl": 8,
    "ipv4_src": 32,
    "ipv4_dst": 32,
    "tcp_src": 16,
    "tcp_dst": 16,
    "tcp_flags": 12,
    "udp_src": 16,
    "udp_dst": 16,
    "icmpv4_type": 8,
    "icmpv4_code": 8,
}


def test_fields_have_their_widths_and_do_not_overlap():
    assert {name: field.width for name, field in FIELDS.items()} == WIDTHS
    hidden = [bit for layer, bit in PRESENCE.items() if layer != "vlan"]
    bits = [field.key_mask for field in FIELDS.values()] + hidden
    assert sum(bits).bit_count() == sum(WIDTHS.values()) + len(hidden)


@settings(max_examples=200, deadline=None)
@given(matches(), specs())
def test_a_match_covers_what_its_fields_say(match, spec):
    parsed = parse(spec.build())
    assert parsed is not None
    packet = {**{f"reg{n}": 0 for n in range(16)}, "in_port": 0, "tun_id": 0, "metadata": 0}
    assert match.covers(parsed.key) == covers(match, packet | spec.fields)


@given(matches())
def test_a_match_is_the_same_however_it_is_made(match):
    again = Match(tuple(reversed(match.fields)))
    assert (again, hash(again), str(again)) == (match, hash(match), str(match))
    assert again.key_mask == match.key_mask
    assert Match.of(**{name: match[name] for name in match}) == match
    assert len(match) == len(list(match))


@given(flows())
def test_a_flow_reads_as_one_line(flow):
    assert str(flow).count("actions=") == 1
    assert "\n" not in str(flow)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, ""),
        ({"in_port": 3}, "in_port=3"),
        ({"reg0": 5, "eth_dst": 0x0A0000000001}, "reg0=0x5,dl_dst=0a:00:00:00:00:01"),
        ({"eth_dst": (1 << 40, 1 << 40)}, "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"),
        ({"eth_type": 0x0800, "ipv4_dst": (0x0A000000, 0xFF000000)}, "ip,nw_dst=10.0.0.0/8"),
        ({"eth_type": 0x0800, "ipv4_src": (1, 0xFF)}, "ip,nw_src=0.0.0.1/0.0.0.255"),
        ({"eth_type": 0x0800, "ip_proto": 6, "tcp_dst": 80}, "tcp,tp_dst=80"),
        ({"eth_type": 0x0800, "ip_proto": 17, "udp_dst": (0, 1)}, "udp,tp_dst=0x0/0x1"),
        ({"eth_type": 0x0800, "ip_proto": 1, "icmpv4_type": 8}, "icmp,icmp_type=8"),
        ({"eth_type": 0x0806, "arp_op": 1}, "arp,arp_op=1"),
        ({"eth_type": 0x88CC}, "dl_type=0x88cc"),
        ({"eth_type": (0, 1)}, "dl_type=0x0/0x1"),
        ({"vlan_vid": 0x1005, "vlan_pcp": 3}, "vlan_vid=0x1005,vlan_pcp=3"),
        ({"metadata": (0, 0)}, ""),
    ],
)
def test_matches_read_like_ovs_ofctl(fields, text):
    assert str(Match.of(**fields)) == text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tcp_port": 80}, "no field is named 'tcp_port'; there are reg0, "),
        ({"eth_type": 0x10000}, "eth_type has 16 bits: 0x10000 with mask 0xffff does not fit"),
        ({"reg0": -1}, "reg0 has 32 bits: -0x1"),
        ({"reg0": (3, 1)}, "reg0=0x3/0x1: the value has bits outside the mask"),
        ({"tcp_dst": 80}, "tcp_dst needs eth_type=0x0800 in the same match"),
        ({"tcp_dst": 80, "eth_type": 0x0800}, "tcp_dst needs ip_proto=0x0006"),
        ({"udp_dst": 80, "eth_type": 0x0800, "ip_proto": 6}, "udp_dst needs ip_proto=0x0011"),
        ({"ip_proto": 6, "eth_type": 0x0806}, "ip_proto needs eth_type=0x0800"),
        ({"ip_proto": 6, "eth_type": (0x0800, 0xFF00)}, "ip_proto needs eth_type=0x0800"),
        ({"arp_op": 1}, "arp_op needs eth_type=0x0806"),
        ({"vlan_pcp": 1}, "vlan_pcp needs vlan_vid=0x1000"),
        ({"vlan_pcp": 1, "vlan_vid": 0}, "vlan_pcp needs vlan_vid=0x1000"),
        ({"vlan_vid": 5}, "vlan_vid=0x5 can match no packet: add OFPVID_PRESENT, 0x1005"),
    ],
)
def test_a_bad_match_is_refused(fields, message):
    with pytest.raises(FlowError, match=message):
        Match.of(**fields)


def test_a_field_named_twice_is_refused():
    with pytest.raises(FlowError, match="names reg0 twice"):
        Match((("reg0", 1, 1), ("reg0", 0, 1)))


def test_a_match_reads_like_a_mapping():
    match = Match.of(reg0=(1, 3))
    assert match["reg0"] == (1, 3)
    assert "reg1" not in match
    with pytest.raises(KeyError):
        match["reg1"]


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (SetField("eth_dst", 0x0A0000000001), "set_field:0a:00:00:00:00:01->eth_dst"),
        (SetField("ipv4_dst", 0x0A000001), "set_field:10.0.0.1->ip_dst"),
        (SetField("reg15", 10), "set_field:0xa->reg15"),
        (Move("eth_src", "eth_dst"), "move:eth_src[]->eth_dst[]"),
        (Move("reg0", "metadata"), "move:reg0[]->metadata[0..31]"),
        (DecTtl(), "dec_ttl"),
        (Output(4), "output:4"),
        (Output(IN_PORT), "IN_PORT"),
        (Resubmit(5), "resubmit(,5)"),
        (Group(6), "group:6"),
    ],
)
def test_actions_read_like_ovs_ofctl(action, text):
    assert str(action) == text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SetField("ip_proto", 6), "ip_proto is read-only"),
        (lambda: SetField("nothing", 6), "no field is named 'nothing'"),
        (lambda: SetField("ip_ttl", 256), "ip_ttl has 8 bits: 0x100 does not fit"),
        (lambda: SetField("vlan_vid", 5), "must contain 0x1000"),
        (lambda: Move("metadata", "reg0"), "metadata has 64 bits and does not fit reg0"),
        (lambda: Move("reg0", "vlan_vid"), "vlan_vid cannot be moved"),
        (lambda: Output(1 << 32), "port must be in"),
        (lambda: Group(-1), "group must be in"),
        (lambda: Resubmit(255), r"resubmit\(,255\): table must be in 0..254"),
        (lambda: Bucket(1, 1, (Output(1), Output(2))), "bucket group_id=1.*are a set: dec_ttl on"),
        (lambda: Bucket(1, 1, (Output(1), SetField("reg0", 1))), "actions of a bucket are a set"),
        (lambda: Bucket(1, 1, (SetField("reg0", 1), DecTtl())), "actions of a bucket are a set"),
        (lambda: Bucket(1, 1, (DecTtl(), DecTtl())), "actions of a bucket are a set"),
        (lambda: Bucket(-1, 1, ()), "bucket group_id=-1.*must be in"),
        (lambda: Flow(255, 1, Match(), ()), "flow table=255, .*must be in 0..254"),
        (lambda: Flow(0, 65536, Match(), ()), "priority=65536 .*must be in 0..65535"),
        (lambda: Flow(0, 1, Match(), (), cookie=-1), "cookie must have at most 64 bits"),
        (
            lambda: Flow(3, 1, Match.of(eth_type=0x0800), (SetField("tcp_dst", 1),)),
            r"flow table=3, priority=1,ip actions=.*: set_field:1->tcp_dst needs ip_proto=0x0006",
        ),
        (lambda: Flow(0, 1, Match(), (DecTtl(),)), "dec_ttl needs eth_type=0x0800 in the match"),
        (lambda: Flow(0, 1, Match(), (SetField("vlan_vid", 0x1001),)), "needs vlan_vid=0x1000"),
    ],
)
def test_bad_actions_and_flows_are_refused(make, message):
    with pytest.raises(FlowError, match=message):
        make()


def test_flows_and_buckets_read_like_ovs_ofctl():
    flow = Flow(2, 9, Match.of(in_port=1), (SetField("reg0", 1), Resubmit(3)), cookie=0xAB)
    assert str(flow) == (
        "cookie=0xab, table=2, priority=9,in_port=1 actions=set_field:0x1->reg0,resubmit(,3)"
    )
    assert str(Flow(0, 0, Match(), ())) == "table=0, priority=0 actions=drop"
    bucket = Bucket(1, 2, (Output(3),))
    assert str(bucket) == "group_id=1,type=all,bucket=bucket_id:2,actions=output:3"
