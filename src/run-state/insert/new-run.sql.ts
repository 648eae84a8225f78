// What a new run is asked for with, and what came of it.
import type { Actor } from '#core/event.ts'
import type { RunState, Trigger } from '#core/run.ts'
import type { NewWait } from '../move/wait-parts.sql.ts'

export type RunFlow = {
  rateLimit?: { key: string; limit: number; periodSecs: number } | undefined
  debounce?: { key: string; periodMs: number; maxDelayMs: number } | undefined
}

export type NewRun = {
  id: string
  projectId: string
  jobId: string
  /** The version that the caller read the settings from; when the job has moved on, it reads again. */
  jobVersion: number
  actor: Actor
  causationId?: string | undefined
  correlationId?: string | undefined
  triggeredBy: Trigger
  payload?: unknown
  /** Absent: now. */
  scheduledAt?: Date | undefined
  delayMs?: number | undefined
  rank: number
  timeoutSecs: number
  maxAttempts: number
  ttlSecs?: number | undefined
  overrides?: object | undefined
  tags: Record<string, string>
  metadata: Record<string, string>
  concurrencyKey?: string | undefined
  idempotency?: { key: string; fingerprint: string } | undefined
  batchId?: string | undefined
  agentId?: string | undefined
  debugMode?: boolean | undefined
  traceparent?: string | undefined
  parentRunId?: string | undefined
  continuationOf?: string | undefined
  lineageDepth?: number | undefined
  replayedFrom?: string | undefined
  /** Goes on when its parent is canceled or fails. */
  detached?: boolean | undefined
  preset?: string | undefined
  environment?: Record<string, string> | undefined
  /** The queue of its preset; the job's when absent. */
  queue?: string | undefined
  /** How many dependencies the job had when the caller looked; when it has others by now, the caller looks again. */
  dependencies?: number | undefined
  /** What its trigger is counted by, and which others it is one with: see runs/trigger/admission. */
  flow?: RunFlow | undefined
  /** What it waits for before it may begin. */
  wait?: NewWait | undefined
}

export type InsertedRun =
  | { outcome: 'created'; state: RunState; queue: string; createdAt: Date }
  /** The key was used: by which run, and for which request. */
  | { outcome: 'key_taken'; runId: string; fingerprint: string }
  | { outcome: 'job_changed' | 'job_missing' | 'job_disabled' | 'job_paused' }
