"""A real Open vSwitch as the switch of a host: `apply` makes it have what the rules want there.

The database server is told of the bridge, its ports and its tunnels (`database`), the bridge of
groups and flows, in one bundle (`openflow`). What is there already is compared with what is
wanted, and the difference is made: nothing is touched that is right, so counters and connections
live on, and applying the same again changes nothing.

Order, and what holds if something is refused: the numbers of ports are checked first; then the
bundle, of which the switch takes all or nothing; then the ports, in one transaction. If a step is
refused those before it are taken back. Only when a daemon that has taken all of it cannot open a
device does the rest stay, since the database still says what is wanted.

Tunnels are Geneve, whose key has 24 bits, where STT's has 64. Cost: two processes to compare, a
third to change; all rows of the bridge are read once.
"""

from nvp_state.openvswitch.reconcile import Applied, apply
from nvp_state.openvswitch.target import Target

__all__ = ["Applied", "Target", "apply"]
