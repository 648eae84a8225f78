// OnceOnly's runs and their events. Paths begin behind /onceonly.
import { Type } from 'typebox'
import { INT_MAX, jsonObject, nullable, optional, text, whole, withDefault } from '#contract/common.ts'
import { type Route, route } from '#contract/route.ts'

const tag = 'Runs and events'
const OFFSET_MAX = 1_000_000_000
/** Seconds of Unix time up to the end of the year 9999. */
const TS_MAX = 253_402_300_799

export const RUN_ID = text(256, "The client's own name of the run.", { minLength: 1, pattern: '\\S' })
export const OFFSET = withDefault(whole(0, OFFSET_MAX, 'Items to pass over.'), 0)
const word = (description: string) => optional(nullable(text(256, description)))

const REPORT = {
  run_id: RUN_ID,
  type: text(128, 'What happened.', { minLength: 1, pattern: '\\S' }),
  ts: optional(
    nullable(
      Type.Number({ minimum: 0, maximum: TS_MAX, description: 'When, in seconds of Unix time; now when left out.' }),
    ),
  ),
  status: word('How it stands.'),
  duration_ms: optional(nullable(Type.Number({ minimum: 0, maximum: INT_MAX, description: 'How long it took.' }))),
  step: word('Step of the run.'),
  tool: word('Tool that was called.'),
  req_id: word('Id of the request that led to it.'),
  lease_id: word('Id of the lease it was done under.'),
  agent_id: word('The agent that acted.'),
  message: optional(nullable(text(8192, 'One line for a person.'))),
  data: optional(nullable(jsonObject('Whatever else there is to say.'))),
}
export const REPORT_FIELDS: ReadonlySet<string> = new Set(Object.keys(REPORT))

export const postEvent = route({
  method: 'POST',
  path: '/v1/events',
  needs: 'events:write',
  tag,
  name: 'postRunEvent',
  summary: 'Report an event of a run; the first event of an unknown run begins it.',
  description: `An event of type \`run_finished\` ends the run, as its status says: \`failed\`, \`timeout\` or
\`cancelled\`, and everything else as completed. Events may be reported after that as well. Fields that are not known
are kept and given back.`,
  body: Type.Object(REPORT, { additionalProperties: true }),
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
  summary: 'List all runs of the project, latest last event first.',
  query: Type.Object({
    limit: withDefault(whole(1, 500, 'Runs at most.'), 50),
    offset: OFFSET,
    q: optional(text(256, 'How the ids of the runs begin.')),
  }),
  replies: {
    200: Type.Object({
      total: Type.Integer({ description: 'All runs that there are, not only those of this page.' }),
      items: Type.Array(
        Type.Object({
          run_id: Type.String(),
          last_ts: Type.Integer({ description: 'Of the last event, in seconds of Unix time.' }),
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
  summary: 'Read the events of a run, oldest first; as a page for people when they are preferred.',
  description: 'A run that is not known has no events. A page of 8 MiB is cut short, and `total` tells.',
  params: Type.Object({ run_id: text(3072, "The client's own name of the run, or its id.") }),
  query: Type.Object({ limit: withDefault(whole(1, 2000, 'Events at most.'), 200), offset: OFFSET }),
  download: 'text/html; charset=utf-8',
  replies: {
    200: Type.Object({
      run_id: Type.String(),
      total: Type.Integer({ description: 'All events of the run, not only those of this page.' }),
      events: Type.Array(
        Type.Object(
          {
            id: Type.Integer(),
            run_id: Type.String(),
            ts: Type.Integer({ description: 'When, in seconds of Unix time.' }),
            type: Type.String(),
            status: optional(Type.String()),
            duration_ms: optional(Type.Number()),
            step: optional(Type.String()),
            tool: optional(Type.String()),
            req_id: optional(Type.String()),
            lease_id: optional(Type.String()),
            agent_id: optional(Type.String()),
            message: optional(Type.String()),
            data: optional(Type.Unsafe<unknown>({ description: 'Whatever else there is to say.' })),
          },
          { title: 'TimelineEvent', additionalProperties: true },
        ),
      ),
    }),
  },
})

export const RUN_ROUTES: readonly Route[] = [postEvent, listRuns, readRun]
