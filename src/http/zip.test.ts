import { buffer } from 'node:stream/consumers'
import { strFromU8, unzipSync } from 'fflate'
import { expect, test } from 'vitest'
import { zipOf } from './zip.ts'

test('files of any size are unpacked unchanged, and zipping lets other work run in between', async () => {
  const large = Array.from({ length: 3_000 }, (_, index) => `${index} é ${'x'.repeat(1_000)}\n`)
  let turns = 0
  const turn = setInterval(() => void turns++, 0)
  const files = [
    { name: 'empty.txt', text: [] },
    { name: 'large.txt', text: large },
    { name: 'one.txt', text: ['é'.repeat(1_000_000)] },
  ]
  const zip = await buffer(zipOf(files, new Date()))
  clearInterval(turn)
  const unzipped = unzipSync(zip)
  expect(Object.keys(unzipped)).toEqual(['empty.txt', 'large.txt', 'one.txt'])
  expect(unzipped['empty.txt']).toHaveLength(0)
  expect(strFromU8(unzipped['large.txt']!)).toBe(large.join(''))
  expect(strFromU8(unzipped['one.txt']!)).toBe('é'.repeat(1_000_000))
  expect(turns).toBeGreaterThan(10)
})

test('an error while the zip is created ends the stream with that error', async () => {
  const broken = {
    name: 'broken.txt',
    text: (function* () {
      yield 'a beginning'
      throw new Error('no more')
    })(),
  }
  await expect(buffer(zipOf([broken], new Date()))).rejects.toThrow('no more')
})
