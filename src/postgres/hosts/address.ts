// DATABASE_URL taken apart: it may name several hosts, as libpq's does, of which one takes writes.

/** As the driver takes them; undefined where the URL leaves it to the driver's defaults. */
export type Host = { name: string; port: number } | undefined

/** What a server must be. `read-write`: it takes writes now; `primary`: it is no standby; `any`: whatever it is. */
const WANTED = ['read-write', 'primary', 'any'] as const
export type Wanted = (typeof WANTED)[number]

export type Address = {
  /** With one host at most, for everything that is the same on all of them. */
  url: string
  hosts: readonly Host[]
  wanted: Wanted
}

const PORT = 5432
const NO_URL = 'must be a URL such as postgres://user:password@host:5432/database'
const NO_HOSTS = 'must name its hosts as host1:5432,host2:5432, with IPv6 addresses in brackets'
const HOSTS_MAX = 16
const PARTS = /^((?:postgresql|postgres):\/\/(?:[^/?#]*@)?)([^/?#@]*)([/?#].*)?$/s
const HOST = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/

/** Throws an Error that says what the URL must be. The URL may hold a password, so it is not repeated. */
export function parseAddress(text: string): Address {
  const [, before, list, after = ''] = PARTS.exec(text) ?? []
  if (before === undefined || list === undefined) throw new Error(NO_URL)
  const names = list.split(',')
  if (names.length > HOSTS_MAX) throw new Error(`may name at most ${HOSTS_MAX} hosts, not ${names.length}`)
  const hosts = list === '' ? [undefined] : names.map((name) => hostOf(name, names.length === 1 ? NO_URL : NO_HOSTS))
  const url = URL.parse(`${before}${list === '' ? '' : names[0]}${after}`)
  if (!url) throw new Error(NO_URL)
  const wanted = wantedOf(url.searchParams.get('target_session_attrs'), hosts.length)
  // The driver would look at each server in its own way, which needs a connection that opens itself again.
  url.searchParams.delete('target_session_attrs')
  return { url: url.href, hosts, wanted }
}

function hostOf(text: string, message: string): Host {
  const [, ipv6, plain, digits] = HOST.exec(text) ?? []
  const name = ipv6 ?? plain
  const port = digits === undefined ? PORT : Number(digits)
  if (name === undefined || port < 1 || port > 65_535) throw new Error(message)
  return { name: decodeURIComponent(name), port }
}

function wantedOf(asked: string | null, hosts: number): Wanted {
  if (asked === null) return hosts > 1 ? 'read-write' : 'any'
  const wanted = WANTED.find((one) => one === asked)
  if (wanted === undefined)
    throw new Error(`must have ${WANTED.join(', ')} as target_session_attrs: a node writes to its database`)
  return wanted
}

/** For logs and metrics. */
export const nameOf = (host: Host): string =>
  host === undefined ? 'localhost' : `${host.name.includes(':') ? `[${host.name}]` : host.name}:${host.port}`
