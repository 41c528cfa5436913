"""A faulty blueprint is refused with file, line and a sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tandem_generator import definitions, source

GOOD = """\
name: shop
version: 1.2.3
description: A shop
workload: Deployment
volumes:
  - name: work
platform:
  - name: init
    kind: init
    image: {parameter: initImage, usage: Image of init}
    mounts: {work: /work}
  - name: proxy
    kind: sidecar
    image: {parameter: proxyImage, usage: Image of the proxy}
    ports: [{name: admin, port: 9000}]
    env: [{name: MODE, value: "on"}]
    resources: {fixed: {requests: {cpu: 10m}}}
    probes:
      readiness: {fixed: {httpGet: {path: /ready, port: 9000}}}
business:
  name: {parameter: containerName, usage: Name of the business container}
  image: {parameter: businessImage, usage: Image of the product}
  ports: [{name: http, port: 8080}]
"""


def test_a_good_blueprint_passes(write: Callable[[str], Path]) -> None:
    assert definitions.component(write(GOOD)).version == "1.2.3"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("name: shop\n", "", 1, "missing required field `name`"),
        ("name: shop\n", "name: Shop\n", 1, "`Shop` is not allowed here"),
        ("version: 1.2.3", "version: v1.2", 2, "`v1.2` is not allowed here"),
        ("workload: Deployment", "workload: CronJob", 4, "Invalid enum value 'CronJob'"),
        ("workload: Deployment", "workloads: Deployment", 4, "unknown field `workloads`"),
        ("kind: init", "kind: helper", 9, "Invalid enum value 'helper'"),
        ("{parameter: initImage, usage: Image of init}", "init:v1", 10, "holds no image"),
        ("usage: Image of init}", "default: a, usage: b}", 10, "holds no image"),
        ("parameter: initImage", 'parameter: "init:v1"', 10, "`init:v1` is not allowed here"),
        ("mounts: {work: /work}", "mounts: {wrk: /work}", 11, "mounts the volume `wrk`"),
        ("name: proxy", "name: init", 12, "two containers are named `init`"),
        ("port: 9000}]", "port: 90000}]", 15, "Expected `int` <= 65535"),
        ("{fixed: {requests: {cpu: 10m}}}", "{}", 17, "exactly one of `parameter` and `fixed`"),
        ("parameter: businessImage", "parameter: initImage", 22, "more than one purpose"),
        ("parameter: containerName", "parameter: replicas", 21, "one that every component has"),
        ("kind: sidecar", "kind: init", 18, "cannot have probes"),
        ("version: 1.2.3", "version: [1.2.3", 3, "not YAML"),
    ],
)
def test_a_fault_names_its_line(
    write: Callable[[str], Path], old: str, new: str, line: int, says: str
) -> None:
    file = write(GOOD.replace(old, new, 1))
    with pytest.raises(source.SourceError) as caught:
        definitions.component(file)
    assert caught.value.line == line
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n", "text\n", "a: 1\n---\nb: 2\n"])
def test_something_else_is_no_blueprint(write: Callable[[str], Path], text: str) -> None:
    with pytest.raises(source.SourceError):
        definitions.component(write(text))


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(source.SourceError, match="cannot be read: No such file"):
        definitions.component(tmp_path / "none.yaml")


def test_a_folder_without_blueprints_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(source.SourceError, match="holds no blueprint"):
        definitions.generate(tmp_path)


def test_two_definitions_cannot_share_a_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        file = tmp_path / "components" / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(GOOD, encoding="utf-8")
    with pytest.raises(source.SourceError, match="the name `shop` is taken by"):
        definitions.generate(tmp_path)
