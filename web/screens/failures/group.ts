// What is said of a group of failures.
import type { listFailures } from '../../api/calls.ts'

export type Group = Awaited<ReturnType<typeof listFailures>>['data'][number]

const NEW_MS = 86_400_000

/** First seen within a day. */
export const isNew = ({ first_seen_at }: Group, nowMs: number): boolean => nowMs - Date.parse(first_seen_at) < NEW_MS

export const messageOf = ({ message, error_code }: Group): string =>
  message !== '' ? message : (error_code ?? 'no message')
