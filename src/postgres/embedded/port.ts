// Which port an embedded server listens on: the one it had last time, so that what people wrote down keeps
// working, or any that is free.

import { createServer } from 'node:net'

/** Free now; the server may still find it taken a moment later, and then another is to be chosen. */
export async function choosePort(wanted: number | undefined): Promise<number> {
  return (wanted && (await listenOn(wanted).catch(() => undefined))) || listenOn(0)
}

function listenOn(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const { port: got } = server.address() as { port: number }
      server.close(() => resolve(got))
    })
  })
}
