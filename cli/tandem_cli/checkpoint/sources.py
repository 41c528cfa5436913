"""Where the checkpoint's two sides come from: files, git revisions, the cluster, stdin."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import ApiError, NoCredentials
from tandem_controller.kube.resource import Resource
from tandem_generator import evaluate, installed, source
from tandem_generator.evaluate import Definition
from tandem_generator.source import Document

APPLICATIONS = Resource("core.oam.dev", "v1beta1", "applications", "Application")
REVISIONS = Resource("core.oam.dev", "v1beta1", "applicationrevisions", "ApplicationRevision")
GIT, CLUSTER, STDIN = "git:", "cluster:", "-"


class UnjudgeableError(Exception):
    """The checkpoint cannot judge; the message says what is missing and what to do."""


@dataclass(frozen=True)
class Reader:
    """Reads sides; kubeconfig and context are looked at only where a side is in the cluster."""

    kubeconfig: Path | None = None
    context: str | None = None

    def documents(self, where: str) -> list[Document]:
        """Return the objects of a side, those of a List one by one."""
        if where.startswith(CLUSTER):
            return [self._live(where)]
        documents = source.parse(_text(where), where)
        found = [single for document in documents for single in _singles(document)]
        if not found:
            raise UnjudgeableError(f"{where} holds no object: name a file with an Application")
        return found

    def definitions(self, wheres: list[str]) -> list[Definition]:
        """Return definitions of folders, of git's (`git:REV:FOLDER`), or of the cluster.

        `cluster:NAMESPACE/NAME` stands for those that rendered a live Application last.
        """
        found: list[Definition] = []
        for where in wheres:
            if where.startswith(CLUSTER):
                found += self._installed(where)
            else:
                texts = _git_folder(where) if where.startswith(GIT) else _folder(Path(where))
                found += [evaluate.from_text(text, origin) for origin, text in texts.items()]
            if not found:
                raise UnjudgeableError(f"{where} holds no definitions (*.cue)")
        return found

    def _live(self, where: str) -> Document:
        namespace, name = _namespace_and_name(where)
        return Document(where, self._get(where, APPLICATIONS, name, namespace))

    def _installed(self, where: str) -> list[Definition]:
        namespace, _ = _namespace_and_name(where)
        status = self._live(where).node.get("status") or {}
        revision = str((status.get("latestRevision") or {}).get("name") or "")
        if not revision:
            raise UnjudgeableError(
                f"{where} states no status.latestRevision, so that the definitions that rendered "
                "it are not known: give their folder with --definitions-from"
            )
        spec = self._get(where, REVISIONS, revision, namespace).get("spec") or {}
        try:
            return list(installed.of_revision(spec))
        except ValueError as error:
            raise UnjudgeableError(
                f"ApplicationRevision {namespace}/{revision} cannot be read: {error}; give the "
                "folder of the definitions with --definitions-from"
            ) from None

    def _get(self, where: str, resource: Resource, name: str, namespace: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = msgspec.json.decode(
                asyncio.run(self._asked(resource, name, namespace))
            )
        except (ApiError, NoCredentials) as error:
            said = error.message if isinstance(error, ApiError) else str(error)
            raise UnjudgeableError(f"{where} cannot be read: {said}") from None
        return found

    async def _asked(self, resource: Resource, name: str, namespace: str) -> bytes:
        client = await Client.connect(
            kubeconfig=self.kubeconfig, context=self.context, user_agent="tandem-cli/checkpoint"
        )
        try:
            return await client.get(resource, name, namespace)
        finally:
            await client.close()


def _namespace_and_name(where: str) -> tuple[str, str]:
    namespace, _, name = where.removeprefix(CLUSTER).partition("/")
    if not (namespace and name):
        raise UnjudgeableError(f"{where}: write {CLUSTER}NAMESPACE/NAME of an Application")
    return namespace, name


def _singles(document: Document) -> list[Document]:
    node = document.node
    if not isinstance(node, dict):
        raise document.error([], "is no Kubernetes object: expected apiVersion, kind, metadata")
    if node.get("kind") != "List":
        return [document]
    return [Document(document.file, item) for item in node.get("items") or ()]


def _text(where: str) -> str:
    if where == STDIN:
        return sys.stdin.read()
    if where.startswith(GIT):
        revision, path = _revision_and_path(where)
        return _git("show", f"{revision}:{path}", where=where)
    try:
        return Path(where).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UnjudgeableError(f"{where} cannot be read: {reason}") from None


def _folder(folder: Path) -> dict[str, str]:
    try:
        return {str(f): f.read_text(encoding="utf-8") for f in sorted(folder.glob("*.cue"))}
    except OSError as error:
        raise UnjudgeableError(f"{folder} cannot be read: {error.strerror}") from None


def _git_folder(where: str) -> dict[str, str]:
    revision, folder = _revision_and_path(where)
    listed = _git("ls-tree", "--name-only", f"{revision}:{folder}", where=where)
    base = f"{revision}:{folder.rstrip('/')}"
    names = [name for name in listed.splitlines() if name.endswith(".cue")]
    return {f"{GIT}{base}/{n}": _git("show", f"{base}/{n}", where=where) for n in names}


def _revision_and_path(where: str) -> tuple[str, str]:
    """Return both; git takes the path from the repository's root, `./PATH` from here."""
    revision, _, path = where.removeprefix(GIT).partition(":")
    if not (revision and path) or revision.startswith("-"):
        raise UnjudgeableError(f"{where}: write {GIT}REVISION:PATH")
    return revision, path


def _git(*arguments: str, where: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise UnjudgeableError(f"{where} needs the program git, which is not here") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise UnjudgeableError(f"{where} cannot be read: git says: {said}")
    return done.stdout.decode()
