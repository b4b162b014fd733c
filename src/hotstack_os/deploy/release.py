"""A cloud's release goes forward only: nobody's migrations go back."""

from __future__ import annotations

from pathlib import Path

from hotstack_os.bootstrap import dumps
from hotstack_os.bootstrap.schema import SCHEMA
from hotstack_os.deploy.image_set import lock_of
from hotstack_os.deploy.ledgers import journal_of
from hotstack_os.errors import HotstackError
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.releases import Remembered, remembered


def of_cloud(state: Path) -> Remembered | None:
    """The release of the cloud with this state directory. Its name is empty where databases are there and its record
    is not: then nobody but the operator knows, and no default stands in for it.
    """
    found = remembered(state)
    if found is None and any(ref.kind == SCHEMA for ref in journal_of(state).ledger):
        return Remembered("", str(state))
    return found


def require_possible(cloud: Cloud) -> None:
    """Refuse a release that cannot be built, and one older than the cloud has, or was begun to be brought to."""
    if not cloud.release:
        hint = "Say which one it has: key release, or OPENSTACK_RELEASE."
        raise HotstackError(f"the release of the cloud {cloud.name}", f"no record of it in {cloud.state}", hint)
    own = remembered(cloud.state)
    if own is None or cloud.release >= own.release:
        lock_of(cloud)
        return
    kept = cloud.state / dumps.DIRECTORY
    back = f" The databases as they were before are in {kept}, see docs/TROUBLESHOOTING.md." if kept.is_dir() else ""
    raise HotstackError(
        f"release {own.release}, which the cloud {cloud.name} has, or a newer one ({own.where})",
        cloud.release,
        f"Name release {own.release} (key release, OPENSTACK_RELEASE), or none: databases know no way back.{back}",
    )
