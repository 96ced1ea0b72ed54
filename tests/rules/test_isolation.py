"""Tenants are apart: a change that would let packets pass from one to another is refused."""

import random
from itertools import combinations

import pytest
from attrs import evolve

from nvp_state import NetworkState, Router, RouterPort, StateError, Switch
from tests.rules.office import mac, state_of

TENANTS = ["acme", "globex", "initech"]


def link(name, router, switch=None, peer=None, number=1):
    return RouterPort(name, router, mac(256 + number), f"10.0.{number}.1/24", switch, peer=peer)


def two_switches(router, *more):
    return state_of(
        *(Switch("a", "acme"), Switch("b", "globex"), router),
        *(link("r-a", "r", "a", number=1), link("r-b", "r", "b", number=2), *more),
    )


@pytest.mark.parametrize("router", [Router("r"), Router("r", "acme"), Router("r", "initech")])
def test_a_router_that_does_not_name_both_joins_none(router):
    with pytest.raises(StateError) as refused:
        two_switches(router)
    first = refused.value.problems[0]
    assert first.object == 'tenants "acme" and "globex"'
    assert first.text == (
        '"a" and "b" would be joined, and no router names both: make one `shared_with` them, '
        "or keep them apart"
    )


def test_a_router_that_names_both_joins_them_until_it_does_not():
    shared = Router("r", "acme", shared_with=["globex"])
    state = two_switches(shared)
    with pytest.raises(StateError, match='"acme" and "globex"'), state.transaction() as tx:
        tx.replace(Router("r", "acme"))
    assert state.get("router", "r") == shared
    with state.transaction() as tx:
        tx.replace(Router("r", "acme"))
        tx.replace(evolve(state.get("router-port", "r-b"), switch="a"))


def test_a_way_through_others_counts():
    chain = [Switch("a", "acme"), Switch("c", "initech"), Router("r", "acme"), Router("t")]
    chain += [link("r-a", "r", "a", number=1), link("t-c", "t", "c", number=2)]
    joined = [link("r-t", "r", peer="t-r", number=3), link("t-r", "t", peer="r-t", number=4)]
    state = state_of(*chain, *joined[:1], evolve(joined[1], peer=None))
    with pytest.raises(StateError, match='"acme" and "initech"'), state.transaction() as tx:
        tx.replace(joined[1])
    with state.transaction() as tx:
        tx.replace(Router("t", "initech", shared_with=["acme"]), joined[1])


def a_network(rng):
    """Switches and routers of some tenants, joined at random."""
    some = rng.choice([TENANTS, TENANTS, TENANTS[:1]])
    entities = [Switch(f"s{n}", rng.choice(some)) for n in range(4)]
    for n in range(3):
        shared = rng.sample(TENANTS, rng.choice([0, 1, 2, 3]))
        entities.append(Router(f"r{n}", rng.choice([None, *some]), shared_with=shared))
    for n in range(rng.choice([2, 3, 5])):
        place = f"s{rng.randrange(4)}"
        entities.append(link(f"p{n}", f"r{rng.randrange(3)}", place, number=n))
    return entities


def is_allowed(entities):
    """Whether each pair of tenants that meet is named by a router where they do."""
    group = {it.name: {it.name} for it in entities if isinstance(it, Switch | Router)}
    tenant = {it.name: it.tenant for it in entities if isinstance(it, Switch | Router)}
    for port in entities:
        if isinstance(port, RouterPort):
            both = group[port.router] | group[port.switch]
            group |= dict.fromkeys(both, both)
    named = {it.name: {it.tenant, *it.shared_with} for it in entities if isinstance(it, Router)}
    return all(
        any({tenant[a], tenant[b]} <= named.get(router, set()) for router in group[a])
        for a, b in combinations(group, 2)
        if b in group[a] and None not in (tenant[a], tenant[b]) and tenant[a] != tenant[b]
    )


def test_random_networks_are_taken_or_refused_as_a_search_says():
    rng, verdicts, state = random.Random(7), [], NetworkState()
    for _ in range(120):
        entities, before = a_network(rng), state.dump()
        verdicts.append(is_allowed(entities))
        try:
            with state.transaction() as tx:
                tx.become(entities)
        except StateError as error:
            assert not verdicts[-1], (entities, error)
            assert state.dump() == before
        else:
            assert verdicts[-1], entities
    assert 20 < sum(verdicts) < 100
