// Asks the model, if there is one, what to do first. Without an answer the audit is whole all the same.
import type { Audit } from './audit.ts'
import { findingsOf } from './findings.ts'
import { askModel } from './model.ts'
import { reportOf } from './report.ts'
import type { Results } from './results.ts'
import type { Done } from './steps.ts'

const PROMPT_LENGTH_MAX = 12_000

export async function askSummary(audit: Audit): Promise<Done<Results['summary']>> {
  const { model, results, payload, handling } = audit
  const { attempt, signal } = handling
  if (!model) return { result: null, input: {}, output: { skipped: 'no model is configured' } }
  const report = reportOf({ folder: payload.folder, results }).slice(0, PROMPT_LENGTH_MAX)
  const prompt = `This is an automatic audit of a folder of source code. What should its owners do first, and why?\n\n${report}`
  const input = { model: model.name, findings: findingsOf(results).length, prompt_length: prompt.length }
  try {
    const onText = async (chunk: string) => void (await attempt.stream({ chunk, stream_id: 'model' }))
    const { text, promptTokens, completionTokens } = await askModel(model, { prompt, onText, signal })
    await attempt.stream({ chunk: '', stream_id: 'model', done: true })
    await attempt.usage({
      provider: new URL(model.baseUrl).hostname,
      model: model.name,
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
    })
    return { result: { model: model.name, text }, input, output: { text } }
  } catch (error) {
    signal.throwIfAborted()
    const reason = error instanceof Error ? error.message : String(error)
    await attempt.log({ level: 'warn', message: `The model ${model.name} could not be asked: ${reason}` })
    return { result: null, input, output: { error: reason } }
  }
}
