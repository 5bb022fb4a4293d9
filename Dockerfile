# The binary is cross-compiled, so the builder always runs at the speed of the machine.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY sdk/go/go.mod sdk/go/go.sum sdk/go/
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
ARG TARGETOS
ARG TARGETARCH
# The modules of the source tree that are not the product's stay out by .dockerignore.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/nexterm . \
    && mkdir /out/data

# Certificates, time zones and an account, but no shell and no package manager.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/nexterm /nexterm
# A named volume takes its owner from here. The image brings no PostgreSQL: set DATABASE_URL.
COPY --from=build --chown=65532:65532 /out/data /data
ENV DATA_DIR=/data
VOLUME /data
# As a number, so that an orchestrator can see that it is not root.
USER 65532:65532
EXPOSE 6989
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["/nexterm", "healthcheck"]
ENTRYPOINT ["/nexterm"]
CMD ["serve"]
