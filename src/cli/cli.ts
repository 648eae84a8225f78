// What every command is given: the terminal, the server of the chosen profile, and how to end.
import type { Input, Output, Route } from '#contract/route.ts'
import { type CallOptions, type Connection, callForReply, type Reply } from '#sdk/call.ts'
import { CommandError, EXIT, type ExitCode, usageError } from './exit-codes.ts'
import { profilesPath, readProfiles, requireProfile } from './profiles.ts'
import { type Environment, Terminal } from './terminal.ts'

/** The options that every command takes. */
export type GlobalFlags = {
  json?: boolean
  plain?: boolean
  quiet?: boolean
  input?: boolean
  color?: boolean
  utc?: boolean
  url?: string
  profile?: string
  timeout?: string
}

export type Answer<T> = { value: T; text: string }
type AskOptions = CallOptions & { bodyText?: string | undefined }

const URL_DEFAULT = 'http://127.0.0.1:8080'
const TIMEOUT_SECS_MAX = 3600

export type Target = { url: string; key: string | undefined; source: string }

type CliParts = { env: Environment; flags: GlobalFlags; signal: AbortSignal; version: string }

export class Cli {
  readonly terminal: Terminal
  readonly env: Environment
  readonly flags: GlobalFlags
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
  readonly version: string
  exit: ExitCode = EXIT.ok
  readonly #timeoutMs: number | undefined

  constructor({ env, flags, signal, version }: CliParts) {
    this.env = env
    this.flags = flags
    this.signal = signal
    this.version = version
    this.terminal = new Terminal(env, flags)
    this.#timeoutMs = timeoutMsOf(flags.timeout)
  }

  get profilesPath(): string {
    return profilesPath(this.env)
  }

  /** Whether questions may be asked: somebody is there, and did not forbid it. */
  get mayAsk(): boolean {
    return this.flags.input !== false && process.stdin.isTTY === true && this.terminal.isWatched
  }

  /** The address and key: of the options, else the environment, else the profile. */
  get target(): Target {
    const { url: flagUrl, profile: flagName } = this.flags
    const { RUNYARD_URL, RUNYARD_API_KEY, RUNYARD_PROFILE } = this.env
    const named = flagName ?? (RUNYARD_PROFILE || undefined)
    const profiles = readProfiles(this.profilesPath)
    const name = named ?? profiles.current
    const profile = name === undefined ? undefined : named ? requireProfile(profiles, named) : profiles.known.get(name)
    const given = flagUrl ?? (named ? undefined : RUNYARD_URL || undefined)
    const url = checkedUrl(given ?? profile?.url ?? URL_DEFAULT)
    // A key is only sent to the address that it was kept for.
    const kept = profile && sameAddress(profile.url, url) ? profile.key : undefined
    const key = (named ? undefined : RUNYARD_API_KEY || undefined) ?? kept
    const source = given !== undefined ? (flagUrl ? '--url' : 'RUNYARD_URL') : profile ? `profile ${name}` : 'default'
    return { url, key, source }
  }

  get connection(): Connection {
    const { url, key } = this.target
    return { baseUrl: url, credential: key }
  }

  /** Calls a route: the reply as a value, and as the text that came. */
  async ask<R extends Route>(route: R, input: Input<R>, options: AskOptions = {}): Promise<Answer<Output<R>>> {
    const { text = '' } = await this.reply(route, input, options)
    return { value: (text === '' ? undefined : JSON.parse(text)) as Output<R>, text }
  }

  reply(route: Route, input: object, { bodyText, ...options }: AskOptions = {}): Promise<Reply> {
    const { connection } = this
    if (connection.credential === undefined && route.needs !== 'nothing' && !route.orLocal) throw noKey(this.target)
    return callForReply(connection, route, {
      input: input as Record<string, unknown>,
      bodyText,
      options: {
        signal: this.signal,
        ...(this.#timeoutMs !== undefined && { timeoutMs: this.#timeoutMs }),
        ...options,
      },
    })
  }
}

const noKey = ({ url }: Target): CommandError =>
  new CommandError('no_key', `There is no key for ${url}.`, {
    exit: EXIT.auth,
    hint: 'Log in with: runyard login, or set RUNYARD_API_KEY',
  })

export function checkedUrl(text: string): string {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  const url = URL.canParse(full) ? new URL(full) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) throw usageError(`"${text}" is not an http or https address.`)
  if (url.username || url.password) throw usageError('The address must not contain a user name or password.')
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

const sameAddress = (one: string, other: string): boolean => checkedUrl(one) === checkedUrl(other)

function timeoutMsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const secs = Number(text)
  if (secs > 0 && secs <= TIMEOUT_SECS_MAX) return secs * 1000
  throw usageError(`--timeout must be a number of seconds, more than 0 and at most ${TIMEOUT_SECS_MAX}, not "${text}".`)
}
