"""The addon package compiles as KubeVela compiles it, and keeps KubeVela's rules."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tandem_generator import addon, cue, source
from tests.generator.package import compiled, objects, package_files

pytestmark = pytest.mark.usefixtures("each_cue")

KUBEVELA_READS = re.compile(
    r"^(metadata\.yaml|README\.md|template\.cue|parameter\.cue|NOTES\.cue|\.helmignore"
    r"|(resources|definitions)/[\w.-]+\.cue|schemas/[\w-]+\.yaml)$"
)


@pytest.fixture(scope="module")
def files(root: Path) -> dict[str, str]:
    return package_files(root)


def test_every_file_is_one_that_kubevela_reads(files: Mapping[str, str]) -> None:
    """Names are matched by prefix: `definitions-old/` would be read as definitions."""
    assert [p for p in files if not KUBEVELA_READS.match(p)] == []


def test_the_folder_bears_the_addons_name(root: Path) -> None:
    assert addon.load_metadata(root / "metadata.yaml").name == "tandem"
    assert (root / "addon" / "tandem" / "metadata.yaml").is_file()


def test_it_compiles_without_arguments(files: Mapping[str, str]) -> None:
    application = compiled(files, "output", {})
    kinds = {name: [o["kind"] for o in made] for name, made in objects(application).items()}
    assert kinds["tandem-crds"] == ["CustomResourceDefinition"] * 4
    assert kinds["tandem-rbac"] == [
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
    ]
    assert sorted(kinds["tandem-controller"]) == [
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
    ]


def test_kinds_come_before_what_uses_them(files: Mapping[str, str]) -> None:
    components = compiled(files, "output", {})["spec"]["components"]
    before = [c["name"] for c in components]
    assert before[0] == "tandem-crds"
    for earlier, component in zip(before, components[1:], strict=False):
        assert component["dependsOn"] == [earlier]


def controller_policy(files: Mapping[str, str], policy: str, field: str, live: object) -> Any:  # noqa: ANN401
    """Evaluate a policy of the controller's component on its live Deployment."""
    definition = compiled(files, "outputs", {})["controllerComponent"]
    text = f"context: output: {json.dumps(live)}\n" + definition["spec"]["status"][policy]
    return msgspec.json.decode(cue.export(text, field))


def live_deployment(**status: int) -> dict[str, Any]:
    metadata = {"name": "tandem", "namespace": "ops", "generation": 3}
    return {"metadata": metadata, "spec": {"replicas": 2}, "status": status}


READY = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


@pytest.mark.parametrize(
    ("status", "healthy"),
    [
        (READY, True),
        ({}, False),
        (READY | {"observedGeneration": 2}, False),
        (READY | {"replicas": 3}, False),
        (READY | {"updatedReplicas": 1}, False),
        (READY | {"availableReplicas": 1}, False),
    ],
)
def test_the_addon_is_enabled_only_when_every_controller_of_this_version_is_ready(
    files: Mapping[str, str], status: Mapping[str, int], healthy: bool
) -> None:
    live = live_deployment(**status)
    assert controller_policy(files, "healthPolicy", "isHealth", live) is healthy
    said = controller_policy(files, "customStatus", "message", live)
    assert said.startswith(f"{status.get('availableReplicas', 0)} of 2 controllers are ready")
    assert ("kubectl -n ops describe pods" in said) is not healthy


def test_the_addon_itself_uses_none_of_its_definitions(files: Mapping[str, str]) -> None:
    """`vela addon disable` refuses while an Application does, and counts the addon's own."""
    application = compiled(files, "output", {})
    used = {c["type"] for c in application["spec"]["components"]}
    used |= {step["type"] for step in application["spec"]["workflow"]["steps"]}
    delivered = {Path(p).stem for p in files if p.startswith("definitions/")}
    assert used & delivered == set()


def test_the_controllers_component_begins_with_its_deployment(files: Mapping[str, str]) -> None:
    """Health is judged by the first object."""
    first, *others = objects(compiled(files, "output", {}))["tandem-controller"]
    assert first["kind"] == "Deployment"
    assert "Deployment" not in [o["kind"] for o in others]


@pytest.mark.parametrize("clusters", [None, ["a", "b"]])
def test_enabling_waits_as_long_as_it_was_told_to(
    files: Mapping[str, str], clusters: list[str] | None
) -> None:
    arguments = {"readyWithin": "90s"} | ({"clusters": clusters} if clusters else {})
    (step,) = compiled(files, "output", arguments)["spec"]["workflow"]["steps"]
    policies = ["clusters"] if clusters else []
    assert step == {
        "name": "install",
        "type": "deploy",
        "timeout": "90s",
        "properties": {"policies": policies},
    }


def test_parameters_arrive(files: Mapping[str, str]) -> None:
    arguments = {"image": "mine", "replicas": 1, "namespace": "ops", "clusters": ["a", "b"]}
    application = compiled(files, "output", arguments)
    deployment = objects(application)["tandem-controller"][0]
    assert deployment["metadata"]["namespace"] == "ops"
    assert deployment["spec"]["replicas"] == 1
    command = deployment["spec"]["template"]["spec"]["containers"][0]["command"]
    wanted = ["tandem-controller", "run", "--namespace", "ops", "--log-level", "info"]
    assert command == wanted
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "mine"
    topology = [p for p in application["spec"]["policies"] if p["type"] == "topology"]
    assert topology[0]["properties"] == {"clusters": ["a", "b"]}


def test_the_controller_is_for_the_namespaces_that_are_named(files: Mapping[str, str]) -> None:
    """Both processes are told, and the policies match nowhere else."""
    arguments = {"namespaces": ["web", "shop"], "logLevel": "debug"}
    made = objects(compiled(files, "output", arguments))
    options = ["--log-level", "debug", "--watch-namespace", "web", "--watch-namespace", "shop"]
    for container in made["tandem-controller"][0]["spec"]["template"]["spec"]["containers"]:
        assert container["command"][-6:] == options
    (policy,) = (o for o in made["tandem-admission"] if o["kind"] == "ValidatingAdmissionPolicy")
    (expression,) = policy["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"]
    assert (expression["operator"], expression["values"]) == ("In", ["web", "shop"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"replicas": 0},
        {"replicas": "two"},
        {"readyWithin": "soon"},
        {"logLevel": "loud"},
        {"checkpoint": "maybe"},
        {"imagePullPolicy": "Sometimes"},
        {"namespaces": "web"},
        {"monitoring": {"rules": "yes"}},
    ],
    ids=str,
)
def test_a_wrong_argument_is_refused_by_its_name(
    files: Mapping[str, str], wrong: Mapping[str, Any]
) -> None:
    with pytest.raises(cue.CueError, match=rf"parameter\.{next(iter(wrong))}"):
        compiled(files, "output", wrong)


def test_the_checkpoint_knows_the_platform_parameters_of_the_definitions(
    files: Mapping[str, str],
) -> None:
    def options(arguments: Mapping[str, Any]) -> list[str]:
        deployment = objects(compiled(files, "output", arguments))["tandem-controller"][0]
        command = deployment["spec"]["template"]["spec"]["containers"][1]["command"]
        return list(command[command.index("--checkpoint") : command.index("--log-level")])

    platform = ["initArgs", "initCommand", "initEnv", "initImage", "initResources"]
    patterns = [word for name in platform for word in ("--checkpoint-platform", name)]
    assert options({}) == ["--checkpoint", "off", *patterns]
    arguments = {"checkpoint": "deny", "checkpointPlatform": ["proxy*"]}
    assert options(arguments) == ["--checkpoint", "deny", "--checkpoint-platform", "proxy*"]


def test_crds_can_be_left_to_others_and_are_never_deleted(files: Mapping[str, str]) -> None:
    application = compiled(files, "output", {"installCRDs": False})
    first = application["spec"]["components"][0]  # KubeVela renders no component without objects
    assert (first["name"], first["dependsOn"]) == ("tandem-rbac", [])
    rules = {p["type"]: p["properties"]["rules"] for p in application["spec"]["policies"]}
    kept = {"resourceTypes": ["CustomResourceDefinition", "Namespace"]}
    assert rules["garbage-collect"] == [{"selector": kept, "strategy": "never"}]


def test_a_namespace_is_made_unless_it_is_kubevelas(files: Mapping[str, str]) -> None:
    """An addon that stated vela-system would claim it, and could take it away."""
    for namespace, made in (("vela-system", []), ("ops", ["ops"])):
        found = objects(compiled(files, "output", {"namespace": namespace}))["tandem-crds"]
        assert [o["metadata"]["name"] for o in found if o["kind"] == "Namespace"] == made


@pytest.mark.parametrize(
    ("folder", "component"), [("crds", "tandem-crds"), ("admission", "tandem-admission")]
)
def test_objects_are_those_of_the_api(
    root: Path, files: Mapping[str, str], folder: str, component: str
) -> None:
    stated = sorted((root / "controller/tandem_controller/api" / folder).glob("*.yaml"))
    wanted = [yaml.safe_load(f.read_text(encoding="utf-8")) for f in stated]
    wanted = [o for o in wanted if not o["kind"].startswith("MutatingAdmission")]
    assert wanted
    assert objects(compiled(files, "output", {}))[component] == wanted


def test_the_topology_rules_are_yaml(files: Mapping[str, str]) -> None:
    rules = yaml.safe_load(compiled(files, "outputs", {})["topology"]["data"]["rules"])
    assert [r["parentResourceType"]["kind"] for r in rules] == ["Rollout", "ReleasePolicy"]


def test_rights_are_stated_one_by_one(files: Mapping[str, str]) -> None:
    rules = [
        rule
        for made in objects(compiled(files, "output", {})).values()
        for o in made
        if o["kind"] in {"Role", "ClusterRole"}
        for rule in o["rules"]
    ]
    assert len(rules) > 15
    assert not [r for r in rules if "*" in r["verbs"] + r["resources"] + r["apiGroups"]]
    cluster_secrets = [r for r in rules if "secrets" in r["resources"] and "list" in r["verbs"]]
    assert cluster_secrets == []


@pytest.mark.parametrize("secrets", [True, False])
def test_secrets_of_others_are_left_alone_on_request(
    files: Mapping[str, str], secrets: bool
) -> None:
    made = objects(compiled(files, "output", {"secrets": secrets}))["tandem-rbac"]
    (role,) = (o for o in made if o["kind"] == "ClusterRole")
    assert any("secrets" in rule["resources"] for rule in role["rules"]) is secrets
    (own,) = (o for o in made if o["kind"] == "Role")
    assert [r.get("resourceNames") for r in own["rules"] if "secrets" in r["resources"]] == [
        None,  # a create cannot be limited to a name
        ["tandem-webhook-certificates"],
    ]


def test_the_notes_compile(files: Mapping[str, str]) -> None:
    text = files["parameter.cue"] + "\nparameter: {}\n" + files["NOTES.cue"]
    notes = msgspec.json.decode(cue.export(text, "notes"))
    assert "kubectl -n vela-system get deployment/tandem" in notes


def test_the_readme_lists_every_parameter(files: Mapping[str, str]) -> None:
    names = re.findall(r"^\t(\w+)\??: ", files["parameter.cue"], re.MULTILINE)
    assert len(names) >= 7
    assert [n for n in names if f"| `{n}` |" not in files["README.md"]] == []


def test_no_registry_host_is_named(files: Mapping[str, str]) -> None:
    image = re.findall(r'image: \*"([^"]+)"', files["parameter.cue"])
    assert image == ["oamdev/tandem:0.1.0"]


def test_admission_exempts_the_controllers_own_user(files: Mapping[str, str]) -> None:
    """Or the controller's own writes would be refused; whatever its namespace."""
    arguments = {"namespace": "ops"}
    made = objects(compiled(files, "output", arguments))["tandem-admission"]
    policies = [o for o in made if o["kind"] == "ValidatingAdmissionPolicy"]
    assert policies
    for policy in policies:
        text = msgspec.json.encode(policy).decode()
        assert "system:serviceaccount:ops:tandem" in text
        assert "vela-system" not in text


def test_mutating_policies_need_to_be_asked_for(files: Mapping[str, str]) -> None:
    """Most clusters do not serve them yet, and KubeVela would not get past the first."""
    kinds = {o["kind"] for o in objects(compiled(files, "output", {}))["tandem-admission"]}
    assert not {k for k in kinds if k.startswith("MutatingAdmission")}


SWITCHES = {"rules": "PrometheusRule", "serviceMonitor": "ServiceMonitor", "dashboard": "ConfigMap"}


def monitored(files: Mapping[str, str], **monitoring: object) -> list[dict[str, Any]]:
    arguments = {"namespace": "ops", "monitoring": monitoring}
    return objects(compiled(files, "output", arguments)).get("tandem-monitoring", [])


def test_nothing_of_monitoring_is_installed_unless_it_is_asked_for(
    files: Mapping[str, str],
) -> None:
    """Without prometheus-operator its kinds are unknown, and the addon would not get past them."""
    assert "tandem-monitoring" not in objects(compiled(files, "output", {}))


@pytest.mark.parametrize(("switch", "kind"), SWITCHES.items())
def test_each_part_of_monitoring_has_a_switch_of_its_own(
    files: Mapping[str, str], switch: str, kind: str
) -> None:
    (made,) = monitored(files, **{switch: True})
    assert (made["kind"], made["metadata"]["namespace"]) == (kind, "ops")


def test_operators_find_monitoring_by_the_labels_that_they_choose_by(
    files: Mapping[str, str],
) -> None:
    made = monitored(files, **dict.fromkeys(SWITCHES, True), labels={"release": "prometheus"})
    common = {"app.kubernetes.io/name": "tandem", "release": "prometheus"}
    assert [o["metadata"]["labels"] for o in made] == [
        common,
        common,
        {**common, "grafana_dashboard": "1"},
    ]


def test_the_service_monitor_finds_the_controllers_service(files: Mapping[str, str]) -> None:
    (monitor,) = monitored(files, serviceMonitor=True)
    arguments = {"namespace": "ops"}
    made = objects(compiled(files, "output", arguments))["tandem-controller"]
    (service,) = (o for o in made if o["kind"] == "Service")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert monitor["spec"]["selector"]["matchLabels"] == service["metadata"]["labels"]
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert endpoint["honorLabels"]


def test_the_rules_and_the_dashboard_are_those_of_the_project(
    root: Path, files: Mapping[str, str]
) -> None:
    address = "docs/monitoring.md"
    wanted = yaml.safe_load((root / "monitoring/rules.yaml").read_text(encoding="utf-8"))
    rules, dashboard = monitored(files, rules=True, dashboard=True)
    assert rules["spec"] == wanted
    told = json.loads((root / "monitoring/dashboard.json").read_text(encoding="utf-8"))
    assert json.loads(dashboard["data"]["tandem.json"]) == told
    (elsewhere,) = monitored(files, rules=True, runbooks="here")
    assert address not in json.dumps(elsewhere)
    assert json.dumps(elsewhere["spec"]).replace('"here#', f'"{address}#') == json.dumps(wanted)


def test_a_file_with_two_objects_is_refused(tmp_path: Path) -> None:
    """KubeVela would keep the first and drop the second without a word."""
    (tmp_path / "two.yaml").write_text("a: 1\n---\nb: 2\n", encoding="utf-8")
    with pytest.raises(source.SourceError, match="holds 2 YAML documents"):
        addon.load_manifests(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [("version: 0.1.0", "version: v1", "`v1`"), ("name: tandem", "names: x", "names")],
)
def test_faulty_metadata_is_refused(
    root: Path, tmp_path: Path, old: str, new: str, says: str
) -> None:
    file = tmp_path / "metadata.yaml"
    file.write_text((root / "metadata.yaml").read_text().replace(old, new, 1), encoding="utf-8")
    with pytest.raises(source.SourceError, match=says):
        addon.load_metadata(file)
