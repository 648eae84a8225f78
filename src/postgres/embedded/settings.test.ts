import { expect, test } from 'vitest'
import { argsOf, serverSettings, sharedBuffersMb } from './settings.ts'

test('shared_buffers is 256 MB, or an eighth of a small memory, and never less than PostgreSQL can use', () => {
  expect(sharedBuffersMb(64 * 2 ** 30)).toBe(256)
  expect(sharedBuffersMb(1024 * 2 ** 20)).toBe(128)
  expect(sharedBuffersMb(64 * 2 ** 20)).toBe(16)
})

test('page images are compressed with lz4 only if it is built in', () => {
  expect(serverSettings({ port: 1, lz4: true }).wal_compression).toBe('lz4')
  expect(serverSettings({ port: 1, lz4: false }).wal_compression).toBe('pglz')
})

test('none of our settings turns durability off', () => {
  const names = Object.keys(serverSettings({ port: 1, lz4: true }))
  for (const name of ['fsync', 'synchronous_commit', 'full_page_writes']) expect(names).not.toContain(name)
  expect(argsOf({ fsync: 'off' })).toEqual(['-c', 'fsync=off'])
})
