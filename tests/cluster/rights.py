"""What a role grants, and what the API server's audit log says was done with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import product
from pathlib import Path
from typing import Any

Obj = dict[str, Any]


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one resource; an empty namespace or name stands for all."""

    group: str
    resource: str
    verb: str
    namespace: str = ""
    name: str = ""

    def allows(self, request: Right) -> bool:
        """Whether a request needs this very right."""
        same = (self.group, self.resource, self.verb) == (
            request.group,
            request.resource,
            request.verb,
        )
        return (
            same and self.namespace in {"", request.namespace} and self.name in {"", request.name}
        )


def granted(objects: Iterable[Obj]) -> set[Right]:
    """Return each single right of the Roles and ClusterRoles."""
    return {
        Right(group, resource, verb, role["metadata"].get("namespace", ""), name)
        for role in objects
        if role["kind"] in {"Role", "ClusterRole"}
        for rule in role["rules"]
        for group, resource, verb, name in product(
            rule["apiGroups"], rule["resources"], rule["verbs"], rule.get("resourceNames", [""])
        )
    }


def used(audit_log: Path, user: str) -> set[Right]:
    """Return what a user did with success; applying what was not there is a create as well.

    Who gets what is not there has used his right, too.
    """
    found: set[Right] = set()
    for event in _events(audit_log, user):
        code = event.get("responseStatus", {}).get("code", HTTPStatus.OK)
        absent = event["verb"] == "get" and code == HTTPStatus.NOT_FOUND
        if _forbidden(event) or (code >= HTTPStatus.MULTIPLE_CHOICES and not absent):
            continue
        found.add(_right(event, event["verb"]))
        if code == HTTPStatus.CREATED:
            found.add(_right(event, "create"))
    return found


def refused(audit_log: Path, user: str) -> set[Right]:
    """Return what a user asked for and had no right to."""
    return {_right(e, e["verb"]) for e in _events(audit_log, user) if _forbidden(e)}


def _forbidden(event: Obj) -> bool:
    """A 403 of an admission policy is no matter of rights: the authorizer's own words count."""
    decision: str = event.get("annotations", {}).get("authorization.k8s.io/decision", "")
    return decision == "forbid"


def _events(audit_log: Path, user: str) -> Iterator[Obj]:
    with audit_log.open("rb") as log:
        for line in log:
            event = json.loads(line)
            if event["user"]["username"] == user and "objectRef" in event:
                yield event


def _right(event: Obj, verb: str) -> Right:
    about = event["objectRef"]
    resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
    place = (about.get("namespace", ""), about.get("name", ""))
    return Right(about.get("apiGroup", ""), resource, verb, *place)
