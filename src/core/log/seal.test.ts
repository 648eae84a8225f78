import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  CHAIN_BEGINNING,
  chainFlaw,
  dueInMs,
  EMPTY_DIGEST,
  isSealedByAll,
  NO_HASH,
  type Seal,
  sealText,
  WINDOW_AGE_MAX_MS,
  WINDOW_EVENTS_MAX,
} from './seal.ts'

const FIRST: Seal = {
  projectId: 'default',
  number: 1,
  after: { xid: '0', position: 0 },
  until: { xid: '800', position: 12 },
  events: 3,
  recordedFrom: '2026-01-01T00:00:00.000001Z',
  recordedUntil: '2026-01-01T00:00:01.000000Z',
  digest: 'a'.repeat(64),
  sealedAt: '2026-01-01T00:01:00.000000Z',
  previous: NO_HASH,
  hash: 'b'.repeat(64),
}
const SECOND: Seal = {
  ...FIRST,
  number: 2,
  after: FIRST.until,
  until: { xid: '801', position: 9 },
  previous: FIRST.hash,
  hash: 'c'.repeat(64),
}

test('the text that is hashed for a seal never changes', () => {
  expect(sealText(FIRST)).toBe(
    `{"after_position":0,"after_xid":"0","digest":"${'a'.repeat(64)}","events":3,"format":1,"number":1,` +
      `"previous":"${NO_HASH}","project_id":"default","recorded_from":"2026-01-01T00:00:00.000001Z",` +
      '"recorded_until":"2026-01-01T00:00:01.000000Z","sealed_at":"2026-01-01T00:01:00.000000Z",' +
      '"until_position":12,"until_xid":"800"}',
  )
  expect(EMPTY_DIGEST).toBe(createHash('sha256').digest('hex'))
})

test('a seal follows the previous seal and no other', () => {
  expect(chainFlaw(CHAIN_BEGINNING, FIRST, FIRST.hash)).toBeUndefined()
  expect(chainFlaw(FIRST, SECOND, SECOND.hash)).toBeUndefined()
  expect(chainFlaw(CHAIN_BEGINNING, SECOND, SECOND.hash)).toBe('Seal 1 is missing.')
  expect(chainFlaw(FIRST, SECOND, FIRST.hash)).toContain('Seal 2 was changed')
  expect(chainFlaw({ ...FIRST, hash: NO_HASH }, SECOND, SECOND.hash)).toContain('after another seal 1')
  expect(chainFlaw({ ...FIRST, until: { xid: '800', position: 11 } }, SECOND, SECOND.hash)).toContain('does not begin')
})

test('a window is closed when it is full or its oldest event is old enough', () => {
  const inMs = (events: number, oldestAgeMs: number | null) => dueInMs({ events, oldestAgeMs }, WINDOW_AGE_MAX_MS)
  expect(inMs(0, null)).toBeUndefined()
  expect(inMs(1, 0)).toBe(WINDOW_AGE_MAX_MS)
  expect(inMs(1, WINDOW_AGE_MAX_MS)).toBe(0)
  expect(inMs(WINDOW_EVENTS_MAX, 0)).toBe(0)
})

test('all projects are sealed when the log has grown by another million', () => {
  const at = (position: number) => ({ xid: '1', position })
  expect(isSealedByAll(at(5), at(999_999))).toBe(false)
  expect(isSealedByAll(at(999_999), at(1_000_000))).toBe(true)
})
