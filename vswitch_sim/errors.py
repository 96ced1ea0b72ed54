"""What the simulator refuses, and how it says so.

Both errors mean the same promise: the call changed nothing. The message names the thing at fault
and, where there is one, the way out. Packets never raise: a bad packet is a named drop counter.
"""


class FlowError(ValueError):
    """A field, match, action, flow, bucket or flow update that OpenFlow does not allow."""


class TopologyError(ValueError):
    """A port, host, tunnel or link that does not exist, exists already, or cannot be."""
