"""Fields, matches, actions and flows: what is refused, what is equal, and how they read."""

import pytest
from hypothesis import given, settings

from tests.vswitch_sim.flows import flows, matches
from tests.vswitch_sim.frames import specs
from tests.vswitch_sim.linear import covers
from vswitch_sim import (
    FIELDS,
    FLOOD,
    IN_PORT,
    Bucket,
    Clone,
    Ct,
    DecTtl,
    Flow,
    FlowError,
    Group,
    GroupType,
    Learn,
    LearnLoad,
    LearnMatch,
    LearnOutput,
    Match,
    Meter,
    MeterBand,
    Move,
    Nat,
    Note,
    Output,
    OutputRegister,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
)
from vswitch_sim.datapath._core import parse
from vswitch_sim.fields import KEY_BITS

WIDTHS = {
    **{f"reg{n}": 32 for n in range(16)},
    **{f"xreg{n}": 64 for n in range(8)},
    **{f"xxreg{n}": 128 for n in range(4)},
    "recirc_id": 32,
    "conj_id": 32,
    "ct_state": 32,
    "ct_zone": 16,
    "ct_mark": 32,
    "ct_label": 128,
    "ip_frag": 2,
    "ipv6_src": 128,
    "ipv6_dst": 128,
    "ipv6_label": 20,
    "nd_target": 128,
    "nd_sll": 48,
    "nd_tll": 48,
    "icmpv6_type": 8,
    "icmpv6_code": 8,
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
    "sctp_src": 16,
    "sctp_dst": 16,
    "icmpv4_type": 8,
    "icmpv4_code": 8,
}


# Fields that a packet has together must not overlap.
TOGETHER = (
    ("eth_dst", "eth_src", "eth_type", "vlan_vid", "vlan_pcp", "in_port", "tun_id", "recirc_id"),
    ("ct_state", "ct_zone", "ct_mark", "ct_label", "metadata", *(f"reg{n}" for n in range(16))),
    ("ipv4_src", "ipv4_dst", "ip_proto", "ip_dscp", "ip_ecn", "ip_ttl", "ip_frag"),
    ("ipv6_src", "ipv6_dst", "ipv6_label", "ip_proto", "ip_dscp", "ip_ecn", "ip_ttl", "ip_frag"),
)
ABOVE = (
    ("tcp_src", "tcp_dst", "tcp_flags"),
    ("udp_src", "udp_dst"),
    ("sctp_src", "sctp_dst"),
    ("icmpv4_type", "icmpv4_code"),
    ("icmpv6_type", "icmpv6_code", "nd_target", "nd_sll", "nd_tll"),
)
ARP = ("arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha")


@pytest.mark.parametrize("l3", [*TOGETHER[2:], ARP])
@pytest.mark.parametrize("l4", [(), *ABOVE])
def test_fields_have_their_widths_and_do_not_overlap(l3, l4):
    assert {name: field.width for name, field in FIELDS.items()} == WIDTHS
    names = (*TOGETHER[0], *TOGETHER[1], *l3, *(() if l3 == ARP else l4))
    bits = sum(FIELDS[name].key_mask for name in names)
    assert bits.bit_count() == sum(WIDTHS[name] for name in names)


def test_wide_registers_are_registers_side_by_side():
    key = Match.of(reg4=0xA, reg5=0xB, reg6=0xC, reg7=0xD).key_value
    assert FIELDS["xreg2"].of(key) == 0xA << 32 | 0xB
    assert FIELDS["xxreg1"].of(key) == 0xA << 96 | 0xB << 64 | 0xC << 32 | 0xD
    assert Match.of(xreg2=0xA << 32 | 0xB) == Match.of(reg4=0xA, reg5=0xB)
    assert FIELDS["reg15"].shift >= KEY_BITS


@settings(max_examples=200, deadline=None)
@given(matches(), specs())
def test_a_match_covers_what_its_fields_say(match, spec):
    parsed = parse(spec.build())
    assert parsed is not None
    assert match.covers(parsed.key) == covers(match, spec.fields)


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
        ({"vlan_vid": 0x1005, "vlan_pcp": 3}, "dl_vlan=5,dl_vlan_pcp=3"),
        ({"vlan_vid": 0}, "vlan_tci=0x0000/0x1fff"),
        ({"vlan_vid": (0x1000, 0x1000)}, "vlan_tci=0x1000/0x1000"),
        ({"ct_state": (0x21, 0x21), "ct_zone": 5}, "ct_state=+new+trk,ct_zone=5"),
        (
            {"eth_type": 0x0800, "ip_frag": (0, 2), "ip_dscp": 8, "ct_mark": (1, 0xF)},
            "ct_mark=0x1/0xf,ip,nw_tos=32,nw_frag=not_later",
        ),
        (
            {
                "eth_type": 0x86DD,
                "ip_proto": 6,
                "ipv6_src": (0xFE80 << 112, 0xFFC0 << 112),
                "ipv6_label": 5,
                "tcp_dst": (80, 0xFFF0),
                "tcp_flags": (0x002, 0x012),
            },
            "tcp6,ipv6_src=fe80::/10,ipv6_label=0x00005,tp_dst=0x50/0xfff0,tcp_flags=+syn-ack",
        ),
        (
            {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135, "nd_target": 1, "nd_sll": 1},
            "icmp6,icmp_type=135,nd_target=::1,nd_sll=00:00:00:00:00:01",
        ),
        ({"xreg0": (5, 0xFF), "reg2": 0}, "reg1=0x5/0xff,reg2=0"),
        ({"metadata": (0, 0)}, ""),
    ],
)
def test_matches_read_like_ovs_ofctl(fields, text):
    assert str(Match.of(**fields)) == text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tcp_port": 80}, "no field is named 'tcp_port'; there are recirc_id, "),
        ({"eth_type": 0x10000}, "eth_type has 16 bits: 0x10000 with mask 0xffff does not fit"),
        ({"reg0": -1}, "reg0 has 32 bits: -0x1"),
        ({"reg0": (3, 1)}, "reg0=0x3/0x1: the value has bits outside the mask"),
        ({"tcp_dst": 80}, "tcp_dst needs eth_type=0x0800 or eth_type=0x86dd in the same match"),
        ({"ipv6_src": 80, "eth_type": 0x0800}, "ipv6_src needs eth_type=0x86dd"),
        ({"nd_sll": 1, "eth_type": 0x86DD, "ip_proto": 58}, "needs icmpv6_type=0x0087"),
        ({"reg0": 1, "xreg0": 1}, "names reg0 twice"),
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
        (SetField("vlan_vid", 0x1009), "set_field:4105->vlan_vid"),
        (SetField("reg2", 0x10, 0xF0), "set_field:0x10/0xf0->reg2"),
        (SetField.part("reg1[0..3]", 5), "set_field:0x5/0xf->reg1"),
        (Move("eth_src", "eth_dst"), "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]"),
        (Move("reg0", "metadata"), "move:NXM_NX_REG0[]->OXM_OF_METADATA[0..31]"),
        (
            Move("reg0[0..15]", "metadata[16..31]"),
            "move:NXM_NX_REG0[0..15]->OXM_OF_METADATA[16..31]",
        ),
        (PushVlan(), "push_vlan:0x8100"),
        (PopVlan(), "pop_vlan"),
        (OutputRegister("reg0[0..15]"), "output:NXM_NX_REG0[0..15]"),
        (Output(FLOOD), "FLOOD"),
        (Clone((Output(1),)), "clone(output:1)"),
        (Note(b"\1\2"), "note:01.02.00.00.00.00"),
        (Ct(), "ct()"),
        (Ct(zone=5, nat=Nat()), "ct(zone=5,nat)"),
        (
            Ct(
                "reg0[0..15]",
                table=3,
                commit=True,
                force=True,
                actions=[SetField("ct_mark", 1, 0xF), SetField("ct_label", 5)],
                nat=Nat("src", "10.0.0.1", "10.0.0.5", 100, 200, persistent=True),
                alg="ftp",
            ),
            (
                "ct(commit,force,table=3,zone=NXM_NX_REG0[0..15],"
                "nat(src=10.0.0.1-10.0.0.5:100-200,persistent),"
                "exec(set_field:0x1/0xf->ct_mark,set_field:0x5->ct_label),alg=ftp)"
            ),
        ),
        (
            Learn(
                10,
                [
                    LearnMatch("vlan_vid[0..11]"),
                    LearnMatch("eth_dst", "eth_src"),
                    LearnMatch("reg3", 5),
                    LearnLoad("reg1", 5),
                    LearnLoad("reg0", "in_port"),
                    LearnOutput("in_port"),
                ],
                priority=7,
                idle_timeout=5,
                hard_timeout=6,
                cookie=5,
            ),
            (
                "learn(table=10,idle_timeout=5,hard_timeout=6,priority=7,cookie=0x5,"
                "OXM_OF_VLAN_VID[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],reg3=0x5,"
                "load:0x5->NXM_NX_REG1[],load:OXM_OF_IN_PORT[]->NXM_NX_REG0[],"
                "output:OXM_OF_IN_PORT[])"
            ),
        ),
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
        (lambda: Move("reg0", "vlan_vid"), r"vlan_vid, which has 13|writes more than a VLAN ID"),
        (lambda: Move("reg0[0..3]", "reg1[0..7]"), "4 bits do not fill 8"),
        (lambda: Move("reg0[30..33]", "reg1"), "reg0 has bits 0..31, not 30..33"),
        (lambda: Move("reg0[", "reg1"), "is no part of a field"),
        (lambda: SetField("reg0", 3, 1), "bits outside the mask"),
        (lambda: SetField.part("reg0[0..1]", 4), "has 2 bits: 0x4 does not fit"),
        (lambda: OutputRegister("metadata"), "a port number has at most 32 bits"),
        (lambda: Flow(0, 1, Match.of(vlan_vid=0x1001), (PopVlan(),) * 2), "needs a second tag"),
        (lambda: Flow(0, 1, Match(), (PushVlan(),) * 3), "needs fewer than 2 tags in the match"),
        (
            lambda: Flow(
                *(0, 1, Match.of(eth_type=0x0800, ct_state=(0x30, 0x30)), (Ct(commit=True),))
            ),
            "needs packets other than ct_state=.inv",
        ),
        (lambda: Flow(0, 1, Match.of(eth_type=0x0800), (Ct(alg="ftp"),)), "needs ip_proto=0x0006"),
        (
            lambda: Flow(
                0, 1, Match.of(eth_type=0x86DD), (Ct(commit=True, nat=Nat("src", "1.2.3.4")),)
            ),
            "needs eth_type=0x0800 in the match",
        ),
        (lambda: Output(0xFFFFFFFD), "there are IN_PORT, FLOOD and ALL"),
        (lambda: PushVlan(0x9100), "is 0x8100 or 0x88a8"),
        (lambda: Meter(0), "meter must be in"),
        (lambda: Ct(force=True), "force needs commit"),
        (lambda: Ct(zone=1 << 16), "zone must be in"),
        (lambda: Ct(zone="reg0"), "a zone has at most 16 bits"),
        (lambda: Ct(actions=[SetField("ct_mark", 1)]), "written on commit only"),
        (lambda: Ct(commit=True, actions=[SetField("reg0", 1)]), "only ct_mark and ct_label"),
        (lambda: Ct(alg="sip"), "alg must be ftp or tftp"),
        (lambda: Nat("src", "10.0.0.300"), "is no IP address"),
        (lambda: Nat("src", "10.0.0.3", "10.0.0.2"), "ends before it begins"),
        (lambda: Nat("", "10.0.0.3"), "a range needs a kind"),
        (lambda: Nat("src", port_min=5, port_max=4), "the lowest first"),
        (lambda: Learn(255, []), "table must be in 0..254"),
        (lambda: LearnMatch("reg0", "metadata"), "have different sizes"),
        (lambda: LearnLoad("reg0[0..1]", 4), "0x4 does not fit"),
        (lambda: GroupType(1, "ff", ["eth_src"]), "only a group of type select hashes"),
        (lambda: MeterBand(1, 0), "rate must be in"),
        (lambda: Bucket(1, 1, (), weight=-1), "weight must be in"),
        (lambda: Flow(0, 1, Match(), (), idle_timeout=-1), "timeouts must be in"),
        (lambda: Flow(0, 1, Match(), (SetField("ct_mark", 1),)), "may stand only within ct"),
        (lambda: Bucket(0, 1, (SetField("ct_mark", 1),)), "may stand only within ct"),
        (lambda: Flow(0, 1, Match(), (Clone([SetField("ct_mark", 1)]),)), "only within ct"),
        (lambda: Bucket(0, 1, (Output(1), Output(2))), "actions of a bucket are a set"),
        (lambda: Bucket(0, 1, (Output(1), SetField("reg0", 1))), "actions of a bucket are a set"),
        (lambda: Bucket(0, 1, (Clone([]),)), "actions of a bucket are a set"),
        (lambda: Output(1 << 32), "port must be in"),
        (lambda: Group(-1), "group must be in"),
        (lambda: Resubmit(255), r"resubmit\(,255\): table must be in 0..254"),
        (lambda: Bucket(1, 1, (Output(1), Output(2))), "bucket group_id=1.*are a set: pop_vlan"),
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
        (
            lambda: Flow(0, 1, Match(), (DecTtl(),)),
            "dec_ttl needs eth_type=0x0800 or eth_type=0x86dd in the",
        ),
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
    timed = Flow(0, 0, Match(), (), idle_timeout=5, hard_timeout=6)
    assert str(timed) == "table=0, idle_timeout=5, hard_timeout=6, priority=0 actions=drop"
    bucket = Bucket(1, 2, (Output(3),), weight=5, watch_port=3)
    assert str(bucket) == ("group_id=1,bucket=bucket_id:2,weight:5,watch_port:3,actions=output:3")
    assert str(GroupType(1, "select", ["eth_src"])) == (
        "group_id=1,type=select,selection_method=hash,fields(eth_src)"
    )
