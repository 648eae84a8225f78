import { expect, test } from 'vitest'
import { SETTINGS } from './config.ts'
import { unknownSettings } from './unknown-settings.ts'

test.each([
  ['RUNYARD_EGRES', 'RUNYARD_EGRESS'],
  ['RUNYARD_ERGESS', 'RUNYARD_EGRESS'],
  ['RUNYARD_KEEP_EVENT_DAY', 'RUNYARD_KEEP_EVENTS_DAYS'],
  ['RUNYARD_DATADIR', 'RUNYARD_DATA_DIR'],
  ['runyard_demo', 'RUNYARD_DEMO'],
  ['RUNYARD_PORT', 'PORT'],
  ['RUNYARD_DATABASE_URL', 'DATABASE_URL'],
])('the unknown setting %s is reported, suggesting %s', (name, meant) => {
  expect(unknownSettings({ [name]: 'sesame' })).toEqual([
    `${name} is not a setting of Runyard and is ignored; did you mean ${meant}?`,
  ])
})

test('an unknown setting without a similar one is reported without a suggestion, and known ones are not reported', () => {
  expect(unknownSettings({ RUNYARD_COLOUR_OF_THE_CONSOLE: 'blue' })).toEqual([
    'RUNYARD_COLOUR_OF_THE_CONSOLE is not a setting of Runyard and is ignored; see --help for those that there are',
  ])
  const ofService = {
    RUNYARD_SERVICE_HOST: '10.0.0.1',
    RUNYARD_SERVICE_PORT_HTTP: '80',
    RUNYARD_PORT: 'tcp://10.0.0.1:80',
    RUNYARD_PORT_80_TCP: 'tcp://10.0.0.1:80',
    RUNYARD_API_PORT_80_TCP_ADDR: '10.0.0.1',
  }
  expect(unknownSettings(ofService)).toEqual([])
  const known = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, '']))
  expect(
    unknownSettings({
      ...known,
      RUNYARD_URL: '',
      RUNYARD_PROFILE: '',
      RUNYARD_TEST_POSTGRES: '',
      PATH: '',
      RUNYARDS: '',
    }),
  ).toEqual([])
})
