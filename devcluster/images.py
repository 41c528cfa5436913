"""Container images without a registry: a docker-archive tar, written here, imported by containerd.

An image is one layer (busybox with its applets, and the files asked for), a config and a
manifest: https://github.com/moby/docker-image-spec. Same input, same bytes, same digest. Pods that
use them need ``imagePullPolicy: Never`` (or a tag other than ``latest``, whose default,
``IfNotPresent``, finds them too).

The demo's images, loaded into every real node:

- ``init:v1`` ... ``init:v3`` write their version to ``/work/init-version`` and end.
- ``shop:v1`` ... ``shop:v3`` answer on port 8080 with ``init=<version found there> biz=<own>``.
  ``READY_DELAY=<seconds>`` makes them listen that late; ``BROKEN=1`` makes every answer a 500,
  but for the readiness probe's path ``/ready``.
"""

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from devcluster.layout import Layout
from devcluster.node import containerd, debian

_CREATED = "1970-01-01T00:00:00Z"


def build_image(
    reference: str,
    *,
    entrypoint: Sequence[str],
    archive: Path,
    files: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
) -> Path:
    """Write an image with busybox and ``files`` (path to text, executable) to ``archive``."""
    layer = _layer({path.lstrip("/"): text.encode() for path, text in (files or {}).items()})
    path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
    variables = [path, *(f"{name}={value}" for name, value in (env or {}).items())]
    config = {
        "architecture": _architecture(),
        "os": "linux",
        "created": _CREATED,
        "config": {"Env": variables, "Entrypoint": list(entrypoint), "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha256(layer)}"]},
        "history": [{"created": _CREATED, "created_by": "tandem devcluster"}],
    }
    config_bytes = json.dumps(config, sort_keys=True).encode()
    config_name = f"{_sha256(config_bytes)}.json"
    manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as tar:
        _add(tar, "layer.tar", layer)
        _add(tar, config_name, config_bytes)
        _add(tar, "manifest.json", json.dumps(manifest).encode())
    return archive


def load_image(layout: Layout, archive: Path) -> None:
    """Make the image of a docker-archive known to a cluster's real node."""
    containerd.import_image(layout, archive)


def load_own_images(layout: Layout) -> None:
    """Load what every real node has: the sandbox's image and the demo's."""
    archive = layout.node / "image.tar"
    for image in _own_images(archive):
        containerd.import_image(layout, image)
        archive.unlink()


def _own_images(archive: Path) -> Iterator[Path]:
    # 68 years; busybox's sleep knows no "infinity" on every Debian.
    yield build_image(
        containerd.PAUSE_IMAGE, entrypoint=["/bin/sleep", "2147483647"], archive=archive
    )
    for version in ("v1", "v2", "v3"):
        version_only = {"VERSION": version}
        yield build_image(
            f"init:{version}",
            entrypoint=["/bin/sh", "/init.sh"],
            files={"/init.sh": _INIT},
            env=version_only,
            archive=archive,
        )
        yield build_image(
            f"shop:{version}",
            entrypoint=["/bin/sh", "/shop.sh"],
            files={"/shop.sh": _SHOP},
            env=version_only,
            archive=archive,
        )


_INIT = """\
#!/bin/sh
set -e
mkdir -p /work
echo "$VERSION" > /work/init-version
echo "init $VERSION is done"
"""

# A process with id 1 gets no signal that it has no handler for, so httpd itself could not be
# PID 1: every stop would take the whole grace period. The shell ends it. busybox's httpd serves
# each connection in a child of its own; the second between the listener's end and ours lets the
# last of them finish.
_SHOP = """\
#!/bin/sh
server=
stop() {
    [ -n "$server" ] && kill "$server" && sleep 1
    exit 0
}
trap stop TERM INT

mkdir -p /www/cgi-bin
echo ok > /www/ready
init=$(cat /work/init-version 2>/dev/null || echo none)
if [ "$BROKEN" = 1 ]; then
    printf '#!/bin/sh\\nprintf "Status: 500 Broken\\\\r\\\\n\\\\r\\\\nbiz=%s is broken\\\\n"\\n' \\
        "$VERSION" > /www/cgi-bin/index.cgi
    chmod +x /www/cgi-bin/index.cgi
else
    echo "init=$init biz=$VERSION" > /www/index.html
fi

# "sleep & wait" instead of "sleep": a shell runs its traps between commands only.
sleep "${READY_DELAY:-0}" &
wait $!
httpd -f -p 8080 -h /www &
server=$!
wait "$server"
"""


def _layer(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "etc", "tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type = tarfile.DIRTYPE
            entry.mode = 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        _add(tar, "bin/busybox", debian.BUSYBOX.read_bytes())
        for applet in _applets():
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type = tarfile.SYMTYPE
            link.linkname = "busybox"
            tar.addfile(link)
        for path, content in sorted(files.items()):
            _add(tar, path, content)
    return buffer.getvalue()


def _applets() -> list[str]:
    listed = subprocess.run([debian.BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    return [applet for applet in listed.stdout.split() if applet != "busybox"]


def _add(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size = len(content)
    entry.mode = 0o755
    tar.addfile(entry, io.BytesIO(content))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _architecture() -> str:
    """The machine's architecture in Go's words, which images use."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
