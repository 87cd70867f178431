# One image a process: docker build --target api|worker-feedback|worker-tts|oktalk|s3 .
# All binaries are static and run as user 10001. The images that decode, score or speak carry the tools for it; the others carry nothing else.
# No feature of BuildKit is needed; without it, all stages above a target are built too.

FROM golang:1.26-bookworm AS build-s3
WORKDIR /src/tools/versitygw
COPY tools/versitygw/ ./
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/versitygw github.com/versity/versitygw/cmd/versitygw

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
# The libraries that take longest, in a layer that stays while only our code changes.
RUN go mod download \
 && CGO_ENABLED=0 go build -trimpath \
    github.com/aws/aws-sdk-go-v2/config github.com/aws/aws-sdk-go-v2/service/s3 github.com/danielgtaylor/huma/v2 \
    github.com/jackc/pgx/v5/pgxpool github.com/pressly/goose/v3 github.com/prometheus/client_golang/prometheus/promhttp \
    github.com/redis/go-redis/v9
COPY cmd/ cmd/
COPY internal/ internal/
COPY migrations/ migrations/
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/ ./cmd/...

FROM debian:bookworm-slim AS base
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin oktalk

FROM base AS speech
RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg flite \
 && rm -rf /var/lib/apt/lists/*

# Scores recordings: acoustic model, dictionary, ffmpeg, and the letter-to-sound rules of flite and espeak-ng.
FROM speech AS api
RUN apt-get update \
 && apt-get install -y --no-install-recommends espeak-ng pocketsphinx-en-us \
 && rm -rf /var/lib/apt/lists/*
COPY deploy/healthy /usr/local/bin/
COPY --from=build /out/api /usr/local/bin/
USER 10001:10001
EXPOSE 8080 9090
ENTRYPOINT ["api"]

FROM base AS worker-feedback
COPY deploy/healthy /usr/local/bin/
COPY --from=build /out/worker-feedback /usr/local/bin/
USER 10001:10001
EXPOSE 9090
ENTRYPOINT ["worker-feedback"]

# Speaks: flite for English, espeak-ng for Chinese, ffmpeg for MP3.
FROM speech AS worker-tts
RUN apt-get update \
 && apt-get install -y --no-install-recommends espeak-ng \
 && rm -rf /var/lib/apt/lists/*
COPY deploy/healthy /usr/local/bin/
COPY --from=build /out/worker-tts /usr/local/bin/
USER 10001:10001
EXPOSE 9090
ENTRYPOINT ["worker-tts"]

# Migrations, keys and the other tools of operators.
FROM base AS oktalk
COPY --from=build /out/oktalk /usr/local/bin/
USER 10001:10001
ENTRYPOINT ["oktalk"]

# S3-compatible storage for a machine without a cloud account.
FROM base AS s3
RUN mkdir -p /data/buckets /data/metadata && chown -R 10001:10001 /data
COPY deploy/healthy /usr/local/bin/
COPY --from=build-s3 /out/versitygw /usr/local/bin/
USER 10001:10001
VOLUME /data
EXPOSE 7070
ENTRYPOINT ["versitygw"]
CMD ["--port", ":7070", "--health", "/health", "--keep-alive", "--quiet", "posix", "--sidecar", "/data/metadata", "/data/buckets"]
