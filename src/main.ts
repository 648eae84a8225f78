// `npm start`: everything in one process. Settings come from the environment; see config.ts, or --help.
import { type Logger, pino } from 'pino'
import { keepEmbedded } from '#postgres/embedded/keep.ts'
import { type Closing, closing } from './closing.ts'
import { type Config, readConfig, SETTINGS } from './config.ts'
import { startDemo } from './demo.ts'
import { guardProcess } from './last-guard.ts'
import { type Node, startNode } from './node.ts'
import { unknownSettings } from './unknown-settings.ts'

const HELP = `Runyard: a control plane for the runs of AI agents and background jobs.

  npm start             start, with an embedded PostgreSQL unless DATABASE_URL is set
  npm start -- --help   this text
  npm start -- --restored  once after a copy of the data folder was put back: see docs/backup.md
  npm start -- --trace  when a start fails, where

Settings (environment):
${Object.entries(SETTINGS)
  .map(([name, [fallback, what]]) => `  ${name.padEnd(30)}${what}${fallback ? ` (${fallback})` : ''}`)
  .join('\n')}
`

async function main(): Promise<void> {
  if (process.argv.includes('--help') || process.argv.includes('-h')) return void process.stdout.write(HELP)
  const config = readConfig(process.env)
  const log = pino({ level: config.logLevel })
  for (const unknown of unknownSettings(process.env)) log.warn(unknown)
  // From the first moment, so that a signal during the start also stops what has been started.
  const opened = closing()
  guardProcess({ log, close: opened.run })
  const giveUp = (error: Error) => {
    log.fatal(error.message)
    const late = new Promise<void>((resolve) => setTimeout(resolve, GIVE_UP_MS_MAX))
    void Promise.race([opened.run().catch(() => {}), late]).then(() => process.exit(1))
  }
  const starting = start({ config, log, opened, giveUp }).catch(async (error: unknown) => {
    await opened.run().catch(() => {})
    throw explained(error, config)
  })
  stopAtSignals({ log, starting, close: opened.run })
  await starting
}

/** A database that is permanently gone has nothing to wait for. */
const GIVE_UP_MS_MAX = 10_000

type Start = { config: Config; log: Logger; opened: Closing; giveUp: (error: Error) => void }

async function start({ config, log, opened, giveUp }: Start): Promise<Node> {
  const embedded =
    config.databaseUrl === undefined
      ? await keepEmbedded({
          dataDir: config.dataDir,
          log: (line) => log.info(line),
          warn: (line) => log.warn(line),
          onGiveUp: giveUp,
        })
      : undefined
  if (embedded) opened.add(embedded.stop)
  const node = await startNode({
    config,
    databaseUrl: config.databaseUrl ?? embedded!.url,
    keepKey: embedded !== undefined,
    ...(embedded && { isDatabaseRunning: embedded.isRunning, databaseFolder: config.dataDir }),
    log,
    restored: process.argv.includes('--restored') ? 'restored' : undefined,
  })
  opened.add(node.close)
  const demo =
    config.demo && node.key
      ? await startDemo({ address: node.address, key: node.key, log, env: process.env })
      : undefined
  if (demo) opened.add(demo.stop)
  greet(config, { ...node, demoRunId: demo?.runId })
  return node
}

const SAME_SIGNAL_MS = 500

type Stopping = { log: Logger; starting: Promise<Node>; close: () => Promise<void> }

function stopAtSignals({ log, starting, close }: Stopping): void {
  let stoppingMs: number | undefined
  const stop = async (signal: NodeJS.Signals) => {
    // A second Ctrl-C means now; but npm forwards the one that the terminal has already sent to all of us.
    if (stoppingMs !== undefined && performance.now() - stoppingMs > SAME_SIGNAL_MS) process.exit(1)
    if (stoppingMs !== undefined) return
    stoppingMs = performance.now()
    log.info(`${signal}: finishing work in progress`)
    // A start that fails has closed everything by then, and main reports why.
    const node = await starting.catch(() => undefined)
    // Someone who presses Ctrl-C has no load balancer in front.
    if (signal === 'SIGTERM') await node?.drain()
    await close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.fatal({ err: error }, 'could not stop cleanly')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

type ListenError = { code?: string; syscall?: string; address?: string; hostname?: string; port?: number }

/** What stands in the way of listening, with the setting that can help. */
function explained(error: unknown, { port, host, metricsAddress }: Config): unknown {
  const { code = '', syscall, address, hostname, ...given } = (error ?? {}) as ListenError
  const isMetrics = given.port !== undefined && given.port !== port && given.port === metricsAddress?.port
  const at = `${address}:${given.port}`
  if (code === 'EADDRINUSE')
    return because(`${at} is already in use; stop what listens there, or change`, isMetrics ? METRICS : 'PORT', error)
  if (syscall === 'listen') return because(`${code} for ${at}; change`, isMetrics ? METRICS : 'HOST or PORT', error)
  if (syscall === 'getaddrinfo' && hostname === host) return because(`${hostname} not found; change`, 'HOST', error)
  if (syscall === 'getaddrinfo' && hostname === metricsAddress?.host)
    return because(`${hostname} not found; change`, METRICS, error)
  return error
}

const METRICS = 'RUNYARD_METRICS_ADDRESS'
const because = (problem: string, setting: string, cause: unknown) => new Error(`${problem} ${setting}`, { cause })

type Greeting = Pick<Node, 'address' | 'key' | 'keyIsNew' | 'console'> & { demoRunId: string | undefined }

function greet(config: Config, { address, key, keyIsNew, console, demoRunId }: Greeting): void {
  const lines = [`Runyard is ready at ${address}`]
  if (console) lines.push(`  Console        ${console}`)
  lines.push(`  API documents  ${address}/docs`)
  // A key that the operator gave is theirs to know, and has no place in a log.
  if (key && config.apiKey === undefined) lines.push(`  Key            ${key}${keyIsNew ? '  (new)' : ''}`)
  if (config.egress === 'any')
    lines.push('  Egress         any: jobs may call private addresses (RUNYARD_EGRESS=public refuses them)')
  else if (config.egress !== 'public')
    lines.push('  Egress         public addresses, and what RUNYARD_EGRESS_ALLOW lists')
  if (demoRunId) {
    lines.push('  Follow the run of the example agent with')
    lines.push(
      `  curl -N -H "Authorization: Bearer ${config.apiKey === undefined ? key : '$RUNYARD_API_KEY'}" ${address}/v1/runs/${demoRunId}/stream`,
    )
  }
  process.stdout.write(`\n${lines.join('\n')}\n\n`)
}

main().catch((error: unknown) => {
  // A failed start is reported to a person: the message, and the stack only on request.
  process.stderr.write(`\nRunyard failed to start: ${error instanceof Error ? error.message : String(error)}\n`)
  if (error instanceof Error && process.argv.includes('--trace')) process.stderr.write(`${error.stack}\n`)
  process.exit(1)
})
