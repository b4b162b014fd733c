"""Mount tables as the kernel writes them."""

from __future__ import annotations

import pytest

from hotstack_os.host.mounts import Mount, mounts, onto_itself

TABLE = """\
21 1 0:20 / / rw,relatime shared:1 - overlay overlay rw
25 21 0:25 / /run rw,nosuid shared:5 - tmpfs tmpfs rw,size=4812k
60 25 0:25 /netns /run/netns rw,nosuid shared:5 - tmpfs tmpfs rw,size=4812k
61 60 0:4 net:[4026532290] /run/netns/ovnmeta-1 rw shared:30 - nsfs nsfs rw
62 21 0:25 /elsewhere /srv/our\\040data rw shared:31 - tmpfs tmpfs rw
63 21 0:20 /data /data rw,relatime shared:1 - overlay overlay rw
64 63 0:20 /data /data rw,relatime shared:1 - overlay overlay rw
"""


def test_the_table_is_read_with_its_octal_blanks() -> None:
    assert Mount("0:25", "/elsewhere", "/srv/our data") in mounts(TABLE)


@pytest.mark.parametrize(
    ("path", "times"), [("/run/netns", 1), ("/data", 2), ("/run", 0), ("/srv/our data", 0), ("/nothing", 0)]
)
def test_what_is_mounted_onto_itself(path: str, times: int) -> None:
    assert onto_itself(TABLE, path) == times
