"""The addon as others get it: an earlier package, and a chart in a repository."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.kubevela.lifecycle import ADDON

EARLIER = "0.0.9"


def copy(to: Path) -> Path:
    """Return a copy of the addon in a folder; KubeVela wants its name to stay."""
    return Path(shutil.copytree(ADDON, to / ADDON.name))


def earlier(to: Path) -> Path:
    """Return an earlier package: another version, with what this one no longer has.

    It has two admission policies of a build before 0.1.0 and an object that is gone since, and
    its trait states another value of an attribute.
    """
    folder = copy(to)
    _edit(folder / "metadata.yaml", r"^version: .*$", f"version: {EARLIER}")
    _edit(folder / "definitions" / "rollout.cue", r"podDisruptive: +false", "podDisruptive: true")
    (folder / "resources" / "earlier.cue").write_text(_EARLIER_OBJECTS)
    return folder


@contextmanager
def repository(charts: Path, entries: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Serve a folder of charts as a Helm repository; yields its address."""
    index = {"apiVersion": "v1", "entries": dict(entries)}
    (charts / "index.yaml").write_text(yaml.safe_dump(index))
    handler = functools.partial(_Quiet, directory=str(charts))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
        """Say nothing."""


def _edit(file: Path, pattern: str, by: str) -> None:
    text, count = re.subn(pattern, by, file.read_text(), flags=re.MULTILINE)
    assert count == 1, f"{file}: {pattern} is there {count} times"
    file.write_text(text)


_EARLIER_OBJECTS = """
package main

rbac: earlier: {
	apiVersion: "v1"
	kind:       "ConfigMap"
	metadata: {name: "tandem-earlier", namespace: parameter.namespace}
	data: a: "1"
}

for policy in ["tandem-hold", "tandem-take-over"] {
	admission: "\\(policy)": {
		apiVersion: "admissionregistration.k8s.io/v1"
		kind:       "ValidatingAdmissionPolicy"
		metadata: name: policy
		spec: {
			failurePolicy: "Ignore"
			matchConstraints: resourceRules: [{
				apiGroups: ["apps"]
				apiVersions: ["v1"]
				operations: ["UPDATE"]
				resources: ["deployments"]
			}]
			validations: [{expression: "true"}]
		}
	}
}
"""
