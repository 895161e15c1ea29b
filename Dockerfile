# coview in a container, without root. Decoding processes share clips through /dev/shm: give it 2 GB.
#   docker build -t coview --build-arg TORCH_INDEX=URL .   for a CPU: URL is the index of torch's CPU builds, which
#                                                          pytorch.org names under "Get started"
#   docker build -t coview:cuda .                          for NVIDIA GPUs; run it with --gpus all
#   docker run --rm --shm-size 2g -v "$PWD:/videos" coview prepare my_videos data/mine
FROM python:3.11-slim-bookworm

ARG TORCH_INDEX=
ARG EXTRAS=serve,cluster
ARG UID=1000

RUN useradd --create-home --uid "$UID" coview && mkdir /videos && chown coview /videos
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src ./src
RUN pip install --no-cache-dir -c constraints.txt torch ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
    && pip install --no-cache-dir -c constraints.txt ".[$EXTRAS]"

ENV PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=/tmp/numba MPLCONFIGDIR=/tmp/matplotlib
USER coview
WORKDIR /videos
EXPOSE 8765
ENTRYPOINT ["coview"]
CMD ["--help"]
