// DATABASE_URL taken apart: it may name several hosts, as libpq's does, of which one takes writes.

/** As the driver takes them, with the folder of a Unix socket for a name; undefined where the URL leaves it to the driver's defaults. */
export type Host = { name: string; port: number } | undefined

/** What a server must be. `read-write`: it takes writes now; `primary`: it is no standby; `any`: the only one there is. */
const WANTED = ['read-write', 'primary', 'any'] as const
export type Wanted = (typeof WANTED)[number]

export type Address = {
  /** With one host at most, for everything that is the same on all of them. */
  url: string
  hosts: readonly Host[]
  wanted: Wanted
}

const PORT = 5432
const NO_SECRET = 'must have each % in its user name and password written as %25'
/** Of libpq's parameters those that would be sent to the server, which does not know them. */
const NOT_TAKEN = ['host', 'hostaddr', 'port', 'passfile', 'sslcert', 'sslkey', 'sslpassword', 'service']
const NO_URL = 'must be a URL such as postgres://user:password@host:5432/database'
const NO_HOSTS = 'must name its hosts as host1:5432,host2:5432, with IPv6 addresses in brackets'
const HOSTS_MAX = 16
const PARTS = /^((?:postgresql|postgres):\/\/(?:[^/?#]*@)?)([^/?#@]*)([/?#].*)?$/is
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
  if (decoded(url.username) === undefined || decoded(url.password) === undefined) throw new Error(NO_SECRET)
  const socket = list === '' ? takeSocket(url) : undefined
  const odd = NOT_TAKEN.find((name) => url.searchParams.has(name))
  if (odd !== undefined)
    throw new Error(`must not have ${odd} among its parameters; hosts and ports stand before the database`)
  const wanted = wantedOf(url.searchParams.get('target_session_attrs'), hosts.length)
  // The driver would look at each server in its own way, which needs a connection that opens itself again.
  url.searchParams.delete('target_session_attrs')
  return { url: url.href, hosts: socket ? [socket] : hosts, wanted }
}

/** The folder of a Unix socket, which libpq also takes as a parameter. */
function takeSocket({ searchParams }: URL): Host {
  const name = searchParams.get('host')
  if (!name?.startsWith('/')) return undefined
  const port = Number(searchParams.get('port') ?? PORT)
  if (!(port >= 1 && port <= 65_535)) throw new Error(NO_URL)
  searchParams.delete('host')
  searchParams.delete('port')
  return { name, port }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function hostOf(text: string, message: string): Host {
  const [, ipv6, plain, digits] = HOST.exec(text) ?? []
  const name = ipv6 ?? (plain === undefined ? undefined : decoded(plain))
  const port = digits === undefined ? PORT : Number(digits)
  if (name === undefined || port < 1 || port > 65_535) throw new Error(message)
  return { name, port }
}

function wantedOf(asked: string | null, hosts: number): Wanted {
  if (!asked) return hosts > 1 ? 'read-write' : 'any'
  const wanted = WANTED.find((one) => one === asked && (one !== 'any' || hosts === 1))
  if (wanted === undefined)
    throw new Error('must have read-write or primary as target_session_attrs: a node writes to its database')
  return wanted
}

/** For logs and metrics. */
export const nameOf = (host: Host): string =>
  host === undefined ? 'localhost' : `${host.name.includes(':') ? `[${host.name}]` : host.name}:${host.port}`
