// OnceOnly's runs and their events. Paths are relative to /onceonly.
import { Type } from 'typebox'
import {
  anyJson,
  INT_MAX,
  nullable,
  objectAsWritten,
  optional,
  PATH_TEXT,
  text,
  whole,
  withDefault,
} from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'

const tag = 'Runs and events'
const OFFSET_MAX = 1_000_000_000
/** Seconds of Unix time up to the end of the year 9999. */
const TS_MAX = 253_402_300_799

export const RUN_ID = text(256, 'Id of the run, chosen by the client.', {
  minLength: 1,
  pattern: `${PATH_TEXT}[^]*\\S`,
})
export const OFFSET = withDefault(whole(0, OFFSET_MAX, 'Items to skip.'), 0)
const word = (description: string) => optional(nullable(text(256, description)))

const REPORT = {
  run_id: RUN_ID,
  type: text(128, 'What happened.', { minLength: 1, pattern: '\\S' }),
  ts: optional(
    nullable(
      Type.Number({ minimum: 0, maximum: TS_MAX, description: 'When it happened, in Unix seconds; defaults to now.' }),
    ),
  ),
  status: word('Status of the subject of the event.'),
  duration_ms: optional(
    nullable(Type.Number({ minimum: 0, maximum: INT_MAX, description: 'Duration in milliseconds.' })),
  ),
  step: word('Step of the run.'),
  tool: word('Tool that was called.'),
  req_id: word('Id of the request that caused it.'),
  lease_id: word('Id of the lease under which it happened.'),
  agent_id: word('Agent that acted.'),
  message: optional(nullable(text(8192, 'One line for people.'))),
  data: optional(nullable(objectAsWritten('Anything else, as JSON.'))),
}
export const REPORT_FIELDS: ReadonlySet<string> = new Set(Object.keys(REPORT))

export const postEvent = route({
  method: 'POST',
  path: '/v1/events',
  needs: 'events:write',
  tag,
  name: 'postRunEvent',
  summary: 'Report an event of a run; the first event of an unknown run starts it.',
  description: `An event of type \`run_finished\` ends the run according to its status: \`failed\`, \`timeout\` or
\`cancelled\`; any other status means completed. Events can still be reported after that. Unknown fields
are stored and returned.`,
  body: Type.Object(REPORT, { additionalProperties: anyJson('Any other field.') }),
  bodyBytesMax: 256 * 1024,
  replies: {
    200: Type.Object({
      ok: Type.Boolean(),
      event_id: Type.Integer({ description: 'Number of the event in the whole log.' }),
      run_id: Type.String(),
    }),
  },
  refusals: ['reserved_type', 'run_over'],
})

export const listRuns = route({
  method: 'GET',
  path: '/v1/runs',
  needs: 'runs:read',
  tag,
  name: 'listRecentRuns',
  summary: 'List all runs of the project, most recently active first.',
  query: Type.Object({
    limit: withDefault(whole(1, 500, 'Maximum number of runs.'), 50),
    offset: OFFSET,
    q: optional(text(256, 'Prefix of the run ids.')),
  }),
  replies: {
    200: Type.Object({
      total: Type.Integer({ description: 'Number of all runs, not only those on this page.' }),
      items: Type.Array(
        Type.Object({
          run_id: Type.String(),
          last_ts: Type.Integer({ description: 'Time of the latest event, in Unix seconds.' }),
          last_type: Type.String(),
          last_status: nullable(Type.String()),
          events_count: Type.Integer(),
        }),
      ),
    }),
  },
})

export const readRun = route({
  method: 'GET',
  path: '/v1/runs/:run_id',
  needs: 'events:read',
  tag,
  name: 'readRunTimeline',
  summary: 'List the events of a run, oldest first; as an HTML page for clients that prefer one.',
  description: 'An unknown run has no events. A page ends early at 8 MiB; `total` counts all events.',
  params: Type.Object({ run_id: text(3072, 'Id of the run, or the id that the client chose.') }),
  query: Type.Object({ limit: withDefault(whole(1, 2000, 'Maximum number of events.'), 200), offset: OFFSET }),
  download: 'text/html; charset=utf-8',
  replies: {
    200: Type.Object({
      run_id: Type.String(),
      total: Type.Integer({ description: 'Number of all events of the run, not only those on this page.' }),
      events: Type.Array(
        Type.Object(
          {
            id: Type.Integer(),
            run_id: Type.String(),
            ts: Type.Integer({ description: 'When it happened, in Unix seconds.' }),
            type: Type.String(),
            status: optional(Type.String()),
            duration_ms: optional(Type.Number()),
            step: optional(Type.String()),
            tool: optional(Type.String()),
            req_id: optional(Type.String()),
            lease_id: optional(Type.String()),
            agent_id: optional(Type.String()),
            message: optional(Type.String()),
            data: optional(Type.Unsafe<unknown>({ description: 'Anything else, as JSON.' })),
          },
          { title: 'TimelineEvent', additionalProperties: true },
        ),
      ),
    }),
  },
})

export const RUN_ROUTES: readonly Route[] = [postEvent, listRuns, readRun]
