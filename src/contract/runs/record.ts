// What a run leaves behind: checkpoints, usage, tool calls and outputs.
import { Type } from 'typebox'
import { anyJson, INT_MAX, jsonObject, nullable, RUN_ID, time, uuid, whole } from '../common.ts'

const COUNT_MAX = Number.MAX_SAFE_INTEGER
const ATTEMPT = whole(1, INT_MAX, 'Number of the attempt that wrote it.')
const written = time('When it was written.')

const checkpoint = {
  id: uuid('Id of the checkpoint.'),
  run_id: RUN_ID,
  number: whole(1, INT_MAX, 'Place among the checkpoints of the run, from 1.'),
  attempt: ATTEMPT,
  source: Type.String({ description: 'Who wrote it.' }),
  created_at: written,
}

export const CheckpointSummary = Type.Object(checkpoint, {
  title: 'CheckpointSummary',
  description: 'A checkpoint without its state, which is read by number.',
})

export const Checkpoint = Type.Object(
  { ...checkpoint, state: anyJson('The state that was kept.') },
  { title: 'Checkpoint' },
)

export const Usage = Type.Object(
  {
    id: uuid('Id of the record.'),
    run_id: RUN_ID,
    sequence: whole(1, COUNT_MAX, 'Sequence of its event in the run.'),
    provider: Type.String({ description: 'Provider of the model.' }),
    model: Type.String({ description: 'The model.' }),
    prompt_tokens: whole(0, COUNT_MAX, 'Tokens read.'),
    completion_tokens: whole(0, COUNT_MAX, 'Tokens written.'),
    total_tokens: whole(0, COUNT_MAX, 'Tokens in all.'),
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
    tool_name: Type.String({ description: 'The tool.' }),
    step: nullable(Type.String(), 'The step that it belongs to.'),
    input: anyJson('What it was given.'),
    output: anyJson('What it gave.'),
    duration_ms: nullable(Type.Number({ minimum: 0 }), 'How long it took, in milliseconds.'),
    status: Type.String({ description: 'How it ended.' }),
    created_at: written,
  },
  { title: 'ToolCall' },
)

export const Output = Type.Object(
  {
    id: uuid('Id of the output.'),
    run_id: RUN_ID,
    output_key: Type.String({ description: 'Name of the output.' }),
    schema: nullable(jsonObject('JSON Schema that the value meets.')),
    value: anyJson('The output.'),
    created_at: written,
  },
  { title: 'Output' },
)
