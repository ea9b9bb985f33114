# Each base is named by its digest, which is that of the index over its architectures; .github/dependabot.yml moves them.
FROM python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285 AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
# An environment knows its Python by path: by the one that it has where it runs, which is the same minor version.
RUN [ -e /usr/bin/python3 ] || ln -s /usr/local/bin/python3 /usr/bin/python3
RUN /usr/bin/python3 -m venv /build && /build/bin/pip install --require-hashes -r requirements-build.lock \
    && /usr/bin/python3 -m venv --without-pip /opt/reaper \
    && /build/bin/pip --python /opt/reaper/bin/python install --no-compile --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY reaper ./reaper
COPY docs ./docs
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /build/bin/pip --python /opt/reaper/bin/python install --no-compile --no-deps /wheels/*.whl
# Compiled here, since where it runs the root is read-only: each start would compile everything, for 2 s of CPU.
RUN /opt/reaper/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/reaper/lib \
    && install -d /state

# Python and the libraries it needs, without shell, package manager or pip.
FROM gcr.io/distroless/python3-debian13:nonroot@sha256:83aa8d4f74a4d7f7cf2d472054139bef71a927b76c680c0f2e1021d6b1d6d732
LABEL org.opencontainers.image.title="session-reaper" \
      org.opencontainers.image.description="Keeps the hosted agent sessions of Microsoft Foundry in order" \
      org.opencontainers.image.licenses="MIT"
# The base brings its standard library uncompiled.
USER 0
RUN ["/usr/bin/python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/usr/lib/python3.13"]
COPY --from=build /opt/reaper /opt/reaper
# The state file stands in the working directory by default: mount a volume there.
COPY --from=build --chown=65532:65532 /state /var/lib/reaper
ENV PATH=/opt/reaper/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    REAPER_CONFIG=/etc/reaper/reaper.yaml REAPER_LISTEN=0.0.0.0:9464
USER 65532:65532
WORKDIR /var/lib/reaper
VOLUME /var/lib/reaper
EXPOSE 9464
HEALTHCHECK NONE
ENTRYPOINT ["reaper"]
CMD ["run"]
