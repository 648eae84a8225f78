// The peer of single calls: the same Fastify, which reads the body, and whose handler does nothing.
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'

const app = Fastify()
app.post('/*', (_request, reply) => {
  reply.code(201).send({})
})
await app.listen({ port: 0, host: '127.0.0.1' })
process.on('SIGTERM', () => process.exit(0))
process.stdout.write(`ready at http://127.0.0.1:${(app.server.address() as AddressInfo).port}\n`)
