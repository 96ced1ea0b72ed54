"""Explanations: which rule and which rows a row came from, down to the input rows.

A derivation is a smallest one: no other of its row applies rules fewer times, where a row that is
used twice counts twice. In a recursive table a row may be derived from itself in a circle; the
smallest derivation never is, for it is larger than each of its parts.

The search goes backward, a level at a time: from the row asked for to the bodies that derive it, by
the check plans of its table's rules, then to the rows of these bodies, and so on. What is known
of sizes goes forward (after Knuth, "A Generalization of Dijkstra's Algorithm", 1977): a body of
which all rows have derivations gives its head one of a size more than all of theirs, and a row that
gets a smaller one hands that on. A derivation that leads through a row of level n, the row
asked for being of level 0, applies at least n + 1 rules. So the search ends when the smallest
derivation found is no larger than that.

Few bodies a rule and row are read at first, and more if one that was left out could be smaller.
Where a row has a great many derivations and none is small, as in a closure over itself of a long
chain, to know the smallest would mean to read them all. So when BODIES_MAX are read, the smallest
found is taken, or else the first that is found depth first, and its `is_smallest` is false.

Of an aggregate, the premises are the rows of the body that gave `min`, `max` or `any` its value,
or of all bodies of the group, up to a limit. The tables in which the engine keeps it do not count.

Cost: look-ups in proportion to the rows and bodies within that distance. Where derivations are
chains, that is the part of the graph no further away than the nearest inputs. Nothing is kept
during commits; a first explanation may make indexes, which stay.
"""

from collections import defaultdict
from collections.abc import Iterator
from heapq import heappop, heappush
from math import inf
from typing import Any

from attrs import define, field, frozen

from nlog.engine import _core
from nlog.layout import Layout
from nlog.plan import UNIT_TABLE, StartPlan
from nlog.planner import plan_check
from nlog.program import Assign, Atom, Const, Expr, Program, Rule, Table, Term, Var
from nlog.show import counted, show_row, show_value

Row = tuple[Any, ...]
Fact = tuple[str, Row]

# Bodies read of one rule for one row at first; each time that is not enough, as many times more.
BODIES_FIRST = 16
# Bodies read in all before any derivation will do: a second or two.
BODIES_MAX = 50_000
# Where a member of a group stands that gave an aggregate its value, whichever is chosen.
CHOICE_TABLE = "$choice"
# Levels of the drawn tree that are indented; beyond, a number tells the level.
INDENTED_MAX = 40
# Rows shown of a group, where all of them have their part in an aggregate.
MEMBERS_MAX = 100


@frozen(repr=False, eq=False)
class Derivation:
    """A row, the rule that derives it, and the derivations of the rows that rule joined.

    `rule` is None for an input row. `absent` are the rows that had to be missing, as a rule writes
    them, `_` for any value. `is_smallest` says that none applies rules fewer times; where it is
    false, there were too many to be looked at. `str()` draws the tree, and a part that
    comes again but once.
    """

    declared: Table
    row: Row
    rule: Rule | None = None
    premises: tuple["Derivation", ...] = field(default=())
    absent: tuple[str, ...] = field(default=())
    is_smallest: bool = field(default=True)

    @property
    def table(self) -> str:
        """The name of the table the row is in."""
        return self.declared.name

    @property
    def size(self) -> int:
        """How many times rules are applied, counting a row as often as it is used."""
        sizes: dict[int, int] = {}
        for node in reversed([*self._parts()]):
            parts = (sizes[id(premise)] for premise in node.premises)
            sizes[id(node)] = (node.rule is not None) + sum(parts)
        return sizes[id(self)]

    def __str__(self) -> str:
        lines = []
        drawn: set[int] = set()
        rest = [(0, self)]
        while rest:
            depth, node = rest.pop()
            indent = _indent(depth)
            origin = node.rule.name if node.rule else "input"
            is_again = id(node) in drawn and bool(node.premises)
            again = ", as above" if is_again else ""
            lines.append(f"{indent}{show_row(node.declared, node.row)}  [{origin}{again}]")
            if not is_again:
                drawn.add(id(node))
                lines += [f"{_indent(depth + 1)}no {row}" for row in node.absent]
                rest += [(depth + 1, premise) for premise in reversed(node.premises)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        size = counted(sum(1 for _ in self._parts()), "row")
        return f"<Derivation of {show_row(self.declared, self.row)}: {size}>"

    def __eq__(self, other: object) -> bool:
        """Whether both say the same; without recursion, since trees may be deep."""
        if not isinstance(other, Derivation):
            return NotImplemented
        seen: set[tuple[int, int]] = set()
        rest = [(self, other)]
        while rest:
            one, two = rest.pop()
            if one is two or (id(one), id(two)) in seen:
                continue
            seen.add((id(one), id(two)))
            if one._step() != two._step() or len(one.premises) != len(two.premises):
                return False
            rest += zip(one.premises, two.premises, strict=True)
        return True

    def __hash__(self) -> int:
        return hash((self.table, self.row))

    def inputs(self) -> Iterator["Derivation"]:
        """The leaves that are input rows, each once: what it all rests on."""
        return (node for node in self._parts() if node.rule is None)

    def _step(self) -> tuple[Any, ...]:
        return self.table, self.row, self.rule, self.absent

    def _parts(self) -> Iterator["Derivation"]:
        """Every part once, those that rest on another before it; without recursion."""
        uses: dict[int, int] = defaultdict(int)
        parts = {id(self): self}
        rest = [self]
        while rest:
            for premise in rest.pop().premises:
                uses[id(premise)] += 1
                if id(premise) not in parts:
                    parts[id(premise)] = premise
                    rest.append(premise)
        ready = [self]
        while ready:
            node = ready.pop()
            yield node
            for premise in reversed(node.premises):
                uses[id(premise)] -= 1
                if uses[id(premise)] == 0:
                    ready.append(premise)


def _indent(depth: int) -> str:
    beyond = f"{depth}: " if depth > INDENTED_MAX else ""
    return "  " * min(depth, INDENTED_MAX) + beyond


@define(eq=False)
class _Body:
    """A body that derives `head`, of the facts `premises`, which counts for `weight` rules."""

    head: Fact
    rule: Rule
    premises: list[Fact]
    weight: int


class Explainer:
    """Finds derivations in the committed tables of one core, of a program and as it was lowered."""

    def __init__(
        self, program: Program, lowered: Program, layout: Layout, core: _core.Database
    ) -> None:
        self._written = program
        self._program = lowered
        self._layout = layout
        self._core = core
        self._names = layout.names
        self._plans: dict[tuple[str, int], StartPlan] = {}
        self._rules: dict[str, list[Rule]] = {}
        for rule in lowered.rules:
            self._rules.setdefault(rule.head, []).append(rule)

    def explain(self, table: str, row: Row) -> Derivation:
        """A smallest derivation of a row that is in the table."""
        if self.is_input(table):
            return self.input((table, row))
        limit, read = BODIES_FIRST, 0
        while read <= BODIES_MAX:
            search = _Search(self, (table, row), limit)
            search.run(BODIES_MAX - read)
            if search.is_done:
                return search.derivation()
            limit, read = limit * BODIES_FIRST, read + search.read
        limit = BODIES_FIRST
        while True:
            search = _Search(self, (table, row), limit)
            if search.run_to_any():
                return search.derivation()
            limit *= BODIES_FIRST

    def is_input(self, table: str) -> bool:
        """Whether rows of `table` need no derivation."""
        return table != CHOICE_TABLE and self._program.tables[table].kind == "input"

    def bodies(self, fact: Fact, limit: int) -> tuple[list[_Body], bool]:
        """Up to `limit` bodies a rule that derive a fact, and whether there may be more."""
        table, row = fact
        if table == CHOICE_TABLE:
            rule, members = self._choices(row, limit)
            bodies = [_Body(fact, rule, [member], 0) for member in members]
            return bodies, len(bodies) == limit
        found: list[_Body] = []
        is_cut = False
        for rule in self._rules.get(table, ()):
            if rule.aggregates:
                found.append(_Body(fact, rule, self._members(rule, row), 0))
                continue
            derived = self._core.derivations(self._check(rule), row, limit)
            is_cut |= len(derived) == limit
            for body in derived:
                premises = [(self._names[number], premise) for number, premise in body]
                premises = [premise for premise in premises if premise[0] != UNIT_TABLE]
                found.append(_Body(fact, rule, premises, 0 if table.startswith("$") else 1))
        return found, is_cut

    def _members(self, rule: Rule, row: Row) -> list[Fact]:
        """What an aggregate is of: rows that have the value, or else all of the group."""
        (source,) = rule.atoms
        group = row[: len(rule.group)]
        if all(aggregate.function in {"min", "max"} for aggregate in rule.aggregates):
            values = zip(rule.aggregates, row[len(group) :], strict=True)
            places = [(source.terms.index(aggregate.value), value) for aggregate, value in values]
            return [(CHOICE_TABLE, (rule.head, *place, *group)) for place in places]
        members = self._selected(source.table, len(group), dict(enumerate(group)))
        return [(source.table, member) for member in members[:MEMBERS_MAX]]

    def _choices(self, row: Row, limit: int) -> tuple[Rule, list[Fact]]:
        """Members of a group that have its `min` or `max`; `row` says of what, and in which."""
        head, place, value, *group = row
        (rule,) = self._rules[head]
        (source,) = rule.atoms
        where = dict(enumerate(group)) | {place: value}
        members = self._selected(source.table, len(group), where)
        return rule, [(source.table, member) for member in members[:limit]]

    def _selected(self, table: str, group: int, where: dict[int, Any]) -> list[Row]:
        number = self._layout.numbers[table]
        self._layout.index(table, tuple(range(group)))
        self._core.add_index(number, range(group))
        return self._core.rows(number, where)

    def input(self, fact: Fact) -> Derivation:
        """An input row, which needs no derivation."""
        return Derivation(self._program.tables[fact[0]], fact[1])

    def derivation(
        self, body: _Body, done: dict[Fact, Derivation], *, is_smallest: bool
    ) -> Derivation:
        """The derivation of a fact by a body whose facts are derived already.

        Tables that only the planner knows give way to what their rows rest on.
        """
        table, row = body.head
        parts = [done[premise] for premise in body.premises]
        if table == CHOICE_TABLE:
            return parts[0]
        premises: list[Derivation] = []
        for part in parts:
            premises += part.premises if part.table.startswith("$") else (part,)
        if table.startswith("$"):
            premises = [*{(one.table, one.row): one for one in premises}.values()]
        absent = self._absent(body, premises)
        declared = self._program.tables[table]
        return Derivation(declared, row, body.rule, tuple(premises), absent, is_smallest)

    def _absent(self, body: _Body, premises: list[Derivation]) -> tuple[str, ...]:
        """The rows that the rule, as it is written, wants missing, with the values it knows.

        `premises` has one for each positive atom of it.
        """
        if body.weight == 0:
            return ()
        rule = self._written.rules[body.rule.number]
        negated = [atom for atom in rule.atoms if atom.negated]
        if not negated or rule.aggregates:
            return ()
        pairs: list[tuple[Expr | Term, Any]] = [*zip(body.rule.group, body.head[1], strict=True)]
        positive = [atom for atom in rule.atoms if not atom.negated]
        for atom, premise in zip(positive, premises, strict=True):
            pairs += zip(atom.terms, premise.row, strict=True)
        known = {term.name: value for term, value in pairs if isinstance(term, Var)}
        for literal in rule.body:
            if isinstance(literal, Assign) and isinstance(literal.value, Const):
                known[literal.var.name] = literal.value.value
        return tuple(self._show(atom, known) for atom in negated)

    def _show(self, atom: Atom, known: dict[str, Any]) -> str:
        shown = []
        for term in atom.terms:
            if isinstance(term, Const):
                shown.append(show_value(term.value, term.type))
            elif isinstance(term, Var) and term.name in known:
                shown.append(show_value(known[term.name], term.type))
            elif isinstance(term, Var):
                shown.append("…" if term.name.startswith("$") else term.name)
            else:
                shown.append("_")
        return f"{atom.table}({', '.join(shown)})"

    def _check(self, rule: Rule) -> StartPlan:
        """The rule's check plan; the core gets the indexes it needs when it is first made."""
        key = rule.head, rule.number
        if key not in self._plans:
            before = {name: len(indexes) for name, indexes in self._layout.indexes.items()}
            self._plans[key] = plan_check(rule, self._layout)
            for name, indexes in self._layout.indexes.items():
                for columns in indexes[before.get(name, 0) :]:
                    self._core.add_index(self._layout.numbers[name], columns)
        return self._plans[key]


class _Search:
    """One search for a derivation of `goal`, by up to `limit` bodies a rule and row.

    `read` is how many bodies it has read.
    """

    def __init__(self, explainer: Explainer, goal: Fact, limit: int) -> None:
        self._explainer = explainer
        self._goal = goal
        self._limit = limit
        self.read = 0
        # Of each fact with a derivation: the size of the smallest so far, and its last step.
        self._sizes: dict[Fact, int] = {}
        self._steps: dict[Fact, _Body | None] = {}
        self._uses: defaultdict[Fact, list[_Body]] = defaultdict(list)
        self._seen = {goal}
        # A derivation that was not looked at applies at least as many rules.
        self._bound: float = 1
        self._bound_of_cut = inf
        self._is_spent = False

    def run(self, bodies_max: int) -> None:
        """Search until the smallest is found, or cannot be, or `bodies_max` bodies are read."""
        level = [self._goal]
        while level:
            following: list[Fact] = []
            for fact in level:
                self._is_spent = self.read > bodies_max
                if self._is_spent or self._is_settled:
                    return
                following += self._expand(fact)
            level, self._bound = following, self._bound + 1
        self._bound = inf

    def run_to_any(self) -> bool:
        """Search depth first until any derivation is found; whether there is one."""
        rest = [self._goal]
        while rest and not self._is_found:
            rest += self._expand(rest.pop())
        assert self._is_found or self._bound_of_cut < inf, "a row in a table without a derivation"
        return self._is_found

    @property
    def is_done(self) -> bool:
        """Whether what was found is a smallest, or the best that can be had."""
        is_whole = self._bound == self._bound_of_cut == inf
        assert self._is_found or not is_whole, "a row in a table without a derivation"
        return self._is_found and (self._is_smallest or self._is_spent)

    @property
    def _is_found(self) -> bool:
        return self._goal in self._sizes

    @property
    def _is_settled(self) -> bool:
        """Whether to search on is of no use: with as few bodies a row, at any rate."""
        is_out_of_reach = self._bound > self._bound_of_cut
        return self._is_found and (is_out_of_reach or self._sizes[self._goal] <= self._bound)

    @property
    def _is_smallest(self) -> bool:
        return self._sizes[self._goal] <= min(self._bound, self._bound_of_cut)

    def _expand(self, fact: Fact) -> list[Fact]:
        """Read the bodies of a fact; the facts that were not met before and are to be expanded.

        Those of tables that only the planner knows apply no rule, so they are expanded at once.
        """
        found: list[Fact] = []
        rest = [fact]
        while rest:
            bodies, is_cut = self._explainer.bodies(rest.pop(), self._limit)
            self.read += len(bodies)
            if is_cut:
                self._bound_of_cut = min(self._bound_of_cut, self._bound)
            for body in bodies:
                for premise in {*body.premises}:
                    self._uses[premise].append(body)
                for premise in dict.fromkeys(body.premises):
                    if premise not in self._seen:
                        self._seen.add(premise)
                        if self._explainer.is_input(premise[0]):
                            self._sizes[premise], self._steps[premise] = 0, None
                        else:
                            (rest if premise[0].startswith("$") else found).append(premise)
                self._derive(body)
        return found

    def _derive(self, body: _Body) -> None:
        """Take note of a body, and of what follows; the smallest first."""
        rest: list[tuple[int, int, _Body]] = []
        self._offer(body, rest)
        while rest:
            size, _, step = heappop(rest)
            if self._sizes.get(step.head, inf) > size:
                self._sizes[step.head], self._steps[step.head] = size, step
                for use in self._uses[step.head]:
                    self._offer(use, rest)

    def _offer(self, body: _Body, rest: list[tuple[int, int, _Body]]) -> None:
        if all(premise in self._sizes for premise in body.premises):
            size = body.weight + sum(self._sizes[premise] for premise in body.premises)
            if self._sizes.get(body.head, inf) > size:
                heappush(rest, (size, id(body), body))

    def derivation(self) -> Derivation:
        """The smallest that was found."""
        done: dict[Fact, Derivation] = {}
        rest = [self._goal]
        while rest:
            fact = rest[-1]
            step = self._steps[fact]
            missing = [premise for premise in step.premises if premise not in done] if step else []
            if missing:
                rest += reversed(missing)
                continue
            rest.pop()
            if step is None:
                done[fact] = self._explainer.input(fact)
            elif fact not in done:
                done[fact] = self._explainer.derivation(step, done, is_smallest=self._is_smallest)
        return done[self._goal]
