# The gateway's image: dependencies of production only, its own Node (no second one from npm), no shell work at run time.
# There is no build step: Node runs the TypeScript itself.
FROM node:26-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packaging/with-tracing.ts packaging/
# No package of ours needs an install script in production. Source maps are left out.
RUN node packaging/with-tracing.ts && npm ci --omit=dev --ignore-scripts --no-audit --no-fund && npm run prepare

FROM node:26-slim
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 CARDEA_DATA_DIR=/data
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
COPY plugins plugins
COPY src src
RUN mkdir -m 0700 /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/livez`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Node itself is process 1: it gets SIGTERM and stops in good order.
CMD ["node", "--import", "./src/process/node-version.js", "src/server.ts"]
