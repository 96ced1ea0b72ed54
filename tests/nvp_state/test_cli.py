"""The commands `nvp` and `nlog`: their output, and their words for mistakes, without tracebacks."""

import json
import re
from itertools import chain, combinations

import pytest
from click.testing import CliRunner

import nlog.cli
import nvp_state.cli
from nvp_state import Emulation
from nvp_state.guest import Guests
from tests.nvp_state.small import network

THREE_TIER = "examples/three_tier.json"
REACH = "examples/reach.nlog"
QUARANTINE = "examples/policies/quarantine.nlog"


def run(command, *arguments):
    """The exit status, standard output and standard error of a command."""
    result = CliRunner().invoke(command.main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result.exit_code, result.stdout, result.stderr


def nvp(*arguments):
    return run(nvp_state.cli, *arguments)


def nlog_(*arguments):
    return run(nlog.cli, *arguments)


@pytest.fixture
def document(tmp_path):
    """Writes a document of the small network with something changed; the file's path."""

    def write(change=id):
        content = network().dump()
        change(content)
        path = tmp_path / "network.json"
        path.write_text(json.dumps(content))
        return path

    return write


def test_check_of_a_good_document():
    expected = f"{THREE_TIER}: 9 ports, no mistakes\n"
    assert nvp("check", THREE_TIER) == (0, expected, "")
    assert nvp("check", THREE_TIER, "--rules", QUARANTINE) == (0, expected, "")


def test_check_tells_what_rules_find_odd(document):
    def same_mac(content):
        for port in content["switches"][0]["ports"]:
            port["mac"] = "0a:00:00:00:00:01"

    status, out, err = nvp("check", document(same_mac))
    assert (status, err) == (0, "")
    assert "warning[duplicate-mac]: p0: port p1 of the same switch has the same MAC" in out


MISTAKES = {
    "mac": ({"mac": "0a:00"}, "port \"p0\": mac: '0a:00' is not a MAC address"),
    "host": ({"host": "h7"}, 'port "p0": host: host "h7" does not exist'),
    "flag": ({"enabled": "yes"}, "port \"p0\": enabled: 'yes' is neither true nor false"),
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("command", [["check"], ["flows"], ["trace", "--port=p0", "--frame=00"]])
def test_a_bad_document_is_told_by_object_and_field(name, command, document):
    change, message = MISTAKES[name]
    path = document(lambda content: content["switches"][0]["ports"][0].update(change))
    status, out, err = nvp(*command, path)
    assert (status, out) == (1, "")
    assert message in err


def test_every_mistake_of_a_document_is_told(document):
    def two(content):
        content["hosts"][0]["ip"] = "192.0.2.256"
        content["switches"][0]["ports"][1]["mac"] = "?"

    status, _, err = nvp("check", document(two))
    assert status == 1
    assert err.startswith("2 problems:\n")
    assert "ip: '192.0.2.256' is not an IPv4 address" in err


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "line 1"), ("[]", "network.json"), ('{"host": []}', "host"), ("\0", "line 1")],
)
def test_what_is_no_document_is_told(content, message, tmp_path):
    path = tmp_path / "network.json"
    path.write_text(content)
    status, out, err = nvp("check", path)
    assert (status, out) == (1, "")
    assert message in err


def test_a_missing_file_is_told(tmp_path):
    for arguments in (["check", tmp_path / "no.json"], ["check", THREE_TIER, "--rules", "no.nlog"]):
        status, out, err = nvp(*arguments)
        assert (status, out) == (1, "")
        assert "no." in err


def test_a_policy_with_a_mistake_is_shown(tmp_path):
    rules = tmp_path / "policy.nlog"
    rules.write_text("universal_flow(s, p) :- logical_prot(name: p, ls: s).\n")
    status, _, err = nvp("flows", THREE_TIER, "--rules", rules)
    assert status == 1
    assert f"{rules}:1:" in err
    assert "did you mean `logical_port`" in err


def test_flows_prints_what_the_state_has():
    state = network()
    status, out, _ = nvp("flows", THREE_TIER)
    assert status == 0
    assert [line for line in out.splitlines() if line.endswith(":")] == ["hv1:", "hv2:", "hv3:"]
    assert nvp("flows", THREE_TIER, "--host", "hv2")[1] in out
    status, out, err = nvp("flows", THREE_TIER, "--host", "hv9")
    assert (status, out, err) == (1, "", 'host "hv9": does not exist; did you mean `hv3`?\n')
    assert all("table=" in str(entry) or "group_id=" in str(entry) for entry in state.flows("h0"))


def test_flows_of_one_switch_are_those_that_name_it_or_its_ports():
    _, everything, _ = nvp("flows", THREE_TIER, "--host", "hv1")
    found = {}
    apart = {"acme-frontend", "acme-backend", "globex-flat"}
    for kind, name in [*(("switch", name) for name in apart), ("router", "acme-router")]:
        _, out, _ = nvp("flows", THREE_TIER, "--host", "hv1", f"--{kind}", name)
        found[name] = out.splitlines()[1:]
        others = apart - {name} if kind == "switch" else {"globex-flat"}
        assert not [line for line in found[name] if any(f"({it})" in line for it in others)]
    lines = [line for line in everything.splitlines()[1:] if "(stamp)," not in line]
    assert set(chain(*found.values())) == set(lines)
    for one, other in combinations(apart, 2):
        assert not {*found[one]} & {*found[other]}
    both = {*found["acme-frontend"]} & {*found["acme-router"]}
    assert all("(acme-router)" in line or "(to-frontend)" in line for line in both)
    assert "rt_route" in "".join(found["acme-router"])
    assert all(found.values())
    _, out, _ = nvp(
        "flows", THREE_TIER, "--host=hv1", "--switch=acme-frontend", "--router=acme-router"
    )
    assert set(out.splitlines()[1:]) == both
    for kind, name in (("switch", "acme-frontend"), ("router", "acme-router")):
        wrong = name.replace("end", "ned").replace("router", "rooter")
        status, _, err = nvp("flows", THREE_TIER, f"--{kind}", wrong)
        expected = f'{kind} "{wrong}": does not exist; did you mean `{name}`?\n'
        assert (status, err) == (1, expected)


def test_flows_of_a_stage_with_names_and_reasons():
    _, out, _ = nvp("flows", THREE_TIER, "--host", "hv3", "--stage", "out_acl", "--why")
    heading, *lines = out.splitlines()
    assert heading == "hv3:"
    assert all(re.match(r"  table=\d+ \(out_acl\), ", line) for line in lines[::2])
    plain = [re.sub(r"table=\d+|\(,\d+\)", "N", line) for line in lines]
    place = plain.index(
        "  N (out_acl), priority=201,reg8=0/0x30,reg15=0x3 (app-1-front),metadata=0x1"
        " (acme-frontend) actions=set_field:0x2/0x3->reg8,resubmitN (out_acl_done)"
    )
    assert 'because of acl "acme-frontend:to-lport:100:outport == ' in lines[place + 1]
    files = {line.split()[0].partition(":")[0] for line in lines[1::2]}
    assert files == {"[acl.nlog", "[network.nlog"}
    _, out, _ = nvp("flows", THREE_TIER, "--host", "hv1", "--stage", "carry")
    assert "set_field:0x2->tun_id (web-2)," in out
    assert "output:32770 (tunnel to hv2)" in out
    status, _, err = nvp("flows", THREE_TIER, "--stage", "out_alc")
    assert status == 1
    assert "there are classify, stamp, in_mirror, in_admission, in_own, in_ct" in err
    assert "did you mean `out_acl`?" in err


def test_trace_prints_what_the_emulation_says(document):
    state = network()
    path = document()
    frame = "0a00000000020a00000000019000"
    status, out, err = nvp("trace", path, "--port", "p0", "--frame", frame)
    expected = str(Emulation(state).trace("p0", bytes.fromhex(frame)))
    assert (status, out, err) == (0, expected + "\n", "")


def test_trace_by_name():
    status, out, _ = nvp("trace", THREE_TIER, "--port", "web-1", "--to", "app-1-front", "--tcp", 22)
    assert (status, out.splitlines()[-1]) == (0, "delivered at: no port")
    status, out, _ = nvp("trace", THREE_TIER, "--port", "web-1", "--to", "web-2")
    assert (status, out.splitlines()[-1]) == (0, "delivered at: web-2")
    status, out, _ = nvp("trace", THREE_TIER, "--port", "web-1", "--to", "web-2", "--arp")
    assert (status, out.splitlines()[-1]) == (0, "delivered at: web-1")
    status, out, _ = nvp("trace", THREE_TIER, "--port", "web-1", "--to", "app-1-back")
    assert (status, out.splitlines()[-1]) == (0, "delivered at: app-1-back")


def test_trace_tells_all_only_if_asked():
    arguments = ["trace", THREE_TIER, "--port", "web-1", "--to", "web-2"]
    _, folded, _ = nvp(*arguments)
    _, everything, _ = nvp(*arguments, "--all")
    assert "  in_acl: priority 0" not in folded
    assert "  in_acl: priority 0" in everything


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "web-1", "--frame", "0g"], "--frame: "),
        (["--port", "web-9", "--frame", "00"], 'port "web-9": does not exist; did you mean `web-'),
        (["--port", "web-1"], "either --frame HEX, or --to PORT|ADDRESS"),
        (["--port", "web-1", "--to", "nobody"], 'port "nobody": does not exist\n'),
        (["--port", "web-1", "--to", "web-3"], 'port "web-3": does not exist; did you mean `web-'),
        (["--port", "web-3", "--to", "web-1"], 'port "web-3": does not exist; did you mean `web-'),
        (["--port", "web-1", "--frame", ""], "--frame: is empty"),
        (["--port", "web-1", "--frame", "0a0"], "--frame: 3 hexadecimal digits are no whole"),
        (["--port", "web-1", "--frame", "0a 0g"], "--frame: 'g' at position 3 is not"),
        (["--port", "web-1", "--to", "web-2", "--tcp", "80", "--arp"], "give one of them"),
        (["--port", "web-1", "--frame", "00", "--arp"], "give one of them"),
    ],
)
def test_a_trace_that_cannot_be_says_why(arguments, message):
    status, out, err = nvp("trace", THREE_TIER, *arguments)
    assert (status, out) == (1, "")
    assert message in err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ip": None, "host": "h1"}, 'port "p1": ip: has none, and a ping'),
        ({"ip": "10.0.0.2", "host": None}, 'port "p1": host: is on no host'),
    ],
)
def test_a_vm_that_cannot_be_pinged_says_what_it_lacks(change, message, document):
    path = document(lambda content: content["switches"][0]["ports"][1].update(change))
    status, out, err = nvp("trace", path, "--port", "p1", "--to", "p1")
    assert (status, out) == (1, "")
    assert message in err


def test_vms_of_two_switches_are_told_apart_up_front():
    status, out, _ = nvp("trace", THREE_TIER, "--port", "web-1", "--to", "globex-db")
    note = (
        "note: globex-db is on globex-flat, web-1 on acme-frontend: no logical network joins them"
    )
    assert (status, out.splitlines()[0]) == (0, note)
    for arguments in (["--to", "web-2"], ["--to", "app-1-front", "--tcp", 22], ["--to", "db-1"]):
        assert "note:" not in nvp("trace", THREE_TIER, "--port", "web-1", *arguments)[1]


def test_a_policy_that_fails_on_nothing_is_told_without_a_traceback(tmp_path):
    rules = tmp_path / "policy.nlog"
    rules.write_text("// Each row means: n.\ntable d(n: int)\nd(1 / 0).\n")
    for command in (["check"], ["flows"], ["trace", "--port=web-1", "--to=web-2"]):
        status, out, err = nvp(*command, THREE_TIER, "--rules", rules)
        assert (status, out) == (1, "")
        assert f"{rules}:3: division by zero" in err


def test_demo_outside_the_project_says_where_to_run_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = nvp("demo")
    assert status == 1
    assert "run `nvp demo` in the project's folder" in err


@pytest.fixture
def facts(tmp_path):
    path = tmp_path / "facts.json"
    path.write_text(json.dumps({"edge": [["a", "b"], ["b", "c"]]}))
    return path


def test_nlog_check_run_query_and_explain(facts):
    status, out, err = nlog_("check", REACH)
    assert (status, out, err) == (0, "3 tables, 3 rules, 2 strata (1 recursive): no mistakes\n", "")
    status, out, _ = nlog_("run", REACH, "--facts", facts)
    rows = [
        f'{table}("{a}", "{b}")' for table in ("reach", "one_way") for a, b in ("ab", "ac", "bc")
    ]
    assert (status, out.splitlines()) == (0, rows)
    status, out, _ = nlog_("query", REACH, "--facts", facts, "--table", "reach", "--where", "src=b")
    assert (status, out) == (0, 'reach("b", "c")\n')
    status, out, _ = nlog_(
        "explain", REACH, "--facts", facts, "--table", "reach", "--row", '["a","c"]'
    )
    assert status == 0
    assert [line.split("  [")[0] for line in out.splitlines()] == [
        'reach("a", "c")',
        '  reach("a", "b")',
        '    edge("a", "b")',
        '  edge("b", "c")',
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query", "--table", "raech"], "there is no table `raech`"),
        (["query", "--table", "reach", "--where", "from=b"], "has no column `from`"),
        (["explain", "--table", "reach", "--row", '["c","a"]'], "is not there"),
        (["explain", "--table", "reach", "--row", '["c"'], "not JSON"),
        (["explain", "--table", "reach", "--row", '{"a": 1}'], "is not a JSON list"),
    ],
)
def test_nlog_says_what_is_wrong_with_a_question(arguments, message, facts):
    command, *options = arguments
    status, out, err = nlog_(command, REACH, "--facts", facts, *options)
    assert (status, out) == (1, "")
    assert message in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "facts are an object of lists"),
        ('{"edge": [["a"]]}', "does not fit `edge(src: str, dst: str)`"),
        ('{"edeg": []}', "there is no table `edeg`"),
        ('{"reach": [["a", "b"]]}', "`reach` is an output table"),
    ],
)
def test_nlog_says_what_is_wrong_with_facts(content, message, tmp_path):
    path = tmp_path / "facts.json"
    path.write_text(content)
    status, out, err = nlog_("run", REACH, "--facts", path)
    assert (status, out) == (1, "")
    assert message in err


def test_nlog_check_shows_a_mistake_in_its_place(tmp_path):
    rules = tmp_path / "a.nlog"
    rules.write_text("table a(b: int)\na(c) :- a(_).\n")
    status, _, err = nlog_("check", rules)
    assert status == 1
    assert "error[ungrounded-variable]" in err
    assert f"{rules}:2:3" in err


def test_guests_and_the_command_send_the_same(document):
    path = document(
        lambda content: [port.update(ip=f"10.0.0.{n}") for n, port in enumerate_ports(content)]
    )
    state = network()
    state.load(path)
    lab = Emulation(state)
    frame = Guests(lab).tcp_frame("p0", "p1", 80)
    assert (
        nvp("trace", path, "--port", "p0", "--to", "p1", "--tcp", 80)[1]
        == nvp("trace", path, "--port", "p0", "--frame", frame.hex())[1]
    )


def enumerate_ports(content):
    return enumerate(content["switches"][0]["ports"], 1)
