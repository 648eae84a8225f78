// One node: database, bell, engine and server, opened in this order and closed in reverse. main.ts runs
// one per process; tests run several.

import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Logger, pino } from 'pino'
import { egressOf } from '#access/egress/egress.ts'
import { sharedSecret } from '#access/keys.sql.ts'
import { makeFirstLink } from '#access/people/invitations.ts'
import { peopleSettings } from '#access/people/settings.ts'
import { makeRateLimiter } from '#access/rate-limit.ts'
import { type RunTokens, runTokens } from '#access/run-tokens.ts'
import { publicAddressOf } from '#alerts/answer-links.ts'
import { mailerOf, makeMailer } from '#alerts/mailer.ts'
import { createBell } from '#bell/bell.ts'
import { makeCtx } from '#bell/ctx.ts'
import { listenTo } from '#bell/listening.ts'
import { openRedis } from '#bell/redis.ts'
import { outcomePatterns } from '#core/log/outcome.ts'
import { dialectRoutes } from '#dialects/dialects.ts'
import { makeCaller } from '#dispatch/http-call.ts'
import { postOf } from '#dispatch/post.ts'
import { connectionsOf } from '#gateway/connections.ts'
import { makeAuthenticator } from '#http/authenticate.ts'
import { rateLimitNameOf } from '#http/caller.ts'
import { isLocal } from '#http/local-caller.ts'
import { makeMetrics } from '#http/metrics/metrics.ts'
import { serveMetrics } from '#http/metrics/metrics-server.ts'
import { type NativeParts, nativeRoutes } from '#http/native.ts'
import { signInPage } from '#http/routes/people/users.ts'
import { buildServer, closeServer } from '#http/server.ts'
import { oidcClient } from '#http/session/oidc.ts'
import { traceRequests } from '#http/trace-requests.ts'
import { eventWire } from '#http/wire/event-wire.ts'
import { startLive } from '#live/live.ts'
import { outcomesOf } from '#log/outcomes.ts'
import { feedCacheOf, feedOf } from '#log/recent-feed.ts'
import { redisCache } from '#log/recent-feed-cache.ts'
import { recognizeServer } from '#log/server/recognize-server.ts'
import { databaseClock } from '#postgres/clock.ts'
import { newId } from '#postgres/id.ts'
import { migrate } from '#postgres/migrate.ts'
import { attemptTimesOf, makeAttemptTimes } from '#runs/attempts/attempt-times.ts'
import { makeClaimer } from '#runs/attempts/claimer.ts'
import { requireHeld } from '#runs/attempts/fence.ts'
import { type Engine, startEngine } from '#upkeep/engine.ts'
import { eventJsonOf } from '#webhooks/cloud-event.ts'
import { bootstrap } from './bootstrap.ts'
import { type Closing, openOrClose } from './closing.ts'
import type { Config } from './config.ts'
import { healthChecks } from './health.ts'
import { openPools, type Pools } from './pools.ts'
import { startTracing } from './tracing.ts'
import { watchWrites } from './write-watch.ts'

export type Node = {
  /** Where it listens, e.g. http://127.0.0.1:8080. */
  address: string
  /** The key of this start, when it is known: configured by the operator, or generated and stored on this machine. */
  key: string | undefined
  keyIsNew: boolean
  /** Opens the console once: for the first owner, or on the machine of the embedded database for the one there is. */
  console: string | undefined
  /** Where metrics are, when they have an address of their own. */
  metricsAddress: string | undefined
  /** Reports that it is not ready, and keeps working for as long as load balancers need to notice. */
  drain: () => Promise<void>
  close: () => Promise<void>
}

export type NodeOptions = {
  config: Config
  databaseUrl: string
  keepKey: boolean
  log?: Logger
  /** For a database that belongs to this process: false while it is being restarted. */
  isDatabaseRunning?: () => boolean
  /** Where such a database keeps its data. */
  databaseFolder?: string
  /** The operator restored a copy of the database: see docs/backup.md. */
  restored?: 'restored' | undefined
}

/** Whatever a failed start has opened is closed again. */
export const startNode = (options: NodeOptions): Promise<Node> => openOrClose((opened) => openNode(options, opened))

async function openNode(options: NodeOptions, opened: Closing): Promise<Node> {
  const { config, keepKey, log = pino({ level: config.logLevel }) } = options
  const { databaseDirectUrl: directUrl, pool: sizes, node: name } = config
  const pools = openPools({ url: options.databaseUrl, directUrl, node: name, sizes, log }, opened)
  const stopTracing =
    config.tracing && (await startTracing({ ...config.tracing, node: config.node, warn: (line) => log.warn(line) }))
  opened.add(() => stopTracing?.())
  await migrate(pools.engineSql, { log: (line) => log.info(line) })
  await recognizeServer(pools.engineSql, { log, restored: options.restored })
  await pools.begin()
  const { tokenSecret, key, isNew } = await bootstrap(pools.apiSql, {
    dataDir: config.dataDir,
    apiKey: config.apiKey,
    keepKey,
    log: (line) => log.warn(line),
  })
  const services = await openServices(options, pools, log, opened)
  const node = await openSurfaces(options, { ...services, tokens: runTokens(tokenSecret, services.clock), log }, opened)

  const { port } = node.app.server.address() as AddressInfo
  const address = `http://${hostFor(config.host)}:${port}`
  const firstLink = config.roles.has('api') ? await makeFirstLink(pools.apiSql, keepKey) : undefined
  return {
    address,
    key,
    keyIsNew: isNew,
    console: firstLink && `${config.address.origin ?? address}${config.address.basePath}${signInPage(firstLink)}`,
    metricsAddress: node.metricsAddress,
    async drain() {
      node.startDraining()
      await sleep(config.drainMs)
    },
    close: opened.run,
  }
}

/** What actions and duties work with: the bell, the clock, Redis, outgoing calls and mail, and the contexts of both. */
async function openServices(
  { config }: NodeOptions,
  { hosts, apiSql, readSql, engineSql, witness }: Pools,
  log: Logger,
  opened: Closing,
) {
  const bell = await createBell({ url: hosts, redisUrl: config.redisUrl, log: (line) => log.info(line) })
  opened.add(bell.close)
  const clock = await databaseClock(apiSql)
  opened.add(clock.close)
  const redis =
    config.redisUrl === undefined ? undefined : openRedis({ url: config.redisUrl, log: (line) => log.warn(line) })
  opened.add(() => redis?.close())
  const feedCache = redis && redisCache({ redis, installation: await sharedSecret(apiSql, 'installation', newId()) })
  const caller = makeCaller({ egress: config.egress })
  opened.add(caller.close)
  const mailer = config.mail && makeMailer(config.mail)
  opened.add(() => mailer?.close())
  const parts = {
    reads: readSql,
    ring: (topics: Parameters<typeof bell.ring>[0]) => {
      witness.note()
      bell.ring(topics)
    },
    listen: listenTo(bell),
    nowMs: clock.nowMs,
    log,
    given: [
      egressOf.given(config.egress),
      peopleSettings.given(config.people),
      postOf.given(caller.call),
      eventJsonOf.given(eventWire),
      mailerOf.given(mailer),
      publicAddressOf.given(config.address.origin && `${config.address.origin}${config.address.basePath}`),
      attemptTimesOf.given(makeAttemptTimes()),
      outcomesOf.given(outcomePatterns(config.eventOutcomes)),
      ...(feedCache ? [feedCacheOf.given(feedCache)] : []),
    ],
  }
  const ctx = makeCtx({ sql: apiSql, ...parts })
  const engineCtx = makeCtx({ sql: engineSql, ...parts })
  opened.add(() => Promise.all([ctx, engineCtx].flatMap((it) => [feedOf(it).close(), connectionsOf(it).close()])))
  return { ctx, engineCtx, bell, clock, redis, where: hosts.where, loss: witness.loss }
}

type Services = Awaited<ReturnType<typeof openServices>> & { tokens: RunTokens; log: Logger }

/** The server with all that it answers for, the metrics and the engine, in the order in which they may be used. */
async function openSurfaces(options: NodeOptions, services: Services, opened: Closing) {
  const { config, isDatabaseRunning = () => true } = options
  const { ctx, bell, redis, tokens, log, where, loss } = services
  const live = startLive({ sql: ctx.sql, bell, log: (line) => log.info(line) })
  let engine: Engine | undefined
  const metrics = makeMetrics({
    sql: ctx.sql,
    pools: { api: ctx.sql, reads: ctx.reads, engine: services.engineCtx.sql },
    times: attemptTimesOf(ctx),
    databaseFolder: options.databaseFolder,
    inFlight: () => engine?.inFlight() ?? 0,
    streams: live.count,
    where,
    loss,
  })
  const stopping = new AbortController()
  let draining = false
  const writes = watchWrites(ctx.sql, { warn: (line) => log.warn(line) })
  const checks = async () => [
    ...(draining ? [failing('draining')] : []),
    ...(isDatabaseRunning() ? [] : [failing('database_restart')]),
    ...(await healthChecks(ctx.sql, { duties: engine?.health() ?? [], redis, writes, where, loss })),
  ]
  const serving = { live, metrics, stopping: stopping.signal, checks, isDraining: () => draining }
  const app = makeApp(config, services, serving, opened)
  const metricsServer =
    config.metricsAddress &&
    (await serveMetrics(config.metricsAddress, {
      metrics,
      onFailure: (error) => log.error({ err: error }, 'could not read metrics'),
    }))
  opened.add(() => metricsServer?.close())
  let stoppingMs = Number.POSITIVE_INFINITY
  opened.add(() => {
    const leftMs = config.shutdownGraceMs - Math.max(0, performance.now() - stoppingMs)
    return closeServer(app, Math.max(LAST_CALLS_MS_MIN, leftMs))
  })
  await app.listen({ port: config.port, host: config.host })
  if (config.roles.has('engine')) {
    const { engineCtx } = services
    const started = startEngine(engineCtx, {
      claimer: makeClaimer(engineCtx, metrics.runClaimed),
      tokens,
      node: config.node,
      callsMax: config.dispatchCallsMax,
      retention: config.retention,
      externalSilenceSecs: config.externalSilenceSecs,
      databaseFolder: options.databaseFolder,
      onTick: metrics.dutyEnded,
    })
    engine = started
    opened.add(() => started.stop(config.shutdownGraceMs))
  }
  // Streams and long polls end first, so that their clients go to another node while this one finishes its calls.
  opened.add(() => {
    stoppingMs = performance.now()
    stopping.abort()
    live.close()
  })
  return {
    app,
    metricsAddress: metricsServer?.address,
    startDraining() {
      draining = true
    },
  }
}

type Serving = Pick<NativeParts, 'live' | 'metrics' | 'stopping' | 'checks'> & {
  isDraining: () => boolean
}

function makeApp(config: Config, { ctx, bell, redis, tokens, log }: Services, serving: Serving, opened: Closing) {
  const { isDraining, ...parts } = serving
  const authenticator = makeAuthenticator({ sql: ctx.sql, tokens, address: config.address, ...config.people })
  opened.add(authenticator.close)
  opened.add(bell.listen('keys', authenticator.forget))
  const limiter = makeRateLimiter({ redis })
  const surface = {
    ...parts,
    ctx,
    claimer: makeClaimer(ctx, serving.metrics.runClaimed),
    tokens,
    address: config.address,
    oidc: config.oidc && oidcClient(config.oidc),
    limiter,
    api: config.roles.has('api'),
  }
  return buildServer({
    log,
    isDraining,
    corsOrigins: config.corsOrigins,
    trustedProxies: config.trustedProxies,
    authenticate: authenticator.authenticate,
    follow: authenticator.follow,
    fence: (caller) => requireHeld(ctx, caller),
    ...(config.metricsAddress ? {} : { isLocal }),
    rateLimit: (caller) => limiter.take(rateLimitNameOf(caller), perMinuteOf(caller, config)),
    routes: [
      ...(config.tracing ? [traceRequests] : []),
      nativeRoutes(surface),
      ...(surface.api ? [dialectRoutes(surface)] : []),
    ],
  })
}

/** The engine may have used the whole grace period. */
const LAST_CALLS_MS_MIN = 1_000

const failing = (name: string) => ({ name, ok: false, age_ms: null })

const perMinuteOf = (caller: object, config: Config): number =>
  (caller as { rateLimitPerMinute?: number | null }).rateLimitPerMinute ?? config.rateLimitPerMinute

/** An address that a person can open: a wildcard is not one. */
const hostFor = (host: string): string =>
  host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
