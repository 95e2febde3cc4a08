# One image for every part: the command chooses (see docker-compose.yml).
# TORCH_OPTIONS goes to the pip call that installs torch: name PyTorch's own index there to get its CPU build or the
# build for your CUDA version (docs/how-to/operate.md).
FROM python:3.11-slim
ARG TORCH_OPTIONS=

WORKDIR /app
# tcmalloc: see arc_fabric/services/allocator.py.
RUN apt-get update && apt-get install -y --no-install-recommends libtcmalloc-minimal4 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home arc && mkdir /data && chown arc /data
COPY constraints.txt pyproject.toml README.md LICENSE celeryconfig.py ./
COPY arc_fabric arc_fabric
COPY workers workers
COPY webapp webapp
RUN pip install --no-cache-dir --constraint constraints.txt $TORCH_OPTIONS torch==2.13.0 \
 && pip install --no-cache-dir --constraint constraints.txt '.[server,sdk]' \
 && pip install --no-cache-dir --no-deps openpi-client==0.1.2

USER arc
ENV ARC_FABRIC_DATA_DIR=/data PYTHONUNBUFFERED=1 LD_PRELOAD=libtcmalloc_minimal.so.4
ENTRYPOINT ["arc-fabric"]
CMD ["--help"]
