# syntax=docker/dockerfile:1
FROM python:3.13.9-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /build && /build/bin/pip install --require-hashes -r requirements-build.lock \
    && python -m venv --without-pip /opt/reaper \
    && /build/bin/pip --python /opt/reaper/bin/python install --no-compile --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY reaper ./reaper
COPY docs ./docs
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /build/bin/pip --python /opt/reaper/bin/python install --no-compile --no-deps /wheels/*.whl
# Compiled here, since where it runs the root is read-only: each start would compile everything, for 2 s of CPU.
RUN /opt/reaper/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/reaper/lib

FROM python:3.13.9-slim-bookworm
LABEL org.opencontainers.image.title="session-reaper" \
      org.opencontainers.image.description="Keeps the hosted agent sessions of Microsoft Foundry in order" \
      org.opencontainers.image.licenses="MIT"
# The state file stands in the working directory by default: mount a volume there. The base's pip is of no use here.
RUN install -d -o 65532 -g 65532 /var/lib/reaper \
    && rm -rf /usr/local/bin/pip* /usr/local/lib/python3.*/site-packages/pip* /usr/local/lib/python3.*/ensurepip
COPY --from=build /opt/reaper /opt/reaper
ENV PATH=/opt/reaper/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    REAPER_CONFIG=/etc/reaper/reaper.yaml REAPER_LISTEN=0.0.0.0:9464
USER 65532:65532
WORKDIR /var/lib/reaper
VOLUME /var/lib/reaper
EXPOSE 9464
HEALTHCHECK NONE
ENTRYPOINT ["reaper"]
CMD ["run"]
