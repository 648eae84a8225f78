import { expect, test } from 'vitest'
import { readConfig } from './config.ts'

test.each(['ünïcödé-long-enough-key', 'with spaces and long enough', 'tab\tin-the-middle-of-it'])(
  'an API key that no header can carry is refused at startup: %s',
  (RUNYARD_API_KEY) => {
    expect(() => readConfig({ RUNYARD_API_KEY })).toThrow('RUNYARD_API_KEY must be printable ASCII without spaces')
  },
)
