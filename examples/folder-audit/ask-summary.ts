// Asks the model what to do first. Without an answer the audit is whole all the same.
import type { JobContext } from 'runyard'
import { askModel, type Model } from './model.ts'
import { reportOf } from './report.ts'
import type { Payload, Results } from './results.ts'

const PROMPT_LENGTH_MAX = 12_000

type Asking = { model: Model; folder: string; results: Partial<Results> }

export async function askSummary(
  { stream, attempt, log, signal }: JobContext<Payload>,
  { model, folder, results }: Asking,
): Promise<Results['summary']> {
  const report = reportOf({ folder, results }).slice(0, PROMPT_LENGTH_MAX)
  const prompt = `This is an automatic audit of a folder of source code. What should its owners do first, and why?\n\n${report}`
  const said = stream('model')
  try {
    const { text, promptTokens, completionTokens } = await askModel(model, { prompt, onText: said.write, signal })
    await said.end()
    await attempt.usage({
      provider: new URL(model.baseUrl).hostname,
      model: model.name,
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
    })
    return { model: model.name, text }
  } catch (error) {
    signal.throwIfAborted()
    const reason = error instanceof Error ? error.message : String(error)
    await log(`The model ${model.name} could not be asked: ${reason}`, undefined, { level: 'warn' })
    return null
  }
}
