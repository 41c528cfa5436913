"""The images of the shop that a real node needs beside those of the dev cluster."""

from __future__ import annotations

import tempfile
from pathlib import Path

from devcluster.cluster import DevCluster
from devcluster.images import build_image, load_image

VERSIONS = ("v1", "v2", "v3")
_INIT = 'echo "$VERSION" > /work/init-version'


def load_images(cluster: DevCluster) -> None:
    """Load `shop-init`: it tells the business container, by a file, which version it was."""
    with tempfile.TemporaryDirectory() as folder:
        for version in VERSIONS:
            archive = build_image(
                f"shop-init:{version}",
                entrypoint=["/bin/sh", "-c", _INIT],
                env={"VERSION": version},
                archive=Path(folder) / f"{version}.tar",
            )
            load_image(cluster.layout, archive)
