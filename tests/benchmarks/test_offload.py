"""The effect that STT is for, by counters: what a host does does not grow with the frame."""

from rich.console import Console

from benchmarks.offload import MSS, NICS, SIZES, TUNNELS, carry, measure, show

ALL, NOTHING = next(iter(NICS)), "nothing"


def operations(cost) -> tuple[int, ...]:
    names = ("packets", "headers", "bytes_copied", "bytes_checksummed")
    return tuple(cost.total(name) for name in names)


def test_stt_costs_a_host_the_same_for_every_size_and_others_a_share_of_each_segment():
    small, large = (
        {name: carry(ALL, name, size, 0) for name in TUNNELS} for size in (2 * MSS, 46 * MSS)
    )
    assert operations(small["STT"]) == operations(large["STT"])
    assert operations(small["none"]) == operations(large["none"])
    assert operations(large["STT"])[0] == operations(large["none"])[0] == 2
    for name in set(TUNNELS) - {"STT", "none"}:
        assert large[name].total("packets") == 2 * 46
        assert large[name].total("headers") > 50 * large["STT"].total("headers")
        assert large[name].touched_per_byte > 3 > 1000 * large["STT"].touched_per_byte
    assert large["STT"].touched_per_byte < 0.01


def test_without_offload_nobody_is_spared():
    for name in TUNNELS:
        assert carry(NOTHING, name, 46 * MSS, 0).touched_per_byte > 2.9


def test_the_tables_show_every_nic_and_tunnel():
    console = Console(record=True, width=100)
    show(measure(0, SIZES[:2]), console)
    text = console.export_text()
    assert all(text.count(name) >= len(NICS) for name in TUNNELS)
    assert all(f"NICs do: {nic}" in text for nic in NICS)
