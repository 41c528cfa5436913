"""A real Prometheus on this machine, and promtool: Debian's package."""

import json
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from devcluster import debian_package
from devcluster.api import wait
from devcluster.ports import FreePorts
from devcluster.processes import Children, Command
from devcluster.progress import Say, to_stderr

_START_SECONDS = 30


def program(name: str = "prometheus", say: Say = to_stderr) -> Path:
    """The path of ``prometheus`` or ``promtool``, fetched when missing."""
    return debian_package.program("prometheus", name, say)


class Prometheus:
    """One server that scrapes addresses every second and evaluates rules every second."""

    def __init__(self, folder: Path, *, scrape: Sequence[str], rules: Sequence[Path] = ()) -> None:
        self._folder = folder
        self._children = Children(folder / "pids", folder)
        self._config: Mapping[str, Any] = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(file) for file in rules],
            "scrape_configs": [
                {
                    "job_name": "tandem",
                    "honor_labels": True,
                    "static_configs": [{"targets": list(scrape)}],
                }
            ],
        }
        self.address = ""

    def __enter__(self) -> Self:
        (self._folder / "pids").mkdir(parents=True, exist_ok=True)
        # JSON is YAML.
        (self._folder / "prometheus.yml").write_text(json.dumps(self._config))
        with FreePorts() as free:
            self.address = f"127.0.0.1:{free.take()}"
            self._children.start(Command("prometheus", self._command()))
            wait("Prometheus to be ready", self._ready, seconds=_START_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._children.stop_all()

    def series(self, query: str) -> list[dict[str, str]]:
        """The labels of what an expression gives now."""
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": query})
        return [each["metric"] for each in self._get(path)["result"]]

    def alerts(self) -> dict[str, str]:
        """The state of each alert that is pending or firing, by its name."""
        return {a["labels"]["alertname"]: a["state"] for a in self._get("/api/v1/alerts")["alerts"]}

    def _command(self) -> tuple[str, ...]:
        return (
            str(program()),
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self.address}",
        )

    def _ready(self) -> bool:
        with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5):
            return True

    def _get(self, path: str) -> Any:  # noqa: ANN401 - Prometheus' data, by path
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=5) as answer:
            return json.load(answer)["data"]
