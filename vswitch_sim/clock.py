"""Simulated time: what happens when, and in which order.

Everything that takes time in a fabric (a link, a timer, a timeout) asks the clock to call it back.
Time stands still while code runs and jumps from one callback to the next; callbacks of one
instant run in the order in which they were asked for. So a run depends on nothing but its inputs
and its seed.

The order of events is SimPy's; times are whole nanoseconds, so that sums do not drift.
"""

from collections.abc import Callable

import simpy
from attrs import define

NS_PER_S = 1_000_000_000


@define(eq=False)
class Timer:
    """A callback to come, which `cancel` calls off."""

    _action: Callable[[], None] | None

    def cancel(self) -> None:
        """Call it off; nothing happens if it has run already."""
        self._action = None

    def run(self) -> None:
        """Call back now; the clock does so when the time has come."""
        action, self._action = self._action, None
        if action is not None:
            action()


class Clock:
    """A clock that starts at zero."""

    def __init__(self) -> None:
        self._environment = simpy.Environment(0)

    @property
    def now_ns(self) -> int:
        """Nanoseconds since the start."""
        return int(self._environment.now)

    @property
    def now_s(self) -> float:
        """Seconds since the start."""
        return self.now_ns / NS_PER_S

    def after(self, delay_s: float, action: Callable[[], None]) -> Timer:
        """Call `action` when `delay_s` seconds, rounded to nanoseconds, have passed.

        Raises:
            ValueError: the delay is negative or no number.
        """
        return self.after_ns(round(delay_s * NS_PER_S), action)

    def after_ns(self, delay_ns: int, action: Callable[[], None]) -> Timer:
        """Call `action` when `delay_ns` nanoseconds have passed. ValueError if negative."""
        timer = Timer(action)
        event = self._environment.timeout(delay_ns)
        event.callbacks.append(lambda _: timer.run())
        return timer

    def run_for(self, seconds: float) -> None:
        """Let that much time pass, and all that is due in it happen, its last instant included.

        Raises:
            ValueError: the time is negative.
        """
        if not seconds >= 0:
            raise ValueError(f"time does not go back: {seconds} s")
        end = self.now_ns + round(seconds * NS_PER_S)
        while self._environment.peek() <= end:
            self._environment.step()
        if end > self.now_ns:
            self._environment.run(until=end)

    def run_while(self, busy: Callable[[], bool]) -> None:
        """Let things happen, one after the other, as long as `busy` says so and any are due."""
        while busy() and self._environment.peek() != simpy.core.Infinity:
            self._environment.step()
