// Closing the next window of the log: what waits, of all projects, becomes one seal more in the chain of each of them.
import { createHash } from 'node:crypto'
import type { Ctx } from '#bell/ctx.ts'
import {
  CHAIN_BEGINNING,
  dueInMs,
  EMPTY_DIGEST,
  isSealedByAll,
  type Link,
  type Place,
  type Seal,
  type SealBody,
  sealText,
  WINDOW_AGE_MAX_MS,
} from '#core/log/seal.ts'
import { measureUnsealed, readUnsealed, type UnsealedWindow } from './sealed-events.sql.ts'
import { insertSeals, lockSealedLog, readHeads } from './seals.sql.ts'

/** `dueInMs`: when the next window has to be closed, as far as is known. */
export type Sealing = { outcome: 'sealed' | 'waiting' | 'busy' | 'ahead'; dueInMs: number | undefined }

export const sealHash = (seal: SealBody): string => createHash('sha256').update(sealText(seal)).digest('hex')

/** The seals and how far the log is sealed are committed together: a node that dies leaves whole windows, each once. */
export const sealNextWindow = ({ sql }: Pick<Ctx, 'sql'>, ageMaxMs = WINDOW_AGE_MAX_MS): Promise<Sealing> =>
  sql.begin(async (tx): Promise<Sealing> => {
    const sealed = await lockSealedLog(tx)
    if (!sealed) return { outcome: 'busy', dueInMs: undefined }
    if (sealed.ahead) return { outcome: 'ahead', dueInMs: undefined }
    const inMs = dueInMs(await measureUnsealed(tx, sealed), ageMaxMs)
    if (inMs !== 0) return { outcome: 'waiting', dueInMs: inMs }
    const { windows, until, sealedAt } = (await readUnsealed(tx, sealed))!
    const all = isSealedByAll(sealed, until)
    const heads = await readHeads(tx, all ? 'all' : windows.map((it) => it.projectId))
    await insertSeals(tx, sealsOf({ windows, heads, until, sealedAt }), until)
    return { outcome: 'sealed', dueInMs: undefined }
  })

type Closing = { windows: readonly UnsealedWindow[]; heads: readonly Seal[]; until: Place; sealedAt: string }

/** A seal for every window, and for every other head that was asked for one of an empty window. */
function sealsOf({ windows, heads, until, sealedAt }: Closing): Seal[] {
  const links = new Map(heads.map((head): [string, Link] => [head.projectId, head]))
  const busy = new Set(windows.map((it) => it.projectId))
  const silent = heads.flatMap(({ projectId }) => (busy.has(projectId) ? [] : [emptyWindow(projectId)]))
  return [...windows, ...silent].map((window) => {
    const link = links.get(window.projectId) ?? CHAIN_BEGINNING
    const { number, until: after, hash: previous } = link
    const seal = { ...window, number: number + 1, after, until, sealedAt, previous }
    return { ...seal, hash: sealHash(seal) }
  })
}

const emptyWindow = (projectId: string) => ({
  projectId,
  events: 0,
  digest: EMPTY_DIGEST,
  recordedFrom: null,
  recordedUntil: null,
})
