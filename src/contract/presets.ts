// Presets: named execution settings, which a trigger or a restart selects by name.
import { Type } from 'typebox'
import { body, flag, listOf, nullable, query, stringMap, text, timeOrNull, withDefault } from './common.ts'
import { QUEUE, retryFields } from './job.ts'
import { route } from './route.ts'

const tag = 'Presets'

export const PRESET_NAME = Type.String({
  pattern: '^[a-z0-9][a-z0-9_-]{0,62}$',
  description: 'Name of the preset: micro, small-1x, small-2x, medium-1x, medium-2x, large-1x, large-2x, or your own.',
})
const PresetPath = Type.Object({ preset: PRESET_NAME })

const settings = {
  description: withDefault(text(500, 'What the preset is for.'), ''),
  queue: withDefault(nullable(QUEUE, "Queue of its runs, that is, a worker pool; null: the job's queue."), null),
  timeout_secs: withDefault(
    nullable(retryFields.timeout_secs, "Timeout of one attempt, in seconds; null: the job's."),
    null,
  ),
  max_attempts: withDefault(nullable(retryFields.max_attempts, "Maximum number of attempts; null: the job's."), null),
  environment: withDefault(
    stringMap({
      keysMax: 50,
      keyLengthMax: 128,
      valueLengthMax: 4096,
      description: 'Values passed to the executor. In responses, values whose names look like secrets are masked.',
    }),
    {},
  ),
}

export const Preset = Type.Object(
  {
    name: PRESET_NAME,
    ...settings,
    built_in: flag('Whether every project has it by default; a preset of your own with the same name replaces it.'),
    updated_at: timeOrNull('When it was last set; null for a built-in preset.'),
  },
  { title: 'Preset' },
)

export const listPresets = route({
  method: 'GET',
  path: '/v1/presets',
  needs: 'jobs:read',
  tag,
  name: 'listPresets',
  summary: 'List all presets on one page: the built-in machine presets, smallest first, then those of the project.',
  query: query({}),
  replies: { 200: listOf(Preset, 'PresetList') },
})

export const getPreset = route({
  method: 'GET',
  path: '/v1/presets/:preset',
  needs: 'jobs:read',
  tag,
  name: 'getPreset',
  summary: 'Get a preset.',
  params: PresetPath,
  replies: { 200: Preset },
  refusals: ['preset_not_found'],
})

export const setPreset = route({
  method: 'PUT',
  path: '/v1/presets/:preset',
  needs: 'jobs:write',
  tag,
  name: 'setPreset',
  summary: 'Create or replace a preset (at most 200 per project); existing runs keep the settings they were given.',
  params: PresetPath,
  body: body(settings),
  replies: { 200: Preset },
})

export const deletePreset = route({
  method: 'DELETE',
  path: '/v1/presets/:preset',
  needs: 'jobs:write',
  tag,
  name: 'deletePreset',
  summary: 'Delete a preset of the project; a built-in preset that it replaced applies again.',
  params: PresetPath,
  replies: { 204: null },
  refusals: ['preset_not_found'],
})
