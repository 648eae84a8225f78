// A run's timeline as an HTML page. All of its content is untrusted: everything is inserted through `html`,
// which escapes, and nowhere that a browser would follow or execute it.

import { printJson } from '#core/json/json.ts'
import { prettyJson } from '#core/json/json-text.ts'
import { own } from '#core/own.ts'
import { cutText } from '#core/storable.ts'
import { Page } from '#http/download.ts'
import type { LogEvent } from '#log/event-columns.sql.ts'
import { eventWire } from './runs-report.ts'
import { POLICY, STYLE } from './timeline-style.ts'

export type TimelinePart = {
  runId: string
  total: number
  events: readonly LogEvent[]
  limit: number
  offset: number
}

/** Characters of each event's data that are shown; the JSON form has all of it. */
const DATA_CHARS_MAX = 4_000

export function timelinePage(part: TimelinePart): Page {
  const { runId, events } = part
  const body = events.length === 0 ? html`<p>There is nothing here.</p>` : table(events)
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Run ${runId}</title><style>${new Html(STYLE)}</style></head>
<body><main><h1>Run ${runId}</h1>${about(part)}${links(part)}${body}${links(part)}</main></body></html>
`
  return new Page(page.text, POLICY)
}

function about({ total, events, offset }: TimelinePart): Html {
  const failures = events.filter(isFailure).length
  const tools = new Set(events.flatMap(({ tool }) => tool ?? []))
  const spanMs = events.length > 0 ? atMs(events.at(-1)!) - atMs(events[0]!) : 0
  const shown = events.length === total ? html`` : html`, of which ${offset + 1} to ${offset + events.length} are here`
  return html`<p class="about"><b>${total}</b> ${total === 1 ? 'event' : 'events'}${events.length > 0 ? shown : html``}
 · <b>${duration(spanMs)}</b> from first to last · <b>${tools.size}</b> ${tools.size === 1 ? 'tool' : 'tools'}
 · <span${failures > 0 ? html` class="bad"` : html``}><b>${failures}</b> ${failures === 1 ? 'failure' : 'failures'}</span></p>`
}

function links({ total, events, limit, offset }: TimelinePart): Html {
  const before = html`<a href="?limit=${limit}&amp;offset=${Math.max(0, offset - limit)}" rel="prev">Earlier</a>`
  const after = html`<a href="?limit=${limit}&amp;offset=${offset + events.length}" rel="next">Later</a>`
  const hasMore = events.length > 0 && offset + events.length < total
  if (offset === 0 && !hasMore) return html``
  return html`<nav>${offset > 0 ? before : html``}${hasMore ? after : html``}</nav>`
}

function table(events: readonly LogEvent[]): Html {
  const firstMs = atMs(events[0]!)
  const longestMs = Math.max(...events.map(({ durationMs }) => durationMs ?? 0))
  return html`<div class="wide"><table>
<thead><tr><th>Time</th><th>After</th><th>What</th><th>Status</th><th>Took</th><th>Who</th></tr></thead>
<tbody>${events.map((event) => row(event, { firstMs, longestMs }))}</tbody></table></div>`
}

function row(event: LogEvent, { firstMs, longestMs }: { firstMs: number; longestMs: number }): Html {
  const { type, step, tool, agentId, leaseId, reqId, status, message, durationMs } = event
  const bad = isFailure(event)
  const time = event.occurredAt.toISOString()
  return html`<tr${bad ? html` class="bad"` : html``}>
<td><time datetime="${time}">${time.slice(0, 10)}<br>${time.slice(11, 23)}</time></td>
<td>${duration(atMs(event) - firstMs)}</td>
<td><b>${type}</b>${small('tool', tool)}${small('step', step)}${message ? html`<div>${message}</div>` : html``}${data(event)}</td>
<td>${status ? html`<span class="status${bad ? ' bad' : GOOD.has(status.toLowerCase()) ? ' good' : ''}">${status}</span>` : html``}</td>
<td class="num">${durationMs === null ? html`` : html`${duration(durationMs)}${bar(durationMs, longestMs)}`}</td>
<td>${small('agent', agentId)}${small('lease', leaseId)}${small('request', reqId)}</td>
</tr>
`
}

const small = (what: string, text: string | null): Html =>
  text === null ? html`` : html`<div class="small">${what} ${text}</div>`

const BAR_WIDTH = 120

function bar(ms: number, longestMs: number): Html {
  const width = longestMs > 0 ? Math.max(1, Math.round((ms / longestMs) * BAR_WIDTH)) : 1
  return html`<svg width="${BAR_WIDTH}" height="6" aria-hidden="true"><rect width="${width}" height="6" rx="2"></rect></svg>`
}

/** Everything besides the columns: the data, and fields that only the sender knows. */
function data(event: LogEvent): Html {
  const { id: _, run_id: _run, ts: _ts, type: _type, data: own, ...rest } = eventWire(event)
  const unknown = Object.fromEntries(Object.entries(rest).filter(([name]) => !COLUMNS.has(name)))
  const shown = Object.keys(unknown).length > 0 ? { ...(own !== undefined && { data: own }), ...unknown } : own
  if (shown === undefined) return html``
  const text = prettyJson(printJson(shown))
  const cut =
    text.length > DATA_CHARS_MAX ? `${cutText(text, DATA_CHARS_MAX)}\n… ${text.length} characters in all` : text
  return html`<details><summary>data</summary><pre>${cut}</pre></details>`
}

const COLUMNS: ReadonlySet<string> = new Set([
  'status',
  'duration_ms',
  'step',
  'tool',
  'req_id',
  'lease_id',
  'agent_id',
  'message',
])
const GOOD: ReadonlySet<string> = new Set(['ok', 'completed', 'success', 'succeeded', 'done', 'executed', 'allowed'])
const BAD = /fail|error|timeout|timed_out|crash|blocked|denied|cancell?ed/i

const isFailure = ({ level, status, type }: LogEvent): boolean =>
  level === 'error' || BAD.test(status ?? '') || /(?:failed|error|crashed|timed_out|blocked)$/.test(type)

const atMs = ({ occurredAt }: LogEvent): number => occurredAt.getTime()

function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms * 10) / 10} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(2)} s`
  const secs = Math.round(ms / 1_000)
  const [days, hours, minutes] = [Math.floor(secs / 86_400), Math.floor(secs / 3600) % 24, Math.floor(secs / 60) % 60]
  if (days > 0) return `${days} d ${hours} h`
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${secs % 60} s`
}

/** Text that is HTML already. */
class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function html(parts: TemplateStringsArray, ...values: (Html | readonly Html[] | string | number)[]): Html {
  const textOf = (value: Html | readonly Html[] | string | number): string => {
    if (value instanceof Html) return value.text
    if (Array.isArray(value)) return value.map(textOf).join('')
    return String(value).replace(/[&<>"']/g, (char) => own(ENTITIES, char)!)
  }
  return new Html(parts.reduce((text, part, at) => `${text}${textOf(values[at - 1]!)}${part}`))
}
