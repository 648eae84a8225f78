// Where the command line connects to, and keys.
import type { Command } from 'commander'
import { createKey, getMe, listKeys, listProjects, revokeKey, rotateKey } from '#contract/access.ts'
import { type Connection, callForReply } from '#sdk/call.ts'
import { type Cli, checkedUrl } from '../cli.ts'
import { type Commands, declare, onlyArg, textOf, type Values } from '../command.ts'
import { CommandError, EXIT, usageError } from '../exit-codes.ts'
import { confirm, readSecret } from '../input-text.ts'
import { agoWords } from '../moments.ts'
import { limitOf, limitOption, showList } from '../pages.ts'
import { readProfiles, requireProfile, writeProfiles } from '../profiles.ts'
import { oneLine } from '../safe-text.ts'
import { SchemaOptions } from '../schema-options.ts'

const PROFILE_NAME = /^[\w.-]{1,64}$/

export const accessCommands: Commands = (program, open) => {
  declare(program, open, 'login [url]', {
    summary: 'Keep an address and a key as a profile',
    description:
      'Keep an address and a key as a profile, and use it from now on. The key is asked for, or read from stdin; it is ' +
      'never an argument, which others on the machine could see.',
    examples: ['login https://runyard.example.com', 'login --name staging https://staging.example.com < key.txt'],
    options: (command) => void command.option('--name <name>', 'Name of the profile', 'default'),
    action: logIn,
  })
  declare(program, open, 'logout [name]', {
    summary: 'Forget a profile and its key',
    action: async (cli, _, args) => {
      const profiles = readProfiles(cli.profilesPath)
      const name = args[0] ?? profiles.current
      if (name === undefined) throw usageError('No profile is in use.')
      requireProfile(profiles, name)
      profiles.known.delete(name)
      writeProfiles(cli.profilesPath, {
        ...profiles,
        current: profiles.current === name ? undefined : profiles.current,
      })
      cli.terminal.say(`Removed profile ${oneLine(name)}. Its key still works; revoke it with: runyard keys revoke`)
    },
  })
  declare(program, open, 'use [name]', {
    summary: 'Use another profile, or list them',
    action: async (cli, _, args) => (args[0] === undefined ? listProfiles(cli) : useProfile(cli, args[0])),
  })
  declare(program, open, 'whoami', {
    summary: 'Show the server and what the key may do',
    action: async (cli) => {
      const { url, source } = cli.target
      const { value, text } = await cli.ask(getMe, {})
      if (cli.terminal.json) return cli.terminal.document(text)
      cli.terminal.facts([
        ['Address', `${url} (${source})`],
        ['Project', value.project_id],
        ['Key', value.key_id],
        ['Scopes', value.scopes.join(', ')],
      ])
    },
  })
  keyCommands(program, open)
}

async function logIn(cli: Cli, given: Values, args: readonly string[]): Promise<void> {
  const { terminal, profilesPath } = cli
  const name = textOf(given, 'name')!
  if (!PROFILE_NAME.test(name))
    throw usageError('--name may hold letters, digits, dots, dashes and underscores, at most 64 of them.')
  const url = args[0] === undefined ? cli.target.url : checkedUrl(args[0])
  const key = await readSecret(cli, `API key for ${url}: `)
  if (key === '') throw usageError('No key was given.', 'Type it when asked, or send it to stdin')
  const connection: Connection = { baseUrl: url, credential: key }
  const options = { signal: cli.signal }
  const { text = '' } = await callForReply(connection, getMe, { input: {}, options })
  const me = JSON.parse(text) as { project_id: string }
  const profiles = readProfiles(profilesPath)
  profiles.known.set(name, { url, key })
  writeProfiles(profilesPath, { ...profiles, current: name })
  if (terminal.json) return terminal.document(JSON.stringify({ profile: name, url, project_id: me.project_id }))
  terminal.say(`Logged in to project ${oneLine(me.project_id)} at ${url} as profile ${name}.`)
  terminal.say('Look around with: runyard status')
}

function useProfile({ terminal, profilesPath }: Cli, name: string): void {
  const profiles = readProfiles(profilesPath)
  const { url } = requireProfile(profiles, name)
  writeProfiles(profilesPath, { ...profiles, current: name })
  terminal.say(`Using ${oneLine(name)} (${oneLine(url)}).`)
}

function listProfiles({ terminal, profilesPath }: Cli): void {
  const profiles = readProfiles(profilesPath)
  const rows = [...profiles.known].map(([known, { url }]) => ({
    name: known,
    url,
    current: known === profiles.current,
  }))
  if (terminal.json) for (const row of rows) terminal.record(JSON.stringify(row))
  else if (rows.length === 0) terminal.say('There are no profiles; make one with: runyard login')
  else
    terminal.table(rows, [
      { title: '', of: (row) => (row.current ? '*' : ' ') },
      { title: 'PROFILE', of: (row) => row.name, whole: true },
      { title: 'ADDRESS', of: (row) => row.url },
    ])
}

/** What a key needs for a usual task. */
const KEY_PRESETS: ReadonlyMap<string, readonly string[]> = new Map([
  ['worker', ['workers', 'jobs:read', 'jobs:write', 'runs:trigger', 'runs:read']],
  ['trigger', ['runs:trigger']],
  ['viewer', ['runs:read', 'jobs:read', 'events:read', 'agents:read']],
  ['operator', ['runs:write', 'runs:read', 'jobs:read', 'events:read', 'agents:read', 'agents:write']],
  ['admin', ['admin']],
])
const keyFields = new SchemaOptions(createKey.body, {
  names: { scopes: 'scope', rate_limit_per_minute: 'rate-limit' },
  skip: ['name'],
})

const keyCommands: Commands = (program: Command, open) => {
  const keys = declare(program, open, 'keys', {
    summary: 'List, create, rotate and revoke API keys',
    options: limitOption,
    action: listTheKeys,
  })
  declare(keys, open, 'new <name>', {
    summary: 'Create a key; it is shown this once',
    examples: [
      'keys new billing-worker --preset worker',
      'keys new ci --scope runs:trigger,runs:read --expires-in-days 90',
    ],
    options: (command) => {
      command.option('--preset <name>', `Scopes for a task [${[...KEY_PRESETS.keys()].join(', ')}]`)
      keyFields.addTo(command)
    },
    action: newKey,
  })
  declare(keys, open, 'rotate <key>', {
    summary: 'Create a key like this one, which ends after a grace period',
    options: (command) =>
      void command.option('--grace <seconds>', 'How long the old key keeps working (default: 3600)'),
    action: async (cli, given, args) => {
      const grace = textOf(given, 'grace')
      const body = grace === undefined ? {} : { grace_secs: Number(grace) }
      const { value, text } = await cli.ask(rotateKey, { key_id: onlyArg(args), ...body })
      showNewKey(cli, value, text)
    },
  })
  declare(keys, open, 'revoke <key>', {
    summary: 'Revoke a key, at once and for good',
    options: (command) => void command.option('-y, --yes', 'Do not ask for confirmation'),
    action: async (cli, given, args) => {
      const key_id = onlyArg(args)
      const agreed = given.yes === true || (await confirm(cli, `Revoke key ${oneLine(key_id)}?`))
      if (!agreed) throw new CommandError('not_confirmed', 'Nothing was done.', { exit: EXIT.no })
      await cli.ask(revokeKey, { key_id })
      cli.terminal.say(`Key ${oneLine(key_id)} was revoked.`)
    },
  })
  declare(program, open, 'projects', {
    summary: 'List projects',
    options: limitOption,
    action: async (cli, given) =>
      showList(cli, listProjects, {
        limit: limitOf(given),
        none: 'There are no projects.',
        show: (rows) =>
          cli.terminal.table(rows, [
            { title: 'PROJECT', of: (row) => row.id, whole: true },
            { title: 'NAME', of: (row) => row.name },
            { title: 'CREATED', of: (row) => agoWords(row.created_at) },
          ]),
      }),
  })
}

async function listTheKeys(cli: Cli, given: Values): Promise<void> {
  await showList(cli, listKeys, {
    limit: limitOf(given),
    none: 'There are no keys.',
    show: (rows) =>
      cli.terminal.table(rows, [
        { title: 'KEY', of: (row) => row.id, whole: true },
        { title: 'NAME', of: (row) => row.name },
        { title: 'STATE', of: (row) => stateOf(row), style: (row) => (stateOf(row) === 'active' ? 'green' : 'dim') },
        { title: 'LAST USED', of: (row) => agoWords(row.last_used_at), extra: 1 },
        { title: 'SCOPES', of: (row) => row.scopes.join(' '), extra: 2 },
      ]),
  })
}

const stateOf = ({ revoked_at, expires_at }: { revoked_at: string | null; expires_at: string | null }): string => {
  if (revoked_at) return 'revoked'
  return expires_at && Date.parse(expires_at) < Date.now() ? 'expired' : 'active'
}

async function newKey(cli: Cli, given: Values, args: readonly string[]): Promise<void> {
  const preset = textOf(given, 'preset')
  const scopes = preset === undefined ? undefined : KEY_PRESETS.get(preset)
  if (preset !== undefined && !scopes)
    throw usageError(`--preset must be one of ${[...KEY_PRESETS.keys()].join(', ')}, not "${preset}".`)
  const fields = await keyFields.read(given)
  if (scopes && fields.scopes) throw usageError('Give either --preset or --scope.')
  if (!scopes && !fields.scopes) throw usageError('A key needs scopes: give --preset or --scope.')
  const body = { name: onlyArg(args), ...(scopes && { scopes: [...scopes] }), ...fields }
  const { value, text } = await cli.ask(createKey, body as Parameters<typeof cli.ask<typeof createKey>>[1])
  showNewKey(cli, value, text)
}

function showNewKey({ terminal }: Cli, { id, key }: { id: string; key: string }, text: string): void {
  if (terminal.json) terminal.document(text)
  else {
    terminal.line(oneLine(key))
    terminal.say(`Key ${id} was created. It is shown this once: keep it now.`)
  }
}
