// A part of a project's log with its seals, line by line: what docs/verify-export.mjs can check without asking anybody.

import type { Ctx } from '#bell/ctx.ts'
import { CHAIN_BEGINNING, type Link, type Place, type Seal, sealFields } from '#core/log/seal.ts'
import type { Sql } from '#postgres/sql.ts'
import { readEventLines } from './sealed-events.sql.ts'
import {
  findFirstSealBeyond,
  findFirstSealSince,
  findHead,
  findLastSealBefore,
  findSeal,
  readSeals,
} from './seals.sql.ts'
import { keptFrom } from './verify-log.ts'

export type ExportRequest = { projectId: string; from: Date; to: Date }

const SEALS_MAX = 500
const SCAN_MAX = 5_000

/**
 * Whole windows only, from the first that may hold an event recorded at `from` or later to the last one before `to`.
 * Windows at the beginning that retention has been at are left out.
 */
export async function* exportLog({ reads: sql }: Pick<Ctx, 'reads'>, request: ExportRequest): AsyncGenerator<string> {
  const { projectId } = request
  const { before, last, gone } = await findWindows(sql, request)
  const header = {
    project_id: projectId,
    from: request.from.toISOString(),
    to: request.to.toISOString(),
    first_seal: last ? before.number + 1 : null,
    last_seal: last?.number ?? null,
    windows_gone: gone,
  }
  yield lineOf({ runyard_export: 1, ...header })
  let events = 0
  if (last) {
    const seals = sealsIn(sql, projectId, before.number, last.number)
    let seal = (await seals.next()).value
    for await (const lines of eventPages(sql, projectId, before.until, last.until)) {
      let text = ''
      for (const { line, ...place } of lines) {
        while (seal && isBehind(place, seal.until)) {
          text += sealLine(seal)
          seal = (await seals.next()).value
        }
        text += `${line}\n`
      }
      events += lines.length
      yield text
    }
    for (; seal; seal = (await seals.next()).value) yield sealLine(seal)
  }
  yield lineOf({ end: true, windows: last ? last.number - before.number : 0, events })
}

const lineOf = (value: object): string => `${JSON.stringify(value)}\n`
const sealLine = (seal: Seal): string => lineOf({ seal: { ...sealFields(seal), hash: seal.hash } })

const isBehind = (place: Place, until: Place): boolean =>
  place.xid === until.xid ? place.position > until.position : BigInt(place.xid) > BigInt(until.xid)

type Windows = { before: Link; last: Seal | undefined; gone: number }

async function findWindows(sql: Sql, { projectId, from, to }: ExportRequest): Promise<Windows> {
  const first = await findFirstSealSince(sql, projectId, from)
  if (!first) return { before: CHAIN_BEGINNING, last: undefined, gone: 0 }
  const beyond = await findFirstSealBeyond(sql, projectId, to)
  const last = beyond ? beyond.number - 1 : (await findHead(sql, projectId)).head!.number
  const lastGone = await findLastSealBefore(sql, {
    projectId,
    after: first.number - 1,
    until: last,
    recorded: new Date(await keptFrom(sql)),
  })
  const before = Math.max(first.number - 1, lastGone)
  const gone = before - (first.number - 1)
  if (before >= last) return { before: CHAIN_BEGINNING, last: undefined, gone }
  return {
    before: (await findSeal(sql, projectId, before)) ?? CHAIN_BEGINNING,
    last: await findSeal(sql, projectId, last),
    gone,
  }
}

async function* sealsIn(sql: Sql, projectId: string, before: number, last: number): AsyncGenerator<Seal, undefined> {
  for (let after = before; after < last; ) {
    const seals = await readSeals(sql, { projectId, after, limit: Math.min(SEALS_MAX, last - after) })
    yield* seals.filter((seal) => seal.number <= last)
    after = seals.at(-1)?.number ?? last
  }
}

async function* eventPages(sql: Sql, projectId: string, start: Place, until: Place) {
  for (let after: Place | undefined = start; after; ) {
    const page = await readEventLines(sql, { projectId, after, until, scanMax: SCAN_MAX })
    if (page.lines.length > 0) yield page.lines
    after = page.next
  }
}
