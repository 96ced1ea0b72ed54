"""How a trace reads; that it is true is `test_switch`'s matter."""

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from vswitch_sim import (
    Bucket,
    DecTtl,
    Flow,
    FlowUpdate,
    Group,
    Match,
    Output,
    Resubmit,
    SetField,
    Switch,
)

IPV4 = Match.of(eth_type=0x0800)
FLOWS = (
    Flow(0, 100, Match.of(in_port=1, eth_type=0x0800), (SetField("reg0", 7), Resubmit(1)), 0xC0DE),
    Flow(1, 5, IPV4, (DecTtl(), SetField("tun_id", 9), Group(1), Resubmit(2))),
    Flow(3, 1, Match(), (Output(1), Resubmit(4))),
    Flow(4, 1, Match(), ()),
    Bucket(1, 1, (Output(2),)),
    Bucket(1, 2, (SetField("reg1", 1), Resubmit(3))),
)

TEXT = """\
Flow: in_port=1,eth_src=0a:00:00:00:00:01,eth_dst=0a:00:00:00:00:02,eth_type=0x800,\
ip_src=10.0.0.1,ip_dst=10.0.0.2,nw_proto=6,ip_dscp=0,nw_ecn=0,nw_ttl=64,\
tcp_src=20,tcp_dst=80,tcp_flags=0x2

bridge("hv1")
-------------
 0. ip,in_port=1, priority 100, cookie 0xc0de
    set_field:0x7->reg0
    resubmit(,1)
     1. ip, priority 5
        dec_ttl
        set_field:0x9->tun_id
        group:1
         bucket 1
            output:2
         bucket 2
            set_field:0x1->reg1
            resubmit(,3)
             3. priority 1
                output:1    >> skipped: the packet came from this port
                resubmit(,4)
                 4. priority 1
                    drop
                    => reg0=0x7,reg1=0x1,tun_id=0x9
                => reg0=0x7,reg1=0x1,tun_id=0x9
        resubmit(,2)
         2. No match.
            drop
        => reg0=0x7,tun_id=0x9
    => reg0=0x7,tun_id=0x9

Output: 2 (db-1) tun_id=0x9
Drops: output_to_in_port, drop_flow, table_miss"""


def traced():
    switch = Switch("hv1")
    switch.add_port(1, "web-1")
    switch.add_port(2, "db-1")
    switch.apply(FlowUpdate(add=FLOWS))
    ether = Ether(src="0a:00:00:00:00:01", dst="0a:00:00:00:00:02")
    return switch.trace(1, bytes(ether / IP(src="10.0.0.1", dst="10.0.0.2") / TCP()))


def test_a_trace_reads_like_ofproto_trace():
    assert str(traced()) == TEXT
    assert traced().lines() == tuple(TEXT.split("\n"))


def test_a_trace_is_data():
    trace = traced()
    assert [table.table for table in trace.tables] == [0, 1, 3, 4, 2]
    assert [flow.cookie for flow in trace.flows] == [0xC0DE, 0, 0, 0]
    assert trace.tables[2].registers == {"reg0": 7, "reg1": 1, "tun_id": 9}
    assert trace.tables[4].flow is None
    assert [egress.port for egress in trace.egress] == [2]
    buckets = trace.tables[1].actions[2].buckets
    assert [bucket.bucket for bucket in buckets] == list(FLOWS[4:])
