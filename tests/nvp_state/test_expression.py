"""Match expressions against a direct reading of the manual, and their messages word by word."""

from ipaddress import IPv4Address, summarize_address_range

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from nvp_state.boxes import NamedSet
from nvp_state.errors import ExpressionError
from nvp_state.expression import normalise
from nvp_state.symbols import FIELDS, OXM_WIDTHS, PREDICATES
from nvp_state.terms import Clause, Term
from tests.nvp_state import packets
from vswitch_sim import Match

TCP = (("eth_type", 0x800, -1), ("ip_proto", 6, -1))
TCP6 = (("eth_type", 0x86DD, -1), ("ip_proto", 6, -1))
MASKABLE = {"eth_src", "eth_dst", "vlan_vid", "ipv4_src", "ipv4_dst", "ipv6_src", "ipv6_dst",
            "ipv6_label", "tcp_src", "tcp_dst", "tcp_flags", "udp_src", "udp_dst", "sctp_src",
            "sctp_dst", "arp_spa", "arp_tpa", "arp_sha", "arp_tha", "ip_frag"}  # fmt: skip


def agrees(term, fields):
    if term.inport not in {"", fields["inport"]} or term.outport not in {"", fields["outport"]}:
        return False
    return all(_has(fields, *test) for test in term.fields) and all(
        clause.field in fields and _is_met(clause, fields) for clause in term.clauses
    )


def _is_met(clause, fields):
    value = fields[clause.field]
    return any(
        _has(fields, clause.field, *test) if isinstance(test[0], int) else value == test[0]
        for test in clause.values
    ) or any(packets.is_in(value, named.name) == named.inside for named in clause.sets)


def _has(fields, name, value, mask):
    return name in fields and (fields[name] ^ value) & mask == 0


@settings(max_examples=200)
@given(packets.expressions, st.lists(packets.packets(), min_size=8, max_size=8))
def test_terms_match_what_the_expression_matches(tree, some_packets):
    text = packets.written(tree)
    try:
        terms = normalise(text)
    except ExpressionError as error:
        assert error.slug in {"negative-match", "too-many-terms"}, text
        assert error.slug != "negative-match" or packets.negative(tree), text
        event(error.slug)
        return
    event("matches never" if not terms else "matches")
    for term in terms:
        assert_can_be_a_flow(term)
    for packet in some_packets:
        fields = packets.on_the_wire(packet)
        expected = packets.matches(tree, packet)
        assert any(agrees(term, fields) for term in terms) == expected, (text, packet)


def assert_can_be_a_flow(term):
    """A switch takes each flow of the term: one test of each clause, and all that these rest on."""
    values = {name: value for name, value, _ in term.fields}
    assert len(values) == len(term.fields)
    assert [name for name in OXM_WIDTHS if name in values] == list(values)
    tests = [(name, value, mask) for name, value, mask in term.fields]
    for clause in term.clauses:
        assert len(clause.values) + len(clause.sets) > 1 or clause.sets
        tests += [(clause.field, *test) for test in clause.values if isinstance(test[0], int)]
    alone = {name: (value, (1 << OXM_WIDTHS[name]) - 1 & mask) for name, value, mask in term.fields}
    for name, value, mask in tests:
        full = (1 << OXM_WIDTHS[name]) - 1
        assert 0 <= value <= full
        assert mask == -1 or (0 < mask < full and not value & ~mask and name in MASKABLE)
        Match.of(**alone | {name: (value, full & mask)})


@pytest.mark.parametrize("name", PREDICATES)
def test_not_before_a_predicate_is_its_complement(name):
    assert normalise(f"{name} && !{name}") == ()
    assert normalise(f"{name} == 0 && {name}") == ()
    for packet in (
        {"eth.dst": 1 << 40, "eth.type": 0x800, "ip.proto": 6, "ip4.src": 5, "ip4.dst": 0xE0000001},
        {"eth.dst": (1 << 48) - 1, "eth.type": 0x800, "ip.proto": 17, "ip4.src": 1, "ip4.dst": 1},
        {"eth.dst": 2, "eth.type": 0x800, "ip.proto": 1, "ip4.src": 1, "ip4.dst": 1, "vlan.vid": 0},
        {"eth.dst": 0x333300000001, "eth.type": 0x86DD, "ip.proto": 58, "ip6.src": 0xFE80 << 112,
         "ip6.dst": 0xFF02 << 112 | 0x16, "icmp6.type": 135, "icmp6.code": 0},
    ):  # fmt: skip
        packet |= {"ip.frag": 0, "ip.ttl": 255}
        fields = packets.on_the_wire(packet) | {"inport": "", "outport": ""}
        texts = (f"ip && {name}", f"ip && !{name}")
        assert sum(any(agrees(it, fields) for it in normalise(text)) for text in texts) == 1


@given(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)).map(sorted))
def test_a_range_takes_as_few_terms_as_prefixes_can(ends):
    low, high = ends
    prefixes = summarize_address_range(IPv4Address(low), IPv4Address(high))
    expected = {(int(it.network_address), int(it.netmask) & 0xFFFF) for it in prefixes}
    (term,) = normalise(f"ip4 && {low} <= tcp.dst <= {high}")
    single = [(value, mask) for name, value, mask in term.fields if name == "tcp_dst"]
    tests = [*single, *(test for clause in term.clauses for test in clause.values)] or [(0, 0)]
    assert {(value, mask & 0xFFFF) for value, mask in tests} == expected


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("1", [Term()]),
        ("0", []),
        ("tcp", [Term(fields=TCP), Term(fields=TCP6)]),
        ("ip4 && tcp", [Term(fields=TCP)]),
        ("tcp || ip4", [Term(fields=TCP6), Term(fields=TCP[:1])]),
        ("tcp && udp", []),
        ("ip4 && tcp.dst == 80", [Term(fields=(*TCP, ("tcp_dst", 80, -1)))]),
        ("ip4 && tcp.dst == 80/0xfff0", [Term(fields=(*TCP, ("tcp_dst", 80, 0xFFF0)))]),
        ("ip4 && tcp.dst == 0/0", [Term(fields=TCP)]),
        ("ip4 && tcp.dst >= 0", [Term(fields=TCP)]),
        ("tcp.dst < 0", []),
        ("90 <= tcp.dst <= 80", []),
        ("ip4 && tcp.dst == 80 /* web */", [Term(fields=(*TCP, ("tcp_dst", 80, -1)))]),
        ('inport == {"a" "b",}', [Term(clauses=(Clause("inport", (("a", -1), ("b", -1))),))]),
        ('inport == {"a", "b"} && !(inport == "a")', [Term("b")]),
        ('"a" == inport && outport == "\\u00e9"', [Term("a", "é")]),
        ("vlan.present", [Term(fields=(("vlan_vid", 0x1000, 0x1000),))]),
        ("!vlan.present", [Term(fields=(("vlan_vid", 0, 0x1000),))]),
        ("vlan.vid == 5", [Term(fields=(("vlan_vid", 0x1005, -1),))]),
        ("eth.mcast", [Term(fields=(("eth_dst", 1 << 40, 1 << 40),))]),
        ("eth.dst[40]", [Term(fields=(("eth_dst", 1 << 40, 1 << 40),))]),
        ("ip4.src[24..31] == 10", [Term(fields=(TCP[0], ("ipv4_src", 10 << 24, 255 << 24)))]),
        ("ip4 && ip.ttl <= 1",
         [Term(fields=TCP[:1], clauses=(Clause("ip_ttl", ((0, -1), (1, -1))),))]),
        ("ip4.src == 10.0.0.0/255.0.0.0",
         [Term(fields=(TCP[0], ("ipv4_src", 10 << 24, 255 << 24)))]),
        ("ip6.src == fe80::/10",
         [Term(fields=(TCP6[0], ("ipv6_src", 0xFE80 << 112, 0xFFC0 << 112)))]),
        ("ip6.dst == ::ffff:10.0.0.1",
         [Term(fields=(TCP6[0], ("ipv6_dst", 0xFFFF0A000001, -1)))]),
        ("ct.est && !ct.rpl", [Term(fields=(("ct_state", 0x22, 0x2A),))]),
        ("ct.new || ct.inv", [Term(fields=(("ct_state", it, it),)) for it in (0x21, 0x30)]),
        ("ip4 && ip.first_frag", [Term(fields=(TCP[0], ("ip_frag", 1, -1)))]),
        ("ip4 && ip.later_frag && tcp.dst == 80", []),
        ("ip4.src == {$a, 10.0.0.1} || ip4.src == $b",
         [Term(fields=TCP[:1], clauses=(
             Clause("ipv4_src", ((0x0A000001, -1),), (NamedSet("$a"), NamedSet("$b"))),))]),
        ("ip4.src == $a && ip4.src != $b",
         [Term(fields=TCP[:1], clauses=(
             Clause("ipv4_src", sets=(NamedSet("$a"),)),
             Clause("ipv4_src", sets=(NamedSet("$b", inside=False),))))]),
        ("inport == @g && arp", [Term(fields=(("eth_type", 0x806, -1),),
                                      clauses=(Clause("inport", sets=(NamedSet("@g"),)),))]),
        ("arp.op != 1 && arp.op == 2", [Term(fields=(("eth_type", 0x806, -1), ("arp_op", 2, -1)))]),
    ],
)  # fmt: skip
def test_examples(text, terms):
    assert list(normalise(text)) == terms


def n_flows(text):
    return sum(term.n_flows for term in normalise(text))


def test_many_exceptions_grow_by_their_sum():
    """With a term for each bit of each exception there would be 32^8 of them."""
    addresses = ", ".join(f"10.{number}.7.{number}" for number in range(8))
    assert n_flows(f"ip4.src != {{{addresses}}}") < 8 * 32
    assert n_flows("ip4 && tcp.dst != {22, 80, 443}") == 28
    assert n_flows("ip4 && !(tcp.dst == 22 || tcp.dst == 80 || tcp.dst == 443)") == 28
    assert normalise("ip4.src != {10.0.0.0/8, 10.1.0.0/16}") == normalise("ip4.src != 10.0.0.0/8")
    hundreds = ", ".join(str(number * number) for number in range(250))
    assert n_flows(f"ip4 && tcp.dst != {{{hundreds}}}") < 250 * 16


def test_sets_side_by_side_grow_by_their_sum():
    """As conjunctions of single tests there would be 250,000 of them."""
    sources = ", ".join(f"10.0.{number // 250}.{number % 250}" for number in range(500))
    text = f"ip4.src == {{{sources}}} && ip4.dst == {{{sources}}}"
    assert n_flows(text) == 500 + 500 + 1
    assert n_flows("ip4.src == $a && tcp.dst == {80, 443} && inport == @g") == 1 + 2 + 1 + 1


def test_flows_are_limited():
    many = ", ".join(str(number) for number in range(0, 9000, 2))
    with pytest.raises(ExpressionError, match="too many flows; 4,096 are the most"):
        normalise(f"tcp.dst == {{{many}}}")
    with pytest.raises(ExpressionError, match="too many flows; 4,096 are the most"):
        normalise("ip.proto != 6 && ip.ttl != 1")
    alternatives = " || ".join(f"(ip4.src == 10.0.0.{n} && tcp.dst == {n})" for n in range(200))
    with pytest.raises(ExpressionError, match="too many flows; 4,096 are the most"):
        normalise(f"({alternatives}) && ({alternatives.replace('src', 'dst', 1)}) && ip.ttl != 5")


def test_depth_is_limited():
    assert normalise("(" * 2000 + "tcp" + ")" * 2000) == normalise("tcp")
    with pytest.raises(ExpressionError, match="nested too deeply"):
        normalise("!(" * 200 + "tcp" + ")" * 200)


MISTAKES = [
    ("tcp.dts == 80", "tcp.dts", "unknown-symbol", "did you mean `tcp.dst`?"),
    ("not tcp", "tcp", "syntax", "the operator is `!`"),
    ("ip4 and tcp", "and", "syntax", "the operator is `&&`"),
    ("ip4 && tcp || arp", "||", "mixed-operators", "such as `(a && b) || c`"),
    ("!tcp.dst == 80", "==", "negation", "such as `!(tcp.dst == 80)`"),
    ("tcp.dst = 80", "=", "syntax", "equality is `==`"),
    ("tcp & ip4", "&", "syntax", "the operator is `&&`"),
    ("tcp.dst ==", "", "syntax", ""),
    ("  ", "", "syntax", ""),
    ("outport == v1", "v1", "syntax", 'write the name of a port in quotes, `"v1"`'),
    ('inport == {"a", web-1}', "web-1", "syntax",
     'write the name of a port in quotes, `"web-1"`'),
    ("tcp.dst == http", "http", "syntax",
     "a constant is a number or an address, or a port's name in double quotes"),
    ("ct.established", "ct.established", "unknown-symbol", "did you mean `ct.est`?"),
    ("tcp.dst", "tcp.dst", "bare-field", "write what it shall be, such as `tcp.dst == …`"),
    ("tcp.dst == 65536", "65536", "constant-width", "the largest value is 65535"),
    ("tcp.dst == 10.0.0.1", "10.0.0.1", "constant-type", ""),
    ("ip4.src == 10.0.0.256", "10.0.0.256", "constant-type", ""),
    ('tcp.dst == "80"', '"80"', "constant-type", "leave out the quotes"),
    ("inport == 80", "80", "constant-type", "put it in double quotes"),
    ("inport == 'a'", "'", "syntax", "texts stand in double quotes"),
    ('inport == "a', '"', "syntax", "the quoted text has no end"),
    ('inport == ""', '""', "text", ""),
    ('inport == "\\x"', '"\\x"', "text", ""),
    ("ip4.src == 10.0.0.1/8", "10.0.0.1", "unmasked-bits", "write `10.0.0.0/8`"),
    ("ip4.src == 10.0.0.0/33", "33", "mask", ""),
    ("tcp.dst == 80/255.0.0.0", "255.0.0.0", "mask", "such as `65535`"),
    ("eth.type == 0x800/0xff00", "0xff00", "mask", ""),
    ("tcp.dst < {80, 81}", "<", "relation", ""),
    ("tcp.dst < 0x50/0xf0", "0x50", "relation", ""),
    ("eth.type < 0x800", "<", "relation", "use `==`"),
    ("tcp < 1", "<", "relation", "use `==`"),
    ('inport > "a"', ">", "relation", "use `==`"),
    ("1 < tcp.dst > 5", ">", "range", "such as `80 <= tcp.dst <= 90`"),
    ("5", "5", "boolean", "`1` matches every packet, `0` none"),
    ("tcp == 2", "2", "constant-width", "the largest value is 1"),
    ("ip4.src == $", "$", "syntax", "an address set is written `$name`"),
    ("inport == @ web", "@", "syntax", "a port group is written `@name`"),
    ("ip4.src == $a && inport == $b", "$b", "constant-type", ""),
    ("tcp.dst == $web", "$web", "constant-type", ""),
    ("ip4.src == $a/8", "$a", "mask", ""),
    ("ip4.src < $a", "<", "relation", ""),
    ("eth.src != $macs", "eth.src", "negative-match",
     "let an ACL of higher priority take what is in the set"),
    ("eth.dst[", "[", "syntax", "a part of a field is written `eth.dst[40]` or `ip4.dst[24..31]`"),
    ("eth.dst[48]", "eth.dst[48]", "subfield", "such as `eth.dst[0..47]`"),
    ("ip4.src[9..8] == 1", "ip4.src[9..8]", "subfield", "such as `ip4.src[0..31]`"),
    ("eth.type[0..7] == 1", "eth.type[0..7]", "subfield", "compare `eth.type` itself"),
    ("tcp[0]", "tcp[0]", "subfield", ""),
    ("ip6.src == 10.0.0.1", "10.0.0.1", "constant-type", ""),
    ("ip6.src == fe80::1::2", "fe80::1::2", "constant-type", ""),
    ("ip6.src == fe80::1/10", "fe80::1", "unmasked-bits", "write `fe80::/10`"),
    ('inport != "a"', "inport", "negative-match",
     ('name the ports that are meant, such as `inport == {"a", "b"}`, '
     "or let an ACL of higher priority take the others")),
    ("udp || !tcp", "tcp", "negative-match",
     ("name the protocols that are meant, such as `arp || ip4`, "
     "or let an ACL of higher priority take the others")),
    ("arp.op != 1", "arp.op", "negative-match",
     ("name the operation that is meant, such as `arp.op == 1`, "
     "or let an ACL of higher priority take the others")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "marked", "slug", "help"), MISTAKES)
def test_a_mistake_is_named_and_underlined(text, marked, slug, help):
    with pytest.raises(ExpressionError) as caught:
        normalise(text)
    error = caught.value
    assert (error.slug, text[error.start : error.end], error.help) == (slug, marked, help)


def test_an_error_as_text():
    with pytest.raises(ExpressionError) as caught:
        normalise("ip4 &&\n\ttcp.dts == 80")
    assert str(caught.value).splitlines() == [
        "there is no field or predicate `tcp.dts` [unknown-symbol]",
        "   |",
        "   |  tcp.dts == 80",
        "   |  ^^^^^^^",
        "   |",
        "   = help: did you mean `tcp.dst`?",
    ]


@given(st.text(st.sampled_from('tcp.dst=!<>&|(){}" 0x1/:,[a'), max_size=15))
def test_any_text_is_read_or_refused(text):
    try:
        normalise(text)
    except ExpressionError as error:
        assert 0 <= error.start <= error.end <= len(text) + 1
        assert "^" in str(error)


def test_every_field_is_known_to_openflow():
    for name, field in FIELDS.items():
        assert field.offset + field.width <= OXM_WIDTHS.get(field.oxm, 0), name
        assert not field.requires or field.requires in {*PREDICATES, *FIELDS}
