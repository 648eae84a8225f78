// The only reader of the environment: read once, checked, and handed on as one frozen value.
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { parseAllowList } from '#access/egress/allow-list.ts'
import type { Egress } from '#access/egress/egress.ts'
import type { PeopleSettings } from '#access/people/settings.ts'
import type { MailSettings } from '#alerts/mailer.ts'
import { ENDING, type Endings, OUTCOMES } from '#core/log/outcome.ts'
import type { OidcSettings } from '#http/session/oidc.ts'
import { databaseUrlOf, directUrlOf } from './config-database.ts'
import { mailOf, networksOf, oidcOf, originsOf, publicAddressOf } from './config-people.ts'

export type Config = Readonly<{
  port: number
  host: string
  databaseUrl: string | undefined
  databaseDirectUrl: string | undefined
  redisUrl: string | undefined
  dataDir: string
  apiKey: string | undefined
  egress: Egress
  demo: boolean
  logLevel: string
  /** Set when traces are exported; the exporter reads the other OTEL_* variables itself. */
  tracing: Readonly<{ service: string }> | undefined
  roles: ReadonlySet<Role>
  /** Name of this node: the owner of its leases. Unique among the nodes of one database. */
  node: string
  pool: Readonly<{
    apiConnections: number
    readConnections: number
    engineConnections: number
    statementTimeoutMs: number
  }>
  dispatchCallsMax: number
  rateLimitPerMinute: number
  /** Where people reach this server; no origin: under whatever host they call. */
  address: Readonly<{ origin: string | undefined; basePath: string }>
  people: PeopleSettings
  /** Set when alerts can be sent by mail. */
  mail: MailSettings | undefined
  /** Set when people sign in with an identity provider. */
  oidc: OidcSettings | undefined
  /** Origins whose pages may call with a key. */
  corsOrigins: ReadonlySet<string>
  /** Proxies whose word about a client's address counts. */
  trustedProxies: readonly string[]
  /** Where metrics are served without a key; undefined: to this machine, and to keys. */
  metricsAddress: Readonly<{ host: string; port: number }> | undefined
  drainMs: number
  shutdownGraceMs: number
  eventOutcomes: Endings
  /** How long an external run may be silent before it ends; null for ever. */
  externalSilenceSecs: number | null
  retention: Readonly<{
    eventsDays: number | null
    deltasDays: number | null
    payloadsDays: number | null
    runsDays: number | null
  }>
}>

export const ROLES = ['api', 'engine'] as const
export type Role = (typeof ROLES)[number]

/** Every setting with its default and what it is for: `--help` and docs/configuration.md are made of this. */
export const SETTINGS = {
  PORT: ['8080', 'port to listen on'],
  HOST: ['127.0.0.1', 'address to listen on; 0.0.0.0 for all'],
  DATABASE_URL: [
    '',
    'PostgreSQL 15 or later; with several hosts (postgres://user:password@host1:5432,host2:5432/database) the one that takes writes; empty: an embedded PostgreSQL 18 in RUNYARD_DATA_DIR',
  ],
  DATABASE_DIRECT_URL: [
    '',
    'PostgreSQL itself, where DATABASE_URL leads to a pooler in transaction mode such as PgBouncer; for migrations, duties and rings',
  ],
  REDIS_URL: [
    '',
    'Redis 7 or Valkey for rings, rate limits and the recent feed; empty: PostgreSQL and in-process memory instead',
  ],
  RUNYARD_DATA_DIR: ['.runyard', 'folder of the embedded PostgreSQL and of the first key'],
  RUNYARD_API_KEY: [
    '',
    'key of project `default` with all scopes; empty: generated at the first start and kept in RUNYARD_DATA_DIR',
  ],
  RUNYARD_EGRESS: [
    '',
    '`public`: endpoints must have public addresses; `any`: private ones too; empty: `any` if RUNYARD_DEMO is on, otherwise `public`',
  ],
  RUNYARD_EGRESS_ALLOW: [
    '',
    'private hosts and networks that endpoints may have besides public ones, e.g. hooks.lan,*.svc.cluster.local,10.0.0.0/8',
  ],
  RUNYARD_DEMO: ['off', '`on`: run the example agent once at the start'],
  RUNYARD_ROLES: ['api,engine', 'roles of this node: `api`, `engine` or both'],
  RUNYARD_NODE: ['', 'name of this node, unique among the nodes of a database; empty: host name and process id'],
  RUNYARD_API_CONNECTIONS: ['6', 'connections to PostgreSQL for requests'],
  RUNYARD_READ_CONNECTIONS: ['4', 'connections to PostgreSQL for lists'],
  RUNYARD_ENGINE_CONNECTIONS: ['4', 'connections to PostgreSQL for the engine'],
  RUNYARD_STATEMENT_TIMEOUT_MS: ['30000', 'timeout of a statement in ms'],
  RUNYARD_DISPATCH_MAX: ['200', 'concurrent HTTP dispatches of this node'],
  RUNYARD_RATE_LIMIT: ['1200000', 'requests per minute of a key without a limit of its own'],
  RUNYARD_PUBLIC_URL: [
    '',
    'address of the console for people, e.g. https://runyard.example.com; empty: whatever host they call',
  ],
  RUNYARD_SESSION_IDLE_HOURS: ['24', 'hours without use after which a session of the console ends'],
  RUNYARD_SESSION_HOURS: ['336', 'hours after which a session of the console ends in any case'],
  RUNYARD_OIDC_ISSUER: [
    '',
    'identity provider for people (OpenID Connect), e.g. https://login.example.com; needs RUNYARD_PUBLIC_URL',
  ],
  RUNYARD_OIDC_CLIENT_ID: ['', 'client id that the identity provider gave to Runyard'],
  RUNYARD_OIDC_CLIENT_SECRET: ['', 'its secret; empty for a public client'],
  RUNYARD_OIDC_SCOPES: ['openid email profile', 'scopes to ask the identity provider for'],
  RUNYARD_OIDC_DOMAINS: ['', 'domains of e-mail addresses that may sign in, e.g. example.com; empty: all'],
  RUNYARD_OIDC_GROUPS_CLAIM: ['groups', 'claim that lists the groups of a person'],
  RUNYARD_OIDC_ROLES: [
    '',
    'what groups may do, e.g. *=viewer@default,oncall=operator@default,platform=owner; empty: only invited people come in',
  ],
  RUNYARD_CORS_ORIGINS: [
    '',
    'origins whose pages may call the API with a key (CORS), e.g. https://app.example.com,https://b.example.com; `*`: all',
  ],
  RUNYARD_TRUSTED_PROXIES: [
    '',
    'addresses and networks of proxies whose X-Forwarded-For is believed, e.g. 10.0.0.0/8; limits on sign-in go by it',
  ],
  RUNYARD_SMTP_URL: [
    '',
    'mail server for alerts, e.g. smtp://user:password@mail.example.com:587 or smtps://…:465; empty: no mail',
  ],
  RUNYARD_MAIL_FROM: ['', 'sender of mail, e.g. Runyard <runyard@example.com>; needed with RUNYARD_SMTP_URL'],
  RUNYARD_METRICS_ADDRESS: [
    '',
    'separate address (host:port) that serves `/metrics` without a key; empty: served on PORT, to this machine and to keys with the scope `projects`',
  ],
  RUNYARD_DRAIN_MS: [
    '2000',
    'time in ms after SIGTERM during which the node works on but reports that it is not ready',
  ],
  RUNYARD_SHUTDOWN_GRACE_MS: ['10000', 'time in ms that calls in progress may take after SIGTERM'],
  RUNYARD_KEEP_EVENTS_DAYS: ['90', 'retention of events in days; 0 keeps them forever'],
  RUNYARD_KEEP_DELTAS_DAYS: ['3', 'retention of stream chunks and debug logs in days; 0 keeps them forever'],
  RUNYARD_KEEP_PAYLOADS_DAYS: [
    '30',
    'retention of payloads and results of ended runs in days (dead letters keep theirs, children of unfinished runs too); 0 keeps them forever',
  ],
  RUNYARD_KEEP_RUNS_DAYS: [
    '90',
    'retention of ended runs and dead letters in days (children stay until their parent has finished); 0 keeps them forever',
  ],
  RUNYARD_EXTERNAL_SILENCE_SECS: [
    '604800',
    'seconds without an event after which an external run ends as timed out; 0 means never',
  ],
  RUNYARD_EVENT_OUTCOMES: [
    '',
    'extra mappings from the last word of an event type to its outcome, e.g. shipped=success,rejected=failure,expired=neutral',
  ],
  OTEL_EXPORTER_OTLP_ENDPOINT: ['', 'endpoint for OpenTelemetry traces, e.g. http://127.0.0.1:4318; empty: none'],
  OTEL_SERVICE_NAME: ['runyard', 'service name in traces'],
  LOG_LEVEL: ['info', 'trace, debug, info, warn, error or silent'],
} as const satisfies Record<string, readonly [string, string]>
type Setting = keyof typeof SETTINGS

/** Throws an Error that names the setting and what it should be. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const text = (name: Setting): string => env[name]?.trim() || SETTINGS[name][0]
  const whole = (name: Setting, min: number, max: number): number => {
    const value = Number(text(name))
    // Digits alone: 0x50 and 1e3 are numbers to JavaScript, and most likely mistakes.
    if (!/^\d+$/.test(text(name)) || value < min || value > max)
      throw new Error(`${name} must be a whole number from ${min} to ${max}, not "${text(name)}"`)
    return value
  }
  const oneOf = <T extends string>(name: Setting, values: readonly T[]): T => {
    const value = text(name) as T
    if (!values.includes(value)) throw new Error(`${name} must be ${values.join(' or ')}, not "${value}"`)
    return value
  }
  const days = (name: Setting): number | null => whole(name, 0, 36_500) || null
  const demo = oneOf('RUNYARD_DEMO', ['on', 'off']) === 'on'
  const roles = text('RUNYARD_ROLES')
    .split(',')
    .map((role) => role.trim())
  const unknown = roles.find((role) => !ROLES.includes(role as Role))
  if (unknown !== undefined) throw new Error(`RUNYARD_ROLES must be of ${ROLES.join(', ')}; "${unknown}" is not`)
  const address = publicAddressOf(text('RUNYARD_PUBLIC_URL'))
  return Object.freeze({
    port: whole('PORT', 0, 65_535),
    host: hostOf('HOST', text('HOST')),
    databaseUrl: databaseUrlOf(text('DATABASE_URL')),
    databaseDirectUrl: directUrlOf(text('DATABASE_DIRECT_URL'), text('DATABASE_URL')),
    redisUrl: text('REDIS_URL') || undefined,
    dataDir: text('RUNYARD_DATA_DIR'),
    apiKey: keyOf(text('RUNYARD_API_KEY')),
    egress: egressFrom(oneOf('RUNYARD_EGRESS', ['public', 'any', '']), { allow: text('RUNYARD_EGRESS_ALLOW'), demo }),
    demo,
    logLevel: oneOf('LOG_LEVEL', ['trace', 'debug', 'info', 'warn', 'error', 'silent']),
    tracing: text('OTEL_EXPORTER_OTLP_ENDPOINT') ? Object.freeze({ service: text('OTEL_SERVICE_NAME') }) : undefined,
    roles: new Set(roles as Role[]),
    node: text('RUNYARD_NODE') || `${hostname()}-${process.pid}`,
    pool: Object.freeze({
      apiConnections: whole('RUNYARD_API_CONNECTIONS', 1, 100),
      readConnections: whole('RUNYARD_READ_CONNECTIONS', 1, 100),
      engineConnections: whole('RUNYARD_ENGINE_CONNECTIONS', 1, 100),
      statementTimeoutMs: whole('RUNYARD_STATEMENT_TIMEOUT_MS', 100, 3_600_000),
    }),
    dispatchCallsMax: whole('RUNYARD_DISPATCH_MAX', 1, 10_000),
    externalSilenceSecs: whole('RUNYARD_EXTERNAL_SILENCE_SECS', 0, 31_536_000) || null,
    eventOutcomes: outcomesOf(text('RUNYARD_EVENT_OUTCOMES')),
    metricsAddress: addressOf('RUNYARD_METRICS_ADDRESS', text('RUNYARD_METRICS_ADDRESS')),
    mail: mailOf(text('RUNYARD_SMTP_URL'), text('RUNYARD_MAIL_FROM')),
    address,
    oidc: oidcOf(text, address.origin),
    people: Object.freeze({
      idleSecs: whole('RUNYARD_SESSION_IDLE_HOURS', 1, 8_760) * 3_600,
      sessionSecs: whole('RUNYARD_SESSION_HOURS', 1, 8_760) * 3_600,
    }),
    corsOrigins: originsOf(text('RUNYARD_CORS_ORIGINS')),
    trustedProxies: Object.freeze(networksOf(text('RUNYARD_TRUSTED_PROXIES'))),
    rateLimitPerMinute: whole('RUNYARD_RATE_LIMIT', 1, 1_000_000_000),
    drainMs: whole('RUNYARD_DRAIN_MS', 0, 600_000),
    shutdownGraceMs: whole('RUNYARD_SHUTDOWN_GRACE_MS', 0, 600_000),
    retention: Object.freeze({
      eventsDays: days('RUNYARD_KEEP_EVENTS_DAYS'),
      deltasDays: days('RUNYARD_KEEP_DELTAS_DAYS'),
      payloadsDays: days('RUNYARD_KEEP_PAYLOADS_DAYS'),
      runsDays: days('RUNYARD_KEEP_RUNS_DAYS'),
    }),
  })
}

function egressFrom(mode: 'public' | 'any' | '', { allow, demo }: { allow: string; demo: boolean }): Egress {
  if (allow === '') return mode || (demo ? 'any' : 'public')
  if (mode === 'any')
    throw new Error('RUNYARD_EGRESS_ALLOW does nothing beside RUNYARD_EGRESS=any; leave one of them out')
  try {
    return parseAllowList(allow)
  } catch (error) {
    throw new Error(`RUNYARD_EGRESS_ALLOW ${(error as Error).message}`, { cause: error })
  }
}

/** A key that is easily guessed would open everything. */
const API_KEY_LENGTH_MIN = 16

function outcomesOf(text: string): Endings {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '')
  if (text !== '' && pairs.length === 0) throw new Error(`RUNYARD_EVENT_OUTCOMES is set and has no entries: "${text}"`)
  return Object.fromEntries(
    pairs.map((pair) => {
      const [ending = '', outcome = ''] = pair.split('=').map((word) => word.trim())
      if (!ENDING.test(ending) || ![...OUTCOMES, 'neutral'].includes(outcome))
        throw new Error(`RUNYARD_EVENT_OUTCOMES must be of <ending>=${OUTCOMES.join('|')}|neutral; "${pair}" is not`)
      return [ending, outcome as Endings[string]]
    }),
  )
}

const HOST_NAME = /^(?=.{1,253}$)[a-zA-Z0-9_](?:[a-zA-Z0-9_.-]*[a-zA-Z0-9_])?$/

/** What a server can listen on. */
function hostOf(name: Setting, text: string): string {
  // Digits and dots alone are an address that is written wrongly.
  if (isIP(text) === 0 && (!HOST_NAME.test(text) || /^[\d.]+$/.test(text)))
    throw new Error(`${name} must be a host name or an IP address without a port, e.g. 0.0.0.0 or ::1, not "${text}"`)
  return text
}

/** `host:port`, with IPv6 hosts in brackets. */
function addressOf(name: Setting, text: string): { host: string; port: number } | undefined {
  if (text === '') return undefined
  const [, ipv6, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const host = ipv6 ?? plain
  if (host === undefined || Number(digits) > 65_535)
    throw new Error(`${name} must be <host>:<port>, e.g. 127.0.0.1:9464, not "${text}"`)
  return Object.freeze({ host: hostOf(name, host), port: Number(digits) })
}

function keyOf(text: string): string | undefined {
  if (text !== '' && text.length < API_KEY_LENGTH_MIN)
    throw new Error(`RUNYARD_API_KEY must have ${API_KEY_LENGTH_MIN} characters or more`)
  // A key that no header can carry would replace the one that works, and open nothing.
  if (/[^\x21-\x7e]/.test(text)) throw new Error('RUNYARD_API_KEY must be printable ASCII without spaces')
  return text || undefined
}
