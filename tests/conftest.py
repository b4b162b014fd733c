"""How properties are tried: the same examples each time, so that a run that passed passes again.

`brief` is for `make check`, which is to be short; `--hypothesis-profile=wide` looks further, with other examples each
time.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("steady", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("brief", max_examples=15, deadline=None, derandomize=True)
settings.register_profile("wide", max_examples=2000, deadline=None)
settings.load_profile("steady")
