"""Who judges a recorded state: KubeVela's policies, Argo CD's scripts, Flux' expressions.

Each answers with plain data that stands in the table ``expected.yaml``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lupa.lua51 as lua
import msgspec
import yaml
from cel_expr_python import cel

from tandem_generator.cue import export
from tandem_generator.evaluate import Definition
from tests.generator import cues

Obj = dict[str, Any]
GITOPS = Path(__file__).parents[2] / "gitops"
KEY = "rollouts.kruise.io_Rollout"
OPEN_IN_ARGO = (
    "assert error ipairs next pairs pcall select setmetatable tonumber tostring type unpack table"
)
"""Globals that Argo CD opens (argo-cd `util/lua/lua.go`): base and table, no string."""


def kubevela(definition: Definition, context: Obj, parameter: Obj) -> Obj:
    """Return what `vela status` shows of a component or trait."""
    stated = {}
    for attribute, field in (("healthPolicy", "isHealth"), ("customStatus", "message")):
        text = cues.policy(definition, attribute, context, parameter)
        stated[field] = msgspec.json.decode(export(text, field))
    return {
        "healthy": stated["isHealth"],
        "message": stated["message"],
        "details": details(definition, context, parameter),
    }


def details(definition: Definition, context: Obj, parameter: Obj) -> dict[str, str]:
    """Return `status.details`, without the fields that KubeVela keeps to itself (`$`)."""
    text = cues.details(definition, context, parameter)
    found: Obj = msgspec.json.decode(export(text, "details"))
    return {key: value for key, value in found.items() if not key.startswith("$")}


def argo(rollout: Obj) -> Obj:
    """Return health, and which actions Argo CD offers."""
    data = _argo_cm()
    health = run_lua(data[f"resource.customizations.health.{KEY}"], rollout)
    offered = run_lua(_actions()["discovery.lua"], rollout)
    enabled = sorted(name for name, action in offered.items() if not action["disabled"])
    return {"status": health["status"], "message": health["message"], "actions": enabled}


def argo_action(name: str, rollout: Obj) -> Obj:
    """Return the object that an action states."""
    (found,) = (d for d in _actions()["definitions"] if d["name"] == name)
    return run_lua(found["action.lua"], rollout)


def action_names() -> set[str]:
    """Return the actions that are defined."""
    return {d["name"] for d in _actions()["definitions"]}


def flux(rollout: Obj) -> str:
    """Return the status that Flux finds.

    In its order (fluxcd/pkg `runtime/cel/status_evaluator.go`): an unseen generation,
    `inProgress`, `failed`, `current`. An error makes it look again, as InProgress does.
    """
    (stated,) = _health_check_exprs()  # one entry a kind, whatever its version
    seen = (rollout.get("status") or {}).get("observedGeneration")
    if seen is not None and seen != rollout["metadata"]["generation"]:
        return "InProgress"
    for name in ("inProgress", "failed", "current"):
        told = run_cel(stated[name], rollout)
        if told is None:
            return "InProgress"
        if told:
            return name[0].upper() + name[1:]
    return "InProgress"


def run_cel(expression: str, obj: Obj) -> bool | None:
    """Evaluate an expression over the fields of an object; None where it is an error."""
    names = ("apiVersion", "kind", "metadata", "spec", "status")
    environment = cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))
    data = {name: obj[name] for name in names if name in obj}
    found = environment.compile(expression).eval(data=data)
    if found.type() == cel.Type.ERROR:
        return None
    assert found.type() == cel.Type.BOOL, f"{expression} is no boolean"
    return bool(found.value())


def run_lua(script: str, obj: Obj) -> Obj:
    """Run a script as Argo CD does: `obj` is global, the returned table is the answer."""
    runtime = lua.LuaRuntime(register_eval=False, register_builtins=False)
    runtime.globals().obj = runtime.table_from(obj, recursive=True)
    keep: Callable[[str], object] = runtime.eval(_KEEP)
    keep(OPEN_IN_ARGO)
    answer = _plain(runtime.execute(script))
    assert isinstance(answer, dict)
    return answer


_KEEP = """
function(names)
  local kept = {obj = true, _G = true}
  for name in names:gmatch("%a+") do kept[name] = true end
  for name in pairs(_G) do if not kept[name] then _G[name] = nil end end
end
"""


def _plain(value: object) -> object:
    """Return a Lua table as Argo CD reads it: an empty one is neither list nor map."""
    if lua.lua_type(value) != "table":
        return value
    table: Any = value
    pairs = dict(table.items())
    if pairs and set(pairs) == set(range(1, len(pairs) + 1)):
        return [_plain(pairs[number]) for number in sorted(pairs)]
    return {key: _plain(item) for key, item in pairs.items()}


def _argo_cm() -> dict[str, str]:
    text = (GITOPS / "argocd-cm.yaml").read_text(encoding="utf-8")
    data: dict[str, str] = yaml.safe_load(text)["data"]
    return data


def _actions() -> Obj:
    actions: Obj = yaml.safe_load(_argo_cm()[f"resource.customizations.actions.{KEY}"])
    return actions


def _health_check_exprs() -> list[Obj]:
    text = (GITOPS / "flux-kustomization.yaml").read_text(encoding="utf-8")
    stated: list[Obj] = yaml.safe_load(text)["spec"]["healthCheckExprs"]
    return stated
