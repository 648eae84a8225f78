// Questions at a terminal, and what becomes of them when nobody answers.
import { PassThrough } from 'node:stream'
import { afterEach, expect, test, vi } from 'vitest'
import type { Cli } from './cli.ts'
import { confirm, readSecret } from './input-text.ts'

afterEach(() => void vi.restoreAllMocks())

/** A terminal whose keys are pressed by the test. */
function atTerminal() {
  const keys = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} })
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(keys as never)
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const stopping = new AbortController()
  const interrupted = vi.spyOn(process, 'kill').mockImplementation(() => {
    stopping.abort(new Error('stopped by SIGINT'))
    return true
  })
  return { keys, interrupted, cli: { mayAsk: true, signal: stopping.signal } as Cli }
}

test('an answer is taken from the terminal', async () => {
  const { keys, cli } = atTerminal()
  const asked = confirm(cli, 'Delete it?')
  keys.write('y\r')
  expect(await asked).toBe(true)
  const secret = readSecret(cli, 'Key: ')
  keys.write('abc\r')
  expect(await secret).toBe('abc')
})

test('Ctrl-C at a question is a signal to the process, as everywhere else', async () => {
  const { keys, cli, interrupted } = atTerminal()
  const asked = confirm(cli, 'Delete it?')
  keys.write('\u0003')
  await expect(asked).rejects.toThrow('stopped by SIGINT')
  expect(interrupted).toHaveBeenCalledWith(process.pid, 'SIGINT')
})

test('Ctrl-D at a question means that there is no answer', async () => {
  const { keys, cli } = atTerminal()
  const asked = confirm(cli, 'Delete it?')
  keys.write('\u0004')
  await expect(asked).rejects.toMatchObject({ code: 'not_confirmed', exit: 1, message: 'Nothing was done.' })
  const secret = readSecret(cli, 'Key: ')
  keys.write('\u0004')
  await expect(secret).rejects.toMatchObject({ message: 'No key was given.' })
})
