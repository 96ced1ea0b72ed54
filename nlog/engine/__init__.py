"""Evaluators of plans: `_core`, compiled from core/, and the naive `reference`.

The core is built by setup.py; `_core.pyi` states its interface.
"""
