// Model usage and cost: of one run, summed over a period, and the prices used to fill in costs.
import { Type } from 'typebox'
import { PRICE_SOURCES, RATE_MAX } from '#core/usage/prices.ts'
import {
  body,
  commaList,
  flag,
  JOB,
  listOf,
  nullable,
  oneOf,
  optional,
  paging,
  pathText,
  query,
  RunPath,
  time,
  whole,
} from './common.ts'
import { route } from './route.ts'
import { Usage } from './runs/record.ts'
import { AGENT_ID } from './runs/run.ts'

const tag = 'Usage'
const COUNT_MAX = Number.MAX_SAFE_INTEGER

export const PROVIDER = pathText(128, 'Provider of the model.')
export const MODEL = pathText(256, 'Name of the model.')

const sums = {
  calls: whole(0, COUNT_MAX, 'Model calls.'),
  prompt_tokens: whole(0, COUNT_MAX, 'Prompt tokens.'),
  completion_tokens: whole(0, COUNT_MAX, 'Completion tokens.'),
  cost_microusd: whole(0, COUNT_MAX, 'Cost in millionths of a US dollar.'),
}

/** The totals of the ledger; the same fields and values in every response that has them. */
const ledger = {
  tools_microusd: whole(0, COUNT_MAX, 'Cost of tool calls, including reserved ones.'),
  models_microusd: whole(0, COUNT_MAX, 'Cost of model calls.'),
  cost_microusd: whole(0, COUNT_MAX, 'Cost of tool calls and model calls together.'),
}
export const LedgerTotals = Type.Object(ledger, {
  title: 'LedgerTotals',
  description:
    'Total spend of the period, in millionths of a US dollar; each total is rounded once, to the nearest one.',
})

export const UsageTotals = Type.Object(
  { ...sums, total_tokens: whole(0, COUNT_MAX, 'Total tokens.') },
  { title: 'UsageTotals', description: 'Sums over all calls of the run, not only those on this page.' },
)

export const listUsage = route({
  method: 'GET',
  path: '/v1/runs/:run_id/usage',
  needs: 'runs:read',
  orRunToken: true,
  tag,
  name: 'listUsage',
  summary: 'List the model calls of a run with their usage, oldest first, and the sums of all calls.',
  params: RunPath,
  query: query(paging),
  replies: {
    200: Type.Object(
      { ...listOf(Usage, 'UsageList').properties, totals: UsageTotals },
      { title: 'UsageList', description: 'A page of model calls, with totals.' },
    ),
  },
  refusals: ['run_not_found', 'invalid_cursor'],
})

const GROUPS = ['day', 'hour', 'job', 'agent', 'provider', 'model'] as const

const UsageSum = Type.Object(
  {
    day: optional(Type.String({ description: 'The day (UTC).', examples: ['2026-01-31'] })),
    hour: optional(time('Start of the hour.')),
    job_id: optional(nullable(Type.String(), 'Id of the job; null for runs without one.')),
    job_slug: optional(nullable(Type.String(), 'Slug of the job.')),
    agent_id: optional(
      nullable(
        Type.String(),
        "The agent that was charged: the run's agent or, without one, the agent named after its job; null for calls recorded before agents were charged.",
      ),
    ),
    provider: optional(Type.String({ description: 'Provider of the model.' })),
    model: optional(Type.String({ description: 'Name of the model.' })),
    ...sums,
  },
  { title: 'UsageSum', description: 'The sums of one group, with the fields grouped by.' },
)

export const sumUsage = route({
  method: 'GET',
  path: '/v1/usage',
  needs: 'runs:read',
  tag,
  name: 'sumUsage',
  summary: 'Sum model usage and cost over a period, by up to two of day, hour, job, agent, provider and model.',
  description:
    'Sums are kept per hour (UTC) as calls are recorded; every hour that the period touches counts in full. Days and ' +
    'hours are in order and, within them, the costliest group comes first. Without group_by there is one sum. A ' +
    'response has at most 1,000 groups; if has_more is true, use a shorter period or a filter to get the rest.',
  query: query({
    group_by: optional(commaList(oneOf(GROUPS, 'Field to group by.'), 2, 'Up to two fields to group by.')),
    from: optional(
      time(
        'Start of the period; defaults to 30 days before `to`. At most 366 days before `to`, or 31 when grouped by hour.',
      ),
    ),
    to: optional(time('End of the period; defaults to now.')),
    job: optional(JOB),
    agent_id: optional(AGENT_ID),
    provider: optional(PROVIDER),
    model: optional(MODEL),
  }),
  replies: {
    200: Type.Object(
      {
        from: time('Start of the first hour.'),
        to: time('End of the last hour.'),
        data: Type.Array(UsageSum, { description: 'One entry per group that has calls.' }),
        has_more: flag('Whether there are more than 1,000 groups.'),
        totals: nullable(
          Type.Object(ledger),
          'Total spend of the period, including tools, as in /v1/spend; null with a filter by job, provider or ' +
            'model, because tool calls have none of these.',
        ),
      },
      { title: 'UsageSums' },
    ),
  },
  refusals: ['job_not_found'],
})

const rates = {
  prompt_microusd_per_million: whole(0, RATE_MAX, 'Price of a million prompt tokens, in millionths of a US dollar.'),
  completion_microusd_per_million: whole(
    0,
    RATE_MAX,
    'Price of a million completion tokens, in millionths of a US dollar.',
  ),
}
const PricePath = Type.Object({ provider: PROVIDER, model: MODEL })

const Price = Type.Object(
  {
    provider: Type.String({ description: 'Provider of the model, in lower case.' }),
    model: Type.String({ description: 'Name of the model, or a prefix of several names that ends before a - or @.' }),
    ...rates,
    source: oneOf(PRICE_SOURCES, 'project_price: set by this project. list_price: built in.'),
    updated_at: time('When it was set; for a built-in price, the date of the list.'),
  },
  { title: 'Price' },
)

export const listPrices = route({
  method: 'GET',
  path: '/v1/prices',
  needs: 'runs:read',
  tag,
  name: 'listPrices',
  summary: "List the project's prices and the built-in ones, by provider and model.",
  description: "Where both name the same model, the project's price applies.",
  query: query(paging),
  replies: { 200: listOf(Price, 'PriceList') },
  refusals: ['invalid_cursor'],
})

export const setPrice = route({
  method: 'PUT',
  path: '/v1/prices/:provider/:model',
  needs: 'admin',
  tag,
  name: 'setPrice',
  summary: 'Set the price of a model in this project, for calls recorded from now on.',
  description: "Calls already recorded keep their cost. Send a slash in a model's name as %2F.",
  params: PricePath,
  body: body(rates),
  replies: { 200: Price },
})

export const deletePrice = route({
  method: 'DELETE',
  path: '/v1/prices/:provider/:model',
  needs: 'admin',
  tag,
  name: 'deletePrice',
  summary: "Delete the project's price of a model; the built-in one, if any, applies again.",
  params: PricePath,
  replies: { 204: null },
  refusals: ['price_not_found'],
})
