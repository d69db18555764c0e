# Three stages: bundle the phones' module, build the wheel with it, install that into a clean image.
# The base images can be taken from a mirror: --build-arg PYTHON_IMAGE=... --build-arg NODE_IMAGE=...
ARG PYTHON_IMAGE=python:3.13-slim-bookworm
ARG NODE_IMAGE=node:22-bookworm-slim

FROM ${NODE_IMAGE} AS phone
WORKDIR /src/clients/holder
COPY clients/holder/package.json clients/holder/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY clients/holder ./
RUN npm run --silent build

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY requirements/build.lock requirements/run.lock requirements/
RUN python -m venv /opt/yimatong \
 && /opt/yimatong/bin/pip install --no-cache-dir --require-hashes -r requirements/run.lock \
 && python -m pip install --no-cache-dir --require-hashes -r requirements/build.lock
COPY pyproject.toml README.md ./
COPY openapi openapi
COPY crypto crypto
COPY integrations integrations
COPY service service
COPY --from=phone /src/service/web/built service/web/built
RUN python -m hatchling build -t wheel -d /dist \
 && /opt/yimatong/bin/pip install --no-cache-dir --no-deps /dist/*.whl

FROM ${PYTHON_IMAGE}
# The folders belong to the user before a volume is laid over them: a new volume takes that over.
RUN useradd --system --uid 10001 --home-dir /var/lib/yimatong --create-home yimatong \
 && install -d -m 0700 -o yimatong -g yimatong /var/lib/yimatong/keys /var/lib/yimatong/master
COPY --from=build /opt/yimatong /opt/yimatong
ENV PATH=/opt/yimatong/bin:$PATH PYTHONUNBUFFERED=1 YIMATONG_STATE_DIR=/var/lib/yimatong
WORKDIR /var/lib/yimatong
USER yimatong
EXPOSE 8080
STOPSIGNAL SIGTERM
# -P: the working folder never shadows an installed package.
ENTRYPOINT ["python", "-P", "-m", "service"]
CMD ["serve"]
