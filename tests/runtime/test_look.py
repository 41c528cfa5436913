"""Looking at what no cache holds: found, absent, and not allowed to be read."""

from __future__ import annotations

from typing import Any

import msgspec

from tandem_controller.api.config import ConfigObject
from tandem_controller.effect import Kind, Look
from tandem_controller.kube.errors import Forbidden, NotFound
from tandem_controller.kube.resource import Resource
from tandem_controller.look import Eye
from tandem_controller.snapshot import Seen

SECRET = {"metadata": {"name": "there", "namespace": "web"}, "data": {"p": "aHVudGVyMg=="}}


class Server:
    """Answers like `kube.client.Client`."""

    async def get(self, resource: Resource, name: str, namespace: str) -> bytes:
        assert namespace == "web"
        if name == "there":
            return msgspec.json.encode(SECRET)
        if name == "hidden":
            raise Forbidden(403, "Forbidden", "secrets 'hidden' is forbidden")
        raise NotFound(404, "NotFound", f"{resource.plural} {name!r} not found")

    async def list_page(self, resource: Resource, **_: object) -> bytes:
        assert resource.plural == "horizontalpodautoscalers"
        target = {"kind": "Deployment", "name": "shop"}
        spec = {"scaleTargetRef": target, "maxReplicas": 9}
        return msgspec.json.encode({"items": [{"metadata": {"name": "a"}, "spec": spec}]})


async def see(*looks: Look) -> tuple[Seen, ...]:
    server: Any = Server()
    return await Eye(server).see("web", looks)


async def test_an_object_is_found_absent_or_refused() -> None:
    there, absent, hidden = (Look(kind=Kind.SECRET, name=n) for n in ("there", "absent", "hidden"))
    assert await see(there, absent, hidden) == (
        Seen(look=there, objects=(msgspec.convert(SECRET, ConfigObject),)),
        Seen(look=absent),
        Seen(look=hidden, refused="secrets 'hidden' is forbidden"),
    )


async def test_a_look_without_a_name_is_a_list() -> None:
    (found,) = await see(Look(kind=Kind.AUTOSCALER))
    (autoscaler,) = found.objects
    bounds = (autoscaler.spec.min_replicas, autoscaler.spec.max_replicas)
    assert (autoscaler.metadata.name, bounds) == ("a", (1, 9))


async def test_what_a_secret_holds_is_in_no_repr() -> None:
    assert "aHVudGVyMg" not in repr(await see(Look(kind=Kind.SECRET, name="there")))
