// The context of one attempt, for the code of its job.
import type { Handling } from '../worker/execute.ts'
import { makeQuestions } from './ask.ts'
import type { JobContext } from './context.ts'
import { makeWaits } from './make-waits.ts'
import { makeMemory } from './memory.ts'
import { makeNames } from './names.ts'
import { makeStep } from './step.ts'
import { makeStreams } from './stream.ts'

export function makeContext<Payload>(handling: Handling<unknown>, payload: Payload): JobContext<Payload> {
  const { attempt, run, signal } = handling
  const memory = makeMemory(attempt)
  const names = makeNames()
  return {
    ...handling,
    payload,
    step: makeStep({ attempt, run, signal, memory, names }),
    finishedSteps: memory.finished,
    ...makeStreams(attempt),
    ...makeWaits({ attempt, signal, names }),
    ...makeQuestions({ attempt, signal, names }),
    async progress(percent, message, { step, etaSecs } = {}) {
      await attempt.progress({
        percent,
        ...(message !== undefined && { message }),
        ...(step !== undefined && { step }),
        ...(etaSecs !== undefined && { eta_secs: etaSecs }),
      })
    },
    async log(message, data, more = {}) {
      await attempt.log({ message, ...(data !== undefined && { data }), ...more })
    },
  }
}
