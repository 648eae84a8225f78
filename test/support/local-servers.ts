// Servers on 127.0.0.1 for tests of what Runyard calls: a well-behaved HTTP one, and a bare TCP one that may
// answer anything. Each ends with the test that started it.

import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export type LocalServer = { url: string; port: number; connections: Socket[] }

export const httpServer = (listener: http.RequestListener): Promise<LocalServer> =>
  listen(http.createServer(listener), 'http')

/** `onSocket` gets the connection raw. Resets by the client are part of the game, so they are not errors. */
export const tcpServer = (onSocket: (socket: Socket) => void): Promise<LocalServer> =>
  listen(net.createServer({ allowHalfOpen: true }, onSocket), 'http')

export async function listen(server: net.Server, scheme: 'http' | 'https'): Promise<LocalServer> {
  const connections: Socket[] = []
  server.on('connection', (socket: Socket) => {
    connections.push(socket)
    socket.on('error', () => {})
  })
  onTestFinished(() => {
    for (const socket of connections) socket.destroy()
    server.close()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `${scheme}://127.0.0.1:${port}/`, port, connections }
}

/** A port on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** When the other side has ended the connection. A socket that is not read would never notice. */
export function closed(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (socket.closed || socket.readableEnded) resolve()
  socket.once('end', resolve).once('close', () => resolve())
  socket.resume()
  return promise
}
