"""Logs, metrics and probes."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from tandem_controller.link.metrics import ReleaseMetrics


def configure_logging(*, as_json: bool, level: str) -> None:
    """Log to standard error: JSON for machines, aligned text for a terminal."""
    renderer: Any = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


class Metrics:
    """What the controller says of itself, and in `releases` of the Rollouts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.transitions = Counter(
            "tandem_transitions",
            "Transitions of releases, as told by Events",
            ["reason"],
            registry=self.registry,
        )
        self.write_failures = Counter(
            "tandem_write_failures",
            "Requests to the API server that failed",
            ["reason"],
            registry=self.registry,
        )
        self.faults = Counter(
            "tandem_faults", "Decisions that failed by a fault of ours", registry=self.registry
        )
        self.leader = Gauge(
            "tandem_leader", "1 while this replica may write", registry=self.registry
        )
        self.queue_depth = Gauge(
            "tandem_queue_depth", "Rollouts that wait for a worker", registry=self.registry
        )
        self.queue_wait = Histogram(
            "tandem_queue_wait_seconds",
            "How long a Rollout waited for a worker",
            registry=self.registry,
        )
        self.work = Histogram(
            "tandem_reconcile_seconds", "How long a reconcile took", registry=self.registry
        )
        self.watch_retries = Counter(
            "tandem_watch_retries", "Watches that failed", ["kind"], registry=self.registry
        )
        self.releases = ReleaseMetrics(self.registry)


class Health:
    """What the probes answer. Readiness has a reason, so that `kubectl describe` shows it."""

    def __init__(self) -> None:
        self.not_ready: str | None = "starting"


def health_app(metrics: Metrics, health: Health) -> web.Application:
    """Return the application that serves /healthz, /readyz and /metrics."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if health.not_ready is None:
            return web.Response(text="ok\n")
        return web.Response(status=503, text=f"{health.not_ready}\n")

    async def prometheus(_: web.Request) -> web.Response:
        body = generate_latest(metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", prometheus)
    return app
