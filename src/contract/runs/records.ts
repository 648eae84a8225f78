// Reading the records of a run.
import { Type } from 'typebox'
import { INT_MAX, listOf, paging, query, RUN_ID, RunPath, whole } from '../common.ts'
import { route } from '../route.ts'
import { Checkpoint, CheckpointSummary, Output, ToolCall } from './record.ts'

const tag = 'Run records'

export const listCheckpoints = route({
  method: 'GET',
  path: '/v1/runs/:run_id/checkpoints',
  needs: 'runs:read',
  orRunToken: true,
  tag,
  name: 'listCheckpoints',
  summary: 'List the checkpoints of a run, newest first, without their states.',
  params: RunPath,
  query: query(paging),
  replies: { 200: listOf(CheckpointSummary, 'CheckpointList') },
  refusals: ['run_not_found', 'invalid_cursor'],
})

export const getCheckpoint = route({
  method: 'GET',
  path: '/v1/runs/:run_id/checkpoints/:number',
  needs: 'runs:read',
  orRunToken: true,
  tag,
  name: 'getCheckpoint',
  summary: 'Get a checkpoint with its state.',
  params: Type.Object({ run_id: RUN_ID, number: whole(1, INT_MAX, 'Number of the checkpoint.') }),
  replies: { 200: Checkpoint },
  refusals: ['run_not_found', 'checkpoint_not_found'],
})

export const listToolCalls = route({
  method: 'GET',
  path: '/v1/runs/:run_id/tool-calls',
  needs: 'runs:read',
  orRunToken: true,
  tag,
  name: 'listToolCalls',
  summary: 'List the tool calls of a run, oldest first.',
  params: RunPath,
  query: query(paging),
  replies: { 200: listOf(ToolCall, 'ToolCallList') },
  refusals: ['run_not_found', 'invalid_cursor'],
})

export const listOutputs = route({
  method: 'GET',
  path: '/v1/runs/:run_id/outputs',
  needs: 'runs:read',
  orRunToken: true,
  tag,
  name: 'listOutputs',
  summary: 'List the outputs of a run, by key.',
  params: RunPath,
  query: query(paging),
  replies: { 200: listOf(Output, 'OutputList') },
  refusals: ['run_not_found', 'invalid_cursor'],
})
