"""A shop of an Application, with config, on the model: what the tests of bad input start from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tandem_controller.effect import Kind, Note
from tests.simulation.admission import ProductAdmission
from tests.simulation.merge import merged
from tests.simulation.model import Model
from tests.simulation.objects import deployment, http_route, rollout, service
from tests.simulation.rules import Obj
from tests.simulation.store import NAMESPACE, Key, Store
from tests.simulation.tandem import Tandem

APPLICATION = {"app.oam.dev/name": "store"}
RENDERED, FOREIGN = "web-config", "shared"
REVISION = "app.oam.dev/appRevision"


class Shop:
    """Version 1 of `web` is stable; pods read two ConfigMaps and a Secret."""

    def __init__(self, *, optional: bool = False) -> None:
        self.model = Model()
        self.model.store = Store()
        self._admission = ProductAdmission(self.model.store)
        self.model.store.admission = self._admission
        self.tandem = Tandem(self.model)
        self.model.create(Kind.CONFIG_MAP, config(RENDERED, {"v": "1"}, labels=APPLICATION))
        self.model.create(Kind.CONFIG_MAP, config(FOREIGN, {"x": "1"}))
        self.model.create(
            Kind.SECRET, config("password", {"p": "aHVudGVyMg=="}, labels=APPLICATION)
        )
        body = deployment(replicas=4, image="r/web:1")
        body["metadata"]["labels"] |= {**APPLICATION, REVISION: "store-v1"}
        body["spec"]["template"]["spec"] |= reading(body, optional=optional)
        self.model.create(Kind.DEPLOYMENT, body)
        self.model.create(Kind.SERVICE, service())
        self.model.create(Kind.HTTP_ROUTE, http_route())
        self.model.settle()
        routing = {"service": "web", "gateway": {"httpRouteName": "web"}}
        plan = [{"replicas": f"{25 * n}%", "traffic": f"{25 * n}%"} for n in (1, 2)]
        self.model.create(Kind.ROLLOUT, rollout(steps=plan, routing=routing))
        self.tandem.settle()

    # What people do.

    def release(self, image: str = "r/web:2", revision: str = "store-v2") -> None:
        """State another image, as the next revision of the Application."""
        self._state(image, revision)
        self.tandem.settle()

    def go_back(self) -> None:
        """Ask for a rollback with kubectl, and wait until its end."""
        self.ask_back()
        self.tandem.settle(10)

    def ask_back(self) -> None:
        """Ask for a rollback with kubectl."""
        wish = {"metadata": {"annotations": {"tandem.oam.dev/rollback": ""}}}
        self.model.edit(Kind.ROLLOUT, "web", wish)
        self.tandem.settle()

    def change(self, name: str, data: dict[str, str], kind: Kind = Kind.CONFIG_MAP) -> None:
        """Change the content of config."""
        self.model.edit(kind, name, {"data": data})

    @contextmanager
    def no_webhook(self) -> Iterator[None]:
        """Let no webhook answer meanwhile."""
        self._admission.away = True
        yield
        self._admission.away = False

    def break_glass(self, body: Obj) -> None:
        """Write config with the label that lets it through, and take the label away."""
        for value in ("true", None):
            labels = {"metadata": {"labels": {"tandem.oam.dev/break-glass": value}}}
            self.model.edit(Kind.CONFIG_MAP, RENDERED, merged(body, labels) if value else labels)

    def lose(self, kind: Kind, name: str) -> None:
        """Take an object away by force."""
        self.model.store.remove(Key(kind, NAMESPACE, name))

    def forge(self, name: str, spec: Obj) -> None:
        """Edit a record's intent by force, as a restored backup does."""
        old = self.model.store.get(Kind.RELEASE_RECORD, name)
        self.lose(Kind.RELEASE_RECORD, name)
        self.model.create(Kind.RELEASE_RECORD, merged(old, {"spec": spec}))
        self.model.store.replace_status(Kind.RELEASE_RECORD, name, old["status"])

    def _state(self, image: str, revision: str) -> None:
        container = {**self.template()["spec"]["containers"][0], "image": image}
        spec = {"template": {"spec": {"containers": [container]}}}
        labels = {"metadata": {"labels": {REVISION: revision}}}
        self.model.edit(Kind.DEPLOYMENT, "web", {**labels, "spec": spec})

    def complete(self) -> None:
        """Approve until the release is complete."""
        for _ in range(5):
            if self.tandem.status()["phase"] != "Progressing":
                return
            body = {"canaryStatus": {"currentStepState": "StepReady"}}
            self.model.edit_status(Kind.ROLLOUT, "web", body)
            self.tandem.settle(10)

    # What is to be seen.

    def template(self) -> Obj:
        """Return the template that the workload states."""
        found: Obj = self.model.store.get(Kind.DEPLOYMENT, "web")["spec"]["template"]
        return found

    def record(self, image: str) -> Obj:
        """Return the record of a version by its business image."""
        records = self.model.store.all_of(Kind.RELEASE_RECORD)
        (found,) = (r for r in records if r["spec"]["images"][-1]["image"] == image)
        return found

    def name(self, image: str) -> str:
        """Return the name of a version's record."""
        return str(self.record(image)["metadata"]["name"])

    def evidence(self, image: str) -> Obj:
        """Return what a version ran with."""
        found: Obj = self.record(image)["status"]["attempts"][-1]["evidence"]
        return found

    def copies(self, image: str, name: str) -> list[str]:
        """Return the names of the copies of config that a version ran with."""
        config = self.evidence(image)["config"]
        return [c["copy"] for c in config if c["name"] == name and c.get("copy")]

    def content(self, name: str, kind: Kind = Kind.CONFIG_MAP) -> dict[str, str] | None:
        """Return the content of config; None where it does not exist."""
        found = self.model.store.find(kind, name)
        return found["data"] if found else None

    def weights(self) -> dict[str, int]:
        """Return the weight of each Service that traffic goes to."""
        route = self.model.store.get(Kind.HTTP_ROUTE, "web")
        return {r["name"]: r.get("weight", 1) for r in route["spec"]["rules"][0]["backendRefs"]}

    def told(self, reason: str) -> list[Note]:
        """Return the Events of a reason."""
        return [note for note in self.tandem.notes if note.reason == reason]

    def message(self) -> str:
        """Return what the Rollout says."""
        return str(self.tandem.status()["message"])


def reading(body: Obj, *, optional: bool) -> Obj:
    """Return the part of a pod's spec that reads the config."""
    container = {
        **body["spec"]["template"]["spec"]["containers"][0],
        "envFrom": [{"configMapRef": {"name": FOREIGN, "optional": optional}}],
        "env": [
            {"name": "P", "valueFrom": {"secretKeyRef": {"name": "password", "key": "p"}}},
        ],
    }
    volumes = [{"name": "config", "configMap": {"name": RENDERED}}]
    return {"containers": [container], "volumes": volumes}


def config(name: str, data: dict[str, str], labels: dict[str, str] | None = None) -> Any:  # noqa: ANN401
    """Return a ConfigMap's or Secret's body."""
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}
