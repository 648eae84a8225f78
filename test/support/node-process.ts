// One node as a process of its own, for tests that kill it: prints its address when it is ready, and what is
// fatal. Told to `fail`, it makes a mistake that nobody handles.
import { pino } from 'pino'
import { readConfig } from '#config.ts'
import { guardProcess } from '#last-guard.ts'
import { startNode } from '#node.ts'

const config = readConfig(process.env)
const log = pino({ level: process.env.TEST_LOG_LEVEL ?? 'fatal' })
const node = await startNode({ config, databaseUrl: config.databaseUrl!, keepKey: false, log })
guardProcess({ log, close: node.close })
process.stdout.write(`ready at ${node.address}\n`)
process.on('SIGTERM', () => void node.close().then(() => process.exit(0)))

// Asked by a line, it tells how long its event loop was held up since the line before: the most processor time that was
// used between two turns. Unlike what a clock says, that is the same on a machine with other things to do.
const usedMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
let longestMs = 0
process.stdin.once('data', () => {
  let lastMs = usedMs()
  setInterval(() => {
    const nowMs = usedMs()
    longestMs = Math.max(longestMs, nowMs - lastMs)
    lastMs = nowMs
  }, 1)
})
process.stdin.on('data', (line) => {
  if (String(line).trim() === 'fail') void Promise.reject(new Error('nobody foresaw this'))
  process.stdout.write(`held up for ${longestMs.toFixed(1)} ms\n`)
  longestMs = 0
})
