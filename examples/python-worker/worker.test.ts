import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { connect } from '#postgres/sql.ts'
import { httpYard, KEY, trigger, until, untilState } from '#test/support/http-yard.ts'
import { startProgram } from '#test/support/processes.ts'

const PYTHON = 'python3'
const pythonMissing = spawnSync(PYTHON, ['--version']).status !== 0
if (pythonMissing && process.env.RUNYARD_TEST_REQUIRE?.includes('python')) throw new Error('python3 is not installed')

test.skipIf(pythonMissing)('a worker in Python that is killed leaves its place to the next one', async () => {
  const { call, address, url } = await httpYard()
  const sql = connect(url, { max: 1 })
  const retries = { retry_strategy: 'fixed', retry_initial_delay_secs: 0 }
  await call('POST', '/v1/jobs', { slug: 'word-count', execution: 'worker', queue: 'word-count', ...retries })
  const work = () =>
    startProgram(PYTHON, [join(import.meta.dirname, 'worker.py')], {
      env: { RUNYARD_URL: address, RUNYARD_API_KEY: KEY },
    })
  const texts = ['one', 'two words', 'three more words', '', 'five  words of   this text', 'six']
  const { id } = await trigger(call, 'word-count', { payload: { texts, pause_secs: 0.3 } })
  const killed = work()
  const checkpoints = async () => (await call('GET', `/v1/runs/${id}/checkpoints`)).body.data
  await until(checkpoints, (kept) => kept.length >= 2)
  await killed.kill('SIGKILL')
  const done = (await checkpoints()).length
  // As if the lease of the dead worker had expired.
  await sql`update leases set expires_at = clock_timestamp()`
  await sql.end()
  work()
  const { body } = await untilState(call, id, ['completed'], 20_000)
  expect(body).toMatchObject({ attempt: 2, result: { words: 12, texts: 6 } })
  // Each text was counted once: the second attempt began behind the first.
  expect([done < 6, (await checkpoints()).length]).toEqual([true, 6])
})
