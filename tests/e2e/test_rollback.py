"""A rollback on the real node is complete, wherever it begins, and no request notices it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from demo.traffic import Load
from tandem_controller.effect import Kind
from tests.cluster.bed import images
from tests.e2e import expected
from tests.e2e.conftest import Installed
from tests.e2e.shop import BY_INGRESS, BY_ROUTE, SHOP, Obj, ShopBed

pytestmark = pytest.mark.e2e

V1 = ("init:v1", "shop:v1")
ENOUGH_REQUESTS = 100

Back = Callable[[ShopBed, Installed], Awaitable[None]]


async def _at_20(bed: ShopBed, _: Installed) -> None:
    await bed.release("v1")


async def _at_50(bed: ShopBed, _: Installed) -> None:
    await bed.approve(SHOP)
    await bed.until_paused(SHOP, 2)
    await bed.release("v1")


async def _while_paused(bed: ShopBed, _: Installed) -> None:
    await bed.patch(Kind.ROLLOUT, SHOP, {"spec": {"strategy": {"paused": True}}})
    await bed.until_message(SHOP, "Rollout has been paused")
    await bed.release("v1")


async def _killed_after_the_route(bed: ShopBed, installed: Installed) -> None:
    """Kill the controller when traffic has returned and the pods have not."""
    kind, name = _route_of(bed)
    _, version = await bed.listed(kind)
    await bed.release("v1")
    async with aclosing(bed.changes(kind, version, name)) as changes:
        async for route in changes:
            if _leads_home(route):
                break
    installed.controller.kill()
    try:
        sizes = await bed.sizes(SHOP)
        assert sizes.get("shop:v2", 0) > 0, f"the pods had returned before the kill: {sizes}"
    finally:
        installed.controller.start()


def _route_of(bed: ShopBed) -> tuple[Kind, str]:
    by_ingress = bed.host.startswith("by-ingress.")
    return (Kind.INGRESS, f"{SHOP}-canary") if by_ingress else (Kind.HTTP_ROUTE, SHOP)


def _leads_home(route: Obj | None) -> bool:
    """Whether a canary Ingress is gone, or an HTTPRoute names the stable Service alone."""
    if route is None:
        return True
    rules = route["spec"].get("rules", [])
    refs = [ref["name"] for rule in rules for ref in rule.get("backendRefs", [])]
    return refs == [SHOP]


SLOW = pytest.mark.slow
CASES = [
    pytest.param(BY_ROUTE, _at_20, id="at 20 %, HTTPRoute"),
    pytest.param(BY_ROUTE, _at_50, id="at 50 %, HTTPRoute", marks=SLOW),
    pytest.param(BY_ROUTE, _while_paused, id="while paused, HTTPRoute", marks=SLOW),
    pytest.param(BY_ROUTE, _killed_after_the_route, id="killed, HTTPRoute", marks=SLOW),
    pytest.param(BY_INGRESS, _at_20, id="at 20 %, ingress-nginx", marks=SLOW),
    pytest.param(BY_INGRESS, _at_50, id="at 50 %, ingress-nginx", marks=SLOW),
    pytest.param(BY_INGRESS, _while_paused, id="while paused, ingress-nginx", marks=SLOW),
    pytest.param(BY_INGRESS, _killed_after_the_route, id="killed, ingress-nginx", marks=SLOW),
]


@pytest.mark.parametrize(("routing", "go_back"), CASES)
async def test_the_old_version_comes_back_whole(
    bed: ShopBed, installed: Installed, routing: Obj, go_back: Back
) -> None:
    await bed.stand(routing)
    async with bed.under_load() as load:
        await bed.release("v2")
        await bed.until_paused(SHOP, 1)
        await _sees_both(load)
        await go_back(bed, installed)
        await bed.until_at_rest()
        last = await load.next_requests(ENOUGH_REQUESTS)

    assert load.failures == []
    assert {(s.init, s.business) for s in last} == {("v1", "v1")}
    assert images(await bed.items(Kind.POD)) == {V1}
    assert await _objects(bed) == _expected(bed)


async def _sees_both(load: Load) -> None:
    seen = await load.next_requests(ENOUGH_REQUESTS)
    assert {s.business for s in seen} == {"v1", "v2"}


async def _objects(bed: ShopBed) -> dict[str, list[Obj]]:
    kinds = (Kind.DEPLOYMENT, Kind.SERVICE, Kind.HTTP_ROUTE, Kind.INGRESS)
    return {kind: [expected.stated(obj) for obj in await bed.items(kind)] for kind in kinds}


def _expected(bed: ShopBed) -> dict[str, list[Obj]]:
    host = bed.host.removeprefix("by-ingress.")
    return {
        Kind.DEPLOYMENT: [expected.DEPLOYMENT],
        Kind.SERVICE: [expected.SERVICE],
        Kind.HTTP_ROUTE: [expected.http_route(host)],
        Kind.INGRESS: [expected.ingress(f"by-ingress.{host}")],
    }
