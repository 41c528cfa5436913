"""The process that owns a cluster: starts its programs, keeps them, and leaves nothing behind.

It is a process of its own so that a cluster ends in order however its user ends: at ``stop``
(SIGTERM), and also when the user was killed with -9, which the supervisor sees by the end of a
pipe whose other end only the user held (the *lifeline*). With ``--detach`` there is no lifeline.

A program that ends by itself is started again, as a service manager would, so that a test may
kill the API server; one that keeps ending takes the cluster down with a message.
"""

import argparse
import fcntl
import json
import os
import select
import shutil
import signal
import sys
import time
from collections import deque
from contextlib import nullcontext
from pathlib import Path

from devcluster import bootstrap, control_plane, credentials, processes
from devcluster.api import Api, wait
from devcluster.layout import Layout
from devcluster.node import network, real_node
from devcluster.options import Options
from devcluster.ports import FreePorts
from devcluster.processes import Children, Command

_LOOK_EVERY_SECONDS = 0.25
_STOPPING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_RESTARTS = 5
_RESTARTS_WITHIN_SECONDS = 60.0


class Supervisor:
    """One cluster's life."""

    def __init__(self, layout: Layout, options: Options) -> None:
        self._layout = layout
        self._options = options
        self._children = Children(layout.pids, layout.logs)
        self._restarts: deque[float] = deque(maxlen=_RESTARTS)

    def start(self) -> None:
        """Bring the cluster up; when this returns it is ready for use."""
        layout, options = self._layout, self._options
        clear(layout)
        layout.pids.mkdir(parents=True, exist_ok=True)
        processes.write_pid_file(layout.supervisor, os.getpid())
        began = time.monotonic()
        with FreePorts() as free:
            ports = control_plane.Ports.take(free)
            server = f"https://127.0.0.1:{ports.api_server}"
            addresses = ["127.0.0.1", control_plane.SERVICE_ADDRESS]
            if options.real_node:
                addresses.append(network.NODE_ADDRESS)
            credentials.create(layout, options.users, addresses, server)
            control_plane.write_configuration(layout)
            self._say("Starting etcd and kube-apiserver")
            self._children.start(control_plane.store(layout, ports))
            self._children.start(control_plane.api_server(layout, ports, options))
            api = Api(server, layout.ca_file, layout.kubeconfig("admin"))
            crds = list(bootstrap.gateway_crds())
            self._wait_for("/readyz", api)
            self._say("Starting kube-controller-manager, kube-scheduler and kwok")
            self._children.start(control_plane.controller_manager(layout, ports, options))
            self._children.start(control_plane.scheduler(layout, ports))
        self._children.start(control_plane.fake_kubelet(layout))
        bootstrap.install_crds(api, crds)
        bootstrap.add_fake_nodes(api, options.fake_nodes, tainted=options.real_node)
        bootstrap.wait_for_default_namespace(api)
        facts = {"name": options.name, "server": server}
        if options.real_node:
            facts |= real_node.start(
                layout, self._children, api=api, api_port=ports.api_server, say=self._say
            )
        self._say(f"Cluster {options.name} is ready after {time.monotonic() - began:.1f} s")
        _write_at_once(layout.facts, json.dumps(facts))

    def keep(self, lifeline: int | None) -> None:
        """Keep the programs running until a signal or the end of the lifeline."""
        watched = [] if lifeline is None else [lifeline]
        while not select.select(watched, [], [], _LOOK_EVERY_SECONDS)[0]:
            for command, code in self._children.ended():
                self._restart(command, code)
        self._say("The process that started this cluster is gone; stopping")

    def stop(self) -> None:
        """End everything and remove everything but the logs."""
        self._children.stop_all()
        clear(self._layout)
        self._say(f"Cluster {self._options.name} is stopped; its logs: {self._layout.logs}")

    def _wait_for(self, path: str, api: Api) -> None:
        def ready() -> bool:
            self._check()
            return api.get(path) == {}

        wait(f"kube-apiserver to answer {path}", ready, seconds=120)

    def _check(self) -> None:
        """While starting, the end of any program is a failure to report at once."""
        for command, code in self._children.ended():
            raise RuntimeError(self._last_words(command, code))

    def _restart(self, command: Command, code: int) -> None:
        self._say(self._last_words(command, code) + "\nStarting it again")
        now = time.monotonic()
        if len(self._restarts) == _RESTARTS and now - self._restarts[0] < _RESTARTS_WITHIN_SECONDS:
            raise RuntimeError(f"{command.name} keeps ending; giving the cluster up")
        self._restarts.append(now)
        self._children.start(command)

    def _last_words(self, command: Command, code: int) -> str:
        log = self._layout.logs / f"{command.name}.log"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
        return f"{command.name} ended with {code}; the end of {log}:\n{tail}"

    def _say(self, line: str) -> None:
        with self._layout.progress.open("a") as progress:
            progress.write(line + "\n")


def clear(layout: Layout) -> None:
    """Remove what a cluster, also a crashed one, left in its folder; the logs stay."""
    processes.kill_remembered(layout.pids)
    for path in (layout.pids, layout.etcd_data, layout.pki, layout.config):
        shutil.rmtree(path, ignore_errors=True)
    for path in (layout.facts, layout.supervisor, *layout.folder.glob("kubeconfig*")):
        path.unlink(missing_ok=True)


def run(folder: Path, lifeline: int | None) -> int:
    """Own the cluster in ``folder`` until it is told to stop; the exit code."""
    layout = Layout(folder)
    _raise_on_signals()
    with layout.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        options = Options.load(layout.options)
        supervisor = Supervisor(layout, options)
        with real_node.only_one(layout) if options.real_node else nullcontext():
            try:
                supervisor.start()
                supervisor.keep(lifeline)
            except StopRequestedError:
                pass
            finally:
                _refuse_signals()
                supervisor.stop()
    return 0


class StopRequestedError(BaseException):
    """A signal told the supervisor to stop, wherever it was: clearing up needs no state of it."""


def _raise_on_signals() -> None:
    def handle(*_: object) -> None:
        _refuse_signals()
        raise StopRequestedError

    for sign in _STOPPING_SIGNALS:
        signal.signal(sign, handle)


def _refuse_signals() -> None:
    """Clearing up is not interrupted."""
    for sign in _STOPPING_SIGNALS:
        signal.signal(sign, signal.SIG_IGN)


def _write_at_once(path: Path, text: str) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.rename(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lifeline", type=int)
    arguments = parser.parse_args()
    sys.exit(run(arguments.folder, arguments.lifeline))
