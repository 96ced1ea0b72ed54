"""Builds the C++ cores with their Python faces; metadata is in setup.cfg.

The engine is `nlog.engine._core`, the datapath of simulated switches `vswitch_sim.datapath._core`.
"""

from glob import glob

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import setup

ParallelCompile(default=0).install()


def core(room: str) -> Pybind11Extension:
    """The extension `_core` of a room with `bindings*.cc` and the sources in `core/`."""
    return Pybind11Extension(
        f"{room.replace('/', '.')}._core",
        sorted(glob(f"{room}/bindings*.cc") + glob(f"{room}/core/*.cc")),
        depends=sorted(glob(f"{room}/*.h") + glob(f"{room}/core/*.h")),
        cxx_std=20,
        extra_compile_args=["-O2", "-fvisibility=hidden", "-Wall", "-Wextra"],
    )


setup(ext_modules=[core("nlog/engine"), core("vswitch_sim/datapath")])
