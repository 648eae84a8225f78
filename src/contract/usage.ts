// What calls of models used and cost: of one run, summed over a time, and the prices that costs are filled in by.
import { Type } from 'typebox'
import { PRICE_SOURCES, RATE_MAX } from '#core/prices.ts'
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
  query,
  RunPath,
  text,
  time,
  whole,
} from './common.ts'
import { route } from './route.ts'
import { Usage } from './runs/record.ts'
import { AGENT_ID } from './runs/run.ts'

const tag = 'Usage'
const COUNT_MAX = Number.MAX_SAFE_INTEGER

export const PROVIDER = text(128, 'Provider of the model.', { minLength: 1 })
export const MODEL = text(256, 'The model.', { minLength: 1 })

const sums = {
  calls: whole(0, COUNT_MAX, 'Calls of models.'),
  prompt_tokens: whole(0, COUNT_MAX, 'Tokens read.'),
  completion_tokens: whole(0, COUNT_MAX, 'Tokens written.'),
  cost_microusd: whole(0, COUNT_MAX, 'Cost in millionths of a US dollar.'),
}

/** One ledger, whichever way it is asked for. */
const ledger = {
  tools_microusd: whole(0, COUNT_MAX, 'What calls of tools cost, those that are reserved included.'),
  models_microusd: whole(0, COUNT_MAX, 'What calls of models cost.'),
  cost_microusd: whole(0, COUNT_MAX, 'Both together.'),
}
export const LedgerTotals = Type.Object(ledger, {
  title: 'LedgerTotals',
  description: 'What was spent in the whole time, in millionths of a US dollar, each rounded once to the nearest one.',
})

export const UsageTotals = Type.Object(
  { ...sums, total_tokens: whole(0, COUNT_MAX, 'Tokens in all.') },
  { title: 'UsageTotals', description: 'Sums over all calls of the run, whichever page this is.' },
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
      { title: 'UsageList', description: 'A page of calls.' },
    ),
  },
  refusals: ['run_not_found', 'invalid_cursor'],
})

const GROUPS = ['day', 'hour', 'job', 'agent', 'provider', 'model'] as const

const UsageSum = Type.Object(
  {
    day: optional(Type.String({ description: 'The day in UTC.', examples: ['2026-01-31'] })),
    hour: optional(time('Beginning of the hour.')),
    job_id: optional(nullable(Type.String(), 'Id of the job; null for runs without one.')),
    job_slug: optional(nullable(Type.String(), 'Slug of the job.')),
    agent_id: optional(
      nullable(
        Type.String(),
        'The agent that it was charged to: of the run, or else the one with the name of its job; null for calls that were booked before that was known.',
      ),
    ),
    provider: optional(Type.String({ description: 'Provider of the model.' })),
    model: optional(Type.String({ description: 'The model.' })),
    ...sums,
  },
  { title: 'UsageSum', description: 'The sums of one group, with the keys that were grouped by.' },
)

export const sumUsage = route({
  method: 'GET',
  path: '/v1/usage',
  needs: 'runs:read',
  tag,
  name: 'sumUsage',
  summary: 'Sum model usage and cost over a period, by up to two of day, hour, job, agent, provider and model.',
  description:
    'Sums are kept by the hour in UTC as calls are recorded; every hour that the time touches counts whole. Days and ' +
    'hours come in order, and within them the costliest group first. Without group_by there is one sum. An answer ' +
    'holds 1,000 groups at most; has_more tells that there are others, which a shorter time or a filter brings up.',
  query: query({
    group_by: optional(commaList(oneOf(GROUPS, 'What to sum by.'), 2, 'Up to two.')),
    from: optional(
      time('Hours from this time on; 30 days before `to` when left out. 366 days before it at most, 31 by hour.'),
    ),
    to: optional(time('Hours before this time; now when left out.')),
    job: optional(JOB),
    agent_id: optional(AGENT_ID),
    provider: optional(PROVIDER),
    model: optional(MODEL),
  }),
  replies: {
    200: Type.Object(
      {
        from: time('Beginning of the first hour.'),
        to: time('End of the last hour.'),
        data: Type.Array(UsageSum, { description: 'One for each group that has any calls.' }),
        has_more: flag('True when there are more than 1,000 groups.'),
        totals: nullable(
          Type.Object(ledger),
          'All that was spent in this time, on tools too, as /v1/spend has it; null with a filter by job, provider or ' +
            'model, which calls of tools do not have.',
        ),
      },
      { title: 'UsageSums' },
    ),
  },
  refusals: ['job_not_found'],
})

const rates = {
  prompt_microusd_per_million: whole(0, RATE_MAX, 'Millionths of a US dollar for a million tokens read.'),
  completion_microusd_per_million: whole(0, RATE_MAX, 'Millionths of a US dollar for a million tokens written.'),
}
const PricePath = Type.Object({ provider: PROVIDER, model: MODEL })

const Price = Type.Object(
  {
    provider: Type.String({ description: 'Provider of the model, in lower case.' }),
    model: Type.String({ description: 'The model, or what the names of several begin with up to a - or @.' }),
    ...rates,
    source: oneOf(PRICE_SOURCES, 'project_price: set by this project. list_price: built in.'),
    updated_at: time('When it was set; of a built-in price: the day that it is of.'),
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
