// What a span tells of: a call of a model or a tool, an agent's turn, a step, or nothing that concerns an agent.

import { cutText } from '#core/storable.ts'
import { COST_MICROUSD_MAX, providerName } from '#core/usage/prices.ts'
import { KIND_HINTS, KINDS, NAMES, PROVIDERS, type SpanKind } from './conventions.ts'
import type { Attributes, TraceSpan } from './span.ts'

export type ModelUse = {
  provider: string
  model: string
  promptTokens: number
  completionTokens: number
  totalTokens: number
  /** As the sender says. */
  costMicrousd: number | undefined
}

/** An agent that the process does not name is called like its service. */
export type Sender = { runId: string | undefined; agentId: string | undefined }

export type SpanFact = {
  traceId: string
  spanId: string
  parentSpanId: string | null
  /** Undefined for a span that is of no agent. */
  kind: SpanKind | undefined
  name: string
  /** The run that it is to be attached to, and the agent, as the span itself says. */
  runId: string | undefined
  agentId: string | undefined
  /** The same as its process says, for spans that say nothing themselves. */
  sender: Sender
  startMs: number | null
  endMs: number | null
  isError: boolean
  message: string | null
  model: ModelUse | undefined
  tool: { name: string; input: string | undefined; output: string | undefined } | undefined
  conversationId: string | undefined
  attributes: Attributes
  dropped: number
}

const LENGTH_MAX = { name: 128, agentId: 128, runId: 256, provider: 128, model: 256, conversationId: 256 }
const MICROUSD = 1_000_000
/** What a column of tokens holds. */
const TOKENS_MAX = 2_147_483_647

export function factOf(span: TraceSpan): SpanFact {
  const { attributes, resource } = span
  const kind = kindOf(attributes)
  const tool = kind === 'tool' ? toolOf(span) : undefined
  const model = kind === 'model' ? modelOf(attributes) : undefined
  const stepName = kind === 'agent' || kind === 'step' ? nameIn(attributes, NAMES.stepName, LENGTH_MAX.name) : undefined
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    kind,
    name: stepName ?? nameOf(span.name, LENGTH_MAX.name) ?? 'span',
    runId: nameIn(attributes, NAMES.runId, LENGTH_MAX.runId),
    agentId: agentIn(attributes, kind),
    sender: {
      runId: nameIn(resource, NAMES.runId, LENGTH_MAX.runId),
      agentId: agentIn(resource, undefined) ?? serviceOf(resource),
    },
    startMs: span.startMs,
    endMs: span.endMs,
    isError: span.isError,
    message: span.message,
    model,
    tool,
    conversationId: nameIn(attributes, NAMES.conversationId, LENGTH_MAX.conversationId),
    attributes,
    dropped: span.dropped,
  }
}

function kindOf(attributes: Attributes): SpanKind | undefined {
  for (const [attribute, kinds] of KINDS) {
    const said = attributes.get(attribute)
    if (typeof said === 'string' && said !== '') return kinds.get(said.toLowerCase()) ?? 'step'
  }
  return KIND_HINTS.find(([attribute]) => attributes.has(attribute))?.[1]
}

/** In OpenLLMetry, the name of an agent is that of the entity. */
function agentIn(attributes: Attributes, kind: SpanKind | undefined): string | undefined {
  const names = kind === 'agent' ? [...NAMES.agentId, 'traceloop.entity.name'] : NAMES.agentId
  return nameIn(attributes, names, LENGTH_MAX.agentId)
}

/** What the SDKs call a service that was given no name says nothing. */
function serviceOf(resource: Attributes): string | undefined {
  const name = nameIn(resource, ['service.name'], LENGTH_MAX.agentId)
  return name?.startsWith('unknown_service') ? undefined : name
}

function toolOf({ name, attributes }: TraceSpan): NonNullable<SpanFact['tool']> {
  return {
    name: nameIn(attributes, NAMES.tool, LENGTH_MAX.name) ?? nameOf(name, LENGTH_MAX.name) ?? 'tool',
    input: textIn(attributes, NAMES.toolInput),
    output: textIn(attributes, NAMES.toolOutput),
  }
}

function modelOf(attributes: Attributes): ModelUse {
  const promptTokens = countIn(attributes, NAMES.promptTokens) ?? 0
  const completionTokens = countIn(attributes, NAMES.completionTokens) ?? 0
  return {
    provider: providerIn(attributes),
    model: nameIn(attributes, NAMES.model, LENGTH_MAX.model) ?? 'unknown',
    promptTokens,
    completionTokens,
    totalTokens: countIn(attributes, NAMES.totalTokens) ?? Math.min(TOKENS_MAX, promptTokens + completionTokens),
    costMicrousd: costIn(attributes),
  }
}

/** The Vercel AI SDK names the kind of API behind a dot (`openai.chat`); the conventions have dots in names. */
function providerIn(attributes: Attributes): string {
  const said = nameIn(attributes, NAMES.provider, LENGTH_MAX.provider)
  if (said === undefined) return 'unknown'
  const name = providerName(said)
  return PROVIDERS.get(name) ?? name.replace(/\.(?:chat|responses|completion|messages|embedding|generative-ai)$/, '')
}

function costIn(attributes: Attributes): number | undefined {
  for (const name of NAMES.costUsd) {
    const usd = attributes.get(name)
    const microusd = typeof usd === 'number' ? usd * MICROUSD : Number.NaN
    if (microusd >= 0 && microusd <= COST_MICROUSD_MAX) return microusd
  }
  return undefined
}

function countIn(attributes: Attributes, names: readonly string[]): number | undefined {
  for (const name of names) {
    const value = attributes.get(name)
    // Some SDKs send whole numbers as doubles, and a few as text.
    const count = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value
    if (typeof count === 'number' && Number.isInteger(count) && count >= 0 && count <= TOKENS_MAX) return count
  }
  return undefined
}

function nameIn(attributes: Attributes, names: readonly string[], lengthMax: number): string | undefined {
  for (const name of names) {
    const value = attributes.get(name)
    const text = typeof value === 'string' ? nameOf(value, lengthMax) : undefined
    if (text !== undefined) return text
  }
  return undefined
}

/** Text, or what is not text as JSON. */
function textIn(attributes: Attributes, names: readonly string[]): string | undefined {
  const value = names.map((name) => attributes.get(name)).find((one) => one !== undefined && one !== null)
  if (value === undefined) return undefined
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const CONTROL = /[\p{Cc}\u2028\u2029]+/gu

/**
 * A name that may stand in lists, logs, headers and paths: on one line, and no segment that clients take out of a path.
 */
function nameOf(text: string, lengthMax: number): string | undefined {
  const name = cutText(
    text
      .slice(0, lengthMax * 2)
      .replace(CONTROL, ' ')
      .trim(),
    lengthMax,
  )
  return name === '' || name === '.' || name === '..' ? undefined : name
}
