// What is printed to a terminal with colours.
import { afterEach, expect, test, vi } from 'vitest'
import { Terminal } from './terminal.ts'

afterEach(() => void vi.restoreAllMocks())

/** The lines that a terminal with colours prints. */
function printed(print: (terminal: Terminal) => void): string {
  let text = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk)
    return true
  })
  const tty = Object.getOwnPropertyDescriptor(process.stdout, 'isTTY')
  Object.defineProperty(process.stdout, 'isTTY', { value: true, configurable: true })
  try {
    print(new Terminal({ TERM: 'xterm' }, {}))
  } finally {
    if (tty) Object.defineProperty(process.stdout, 'isTTY', tty)
    else Reflect.deleteProperty(process.stdout, 'isTTY')
    vi.restoreAllMocks()
  }
  return text
}

test('a fact is shown in its colour, and control characters of its value are shown as text', () => {
  const text = printed((terminal) =>
    terminal.facts([
      ['Status', 'ready', 'green'],
      ['Error', '\u001b[2J'],
    ]),
  )
  expect(text).toContain('\u001b[32mready\u001b[39m')
  expect(text).not.toContain('\u001b[2J')
})
