"""Numbers for things: the smallest free one, kept until it is given back.

A `NumberPool` answers like a set of the numbers in use, and nothing but that set decides what it
hands out next; so whoever undoes a change by giving back and claiming the same numbers restores
it exactly. Handing out and giving back cost O(log n).
"""

from heapq import heappop, heappush


class NumberPool:
    """The numbers 1, 2, 3, … of which each is free or in use."""

    def __init__(self) -> None:
        self._next = 1  # every number from here on is free, and not in _free
        self._free: set[int] = set()
        self._heap: list[int] = []  # all of _free, and some numbers claimed since they were pushed
        self._pushed: set[int] = set()

    def __len__(self) -> int:
        return self._next - 1 - len(self._free)

    def allocate(self) -> int:
        """Hand out the smallest free number."""
        while self._heap:
            number = heappop(self._heap)
            self._pushed.discard(number)
            if number in self._free:
                self._free.remove(number)
                return number
        self._next += 1
        return self._next - 1

    def claim(self, number: int) -> None:
        """Hand out this number, which is free."""
        while self._next <= number:
            self._push(self._next)
            self._next += 1
        self._free.remove(number)

    def release(self, number: int) -> None:
        """Take back a number in use."""
        assert 0 < number < self._next
        assert number not in self._free
        self._push(number)

    def _push(self, number: int) -> None:
        self._free.add(number)
        if number not in self._pushed:
            self._pushed.add(number)
            heappush(self._heap, number)
