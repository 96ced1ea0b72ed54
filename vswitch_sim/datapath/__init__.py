"""The datapath: what a switch does with a packet that it has met before, in C++.

`core/` knows packets, keys, masks and actions, and nothing of Python or flow tables; `bindings.cc`
alone knows pybind11; `_core.pyi` is the interface.
"""
