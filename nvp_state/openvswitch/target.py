"""Which Open vSwitch is meant: the folder of its sockets, the bridge, the kind of datapath.

ovs:/var/run/openvswitch
ovs:/var/run/openvswitch,bridge=br-int,datapath=netdev
"""

from pathlib import Path
from stat import S_ISSOCK

from attrs import frozen

from nvp_state.errors import Problem, StateError, did_you_mean

# Names of network devices have 15 characters at most, and our ports are named after the bridge.
BRIDGE_NAME_MAX = 15
FORM = "ovs:FOLDER[,bridge=NAME][,datapath=TYPE]"


@frozen
class Target:
    """An Open vSwitch and a bridge of it.

    Attributes:
        folder: where its sockets are, such as `/var/run/openvswitch`.
        bridge: the bridge that gets the flows.
        datapath: the `datapath_type` of the bridge if it has to be made; "" is the kernel's.
    """

    folder: Path
    bridge: str = "br-int"
    datapath: str = ""

    @classmethod
    def of(cls, text: str) -> "Target":
        """Read `ovs:FOLDER[,bridge=NAME][,datapath=TYPE]`. Raises StateError."""
        kind, colon, rest = text.partition(":")
        if kind != "ovs" or not colon:
            raise refusal(text, f"there is no such kind of switch; write {FORM}")
        folder, *options = rest.split(",")
        if not folder:
            raise refusal(text, f"names no folder; write {FORM}")
        chosen = {}
        for option in options:
            name, equals, value = option.partition("=")
            if name not in ("bridge", "datapath") or not equals or not value:
                hint = did_you_mean(name, ("bridge", "datapath"))
                raise refusal(text, f"{option!r} is no option of it; write {FORM}{hint}")
            chosen[name] = value
        target = cls(Path(folder), **chosen)
        if len(target.bridge) > BRIDGE_NAME_MAX or "/" in target.bridge:
            raise refusal(text, f"{target.bridge!r} is no name of a bridge: 1 to 15 characters")
        return target

    def __str__(self) -> str:
        return f"ovs:{self.folder},bridge={self.bridge}"

    @property
    def database(self) -> Path:
        """The socket of the database server."""
        return self.folder / "db.sock"

    @property
    def management(self) -> Path:
        """The socket at which the bridge speaks OpenFlow."""
        return self.folder / f"{self.bridge}.mgmt"

    def require_database(self) -> None:
        """Raise StateError unless there is a socket that the database server could listen at."""
        try:
            known = S_ISSOCK(self.database.stat().st_mode)
        except FileNotFoundError:
            known = False
        if not known:
            raise refusal(
                str(self),
                f"{self.database} is no socket: name the folder where ovsdb-server has it, and see "
                "that it runs",
            )


def refusal(switch: str, text: str, field: str = "") -> StateError:
    """The error that names a switch, or a part of it."""
    return StateError([Problem(f'switch "{switch}"', field, text)])
