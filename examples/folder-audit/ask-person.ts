// Before the report is written a person is asked. The run rests meanwhile, and its place with the agent is free; the
// attempt goes on when somebody has answered, finds the answer with the run, and asks no second time.
import { AttemptFailed } from '#sdk/worker/lease.ts'
import type { Audit } from './audit.ts'
import { count, findingsOf } from './findings.ts'
import type { Results } from './results.ts'
import type { Done } from './steps.ts'

export async function askPerson({ handling, payload, results }: Audit): Promise<Done<Results['ask']>> {
  const { attempt, signal } = handling
  const { folder, askSecs } = payload
  const findings = findingsOf(results)
  const prompt = `Shall I write the report on ${folder}? I have ${count(findings.length, 'finding')}.`
  const [asked] = (await attempt.inputs({ limit: 1 })).data
  if (!asked) {
    const { id } = await attempt.ask({
      kind: 'approval',
      prompt,
      params: { folder, findings: findings.slice(0, 5) },
      expires_in_secs: askSecs,
      on_expiry: 'default',
      default: { approved: true },
    })
    console.log(
      `folder-audit: asks whether to write its report: POST /v1/input-requests/${id}/answer {"approved": true}`,
    )
    signal.throwIfAborted()
  }
  const { approved } = (asked?.answer ?? {}) as { approved?: boolean }
  if (!approved) throw new AttemptFailed('the report was not wanted', { code: 'not_wanted', retryable: false })
  const answered = asked!.status === 'answered'
  const thought = answered ? 'I may write it.' : 'Nobody objects, so I write it.'
  return { result: { approved, answered }, input: { prompt }, output: { approved, answered }, thought }
}
