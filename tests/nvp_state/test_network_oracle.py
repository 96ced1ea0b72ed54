"""Random frames through random networks: what comes out is what the entities say, no more."""

from hypothesis import event, given, settings

from nvp_state import Emulation, NetworkState
from tests.nvp_state import labs


@settings(labs.SEEDED, max_examples=64)
@given(labs.randoms)
def test_frames_come_out_where_the_oracle_says(random):
    network = labs.a_network(random)
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(*network)
    outcomes = labs.assert_explained(random, Emulation(state), network, 40)
    event(f"delivered {10 * ((outcomes[1] + outcomes[2]) // 10)} or more")
    event(f"copied {10 * (outcomes[2] // 10)} or more")
