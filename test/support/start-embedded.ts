// A Runyard process with nothing in it but its embedded PostgreSQL. Run by tests, with the options of
// startEmbedded as JSON; it obeys `stop` on its input and Ctrl-C.

import { createInterface } from 'node:readline'
import { startEmbedded } from '#postgres/embedded/server.ts'
import { connect } from '#postgres/sql.ts'

const options = JSON.parse(process.argv[2] ?? '{}')
const server = await startEmbedded({ ...options, log: (line) => console.log(`log: ${line}`) })
const sql = connect(server.url)
await sql`create table if not exists seen (pid int)`
await sql`insert into seen values (${process.pid})`

async function stop(): Promise<never> {
  await sql.end()
  await server.stop()
  console.log('stopped')
  process.exit(0)
}

createInterface(process.stdin).on('line', (line) => void (line === 'stop' && stop()))
process.on('SIGINT', async () => {
  // Had the server got the signal as well, this would fail.
  const [row] = await sql`select count(*)::int as rows from seen`
  console.log(`interrupted: ${row?.rows}`)
  await stop()
})

// Last, because who reads it may send a signal at once.
console.log(`ready: ${JSON.stringify({ url: server.url, adopted: server.adopted })}`)
