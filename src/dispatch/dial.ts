// Opens a guarded connection for undici: the addresses that were checked are the ones that are dialled, and
// the exchange that waits for the connection can watch it and end it.

import net from 'node:net'
import tls from 'node:tls'
import type { buildConnector } from 'undici'
import { type Egress, guardedLookup, inspectEndpoint, type Resolve } from '#access/egress/egress.ts'
import { asDialFault, CallFault } from './call-fault.ts'

/** What waits for the connection. */
export type Dialling = { onDial(socket: net.Socket): void; onConnected(): void }

export type Dial = (target: buildConnector.Options, waiting: Dialling, done: buildConnector.Callback) => void

const TCP_KEEP_ALIVE_MS = 60_000

export function makeDial(options: { egress: Egress; connectTimeoutMs: number; resolve?: Resolve }): Dial {
  const { egress, connectTimeoutMs } = options
  const lookup = guardedLookup(egress, options.resolve)

  return (target, waiting, done) => {
    // A host that is an address never reaches `lookup`, so the endpoint is looked at here too. Answered on a
    // later turn, because undici does not expect an answer before its connector has returned.
    const endpoint = inspectEndpoint(`${target.protocol}//${target.host}`, egress)
    if (!endpoint.ok) {
      process.nextTick(done, new CallFault('refused_address', endpoint.message), null)
      return
    }

    const secure = target.protocol === 'https:'
    const where = {
      host: target.hostname,
      port: Number(target.port) || (secure ? 443 : 80),
      lookup,
      autoSelectFamily: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    }
    const socket = secure ? tls.connect({ ...where, ...tlsOptions(target.hostname) }) : net.connect(where)
    waiting.onDial(socket)

    let phase: 'connect' | 'tls' = 'connect'
    let open = false
    const timer = setTimeout(() => {
      socket.destroy(
        new CallFault(phase, `no ${phase === 'tls' ? 'TLS handshake' : 'connection'} within ${connectTimeoutMs} ms`),
      )
    }, connectTimeoutMs)
    const fail = (error: Error) => {
      clearTimeout(timer)
      if (open) return // From here on undici listens.
      open = true
      done(asDialFault(error, phase), null)
    }

    socket.once('connect', () => {
      phase = secure ? 'tls' : 'connect'
    })
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer)
      if (open) return
      open = true
      waiting.onConnected()
      done(null, socket)
    })
    socket.on('error', fail)
    socket.once('close', () => fail(new Error('the connection was closed before it stood')))
  }
}

const tlsOptions = (hostname: string): tls.ConnectionOptions => ({
  minVersion: 'TLSv1.2',
  ALPNProtocols: ['http/1.1'],
  // An address is not a server name (RFC 6066), and neither is the dot that ends a full name.
  servername: net.isIP(hostname) === 0 ? hostname.replace(/\.$/, '') : '',
})
