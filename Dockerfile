ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS builder
WORKDIR /src
# The build tools get an environment of their own, and the shipped one has no pip.
RUN python -m venv /opt/build \
    && python -m venv --without-pip /opt/venv
COPY requirements.txt requirements-build.txt ./
RUN /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.txt \
    && /opt/build/bin/pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
RUN /opt/build/bin/pip wheel --no-build-isolation --no-deps --wheel-dir /dist . \
    && /opt/build/bin/pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --no-index --no-deps /dist/*.whl
# By hash: layers may round the times of files, and byte code checked by time would be thrown away.
RUN ["/opt/venv/bin/python", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", "/opt/venv/lib"]

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="azure-backup-exporter" \
      org.opencontainers.image.description="Prometheus exporter for Azure Backup" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=builder /opt/venv /opt/venv
# Everything is byte-compiled; the root file system may be read-only.
ENV PATH="/opt/venv/bin:${PATH}" \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 10057
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["azure-backup-exporter", "healthcheck"]
ENTRYPOINT ["azure-backup-exporter"]
CMD ["serve", "--config.file=/etc/azure-backup-exporter/config.yaml"]
