"""States as JSON, for the journal, generations and `plan --json`. A secret leaves only its fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hotstack_os.core.model import State, Value
from hotstack_os.hidden import Fingerprint, Hidden

_MARK = "$fingerprint"


def to_json(value: Value) -> Any:
    """A value that `json` can write. Tuples become lists, secrets `{"$fingerprint": …}`."""
    match value:
        case Hidden():
            return {_MARK: value.fingerprint.digest}
        case Fingerprint():
            return {_MARK: value.digest}
        case tuple():
            return [to_json(one) for one in value]
        case Mapping():
            return {key: to_json(one) for key, one in sorted(value.items())}
        case _:
            return value


def from_json(value: Any) -> Value:
    """The inverse of `to_json`, but for secrets, of which only the fingerprint comes back."""
    if isinstance(value, list):
        return tuple(from_json(one) for one in value)
    if isinstance(value, dict):
        if set(value) == {_MARK}:
            return Fingerprint(value[_MARK])
        return {key: from_json(one) for key, one in value.items()}
    assert value is None or isinstance(value, bool | int | str)
    return value


def state_from_json(value: dict[str, Any]) -> State:
    """A whole state, as `to_json` wrote it."""
    return {key: from_json(one) for key, one in value.items()}
