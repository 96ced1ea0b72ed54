"""Graphs of names: components, their order, and the way from one name to another.

A graph is a mapping from every node to the nodes that its edges lead to, in an order that decides
whatever the graph leaves open, so that one program always has one order of strata. A large library
does the same, but takes longer to be imported than a program of hundreds of rules to be loaded.

Cost: linear in nodes and edges, but for a logarithm in `components`.
"""

from collections import deque
from collections.abc import Collection, Mapping
from heapq import heappop, heappush

Graph = Mapping[str, Collection[str]]


def components(graph: Graph) -> list[tuple[str, ...]]:
    """The strongly connected components, each after those that lead to it.

    Of components that may come next that with the first node of the graph does, and each has its
    nodes in the graph's order.
    """
    place = {node: number for number, node in enumerate(graph)}
    found = [sorted(members, key=place.__getitem__) for members in _strongly_connected(graph)]
    home = {node: number for number, members in enumerate(found) for node in members}
    below: list[set[int]] = [
        {home[after] for node in members for after in graph[node]} - {number}
        for number, members in enumerate(found)
    ]
    waits_for = [0] * len(found)
    for numbers in below:
        for number in numbers:
            waits_for[number] += 1
    ready: list[tuple[int, int]] = []
    for number, waits in enumerate(waits_for):
        if waits == 0:
            heappush(ready, (place[found[number][0]], number))
    ordered = []
    while ready:
        _, number = heappop(ready)
        ordered.append(tuple(found[number]))
        for after in below[number]:
            waits_for[after] -= 1
            if waits_for[after] == 0:
                heappush(ready, (place[found[after][0]], after))
    return ordered


def shortest_path(graph: Graph, start: str, end: str) -> list[str]:
    """The nodes of a shortest way, both ends included. Requires: there is one."""
    came_from = {start: start}
    rest = deque([start])
    while end not in came_from:
        node = rest.popleft()
        for after in graph[node]:
            if after not in came_from:
                came_from[after] = node
                rest.append(after)
    path = [end]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]


def _strongly_connected(graph: Graph) -> list[list[str]]:
    """The components in no order, by Tarjan's search (1972), without recursion."""
    entered: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_nodes: list[str] = []
    closed: set[str] = set()
    found: list[list[str]] = []
    for root in graph:
        if root in entered:
            continue
        entered[root] = lowest[root] = len(entered)
        open_nodes.append(root)
        path = [(root, iter(graph[root]))]
        while path:
            node, rest = path[-1]
            for after in rest:
                if after not in entered:
                    entered[after] = lowest[after] = len(entered)
                    open_nodes.append(after)
                    path.append((after, iter(graph[after])))
                    break
                if after not in closed:
                    lowest[node] = min(lowest[node], entered[after])
            else:
                path.pop()
                if path:
                    before = path[-1][0]
                    lowest[before] = min(lowest[before], lowest[node])
                if lowest[node] == entered[node]:
                    members = [open_nodes.pop()]
                    while members[-1] != node:
                        members.append(open_nodes.pop())
                    found.append(members)
                    closed.update(members)
    return found
