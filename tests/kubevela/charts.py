"""A tiny chart of our own: a Deployment whose images are values, and one beside it if asked for."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import yaml

NAME = "web"
VERSION = "1.0.0"

_TEMPLATE = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-web
spec:
  replicas: {{ .Values.replicas }}
  {{- with .Values.strategy }}
  strategy: {{ toYaml . | nindent 4 }}
  {{- end }}
  selector:
    matchLabels: {release: {{ .Release.Name }}}
  template:
    metadata:
      labels: {release: {{ .Release.Name }}}
    spec:
      {{- with .Values.initImage }}
      initContainers: [{name: init, image: {{ . }}}]
      {{- end }}
      containers: [{name: web, image: {{ .Values.image }}}]
{{- with .Values.companion }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $.Release.Name }}-companion
spec:
  selector:
    matchLabels: {companion: {{ $.Release.Name }}}
  template:
    metadata:
      labels: {companion: {{ $.Release.Name }}}
    spec:
      containers: [{name: companion, image: {{ . }}}]
{{- end }}
"""


def package(to: Path) -> dict[str, object]:
    """Write the chart into a folder; return its entry in a repository's index."""
    head = {"apiVersion": "v2", "name": NAME, "version": VERSION}
    path = to / f"{NAME}-{VERSION}.tgz"
    _pack(
        path,
        {
            f"{NAME}/Chart.yaml": yaml.safe_dump(head),
            f"{NAME}/values.yaml": yaml.safe_dump({"replicas": 4}),
            f"{NAME}/templates/deployment.yaml": _TEMPLATE,
        },
    )
    return {**head, "urls": [path.name]}


def _pack(path: Path, files: Mapping[str, str]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
