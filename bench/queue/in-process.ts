// Runyard as the peers are used: as a library in the process of the one who works. Every run keeps its row and three
// events.
import { scriptInput, scriptOutput } from '../lib/child.ts'
import { openOwnProcess } from '../lib/own-process.ts'
import { BATCH, type Contestant, contest, type Entry, inBatches } from './contest.ts'

const WORKERS = 2

async function inProcess({ url }: Entry): Promise<Contestant> {
  const { sql, trigger, claim, settle, close } = await openOwnProcess(url)

  async function workOff(): Promise<void> {
    for (;;) {
      const held = await claim(BATCH)
      if (held.length === 0) return
      await settle(held)
    }
  }
  return {
    add: (runs) => inBatches(runs, trigger),
    async work() {
      await Promise.all(Array.from({ length: WORKERS }, workOff))
    },
    async close() {
      await refuseMissing()
      await close()
    },
  }

  /** A quick queue that loses history has not won. */
  async function refuseMissing(): Promise<void> {
    const [count] = await sql<{ missing: number }[]>`
      select count(*)::int as missing from run_states s
      where s.state <> 'completed' or s.last_sequence <> 3 or (select count(*) from events e where e.run_id = s.run_id) <> 3`
    if (count!.missing > 0) throw new Error(`${count!.missing} runs are not completed, or lack events`)
  }
}

const entry = await scriptInput<Entry>()
scriptOutput(await contest(await inProcess(entry), entry))
