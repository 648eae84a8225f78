// Tamper evidence: the seals of the log, comparing the log with them, and taking a part of it elsewhere with its seals.
import { type Static, Type } from 'typebox'
import { SEAL_PROBLEMS } from '#core/seal.ts'
import { flag, listOf, nullable, oneOf, optional, paging, query, time, timeOrNull, whole } from './common.ts'
import { NDJSON } from './events.ts'
import { route } from './route.ts'

const tag = 'Seals'
const COUNT_MAX = Number.MAX_SAFE_INTEGER
export const EXPORT_DAYS_MAX = 31

const count = (description: string) => whole(0, COUNT_MAX, description)
const hash = (description: string) => Type.String({ pattern: '^[0-9a-f]{64}$', description })
const transaction = (description: string) => Type.String({ description })
const NUMBER = whole(1, COUNT_MAX, 'Number of the seal in its project, from 1 and without gaps.')

export const Seal = Type.Object(
  {
    format: whole(1, 1, 'How it is hashed.'),
    project_id: Type.String({ description: 'Project whose events it covers.' }),
    number: NUMBER,
    after_xid: transaction('The window begins after this transaction'),
    after_position: count('and this position of the log,'),
    until_xid: transaction('and ends with this transaction'),
    until_position: count('and this position.'),
    events: count('Events in the window.'),
    recorded_from: timeOrNull('When the earliest of them was written; null without any.'),
    recorded_until: timeOrNull('When the latest of them was written.'),
    digest: hash('SHA-256 over the SHA-256 of each event as a line of an export.'),
    sealed_at: time('When it was made.'),
    previous: hash('Hash of the seal before; zeros for the first.'),
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
          'The newest seal; null while nothing is sealed.',
        ),
      },
      { title: 'SealHead' },
    ),
  },
})

const Problem = Type.Object(
  {
    reason: oneOf(SEAL_PROBLEMS, 'What is wrong, in a word.'),
    message: Type.String({ description: 'One sentence for a person.' }),
    seal: nullable(NUMBER, 'The seal that it is about; null for events after the last one.'),
    after_xid: transaction('The window begins after this transaction'),
    after_position: count('and this position of the log,'),
    until_xid: nullable(Type.String(), 'and ends with this transaction'),
    until_position: nullable(count('and this position.')),
    recorded_from: timeOrNull('When the earliest event of it was written, by the seal.'),
    recorded_until: timeOrNull('When the latest event of it was written, by the seal.'),
    events_sealed: nullable(count('How many events the seal says there are.')),
    events_found: nullable(count('How many there are now.')),
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
    'Without a start it begins at the first seal. One call looks at a million events or ten seconds at most, and says ' +
    'in `next` how to go on. Keep `next` of the last call, or the head, elsewhere: given as `from_seal` and `expect` ' +
    'they show whether the seals themselves were exchanged.',
  query: query({
    from: optional(time('Begin with the seal that covers what was recorded then.')),
    to: optional(time('End with the seal that covers what was recorded before then.')),
    from_seal: optional(whole(1, COUNT_MAX, 'Begin after this seal; not together with `from`.')),
    expect: optional(hash('The hash that the seal `from_seal` must have.')),
  }),
  replies: {
    200: Type.Object(
      {
        ok: flag('True when nothing is wrong, as far as this call has looked.'),
        windows: count('Windows that hold what was sealed.'),
        events: count('Events in them.'),
        sealed_until: timeOrNull('When the latest event was written that was compared.'),
        first_problem: nullable(Problem, 'The first thing that is wrong; nothing after it was compared.'),
        gone: Type.Object(
          {
            windows: count('Windows.'),
            events: count('Events that they had.'),
            recorded_until: timeOrNull('When the latest of them was written.'),
          },
          { title: 'SealsGone', description: 'What retention has dropped and so cannot be compared.' },
        ),
        last_seal: nullable(
          Type.Object({ number: NUMBER, hash: hash('Its hash.') }, { title: 'SealRef' }),
          'The last seal that was found good.',
        ),
        next: nullable(
          Type.Object({ from_seal: NUMBER, expect: hash('Its hash.') }, { title: 'VerifyNext' }),
          'What to send for the rest; null at the end.',
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
    'A header, then for each window its events in the order of the log and the seal that covers them, and a last line ' +
    'that tells that nothing was cut off. Windows are whole, so some events before and after the times asked for may ' +
    'be among them; what is not sealed yet is not. docs/verify-export.mjs checks the file.',
  query: query({
    from: time('Events recorded at this time or later.'),
    to: optional(
      time(`Events recorded before this time, ${EXPORT_DAYS_MAX} days after \`from\` at most; now when left out.`),
    ),
  }),
  produces: NDJSON,
  download: NDJSON,
  replies: { 200: Type.String({ description: 'One JSON object per line.' }) },
})
