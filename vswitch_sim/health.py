"""Whether a tunnel works: a BFD session for each (RFC 5880, asynchronous mode).

Both ends send control packets through the tunnel, again and again, and say in them what they
hear. A session is up when both hear each other; it goes down when one has heard nothing for three
intervals, or hears that the other has heard nothing. There is no echo, no demand mode and no
authentication.

The control packet stands in a frame of its own, UDP port 3784 at TTL 255 between link-local
addresses (RFC 5881), which goes through the tunnel like any other frame but never to the
switch. MAC and IP addresses are those of Open vSwitch's BFD.

Invariants: a session is up at one end only if the other end has heard it within its detection
time; while it is not up, it sends no more than once a second (RFC 5880, section 6.8.3).
"""

import random
import struct
from collections.abc import Callable
from enum import IntEnum
from ipaddress import IPv4Address

from attrs import frozen

from vswitch_sim.checksum import internet_checksum
from vswitch_sim.clock import Clock

INTERVAL_S = 0.3
DETECT_MULTIPLIER = 3
_SLOW_INTERVAL_S = 1.0
_US_PER_S = 1_000_000

_UDP_PORT = 3784
_SOURCE_PORT = 49152
_TTL = 255
_ETHERNET = bytes.fromhex("002320000001 002320000002 0800")
_ENDS = IPv4Address("169.254.1.1").packed + IPv4Address("169.254.1.0").packed
_IPV4 = struct.Struct("!BBHHHBBH8s")
_UDP = struct.Struct("!HHHH")
_CONTROL = struct.Struct("!BBBBIIIII")
_VERSION = 1 << 5
_FRAME_BYTES = len(_ETHERNET) + _IPV4.size + _UDP.size + _CONTROL.size


class State(IntEnum):
    """The states of RFC 5880, section 6.2; nobody shuts a session down by hand here."""

    DOWN = 1
    INIT = 2
    UP = 3


class Diagnostic(IntEnum):
    """Why a session last went down (RFC 5880, section 4.1)."""

    NONE = 0
    TIME_EXPIRED = 1
    NEIGHBOR_DOWN = 3


@frozen
class Control:
    """What a BFD control packet says; intervals in microseconds."""

    state: State
    diagnostic: Diagnostic
    multiplier: int
    mine: int
    yours: int
    transmit_us: int
    receive_us: int


def control_frame(control: Control) -> bytes:
    """The Ethernet frame of a control packet (RFC 5880, section 4.1)."""
    body = _CONTROL.pack(
        _VERSION | control.diagnostic,
        control.state << 6,
        control.multiplier,
        _CONTROL.size,
        control.mine,
        control.yours,
        control.transmit_us,
        control.receive_us,
        0,
    )
    datagram = _UDP.pack(_SOURCE_PORT, _UDP_PORT, _UDP.size + len(body), 0) + body
    total_bytes = _IPV4.size + len(datagram)
    header = _IPV4.pack(0x45, 0xC0, total_bytes, 0, 0, _TTL, 17, 0, _ENDS)
    checksum = internet_checksum(header).to_bytes(2, "big")
    return _ETHERNET + header[:10] + checksum + header[12:] + datagram


def read_control(frame: bytes) -> Control | None:
    """The control packet in a frame; None if there is none, or one that says nothing valid."""
    if len(frame) < _FRAME_BYTES or frame[:14] != _ETHERNET or frame[14] != 0x45:
        return None
    header = frame[14:34]
    if header[8] != _TTL or header[9] != 17 or internet_checksum(header):
        return None
    if int.from_bytes(frame[36:38], "big") != _UDP_PORT:
        return None
    first, second, multiplier, length, mine, yours, transmit_us, receive_us, _ = (
        _CONTROL.unpack_from(frame, 42)
    )
    known = {state.value for state in State}
    if first & 0xE0 != _VERSION or length != _CONTROL.size or second >> 6 not in known:
        return None
    if not multiplier or not mine or (not yours and second >> 6 != State.DOWN):
        return None
    diagnostic = Diagnostic(first & 0x1F) if first & 0x1F in (0, 1, 3) else Diagnostic.NONE
    state = State(second >> 6)
    return Control(state, diagnostic, multiplier, mine, yours, transmit_us, receive_us)


class Session:
    """One end of a tunnel's session."""

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        discriminator: int,
        transmit: Callable[[bytes], None],
        changed: Callable[[bool], None],
        interval_s: float = INTERVAL_S,
    ) -> None:
        """A session that is down and sends its first packet at once.

        Args:
            clock: when it sends and when it gives up.
            rng: of the jitter.
            discriminator: not 0, of no other session of this host.
            transmit: sends a frame through the tunnel.
            changed: hears of each change, with whether the tunnel works now; the first time when
                it comes up, or has not for three seconds.
            interval_s: how often to send while up, in seconds.
        """
        self.state = State.DOWN
        self._clock = clock
        self._rng = rng
        self._mine = discriminator
        self._yours = 0
        self._transmit = transmit
        self._changed = changed
        self._interval_s = interval_s
        self._diagnostic = Diagnostic.NONE
        self._remote_min_receive_s = 0.0
        self._is_closed = False
        self._told: bool | None = None
        # One that never came up is down, too, when it has been given its chance.
        self._detection = clock.after(DETECT_MULTIPLIER * _SLOW_INTERVAL_S, self._expire)
        self._sending = clock.after(0.0, self._send)

    def close(self) -> None:
        """Stop sending and listening, for good."""
        self._is_closed = True
        self._sending.cancel()
        self._detection.cancel()

    def receive(self, control: Control) -> None:
        """Take what the other end says (RFC 5880, section 6.8.6)."""
        if self._is_closed or control.yours not in (0, self._mine):
            return
        self._yours = control.mine
        self._remote_min_receive_s = control.receive_us / _US_PER_S
        self._detection.cancel()
        heard_every_s = max(self._interval_s, control.transmit_us / _US_PER_S)
        self._detection = self._clock.after(control.multiplier * heard_every_s, self._expire)
        before = self.state
        match self.state, control.state:
            case State.DOWN, State.DOWN:
                self._become(State.INIT)
            case (State.DOWN, State.INIT) | (State.INIT, State.INIT | State.UP):
                self._become(State.UP)
            case State.UP, State.DOWN:
                self._become(State.DOWN, Diagnostic.NEIGHBOR_DOWN)
        if before != self.state:
            # What changed is said at once, and not an interval later.
            self._sending.cancel()
            self._send()

    def _expire(self) -> None:
        self._yours = 0
        if self.state != State.DOWN:
            self._become(State.DOWN, Diagnostic.TIME_EXPIRED)
        self._tell(up=False)

    def _become(self, state: State, diagnostic: Diagnostic = Diagnostic.NONE) -> None:
        was_up = self.state == State.UP
        self.state, self._diagnostic = state, diagnostic
        if was_up or state == State.UP:
            self._tell(up=state == State.UP)

    def _tell(self, *, up: bool) -> None:
        if self._told is not up:
            self._told = up
            self._changed(up)

    def _interval_us(self) -> int:
        up = self.state == State.UP
        interval_s = self._interval_s if up else max(self._interval_s, _SLOW_INTERVAL_S)
        return round(interval_s * _US_PER_S)

    def _send(self) -> None:
        interval_us = self._interval_us()
        receive_us = round(self._interval_s * _US_PER_S)
        self._transmit(
            control_frame(
                Control(
                    self.state,
                    self._diagnostic,
                    DETECT_MULTIPLIER,
                    self._mine,
                    self._yours,
                    interval_us,
                    receive_us,
                )
            )
        )
        interval_s = max(interval_us / _US_PER_S, self._remote_min_receive_s)
        # RFC 5880, section 6.8.7: a quarter less at most, lest all hosts send at once.
        self._sending = self._clock.after(interval_s * self._rng.uniform(0.75, 1.0), self._send)
