"""The node's network: one bridge on which the machine and every pod have an address.

There is no kube-proxy: clients outside (Traefik) go to pod addresses, and of all Services only
``kubernetes`` has a cluster address that works, so that in-cluster configuration does. No cluster
DNS either. Everything made here is known by the bridge's name or by a comment, so that it is found
again after a crash.
"""

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from devcluster.control_plane import SERVICE_ADDRESS
from devcluster.layout import Layout

BRIDGE = "tandem0"
NODE_ADDRESS = "10.213.0.1"
POD_RANGE = "10.213.0.0/16"
CNI_NETWORK = "tandem-pods"

_COMMENT = "tandem-devcluster"
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def create(layout: Layout, api_server_port: int) -> None:
    """Make the bridge and its rules, and write the CNI configuration."""
    (layout.node / "ip_forward").write_text(_FORWARDING.read_text())
    _run("ip", "link", "add", BRIDGE, "type", "bridge")
    _run("ip", "address", "add", f"{NODE_ADDRESS}/16", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "up")
    # Where bridged packets pass iptables, another program's policy must not drop ours.
    _rule("filter", "-I", "FORWARD", "-i", BRIDGE, "-o", BRIDGE, "-j", "ACCEPT")
    to_api = ("-d", SERVICE_ADDRESS, "-p", "tcp", "--dport", "443")
    target = ("-j", "DNAT", "--to-destination", f"{NODE_ADDRESS}:{api_server_port}")
    _rule("nat", "-A", "PREROUTING", "-i", BRIDGE, *to_api, *target)
    folder = layout.node / "cni"
    folder.mkdir(parents=True)
    (folder / "10-tandem.conflist").write_text(json.dumps(_cni(layout)))


def remove(layout: Layout) -> None:
    """Remove all of it, also what a crash left; does nothing where there is nothing."""
    subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, check=False)
    for table, rule in _own_rules():
        _run("iptables", "-t", table, "-D", *shlex.split(rule)[1:])
    before = layout.node / "ip_forward"
    # The bridge plugin switches forwarding on for the gateway's sake.
    if before.exists():
        _FORWARDING.write_text(before.read_text())


def remaining() -> list[str]:
    """What is left of it, in words."""
    bridge = [f"bridge {BRIDGE}"] if Path(f"/sys/class/net/{BRIDGE}").exists() else []
    return [*bridge, *(f"iptables rule in {table}: {rule}" for table, rule in _own_rules())]


def _own_rules() -> Iterator[tuple[str, str]]:
    """Table and rule, as ``iptables -S`` prints it."""
    for table in ("filter", "nat"):
        listed = subprocess.run(
            ["iptables", "-t", table, "-S"], capture_output=True, text=True, check=False
        )
        own = [line for line in listed.stdout.splitlines() if f"--comment {_COMMENT}" in line]
        yield from ((table, line) for line in own)


def _cni(layout: Layout) -> dict[str, object]:
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_RANGE, "gateway": NODE_ADDRESS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(layout.node / "addresses"),
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "hairpinMode": True}
    return {"cniVersion": "0.4.0", "name": CNI_NETWORK, "plugins": [{**bridge, "ipam": ipam}]}


def _rule(table: str, action: str, chain: str, *rule: str) -> None:
    comment = ("-m", "comment", "--comment", _COMMENT)
    _run("iptables", "-t", table, action, chain, *comment, *rule)


def _run(*command: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip()}")
