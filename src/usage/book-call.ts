// The door to booked usage: what is booked here rings its runs and the tail, once it is committed.
import { batched } from '#bell/part.ts'
import { type Tx, transact } from '#bell/transact.ts'
import { oweRings } from '#log/append-event.ts'
import { type BookedCall, bookUsage, type UsageCall } from './book-usage.sql.ts'

/** One call of a model, booked together with those that others book meanwhile. */
export const bookCall = batched<UsageCall, BookedCall>(
  'The queue of usage',
  (ctx, calls) => transact(ctx, (tx) => bookCallsIn(tx, calls)),
  { parallel: 1 }, // Two would wait for the budget of the same project.
)

/** Up to 500 calls as a part of a transaction that has locked no run, or these budgets before. */
export async function bookCallsIn(tx: Tx, calls: readonly UsageCall[]): Promise<BookedCall[]> {
  const booked = await bookUsage(tx, calls)
  oweRings(
    tx,
    calls.map(({ event }) => event),
    booked.map(({ appended }) => appended),
  )
  return booked
}
