# Waypost in a container: small, without root, and without writing to its own files.
#
#   docker build -t waypost .
#   docker run --read-only --tmpfs /tmp --volume waypost:/data --publish 8000:8000 waypost
#
# That runs all of it, with its own PostgreSQL and Valkey under /data. For production set WAYPOST_ENV and the addresses of
# servers of yours: docs/how-to/deploy.md.

ARG PYTHON=python:3.11-slim

FROM ${PYTHON} AS build
WORKDIR /src
RUN python3 -m venv /opt/waypost
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.txt ./
# The locked versions with their hashes, in a layer that changes only with them.
RUN /opt/waypost/bin/pip install --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY webhooks webhooks
COPY subscriptions subscriptions
COPY delivery delivery
COPY config config
RUN /opt/waypost/bin/pip install --no-deps . \
    && /opt/waypost/bin/pip uninstall --yes --quiet setuptools pip

FROM ${PYTHON}
RUN groupadd --system --gid 10001 waypost \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin waypost \
    && install --directory --owner waypost --group waypost /data
COPY --from=build /opt/waypost /opt/waypost
ENV PATH=/opt/waypost/bin:$PATH WAYPOST_DATA=/data PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["waypost-server"]
CMD ["up", "--host", "0.0.0.0", "--port", "8000"]
