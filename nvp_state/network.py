"""NetworkState: the network as its tenants and the hosts describe it, and all that follows.

A change goes one way, and as a whole: entities into the store, their facts into the logical
controller, its deltas and the locations into the physical controller, and the resulting flow
changes to those who listen. Both controllers are prepared before either is committed. So if any
step refuses, neither has changed, the store is reverted, and the state is what it was.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from ipaddress import IPv4Address
from os import PathLike
from typing import Any

from attrs import frozen

import nlog
from nvp_state.controllers import OUTPUTS, HostDelta, LogicalController, PhysicalController, by_host
from nvp_state.document import dump_document, load_document
from nvp_state.entities import KINDS, Entity, Key, checks, split_endpoint, title
from nvp_state.errors import Problem, StateError, did_you_mean
from nvp_state.facts import LOGICAL, PHYSICAL, FactDelta, facts_of
from nvp_state.flows import to_bucket, to_flow, to_group
from nvp_state.records import Change, Record
from nvp_state.reports import Report, ReportKey, Reports
from nvp_state.store import Store
from nvp_state.transaction import Transaction
from vswitch_sim import Bucket, Flow, GroupType


@frozen
class NetworkChange:
    """A commit, for those who listen: what changed in the store, and for each host."""

    entities: Change
    hosts: Mapping[str, HostDelta]


HISTORY_MAX = 100

FilePath = str | PathLike[str]
Listener = Callable[[NetworkChange], None]


class NetworkState:
    """Tenants' networks and hosts' facts, and the flows that rules compute of them.

    Args:
        rules: policy files of the user (or the one there is), loaded beside the shipped program
            and on a par with it.

    Raises:
        nlog.RuleError: a policy file has mistakes.
        StateError: a policy fails as it is, or makes what is no flow.
    """

    def __init__(self, rules: FilePath | Iterable[FilePath] = ()) -> None:
        self._store = Store()
        self.logical = LogicalController([rules] if isinstance(rules, str | PathLike) else rules)
        self.physical = PhysicalController()
        with self.physical.engine.transaction() as tx:
            self.physical.prepare(tx, self.logical.initial)
        self._listeners: list[Listener] = []
        self._reports = Reports()
        self._history: deque[Change] = deque(maxlen=HISTORY_MAX)

    def __repr__(self) -> str:
        counts = (f"{len(self._store.keys(kind))} {kind}" for kind in KINDS)
        return f"<NetworkState: {', '.join(counts)}>"

    def load(self, document: str | PathLike[str] | Mapping[str, Any]) -> Change:
        """Make the network what a document says, by the differences; all or nothing.

        Args:
            document: the path of a JSON or YAML file, or a mapping of the same form.

        Raises:
            StateError: the document is refused; `problems` has everything wrong with it.
        """
        entities = load_document(document)
        with self.transaction() as tx:
            tx.become(entities)
        return tx.change

    def dump(self) -> dict[str, Any]:
        """The network as a document that `load` takes."""
        return dump_document(self._store)

    def transaction(self) -> "NetworkTransaction":
        """A transaction, to be used in a `with` statement; committed when that ends well."""
        return NetworkTransaction(self, self._store)

    def get(self, kind: str, key: Key) -> Entity | None:
        """The entity of a kind ("host", "switch", "port", "acl") and key, or None."""
        record = self._store.record(kind, key)
        return None if record is None else record.entity

    def entities(self, kind: str) -> list[Entity]:
        """All entities of a kind, in document order."""
        return [record.entity for record in self._store.records(kind)]

    def record(self, kind: str, key: Key) -> Record | None:
        """The entity with the numbers that packets know it by, or None."""
        return self._store.record(kind, key)

    def flows(self, host: str) -> "HostFlows":
        """The flows, groups that do not copy to all, and buckets that rules give a host.

        A list, with `subscribe` to hear of changes.

        Raises:
            StateError: there is no such host.
        """
        self.require_host(host)
        engine = self.physical.engine
        flows = [to_flow(*row[1:]) for row in engine["physical_flow"].where(host=host)]
        known = [flow for flow in flows if flow is not None]
        known.sort(key=lambda flow: (flow.table, -flow.priority, str(flow.match)))
        buckets = [to_bucket(*row[1:]) for row in engine["physical_bucket"].where(host=host)]
        groups = [to_group(*row[1:]) for row in engine["physical_group"].where(host=host)]
        found = HostFlows(known)
        found += sorted(groups, key=lambda group: group.identity)
        found += sorted(buckets, key=lambda bucket: bucket.identity)
        found.host, found.state = host, self
        return found

    def rows(self, host: str) -> HostDelta:
        """All rows that rules give a host, as an agent takes them. StateError if there is none."""
        self.require_host(host)
        engine = self.physical.engine
        found = {table: list(engine[table].where(host=host)) for table in OUTPUTS}
        return by_host(found, {}).get(host, HostDelta())

    def tunnels(self, host: str) -> list[tuple[str, IPv4Address, int]]:
        """A host's tunnels: (remote host, its IP, port number). StateError if there is none."""
        return sorted(self.rows(host).tunnels_added)

    def add_rules(self, policy: str | PathLike[str], name: str | None = None) -> None:
        """Add a policy while everything runs: rules as text, or a file given as a Path.

        Flows change as by any commit, at the cost of what the rules derive. `name` is what
        `remove_rules` takes: the file's path, or `<rules>`, if it is not given.

        Raises:
            nlog.RuleError: the rules have mistakes.
            StateError: the name is taken, a rule fails, or makes what is no flow, or a constraint
                does not hold. Nothing has changed in each case.
        """
        self._change_policy(lambda tx: tx.add_rules(policy, name))

    def remove_rules(self, name: str | PathLike[str]) -> None:
        """Remove a policy, one of `rules`; as `add_rules` otherwise."""
        name = str(name) if isinstance(name, PathLike) else name
        if name == self.rules[0]:
            text = "the rules that come with the project stay: policies come and go"
            raise StateError([Problem(name, "", text)])
        self._change_policy(lambda tx: tx.remove_rules(name))

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the rules that make logical networks: the shipped ones, then policies."""
        return self.logical.engine.rules

    def _change_policy(self, change: Callable[[nlog.Transaction], None]) -> None:
        one, other = (it.engine.transaction() for it in (self.logical, self.physical))
        try:
            with one, other:
                deltas = self.physical.follow(other, (), self.logical.prepare_policy(one, change))
                nlog.publish(one, other)
        except nlog.TransactionError as error:
            raise StateError([Problem("rules", "", str(error))]) from None
        self._tell(Change(), deltas)

    def warnings(self) -> list[tuple[str, str, str]]:
        """What rules find odd about the network, and what is odd about policies.

        Returns:
            (object, code, text) of each; the object of a policy's rule is its place.
        """
        engines = (self.logical.engine, self.physical.engine)
        found = [row for engine in engines for row in engine["warning"]]
        return sorted(found + self.logical.odd_rules)

    def report_tunnel(self, host: str, remote: str, *, up: bool) -> None:
        """Take from a host that its tunnel to another works, or does not.

        A fact like any other: rules may do with it what they want. Tunnels nobody reports on
        are taken to work.

        Raises:
            StateError: there is no such host, they are one, or a rule fails on the fact; nothing
                has changed.
        """
        self.require_host(host)
        self.require_host(remote)
        if host == remote:
            text = "has no tunnel to itself"
            raise StateError([Problem(title("host", host), "", text)])
        about = ("host", host), ("host", remote)
        down = Report(PHYSICAL, "tunnel_down", (host, remote), about)
        self._report(("tunnel_down", host, remote), None if up else down)

    def report_backend(self, backend: str, *, up: bool) -> None:
        """Take from whoever watches it that a backend of load balancers works, or does not.

        Connections that it has keep it; new ones go to others. Backends nobody reports on are taken
        to work.

        Args:
            backend: an address and a port, `10.0.0.2:80`; an address alone speaks for all its
                ports, beside what is reported of each.
            up: whether it works.

        Raises:
            StateError: that is no such address, or a rule fails on the fact; nothing has changed.
        """
        try:
            row = split_endpoint(backend)
        except ValueError as error:
            raise StateError([Problem("backend", "", str(error))]) from None
        down = Report(LOGICAL, "backend_down", row)
        self._report(("backend_down", *map(str, row)), None if up else down)

    def report_neighbour(self, port: str, ip: str, mac: str | None) -> None:
        """Take from a host that a machine has told a router's port which MAC its address has.

        Configuration goes before it, and it goes with the port.

        Args:
            port: the router port.
            ip: the machine's address, of either family.
            mac: its MAC address; None: forget it.

        Raises:
            StateError: there is no such port, or an address is none; nothing has changed.
        """
        known = self.record("router-port", port)
        if known is None:
            ports = (str(key) for key in self._store.keys("router-port"))
            text = f"does not exist{did_you_mean(port, ports)}"
            raise StateError([Problem(title("router-port", port), "", text)])
        try:
            ip, mac = checks.any_ip(ip), None if mac is None else checks.mac(mac)
        except ValueError as error:
            raise StateError([Problem(known.entity.title, "neighbour", str(error))]) from None
        table = "learned6" if ":" in ip else "learned"
        told = (("router-port", port),)
        report = None if mac is None else Report(LOGICAL, table, (port, ip, mac), told)
        self._report((table, port, ip), report)

    def _report(self, key: ReportKey, report: Report | None) -> None:
        """Have a report hold in place of the one of its key, if that is news."""
        if report == self._reports.held(key):
            return
        there = [key] if self._reports.held(key) else []
        facts = [*self._reports.withdrawn(there)]
        if report is not None:
            facts.append(FactDelta(report.program, report.table, (report.row,), ()))
        one, other = (it.engine.transaction() for it in (self.logical, self.physical))
        with one, other:
            deltas = self._pass_on(one, other, facts)
            nlog.publish(one, other)
        self._reports.put(key, report)
        self._tell(Change(), deltas)

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every later commit, and now with all that is there."""
        everything = Change(
            added=tuple(record for kind in ("host", "port") for record in self._store.records(kind))
        )
        rows = {table: self.physical.engine[table] for table in OUTPUTS}
        listener(NetworkChange(everything, by_host(rows, {})))
        self._listeners.append(listener)

    @property
    def history(self) -> tuple[Change, ...]:
        """The last commits that `undo` can take back, the latest last; at most `HISTORY_MAX`."""
        return tuple(self._history)

    def undo(self) -> Change:
        """Take the last commit back, by one that does the opposite; what that did.

        Entities that come back may be known to packets by other numbers than before.

        Raises:
            StateError: something that is there now is in the way; nothing has changed.
            ValueError: there is no commit in `history`.
        """
        if not self._history:
            raise ValueError("there is no commit to take back")
        last = self._history[-1]
        with self.transaction() as tx:
            tx.remove(*(record.entity for record in last.added))
            tx.add(*(record.entity for record in last.removed))
            tx.replace(*(old.entity for old, _ in last.replaced))
        self._history.pop()
        self._history.pop()
        return tx.change

    def follow(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every later commit; what is returned ends that."""
        self._listeners.append(listener)
        left = [listener]

        def end() -> None:
            if left:
                self._listeners.remove(left.pop())

        return end

    def require_host(self, host: str) -> None:
        """Raise StateError if there is no such host."""
        if self._store.record("host", host) is None:
            known = (str(key) for key in self._store.keys("host"))
            text = f"does not exist{did_you_mean(host, known)}"
            raise StateError([Problem(title("host", host), "", text)])

    def carry(self, change: Change) -> None:
        """Bring a change of the store to the controllers and to those who listen.

        Only transactions call this. Raises StateError, or what else stopped it, with everything
        as it was before; ExceptionGroup if all is done, but not every listener could follow.
        """
        deltas: nlog.Changes | None = None
        one, other = (it.engine.transaction() for it in (self.logical, self.physical))
        try:
            with one, other:
                deltas = self._prepare(one, other, change)
                nlog.publish(one, other)
        finally:
            if other.is_committed and deltas is not None:
                for key in self._reports.ended_by(change):
                    self._reports.put(key, None)
                self._history.append(change)
                self._tell(change, deltas)
            else:
                self._store.revert(change)

    def preview(self, change: Change) -> dict[str, HostDelta]:
        """What a change of the store would do to each host; the store is reverted after it.

        Only transactions call this. Raises StateError if a controller would refuse it.
        """
        hosts: dict[str, HostDelta] = {}
        one, other = (it.engine.transaction() for it in (self.logical, self.physical))
        try:
            with suppress(_Enough), one, other:
                hosts = _by_host(self._prepare(one, other, change))
                raise _Enough
        finally:
            self._store.revert(change)
        return hosts

    def _prepare(
        self, one: nlog.Transaction, other: nlog.Transaction, change: Change
    ) -> nlog.Changes:
        ended = self._reports.withdrawn(self._reports.ended_by(change))
        return self._pass_on(one, other, [*facts_of(change), *ended])

    def _pass_on(
        self, one: nlog.Transaction, other: nlog.Transaction, facts: list[FactDelta]
    ) -> nlog.Changes:
        changes = self.logical.prepare(one, [it for it in facts if it.program == LOGICAL])
        physical = [it for it in facts if it.program == PHYSICAL]
        return self.physical.follow(other, physical, changes)

    def _tell(self, change: Change, deltas: nlog.Changes) -> None:
        """Call every listener, whatever others do; an ExceptionGroup has what they raised."""
        if not self._listeners:
            return
        hosts = _by_host(deltas)
        errors = []
        for listener in [*self._listeners]:
            try:
                listener(NetworkChange(change, hosts))
            except Exception as error:  # noqa: BLE001 - raised below, with all others
                errors.append(error)
        if errors:
            raise ExceptionGroup("the change is committed, but listeners failed", errors)


class HostFlows(list[Flow | Bucket | GroupType]):
    """What a host has, as `NetworkState.flows` found it."""

    host: str
    state: NetworkState

    def subscribe(self, listener: Callable[[HostDelta], None]) -> Callable[[], None]:
        """Call `listener` with what each later commit changes for the host, if it does.

        Returns:
            what ends that, when it is called.
        """

        def tell(change: NetworkChange) -> None:
            if self.host in change.hosts:
                listener(change.hosts[self.host])

        return self.state.follow(tell)


class _Enough(Exception):  # noqa: N818  # no error: it takes back what was prepared
    """What was to be known is known."""


def _by_host(deltas: nlog.Changes) -> dict[str, HostDelta]:
    return by_host(
        {table: deltas[table].inserted for table in OUTPUTS},
        {table: deltas[table].deleted for table in OUTPUTS},
    )


class NetworkTransaction(Transaction):
    """A transaction of the store whose commit also reaches the controllers, or undoes itself."""

    def __init__(self, network: NetworkState, store: Store) -> None:
        super().__init__(store)
        self._network = network

    def preview(self) -> dict[str, HostDelta]:
        """What the operations so far would change on each host, if they were committed now.

        Raises:
            StateError: they would be refused.
        """
        change = super().commit()
        self._change = None
        return self._network.preview(change) if change else {}

    def commit(self) -> Change:
        """Commit. Raises StateError if anything refuses; nothing has changed then."""
        change = super().commit()
        self._change = None
        if change:
            self._network.carry(change)
        self._change = change
        return change
