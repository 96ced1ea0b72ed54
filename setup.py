"""Builds `nlog.engine._core`, the C++ core with its Python face; metadata is in setup.cfg."""

from glob import glob

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import setup

ENGINE = "nlog/engine"

ParallelCompile(default=0).install()

core = Pybind11Extension(
    "nlog.engine._core",
    sorted(glob(f"{ENGINE}/bindings*.cc") + glob(f"{ENGINE}/core/*.cc")),
    depends=sorted(glob(f"{ENGINE}/*.h") + glob(f"{ENGINE}/core/*.h")),
    cxx_std=20,
    extra_compile_args=["-O2", "-fvisibility=hidden", "-Wall", "-Wextra"],
)

setup(ext_modules=[core])
