"""Flows and groups of a bridge, by `ovs-ofctl`: what differs, and the bundle that changes it.

`ovs-ofctl diff-flows` compares the flows, for it knows better than we which two texts mean one
flow; groups are few and compared here. A `Difference` can be turned around, so what it did can be
taken back. All of it is one bundle of OpenFlow: groups come before the flows that use them and
go after them, a packet sees all of it or nothing, and a message that is refused undoes the rest.
"""

import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import field, frozen

from nvp_state.openvswitch.target import Target, refusal

OPENFLOW = "OpenFlow15"
# With `normal`, the default, flows would see ports of 0 in first fragments.
FRAGMENTS = "nx-match"
DIFFERENT = 2

_NUMBER_SET = re.compile(r"set_field:(0x[0-9a-f]+|\d+)->")
_REMARKS = re.compile(
    r" (?:cookie|(?:idle|hard)_timeout|importance)=\S+| (?:send_flow_rem|\w+_counts)"
)


@frozen
class Difference:
    """What must go and come, by identity, as `ovs-ofctl` writes it.

    Flows are keyed by table, priority and match, groups by number, and written without those of
    `flows` which only stand in the key.
    """

    flows_gone: Mapping[str, str] = field(factory=dict)
    flows_come: Mapping[str, str] = field(factory=dict)
    groups_gone: Mapping[int, str] = field(factory=dict)
    groups_come: Mapping[int, str] = field(factory=dict)
    fragments: tuple[str, str] = (FRAGMENTS, FRAGMENTS)

    def __bool__(self) -> bool:
        return bool(self.lines())

    def reversed(self) -> "Difference":
        """The difference that takes this one back."""
        return Difference(
            self.flows_come,
            self.flows_gone,
            self.groups_come,
            self.groups_gone,
            (self.fragments[1], self.fragments[0]),
        )

    def counts(self) -> dict[str, int]:
        """How many flows and groups come, go and change; zeros are left out."""
        found = {}
        for kind, gone, come in (
            ("flows", set(self.flows_gone), set(self.flows_come)),
            ("groups", set(self.groups_gone), set(self.groups_come)),
        ):
            found[f"{kind} added"] = len(come - gone)
            found[f"{kind} removed"] = len(gone - come)
            found[f"{kind} changed"] = len(gone & come)
        found["fragment modes changed"] = int(self.fragments[0] != self.fragments[1])
        return {name: count for name, count in found.items() if count}

    def lines(self) -> list[str]:
        """A line for each, with `-` for what goes and `+` for what comes."""
        told = []
        for kind, gone, come in (
            ("group", self.groups_gone, self.groups_come),
            ("flow", self.flows_gone, self.flows_come),
        ):
            told += [f"-{kind} {text}" for text in gone.values()]
            told += [f"+{kind} {text}" for text in come.values()]
        if self.fragments[0] != self.fragments[1]:
            told += [f"-fragments {self.fragments[0]}", f"+fragments {self.fragments[1]}"]
        return told

    def messages(self) -> list[str]:
        """The bundle, a message a line."""
        return [
            *(f"group add_or_mod {text}" for text in self.groups_come.values()),
            *(f"flow delete_strict {key}" for key in self.flows_gone),
            *(f"flow add {text}" for text in self.flows_come.values()),
            *(
                f"group delete group_id={number}"
                for number in self.groups_gone
                if number not in self.groups_come
            ),
        ]


class OpenFlow:
    """The bridge of a target, as `ovs-ofctl` reaches it."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def difference(self, flows: Iterable[str], groups: Mapping[int, str]) -> Difference:
        """What the bridge lacks of these flows and groups, and has beyond them.

        Raises:
            StateError: the bridge does not answer, or one of the flows is none.
        """
        flows = list(flows)
        told = self._run(
            "diff-flows", "/dev/stdin", text=_lines(flows), sent=flows, allowed=DIFFERENT
        )
        changed = [line for line in told.splitlines() if line[:1] in "+-"]
        gone = dict(_flow(line[1:]) for line in changed if line[0] == "-")
        come = dict(_flow(line[1:]) for line in changed if line[0] == "+")
        # Some actions (`controller`) it takes for different from what the switch made of them.
        same = {key for key, text in gone.items() if come.get(key) == text}
        has = self._groups()
        return Difference(
            {key: text for key, text in gone.items() if key not in same},
            {key: text for key, text in come.items() if key not in same},
            {it: text for it, text in has.items() if not _same(text, groups.get(it))},
            {it: text for it, text in groups.items() if not _same(text, has.get(it))},
            (self._run("get-frags").strip(), FRAGMENTS),
        )

    def change(self, difference: Difference) -> None:
        """Make a difference. Raises StateError if a message is refused; nothing has changed."""
        messages = difference.messages()
        if messages:
            self._run("bundle", "-", text=_lines(messages), sent=messages)
        if difference.fragments[0] != difference.fragments[1]:
            self._run("set-frags", difference.fragments[1])

    def _groups(self) -> dict[int, str]:
        told = self._run("dump-groups")
        found = re.finditer(r"^ *(group_id=(\d+),.*)$", told, re.MULTILINE)
        return {int(line[2]): line[1] for line in found}

    def _run(
        self,
        command: str,
        *arguments: str,
        text: str = "",
        sent: list[str] | None = None,
        allowed: int = 0,
    ) -> str:
        bridge: Path = self._target.management
        try:
            done = subprocess.run(
                ["ovs-ofctl", "-O", OPENFLOW, command, f"unix:{bridge}", *arguments],
                input=text,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            raise refusal(
                str(self._target),
                "the program ovs-ofctl is not here: install Open vSwitch's programs (on Debian "
                "the package openvswitch-common)",
            ) from None
        if done.returncode not in (0, allowed):
            raise refusal(str(self._target), _reason(done.stderr, sent or [])) from None
        return done.stdout


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def _flow(line: str) -> tuple[str, str]:
    """A flow of `diff-flows`: what identifies it, and all of it."""
    front, _, actions = line.partition(" actions=")
    key = _REMARKS.sub("", front).strip().replace(" ", ",")
    return key, f"{front.strip().replace(' ', ',')} actions={actions}"


def _same(text: str, other: str | None) -> bool:
    def plain(line: str) -> str:
        return _NUMBER_SET.sub(lambda found: f"set_field:{int(found[1], 0)}->", line)

    return other is not None and plain(text) == plain(other)


def _reason(said: str, sent: list[str]) -> str:
    """What `ovs-ofctl` says, with the flow in place of the number of its line."""
    refused = [line for line in said.splitlines() if " for: " in line and "BUNDLE" not in line]
    if refused:
        error, _, message = refused[0].partition(" for: ")
        what = "group" if "GROUP_MOD" in message else "flow"
        entry = re.sub(r"^OFPT_\w+ \(.*?\) \(xid=\w+\): ", "", message)
        return f"refuses a {what} with {error.removeprefix('Error ')}: {entry}"
    place = re.search(r"(?:-|/dev/stdin):(\d+): (.*)", said)
    if place and int(place[1]) <= len(sent):
        return f"{place[2]}: {sent[int(place[1]) - 1]}"
    return said.strip().removeprefix("ovs-ofctl: ")
