// What each kind of rule counts.
import { findAgent, readPolicyHolders } from '#agents/agents.sql.ts'
import type { Ctx } from '#bell/ctx.ts'
import type { AlertKind, AlertSettings, Measured } from '#core/alert.ts'
import { wholePolicy } from '#core/policy.ts'
import { HTTP_QUEUE } from '#core/queue.ts'
import { cutText } from '#core/storable.ts'
import { type Cost, NO_COST } from '#core/usage/cost.ts'
import { databaseBytesOf } from '#insight/database-size.ts'
import { readDisks, readLateDuties } from '#insight/node-reports.sql.ts'
import { readLogLag } from '#log/server/lag.sql.ts'
import { readLastAsked } from '#run-state/claim/queue-claimers.sql.ts'
import { type Backlog, readOldestDueOf } from '#run-state/claim/queue-place.sql.ts'
import { type Payer, payerKey, readMoment, readProjectBudgets, readSpent } from '#usage/ledger.sql.ts'
import {
  countDeadLetters,
  countEnded,
  countEndedBefore,
  readDisabledAgents,
  readDisabledWebhooks,
  readOldestQuestion,
} from './measures.sql.ts'
import { findSealProblem } from './seal-checks.sql.ts'

const LANES_MAX = 1_000
const QUEUES_MAX = 50
const THINGS_MAX = 1_000
/** Names that one message lists. */
const NAMES_MAX = 5
const NAME_LENGTH_MAX = 80

const GIB = 1024 ** 3

type Asked = { projectId: string; settings: AlertSettings }

/** What is counted cannot be known in this installation; not a fault. */
export class NotMeasurable extends Error {}

const MEASURES: Readonly<Record<AlertKind, (ctx: Ctx, asked: Asked) => Promise<Measured>>> = {
  async dead_letters({ reads }, { projectId, settings }) {
    return { value: await countDeadLetters(reads, { projectId, ...settings }) }
  },
  async failure_rate({ reads }, { projectId, settings }) {
    const { ended, failed } = await countEnded(reads, { projectId, ...settings })
    return ended < Math.max(1, settings.minRuns) ? null : { value: (failed / ended) * 100 }
  },
  failure_rate_rise: measureRise,
  async queue_age(ctx, asked) {
    return oldestOf((await backlogs(ctx, asked)).map(({ queue, oldestAgeMs }) => [queue, (oldestAgeMs ?? 0) / 1_000]))
  },
  async no_worker(ctx, asked) {
    const waits: [string, number][] = []
    for (const { queue, oldestAgeMs } of (await backlogs(ctx, asked)).slice(0, QUEUES_MAX)) {
      const projectId = queue === HTTP_QUEUE ? undefined : asked.projectId
      const { agoMs, isWorkedOn } = await readLastAsked(ctx.reads, { projectId, queue })
      if (!isWorkedOn) waits.push([queue, Math.min(oldestAgeMs ?? 0, agoMs) / 1_000])
    }
    return oldestOf(waits)
  },
  async question_unanswered({ reads }, { projectId }) {
    const oldest = await readOldestQuestion(reads, projectId)
    return { value: oldest?.ageSecs ?? 0, names: oldest ? [cutText(oldest.prompt, NAME_LENGTH_MAX)] : [] }
  },
  budget: measureBudgets,
  async agent_disabled({ reads }, { projectId, settings }) {
    const agents = await readDisabledAgents(reads, { projectId, agent: settings.agent, limit: THINGS_MAX })
    return { value: agents.length, names: agents.slice(0, NAMES_MAX).map(({ id }) => id) }
  },
  async webhook_disabled({ reads }, { projectId }) {
    const webhooks = await readDisabledWebhooks(reads, projectId, THINGS_MAX)
    return { value: webhooks.length, names: webhooks.slice(0, NAMES_MAX).map(({ id, name }) => name || id) }
  },
  async seals({ reads }) {
    return { value: (await readLogLag(reads)).sealsMs / 1_000 }
  },
  async seals_broken({ reads }, { projectId }) {
    const problem = await findSealProblem(reads, projectId)
    if (problem === undefined) return null
    return problem === null ? { value: 0 } : { value: 1, names: [problem.replace(/\.$/, '')] }
  },
  async duty_late({ reads }) {
    const late = await readLateDuties(reads, NAMES_MAX)
    return { value: late[0]?.lateSecs ?? 0, names: late.map(({ node, duty }) => `${duty} of ${node}`) }
  },
  async database_size(ctx) {
    return { value: (await databaseBytesOf(ctx)()) / GIB }
  },
  async disk_used({ reads }) {
    const [fullest] = await readDisks(reads)
    if (!fullest)
      throw new NotMeasurable('The database is not the embedded one, so no node knows its disk. Use database_size.')
    const { node, usedBytes, freeBytes } = fullest
    const value = (usedBytes / (usedBytes + freeBytes)) * 100
    return { value, names: [`${Math.round((freeBytes / GIB) * 10) / 10} GiB free at ${node}`] }
  },
}

export const measure = (ctx: Ctx, kind: AlertKind, asked: Asked): Promise<Measured> => MEASURES[kind](ctx, asked)

/** A job that has always failed a little is not news; one that fails more than it did is. */
async function measureRise({ reads }: Ctx, { projectId, settings }: Asked): Promise<Measured> {
  const [now, past] = await Promise.all([
    countEnded(reads, { projectId, ...settings }),
    countEndedBefore(reads, { projectId, ...settings }),
  ])
  const runsMin = Math.max(1, settings.minRuns)
  if (now.ended < runsMin || past.ended < runsMin) return null
  const [rate, rateBefore] = [now, past].map(({ failed, ended }) => (failed / ended) * 100) as [number, number]
  const names = [`${Math.round(rate * 10) / 10}% now, ${Math.round(rateBefore * 10) / 10}% before`]
  return { value: Math.max(0, rate - rateBefore), names }
}

async function backlogs({ reads }: Ctx, { projectId, settings }: Asked): Promise<Backlog[]> {
  const all = await readOldestDueOf(reads, { projectId, lanesMax: LANES_MAX })
  const meant = settings.queue === null ? all : all.filter(({ queue }) => queue === settings.queue)
  return meant.toSorted((one, other) => (other.oldestAgeMs ?? 0) - (one.oldestAgeMs ?? 0))
}

/** The longest wait, with the names of the queues that wait longest. */
function oldestOf(waits: readonly [queue: string, secs: number][]): Measured {
  const sorted = waits.toSorted(([, one], [, other]) => other - one)
  return { value: sorted[0]?.[1] ?? 0, names: sorted.slice(0, NAMES_MAX).map(([queue]) => queue) }
}

/** The highest share of a budget of today that is spent, of agents and, where no agent is named, of the project. */
async function measureBudgets({ reads }: Ctx, { projectId, settings }: Asked): Promise<Measured> {
  const [{ day }, holders, budgets] = await Promise.all([
    readMoment(reads),
    settings.agent === null
      ? readPolicyHolders(reads, projectId, THINGS_MAX)
      : findAgent(reads, projectId, settings.agent).then((agent) => (agent ? [agent] : [])),
    readProjectBudgets(reads, [projectId]),
  ])
  const limits: { name: string; payer: Payer; limit: number }[] = holders.flatMap((agent) => {
    const limit = wholePolicy(agent.policy).maxSpendMicrousdPerDay
    if (limit === null) return []
    return [{ name: `agent ${agent.id}`, payer: { projectId, kind: 'agent', name: agent.id, day }, limit }]
  })
  const ofProject = budgets.get(projectId)
  if (ofProject !== undefined && settings.agent === null)
    limits.push({ name: 'the project', payer: { projectId, kind: 'project', name: '', day }, limit: ofProject })
  if (limits.length === 0) return null
  const spent = await readSpent(
    reads,
    limits.map(({ payer }) => payer),
  )
  const shares = limits.map(({ name, payer, limit }): [string, number] => [
    name,
    shareOf(spent.get(payerKey(payer)) ?? NO_COST, limit),
  ])
  const above = shares.filter(([, share]) => share >= settings.threshold).toSorted(([, one], [, other]) => other - one)
  const value = Math.max(0, ...shares.map(([, share]) => share))
  return { value, names: above.slice(0, NAMES_MAX).map(([name, share]) => `${name} ${Math.round(share)}%`) }
}

const shareOf = ({ microusd }: Cost, limit: number): number =>
  limit > 0 ? (microusd / limit) * 100 : microusd > 0 ? 100 : 0
