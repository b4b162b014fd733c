"""The lock: read from uv's output, written without a trace of the machine, divided among images."""

from __future__ import annotations

import pytest

from hotstack_os.catalogue.images import IMAGES
from hotstack_os.errors import HotstackError
from hotstack_os.images import lock
from hotstack_os.images.recipe import lineage
from hotstack_os.images.resolve import SERIES

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
FROM_UV = f"""\
--index-url https://user:password@index.example/simple
# made by somebody
Oslo.Config==9.8.0 \\
    --hash={B} \\
    --hash={A}
    # via
    #   -c /home/somebody/constraints.txt
    #   -r /home/somebody/requirements.in
    #   keystone
    #   oslo-messaging[extra]
keystone==28.1.0 \\
    --hash={C}
    # via -r -
oslo-messaging==17.0.0 \\
    --hash={C}
    # via keystone
viaduct==1.0 \\
    --hash={C}
    # via oslo-config
"""


def test_output_of_uv_is_read_without_the_machine() -> None:
    found = lock.parse(FROM_UV)
    assert found["oslo-config"] == lock.Pin("oslo-config", "9.8.0", (A, B), ("keystone", "oslo-messaging"))
    assert found["keystone"].via == ()
    assert found["viaduct"].via == ("oslo-config",)
    written = lock.text(found)
    assert "somebody" not in written
    assert "index" not in written
    assert lock.parse(written) == found


def test_a_line_that_pins_nothing_is_refused() -> None:
    with pytest.raises(HotstackError, match=r"oslo\.config>=9"):
        lock.parse("oslo.config>=9\n")


def test_closure_follows_requirements_to_the_end() -> None:
    found = lock.parse(FROM_UV)
    assert lock.closure(found, ["oslo.messaging"]) == {"oslo-messaging", "oslo-config", "viaduct"}
    assert lock.closure(found, ["Keystone"]) == set(found)


def test_a_cycle_of_requirements_ends() -> None:
    pins = {name: lock.Pin(name, "1", (A,), via) for name, via in (("a", ("b",)), ("b", ("a",)))}
    assert lock.closure(pins, ["a"]) == {"a", "b"}


def test_subset_leaves_out_what_the_parents_have() -> None:
    found = lock.parse(FROM_UV)
    assert list(lock.subset(found, ["keystone"], present=["oslo.config"])) == ["keystone", "oslo-messaging"]


def test_a_project_that_is_not_locked_is_named() -> None:
    with pytest.raises(HotstackError, match="project nova in the lock"):
        lock.subset(lock.parse(FROM_UV), ["nova"])


def test_an_unknown_release_names_the_known_ones() -> None:
    with pytest.raises(HotstackError, match=r"found locks for .*2025\.2"):
        lock.load("1999.1")


@pytest.fixture(params=sorted(path.parent.name for path in lock.directory().glob("*/requirements.lock")))
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_locks_hold_the_series_of_their_release(release: str) -> None:
    found = lock.load(release)
    assert {name: int(found[name].version.partition(".")[0]) for name in SERIES[release]} == SERIES[release]


def test_the_locks_cover_every_image_with_hashes(release: str) -> None:
    found = lock.load(release)
    wanted = {name for image in IMAGES for name in image.pip}
    assert lock.closure(found, wanted) <= set(found)
    assert not [pin.name for pin in found.values() if not pin.hashes]


def test_the_locks_say_nothing_of_where_they_were_made(release: str) -> None:
    written = (lock.directory() / release / "requirements.lock").read_text()
    assert written == lock.text(lock.load(release))
    assert "://" not in written
    assert "/" not in written


def test_what_several_services_need_is_in_the_environment_they_share() -> None:
    """Otherwise the same project lies in several layers."""
    found = lock.load("2025.2")
    known = {image.name: image for image in IMAGES}
    own = {
        image.name: set(
            lock.subset(found, image.pip, (name for up in lineage(known, image.name)[1:] for name in up.pip))
        )
        for image in IMAGES
        if image.pip
    }
    twice = {(one, two): own[one] & own[two] for one in own for two in own if one < two and own[one] & own[two]}
    assert twice == {}
