// Tamper evidence: the seals of the log, verifying the log against them, and exporting events with their seals.
import { type Static, Type } from 'typebox'
import { SEAL_PROBLEMS } from '#core/log/seal.ts'
import { flag, listOf, nullable, oneOf, optional, paging, query, time, timeOrNull, whole } from './common.ts'
import { NDJSON } from './events.ts'
import { route } from './route.ts'

const tag = 'Seals'
const COUNT_MAX = Number.MAX_SAFE_INTEGER
export const EXPORT_DAYS_MAX = 31

const count = (description: string) => whole(0, COUNT_MAX, description)
const hash = (description: string) => Type.String({ pattern: '^[0-9a-f]{64}$', description })
const transaction = (description: string) => Type.String({ description })
const NUMBER = whole(1, COUNT_MAX, 'Number of the seal in its project: counts from 1 without gaps.')

export const Seal = Type.Object(
  {
    format: whole(1, 1, 'Version of the hashing format.'),
    project_id: Type.String({ description: 'Project whose events the seal covers.' }),
    number: NUMBER,
    after_xid: transaction('Start of the window, exclusive: id of the transaction.'),
    after_position: count('Start of the window, exclusive: position in the log.'),
    until_xid: transaction('End of the window, inclusive: id of the transaction.'),
    until_position: count('End of the window, inclusive: position in the log.'),
    events: count('Events in the window.'),
    recorded_from: timeOrNull('When the earliest of them was written to the log; null when the window is empty.'),
    recorded_until: timeOrNull('When the latest of them was written to the log; null when the window is empty.'),
    digest: hash('SHA-256 over the SHA-256 hashes of the events, each hashed as a line of the export.'),
    sealed_at: time('When the seal was created.'),
    previous: hash('Hash of the previous seal; zeros for the first.'),
    hash: hash('SHA-256 of all the other fields as canonical JSON.'),
  },
  { title: 'Seal' },
)
export type Seal = Static<typeof Seal>

export const listSeals = route({
  method: 'GET',
  path: '/v1/events/seals',
  needs: 'events:read',
  tag,
  name: 'listSeals',
  summary: 'List the seals of the log, newest first.',
  query: query(paging),
  replies: { 200: listOf(Seal, 'SealList') },
  refusals: ['invalid_cursor'],
})

export const getSealHead = route({
  method: 'GET',
  path: '/v1/events/seals/head',
  needs: 'events:read',
  tag,
  name: 'getSealHead',
  summary: 'Get the newest seal; keep it where nobody with access to the database can change it.',
  replies: {
    200: Type.Object(
      {
        seal: nullable(
          Type.Object(Seal.properties, { title: 'NewestSeal' }),
          'The newest seal; null until the first is created.',
        ),
      },
      { title: 'SealHead' },
    ),
  },
})

const Problem = Type.Object(
  {
    reason: oneOf(SEAL_PROBLEMS, 'What is wrong, as a code.'),
    message: Type.String({ description: 'A sentence for people; may change between versions.' }),
    seal: nullable(NUMBER, 'The seal concerned; null for events after the last seal.'),
    after_xid: transaction('Start of the window, exclusive: id of the transaction.'),
    after_position: count('Start of the window, exclusive: position in the log.'),
    until_xid: nullable(Type.String(), 'End of the window, inclusive: id of the transaction.'),
    until_position: nullable(count('End of the window, inclusive: position in the log.')),
    recorded_from: timeOrNull('When its earliest event was written, according to the seal.'),
    recorded_until: timeOrNull('When its latest event was written, according to the seal.'),
    events_sealed: nullable(count('Number of events according to the seal.')),
    events_found: nullable(count('Number of events found now.')),
  },
  { title: 'SealProblem' },
)

export const verifyEvents = route({
  method: 'GET',
  path: '/v1/events/verify',
  needs: 'events:read',
  tag,
  name: 'verifyEvents',
  summary: 'Verify the log against its seals; names the first window that differs.',
  description:
    'Without a start, it begins at the first seal. One call covers at most a million events or ten seconds; `next` ' +
    'says how to continue. Keep the last `next`, or the head, outside the database: sent as `from_seal` and `expect`, ' +
    'it reveals whether the seals themselves were replaced.',
  query: query({
    from: optional(time('Start with the seal that covers this time.')),
    to: optional(time('End with the last seal that covers events recorded before this time.')),
    from_seal: optional(whole(1, COUNT_MAX, 'Start after this seal; cannot be combined with `from`.')),
    expect: optional(hash('Hash that the seal `from_seal` must have.')),
  }),
  replies: {
    200: Type.Object(
      {
        ok: flag('True when this call found nothing wrong.'),
        windows: count('Windows whose events match their seals.'),
        events: count('Events in those windows.'),
        sealed_until: timeOrNull('When the latest verified event was written.'),
        first_problem: nullable(Problem, 'The first problem; nothing after it was verified.'),
        gone: Type.Object(
          {
            windows: count('Number of windows.'),
            events: count('Number of events that they had.'),
            recorded_until: timeOrNull('When the latest of them was written to the log.'),
          },
          { title: 'SealsGone', description: 'Windows that retention has deleted and that can no longer be verified.' },
        ),
        last_seal: nullable(
          Type.Object({ number: NUMBER, hash: hash('Hash of the seal.') }, { title: 'SealRef' }),
          'The last seal that was verified.',
        ),
        next: nullable(
          Type.Object({ from_seal: NUMBER, expect: hash('Hash of the seal.') }, { title: 'VerifyNext' }),
          'Parameters of the next call; null at the end.',
        ),
      },
      { title: 'Verification' },
    ),
  },
})

export const exportEvents = route({
  method: 'GET',
  path: '/v1/events/export',
  needs: 'events:read',
  tag,
  name: 'exportEvents',
  summary: 'Export events with their seals as CloudEvents, one per line.',
  description:
    'A header; then, for each window, its events in log order and the seal that covers them; and a last line that ' +
    'proves that nothing was cut off. Windows are exported whole, so some events just outside the requested times may ' +
    'be included; events that are not sealed yet are not. docs/verify-export.mjs verifies the file.',
  query: query({
    from: time('Events recorded at this time or later.'),
    to: optional(
      time(`Events recorded before this time, at most ${EXPORT_DAYS_MAX} days after \`from\`; defaults to now.`),
    ),
  }),
  produces: NDJSON,
  download: NDJSON,
  replies: { 200: Type.String({ description: 'One JSON object per line.' }) },
})
