// The records of a run: checkpoints, usage, tool calls and outputs.
import { Type } from 'typebox'
import { anyJson, INT_MAX, jsonObject, nullable, RUN_ID, time, uuid, whole } from '../common.ts'

const COUNT_MAX = Number.MAX_SAFE_INTEGER
const ATTEMPT = whole(1, INT_MAX, 'Number of the attempt that wrote it.')
const written = time('When it was recorded.')

const checkpoint = {
  id: uuid('Id of the checkpoint.'),
  run_id: RUN_ID,
  number: whole(1, INT_MAX, 'Number of the checkpoint within its run, from 1.'),
  attempt: ATTEMPT,
  source: Type.String({ description: 'Name of the writer.' }),
  created_at: written,
}

export const CheckpointSummary = Type.Object(checkpoint, {
  title: 'CheckpointSummary',
  description: 'A checkpoint without its state; get the state by number.',
})

export const Checkpoint = Type.Object({ ...checkpoint, state: anyJson('The saved state.') }, { title: 'Checkpoint' })

export const Usage = Type.Object(
  {
    id: uuid('Id of the record.'),
    run_id: RUN_ID,
    sequence: whole(1, COUNT_MAX, 'Sequence of its event in the run.'),
    provider: Type.String({ description: 'Provider of the model.' }),
    model: Type.String({ description: 'Name of the model.' }),
    prompt_tokens: whole(0, COUNT_MAX, 'Prompt tokens.'),
    completion_tokens: whole(0, COUNT_MAX, 'Completion tokens.'),
    total_tokens: whole(0, COUNT_MAX, 'Total tokens.'),
    cached_tokens: nullable(whole(0, COUNT_MAX, ''), 'Prompt tokens that came from a cache; null when not recorded.'),
    reasoning_tokens: nullable(
      whole(0, COUNT_MAX, ''),
      'Completion tokens that were spent on reasoning; null when not recorded.',
    ),
    cost_microusd: whole(0, COUNT_MAX, 'Cost in millionths of a US dollar, to the nearest one.'),
    created_at: written,
  },
  { title: 'Usage' },
)

export const ToolCall = Type.Object(
  {
    id: uuid('Id of the record.'),
    run_id: RUN_ID,
    sequence: whole(1, COUNT_MAX, 'Sequence of its event in the run.'),
    attempt: ATTEMPT,
    tool_name: Type.String({ description: 'Name of the tool.' }),
    step: nullable(Type.String(), 'Step that it belongs to.'),
    input: anyJson('Input of the call.'),
    output: anyJson('Output of the call.'),
    duration_ms: nullable(Type.Number({ minimum: 0 }), 'Duration in milliseconds.'),
    status: Type.String({ description: 'How the call ended.' }),
    created_at: written,
  },
  { title: 'ToolCall' },
)

export const Output = Type.Object(
  {
    id: uuid('Id of the output.'),
    run_id: RUN_ID,
    output_key: Type.String({ description: 'Name of the output.' }),
    schema: nullable(jsonObject('JSON Schema that the value matches.')),
    value: anyJson('Value of the output.'),
    created_at: written,
  },
  { title: 'Output' },
)
