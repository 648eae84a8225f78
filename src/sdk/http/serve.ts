// Executes runs of jobs behind a URL: takes what Runyard dispatches, answers at once, and reports back how it went.
import type { Client } from '../client.ts'
import { isHopeless, RunyardError } from '../error.ts'
import type { AnyJob, RunnableJob } from '../job/job.ts'
import { runJob } from '../job/run-job.ts'
import { sleep } from '../sleep.ts'
import { type Claimed, makeAttempt } from '../worker/attempt.ts'
import { endingOf } from '../worker/execute.ts'
import { AttemptFailed, type Lease, makeLease } from '../worker/lease.ts'
import { signatureProblem } from './signature.ts'

/** What `serve` needs to execute dispatched runs. */
export type ServeOptions = {
  /** Where Runyard is; it needs no credential, because each dispatch brings a token. */
  client: Client
  /** The signing secret of each job by name, or of all of them. */
  secret: string | Record<string, string>
  /** Keeps the process alive until the work is done, where the platform needs to be told. */
  waitUntil?: (work: Promise<unknown>) => void
  onError?: (error: unknown) => void
}

const BODY_BYTES_MAX = 2 * 1024 * 1024
const BEAT_MS = 5_000

/**
 * A handler for any framework that speaks `Request` and `Response`. The last part of the path names the job, unless
 * there is only one.
 */
export function serve(jobs: readonly AnyJob[], options: ServeOptions): (request: Request) => Promise<Response> {
  const byName = new Map(jobs.map((job) => [job.name, job.definition]))
  const { secret, waitUntil = () => {}, onError = (error) => console.warn('Runyard:', error) } = options
  const secrets = typeof secret === 'string' ? undefined : new Map(Object.entries(secret))

  return async (request) => {
    if (request.method !== 'POST') return problem(405, 'Dispatches are posted')
    const name = jobs.length === 1 ? jobs[0]!.name : lastPart(request.url)
    const job = byName.get(name)
    if (!job) return problem(404, `Job ${name} not found`)
    const own = secrets ? secrets.get(name) : (secret as string)
    if (own === undefined) throw new Error(`serve has no signing secret of job ${name}`)
    const body = await readBody(request)
    if (body === undefined) return problem(413, `The payload exceeds ${BODY_BYTES_MAX} bytes`)
    const { headers } = request
    const bad = await signatureProblem({ headers, body, secret: own, nowMs: Date.now() })
    if (bad !== undefined) return problem(401, bad)
    const dispatched = dispatchOf(headers)
    if (!dispatched) return problem(400, 'X-Run-ID or X-Run-Token is missing')
    const work = execute({ job, body, client: options.client, ...dispatched }).catch((error: unknown) => {
      // Canceled before it began: nobody has to be told.
      if (!isOver(error)) onError(error)
    })
    waitUntil(work)
    return new Response(null, { status: 202 })
  }
}

/** Undefined when it is too long: who sends it is not known yet, so no more than that is held. */
async function readBody(request: Request): Promise<string | undefined> {
  if (Number(request.headers.get('content-length')) > BODY_BYTES_MAX) return undefined
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for (const reader = request.body?.getReader(); reader; ) {
    const { done, value } = await reader.read()
    if (done) break
    bytes += value.byteLength
    if (bytes > BODY_BYTES_MAX) {
      await reader.cancel().catch(() => {})
      return undefined
    }
    text += decoder.decode(value, { stream: true })
  }
  return text + decoder.decode()
}

/** The last part of a path, as text; one that is not valid percent-encoding names no job. */
function lastPart(url: string): string {
  const part = new URL(url).pathname.split('/').pop() ?? ''
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

type Dispatched = { runId: string; token: string; traceparent: string; previousError: string | null }

function dispatchOf(headers: Headers): Dispatched | undefined {
  const runId = headers.get('x-run-id')
  const token = headers.get('x-run-token')
  if (!runId || !token) return undefined
  const traceparent = headers.get('traceparent') ?? ''
  return { runId, token, traceparent, previousError: headers.get('x-previous-error') }
}

type Execution = Dispatched & { job: RunnableJob; body: string; client: Client }

async function execute({ job, body, client, ...dispatched }: Execution): Promise<void> {
  const { runId, token, traceparent, previousError } = dispatched
  const own = client.as(token)
  const run = await own.getRun({ run_id: runId, include: [] }, PATIENT)
  const { data: saved } = await own.listCheckpoints({ run_id: runId, limit: 1 }, PATIENT)
  const latest = saved[0] && (await own.getCheckpoint({ run_id: runId, number: saved[0].number }, PATIENT))
  const payload = JSON.parse(body) as unknown
  const claimed = { run: { ...run, id: runId }, run_token: token } as unknown as Claimed
  const lease = makeLease(claimed, Number.POSITIVE_INFINITY)
  const stopBeating = beat(own, runId, lease)
  const attempt = makeAttempt(client, claimed, () => lease.tell('stop'))
  const handling = {
    run: claimed.run,
    payload,
    checkpoint: latest ? { number: latest.number, state: latest.state, created_at: latest.created_at } : null,
    previousError,
    traceparent,
    attempt,
    signal: lease.signal,
  }
  try {
    const result = await runJob(job, handling)
    await complete(own, runId, result)
  } catch (error) {
    if (lease.told !== 'stop' && !isOver(error)) await settle(own, runId, endingOf(lease, error))
  } finally {
    stopBeating()
  }
}

/** Until a restarting node is back: otherwise the run would wait for its timeout, and all of its work be done again. */
const PATIENT = { retriesMax: 8 }
const SETTLING = { ...PATIENT, repeatable: true }

/** A result that is too large, or not valid for the job's schema, would be the same after another attempt. */
async function complete(own: Client, runId: string, result: unknown): Promise<void> {
  try {
    await own.completeRun({ run_id: runId, ...(result !== undefined && { result }) }, SETTLING)
  } catch (error) {
    if (!(error instanceof RunyardError) || isOver(error) || !isHopeless(error)) throw error
    throw new AttemptFailed(error.message, { code: error.code, retryable: false })
  }
}

async function settle(own: Client, runId: string, ending: ReturnType<typeof endingOf>): Promise<void> {
  const { outcome, error = 'the handler gave no reason', error_code, retryable = true } = ending
  if (outcome !== 'failed') {
    await own.yieldRun({ run_id: runId }, SETTLING)
    return
  }
  await own.failRun({ run_id: runId, error, retryable, ...(error_code !== undefined && { error_code }) }, SETTLING)
}

/** Learns whether to pause or to stop. The lease itself lasts as long as the attempt may. */
function beat(own: Client, runId: string, lease: Lease): () => void {
  const stopping = new AbortController()
  const { signal } = stopping
  const keep = async () => {
    while (!signal.aborted && lease.told !== 'stop') {
      await sleep(BEAT_MS, signal)
      const told = await own.heartbeat({ run_id: runId }, { signal }).then(
        (answer) => answer.told,
        // A server that is away tells nothing; the next beat may reach it.
        (error: unknown) => (isOver(error) ? 'stop' : null),
      )
      if (told && !signal.aborted) lease.tell(told)
    }
  }
  keep().catch(() => {})
  return () => stopping.abort()
}

/** Another attempt, or nobody, has the run now. */
const isOver = (error: unknown): boolean =>
  error instanceof RunyardError && (error.code === 'stale_lease' || error.code === 'run_over')

const problem = (status: number, message: string): Response => Response.json({ error: { message } }, { status })
