# Two stages: build the wheel, then install it non-editable into a clean image.
# The base images can be taken from a mirror: --build-arg PYTHON_IMAGE=...
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

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
RUN python -m hatchling build -t wheel -d /dist \
 && /opt/yimatong/bin/pip install --no-cache-dir --no-deps /dist/*.whl

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --home-dir /var/lib/yimatong --create-home yimatong
COPY --from=build /opt/yimatong /opt/yimatong
ENV PATH=/opt/yimatong/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /var/lib/yimatong
USER yimatong
EXPOSE 8000
STOPSIGNAL SIGTERM
# -P: the working folder never shadows an installed package.
ENTRYPOINT ["python", "-P", "-m", "service"]
CMD ["serve"]
