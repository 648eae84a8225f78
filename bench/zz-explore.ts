import { connect } from '../src/storage/sql.ts'
import { readRecentRuns } from '../src/storage/recent-runs.ts'
const url = process.argv[2]!
const mode = process.argv[3]
const log: string[] = []
const sql = connect(url, { max: 2, plans: 'each' })
if (mode === 'explain') {
  const ex = connect(url, { max: 1, plans: 'each' })
  await ex`set auto_explain.log_min_duration = 0`.catch(() => {})
  const proxy = new Proxy(sql, { apply: (t, th, args) => { const q: any = Reflect.apply(t as any, th, args); return q } })
  void proxy
}
const time = async (name: string, read: any) => {
  const took: number[] = []
  let r: any
  for (let i = 0; i < 9; i++) { const b = performance.now(); r = await readRecentRuns(sql, { projectId: 'default', prefix: undefined, limit: 50, offset: 0, ...read }); took.push(performance.now() - b) }
  took.splice(0, 2); took.sort((a, b) => a - b)
  console.log(name, 'p50', took[3]!.toFixed(1), 'max', took[6]!.toFixed(1), 'total', r.total, 'items', r.runs.length)
  return r
}
const first = await time('first', {})
await time('500', { limit: 500 })
if (mode !== 'short') {
const native = first.runs.find((it: any) => !it.runId.startsWith('agent')).runId
await time('offset 1000', { offset: 1000 })
await time('offset 10000', { offset: 10000 })
await time('offset 500000', { offset: 500000 })
await time('offset 999900', { offset: 999900 })
await time('q=agent-500-', { prefix: 'agent-500-' })
await time('q=agent-500-run-500', { prefix: 'agent-500-run-500' })
await time('q=agent-', { prefix: 'agent-' })
await time('q=agent- offset 1000', { prefix: 'agent-', offset: 1000 })
await time('q=uuid8', { prefix: native.slice(0, 8) })
await time('q=uuid3', { prefix: native.slice(0, 3) })
await time('q=uuid', { prefix: native })
await time('q=nobody', { prefix: 'nobody' })
}
await sql.end()
