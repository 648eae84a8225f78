// Things as the API answers them.
import type { Run } from '#contract/runs/run.ts'
import { SCOPES } from '#core/scopes.ts'
import type { Session } from '../api/session.ts'
import type { InputRequest } from '../parts/answer/answer-form.tsx'

export const ID = '01981f3a-6f0b-7c1e-9a51-0d6c1c2b3a4f'
export const HOSTILE = '<img src=x onerror=alert(1)><script>alert(2)</script>'
export const LONG = 'a-word-without-a-place-to-break-'.repeat(4)

const NOW_MS = Date.now()
export const ago = (ms: number): string => new Date(NOW_MS - ms).toISOString()

export const SESSION: Session = {
  id: ID,
  actor: { type: 'user', id: ID, name: 'Ada Lovelace' },
  user: null,
  scopes: [...SCOPES],
  project_id: 'default',
  projects: [{ id: 'default', name: 'Default', role: 'admin' }],
  created_at: ago(60_000),
  expires_at: ago(-86_400_000),
  version: '0.1.0',
}

export const QUESTION: InputRequest = {
  id: ID,
  run_id: ID,
  agent_id: 'billing-bot',
  authorization_id: null,
  key: null,
  assignee: null,
  kind: 'approval',
  prompt: 'May I refund $300?',
  params: {},
  editable_params: [],
  schema: null,
  on_expiry: 'fail',
  default: null,
  status: 'pending',
  answer: null,
  answered_by: null,
  created_at: ago(90_000),
  answered_at: null,
  expires_at: ago(-600_000),
}

export const RUN: Run = {
  id: ID,
  job_id: ID,
  job_slug: 'invoices',
  job_version: 3,
  job_version_id: ID,
  project_id: 'default',
  status: 'completed',
  execution: 'worker',
  queue: 'invoices',
  attempt: 2,
  max_attempts: 5,
  timeout_secs: 300,
  priority: 0,
  triggered_by: 'manual',
  created_by: { type: 'user', id: ID, name: 'Ada Lovelace' },
  correlation_id: ID,
  parent_run_id: null,
  continuation_of: null,
  lineage_depth: 0,
  replayed_from: null,
  batch_id: null,
  idempotency_key: null,
  concurrency_key: null,
  agent_id: 'billing-bot',
  tags: { team: 'care' },
  metadata: {},
  debug_mode: false,
  preset: null,
  environment: null,
  detached: false,
  created_at: ago(120_000),
  scheduled_at: null,
  started_at: ago(118_000),
  finished_at: ago(20_000),
  heartbeat_at: null,
  next_retry_at: null,
  expires_at: null,
  last_sequence: 24,
  error: null,
  error_code: null,
  execution_trace: null,
  overrides: null,
}
