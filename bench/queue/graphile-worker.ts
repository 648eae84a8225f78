// graphile-worker as its page on performance configures it: a local queue, completions in batches.
import { Logger, makeWorkerUtils, run, runMigrations } from 'graphile-worker'
import { scriptInput, scriptOutput } from '../lib/child.ts'
import { type Contestant, contest, type Entry, inBatches } from './contest.ts'

const preset = {
  worker: {
    concurrentJobs: 24,
    maxPoolSize: 25,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
  },
}

async function graphileWorker({ url }: Entry): Promise<Contestant> {
  const logger = new Logger(() => () => {})
  await runMigrations({ connectionString: url, logger })
  const utils = await makeWorkerUtils({ connectionString: url, logger })
  return {
    add: (runs) =>
      inBatches(runs, (count) =>
        utils.addJobs(Array.from({ length: count }, (_, i) => ({ identifier: 'noop', payload: { i } }))),
      ),
    async work(runs) {
      const done = Promise.withResolvers<void>()
      let count = 0
      const noop = () => {
        if (++count === runs) done.resolve()
      }
      const runner = await run({ connectionString: url, preset, logger, noHandleSignals: true, taskList: { noop } })
      await done.promise
      // Waits for the completions that are still on their way.
      await runner.stop()
    },
    close: () => utils.release(),
  }
}

const entry = await scriptInput<Entry>()
scriptOutput(await contest(await graphileWorker(entry), entry))
