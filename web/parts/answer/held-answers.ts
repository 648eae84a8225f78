// Answers of a person that are about to be sent: for a few seconds each can be taken back. They are kept here and not in
// the form, so that one is sent even when somebody goes on to the next question, or to another screen.
import { useSyncExternalStore } from 'react'
import { answerInput } from '../../api/calls.ts'
import { queryClient } from '../../api/query-client.ts'
import { beforeSignOut } from '../../api/session.ts'

export const UNDO_SECS = 5
const TOUCHED: readonly unknown[] = ['inputs', 'run', 'runs', 'stats']

export type Answer = Omit<Parameters<typeof answerInput>[0], 'input_request_id'>
export type HeldAnswer = {
  answer: Answer
  /** sent: the page does not show yet what became of the question; failed: it was refused, and the question still stands. */
  state: 'held' | 'sending' | 'sent' | 'failed'
  sendsAtMs: number
  error?: unknown
}

let answers: ReadonlyMap<string, HeldAnswer> = new Map()
const timers = new Map<string, ReturnType<typeof setTimeout>>()
const listeners = new Set<() => void>()

function set(id: string, next: HeldAnswer | undefined): void {
  const all = new Map(answers)
  if (next) all.set(id, next)
  else all.delete(id)
  const isWaiting = [...all.values()].some(({ state }) => state === 'held' || state === 'sending')
  answers = all
  // Whoever closes the tab now is asked first: what was decided has not been sent.
  if (isWaiting) addEventListener('beforeunload', askToStay)
  else removeEventListener('beforeunload', askToStay)
  for (const listener of listeners) listener()
}

const askToStay = (event: BeforeUnloadEvent): void => event.preventDefault()

export function holdAnswer(id: string, answer: Answer): void {
  clearTimeout(timers.get(id))
  timers.set(
    id,
    setTimeout(() => void sendAnswer(id), UNDO_SECS * 1_000),
  )
  set(id, { answer, state: 'held', sendsAtMs: Date.now() + UNDO_SECS * 1_000 })
}

export function takeBackAnswer(id: string): void {
  if (answers.get(id)?.state !== 'held') return
  clearTimeout(timers.get(id))
  set(id, undefined)
}

export async function sendAnswer(id: string): Promise<void> {
  const held = answers.get(id)
  if (held?.state !== 'held') return
  clearTimeout(timers.get(id))
  set(id, { ...held, state: 'sending' })
  try {
    await answerInput({ input_request_id: id, ...held.answer })
    // The form stays as it is until the page shows what became of the question.
    set(id, { ...held, state: 'sent' })
    await touch()
    set(id, undefined)
  } catch (error) {
    set(id, { ...held, state: 'failed', error })
    await touch()
  }
}

const touch = () => queryClient.invalidateQueries({ predicate: ({ queryKey }) => TOUCHED.includes(queryKey[0]) })

beforeSignOut.add(async () => {
  await Promise.all([...answers.keys()].map(sendAnswer))
})

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const useHeldAnswers = (): ReadonlyMap<string, HeldAnswer> => useSyncExternalStore(subscribe, () => answers)
