# The controller's image: controller and webhook, and nothing to build or install with.
# docs/image.md says how it is built, for other architectures and without a registry.

# Any Debian or Ubuntu with Python 3.11 or later and its `venv`; the digest may be given too.
ARG BASE=python:3.13.9-slim-bookworm

FROM ${BASE} AS build
ARG UV_VERSION=0.13.8
# The authorities of the base, so that a company's own work where the base has them.
ENV UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1
WORKDIR /src
RUN python3 -m venv /build/uv && /build/uv/bin/pip install --no-cache-dir uv==${UV_VERSION}
ENV PATH=/build/uv/bin:${PATH}
COPY pyproject.toml uv.lock ./
COPY controller/pyproject.toml controller/
COPY generator/pyproject.toml generator/
COPY cli/pyproject.toml cli/
# Versions and check sums are the lock file's. No library is compiled: there are wheels of all.
RUN UV_PROJECT_ENVIRONMENT=/opt/tandem uv sync --frozen --no-build --no-dev \
        --package tandem-controller --no-install-workspace \
    && UV_PROJECT_ENVIRONMENT=/build/wheel uv sync --frozen --no-build \
        --package tandem-controller --only-group build
COPY controller controller
RUN uv build --package tandem-controller --wheel --out-dir /build/dist \
        --python /build/wheel/bin/python --no-build-isolation \
    && uv pip install --python /opt/tandem/bin/python --no-deps /build/dist/*.whl

FROM ${BASE} AS root
# What could install or build something, what nobody reads here, and the right to become root.
RUN rm -rf /usr/share/python-wheels /usr/local/bin/pip* /usr/local/bin/idle* \
        /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip \
        /usr/lib/python3/dist-packages/* /usr/lib/python3*/ensurepip \
        /usr/share/doc /usr/share/info /usr/share/locale /usr/share/man \
        /var/cache/apt /var/lib/apt/lists /var/log/* \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} +
COPY --from=build /opt/tandem /opt/tandem
# More than half of the libraries' size are the official client's models, which the project never
# uses (docs/decisions/0002); the imports below show that nothing else is gone.
RUN find /opt/tandem/lib/python3*/site-packages/kubernetes -name '*.py' ! -name __init__.py \
        \( -path '*/client/models/*' -o -path '*/client/api/*' \) -delete
# The root file system is read-only at run time: what is imported is compiled now.
RUN /opt/tandem/bin/python -c \
        'import tandem_controller.command, kubernetes.aio.config, kubernetes.aio.client'

# From scratch, for what a layer takes away is still in the layer below.
FROM scratch
COPY --from=root / /
ENV PATH=/opt/tandem/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /
ENTRYPOINT ["tandem-controller"]
CMD ["run"]
