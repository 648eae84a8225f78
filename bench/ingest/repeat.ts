// Batches one after the other, for a given time.
import { round } from '../lib/numbers.ts'
import { eventOf, RUNS } from './event.ts'

export const BATCH = 1_000

export type BatchEntry = { url: string; key: string; runsPerBatch: number; warmUpMs: number; measureMs: number }
export type Batches = { perSecond: number }
type Send = (batch: number) => Promise<unknown>

/** Sends from `senders` at once, and counts what was sent whole while it measured. */
export async function repeat({ warmUpMs, measureMs }: BatchEntry, senders: readonly Send[]): Promise<Batches> {
  let sent = 0
  const during = async (ms: number): Promise<number> => {
    const began = performance.now()
    let batches = 0
    const one = async (send: Send) => {
      while (performance.now() - began < ms) {
        await send(sent++)
        batches++
      }
    }
    await Promise.all(senders.map(one))
    return ((batches * BATCH) / (performance.now() - began)) * 1000
  }
  await during(warmUpMs)
  return { perSecond: round(await during(measureMs)) }
}

/** The numbers of the runs of a batch: one batch's runs follow on those of the batch before. */
export const runsOf = (batch: number, runsPerBatch: number): number[] =>
  Array.from({ length: BATCH }, (_, i) => (batch * runsPerBatch + (i % runsPerBatch)) % RUNS)

export const batchOf = (batch: number, runsPerBatch: number) => runsOf(batch, runsPerBatch).map(eventOf)
