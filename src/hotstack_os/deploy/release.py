"""A cloud's release goes forward only: nobody's migrations go back."""

from __future__ import annotations

from hotstack_os.bootstrap import dumps
from hotstack_os.deploy.image_set import lock_of
from hotstack_os.errors import HotstackError
from hotstack_os.settings.cloud import Cloud
from hotstack_os.settings.releases import remembered


def require_possible(cloud: Cloud) -> None:
    """Refuse a release that cannot be built, and one older than the cloud has, or was begun to be brought to."""
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
