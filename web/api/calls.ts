// The calls that the console makes, under the names of the contract.
import type * as access from '#contract/access.ts'
import type * as agents from '#contract/agents.ts'
import type * as authorizations from '#contract/authorizations.ts'
import type * as chains from '#contract/chains.ts'
import type * as dependencies from '#contract/dependencies.ts'
import type * as events from '#contract/events.ts'
import type * as find from '#contract/find.ts'
import type * as inputs from '#contract/inputs.ts'
import type * as jobs from '#contract/jobs.ts'
import type * as operations from '#contract/operations.ts'
import type * as bulk from '#contract/runs/bulk.ts'
import type * as debug from '#contract/runs/debug.ts'
import type * as ends from '#contract/runs/ends.ts'
import type * as records from '#contract/runs/records.ts'
import type * as controls from '#contract/runs/run-controls.ts'
import type * as runs from '#contract/runs/runs.ts'
import type * as timeline from '#contract/runs/timeline.ts'
import type * as values from '#contract/runs/values.ts'
import type * as waits from '#contract/runs/waits.ts'
import type * as seals from '#contract/seals.ts'
import type * as tools from '#contract/tools.ts'
import type * as usage from '#contract/usage.ts'
import { call } from './call.ts'

export const findThings = call<typeof find.findThings>('GET', '/v1/find')

export const getStats = call<typeof operations.getStats>('GET', '/v1/stats')

export const listRuns = call<typeof runs.listRuns>('GET', '/v1/runs')
export const getRun = call<typeof runs.getRun>('GET', '/v1/runs/:run_id')
export const whyRun = call<typeof runs.whyRun>('GET', '/v1/runs/:run_id/why')
export const getTimeline = call<typeof timeline.getTimeline>('GET', '/v1/runs/:run_id/timeline')
export const listFailures = call<typeof ends.listFailures>('GET', '/v1/failures')
export const aggregateRuns = call<typeof ends.aggregateRuns>('GET', '/v1/runs/aggregate')
export const triggerRun = call<typeof runs.triggerRun>('POST', '/v1/jobs/:job/runs')
export const listAttempts = call<typeof debug.listAttempts>('GET', '/v1/runs/:run_id/attempts')
export const listCheckpoints = call<typeof records.listCheckpoints>('GET', '/v1/runs/:run_id/checkpoints')
export const getCheckpoint = call<typeof records.getCheckpoint>('GET', '/v1/runs/:run_id/checkpoints/:number')
export const listOutputs = call<typeof records.listOutputs>('GET', '/v1/runs/:run_id/outputs')
export const listState = call<typeof values.listState>('GET', '/v1/runs/:run_id/state')
export const listUsage = call<typeof usage.listUsage>('GET', '/v1/runs/:run_id/usage')
export const listRunEvents = call<typeof events.listRunEvents>('GET', '/v1/runs/:run_id/events')

export const cancelRun = call<typeof controls.cancelRun>('DELETE', '/v1/runs/:run_id')
export const rescheduleRun = call<typeof controls.rescheduleRun>('POST', '/v1/runs/:run_id/reschedule')
export const pauseRun = call<typeof controls.pauseRun>('POST', '/v1/runs/:run_id/pause')
export const resumeRun = call<typeof controls.resumeRun>('POST', '/v1/runs/:run_id/resume')
export const restartRun = call<typeof controls.restartRun>('POST', '/v1/runs/:run_id/restart')
export const replayRun = call<typeof controls.replayRun>('POST', '/v1/runs/:run_id/replay')
export const redriveRun = call<typeof controls.redriveRun>('POST', '/v1/runs/:run_id/dlq-replay')
export const debugRun = call<typeof controls.debugRun>('POST', '/v1/runs/:run_id/debug')
export const cancelRuns = call<typeof controls.cancelRuns>('POST', '/v1/runs/bulk-cancel')
export const redriveRuns = call<typeof controls.redriveRuns>('POST', '/v1/runs/bulk-dlq-replay')
export const replayRuns = call<typeof bulk.replayRuns>('POST', '/v1/runs/bulk-replay')
export const sendEvent = call<typeof waits.sendEvent>('POST', '/v1/events/:event_key/send')

export const listInputs = call<typeof inputs.listInputs>('GET', '/v1/input-requests')
export const listRunInputs = call<typeof inputs.listRunInputs>('GET', '/v1/runs/:run_id/input-requests')
export const getInput = call<typeof inputs.getInput>('GET', '/v1/input-requests/:input_request_id')
export const answerInput = call<typeof inputs.answerInput>('POST', '/v1/input-requests/:input_request_id/answer')

export const startOperation = call<typeof bulk.startOperation>('POST', '/v1/operations')
export const listOperations = call<typeof bulk.listOperations>('GET', '/v1/operations')
export const cancelOperation = call<typeof bulk.cancelOperation>('DELETE', '/v1/operations/:operation_id')

export const listAgents = call<typeof agents.listAgents>('GET', '/v1/agents')
export const getAgent = call<typeof agents.getAgent>('GET', '/v1/agents/:agent_id')
export const enableAgent = call<typeof agents.enableAgent>('POST', '/v1/agents/:agent_id/enable')
export const disableAgent = call<typeof agents.disableAgent>('POST', '/v1/agents/:agent_id/disable')
export const setPolicy = call<typeof agents.setPolicy>('PUT', '/v1/agents/:agent_id/policy')
export const tryPolicy = call<typeof agents.tryPolicy>('POST', '/v1/agents/:agent_id/policy/try')
export const listPolicyVersions = call<typeof agents.listPolicyVersions>('GET', '/v1/agents/:agent_id/policy/versions')
export const listAgentLog = call<typeof authorizations.listAgentLog>('GET', '/v1/agents/:agent_id/logs')
export const agentMetrics = call<typeof authorizations.agentMetrics>('GET', '/v1/agents/:agent_id/metrics')
export const agentSpend = call<typeof authorizations.agentSpend>('GET', '/v1/spend')

export const listTools = call<typeof tools.listTools>('GET', '/v1/tools')

export const listJobs = call<typeof jobs.listJobs>('GET', '/v1/jobs')
export const getJob = call<typeof jobs.getJob>('GET', '/v1/jobs/:job')
export const updateJob = call<typeof jobs.updateJob>('PATCH', '/v1/jobs/:job')
export const pauseJob = call<typeof jobs.pauseJob>('POST', '/v1/jobs/:job/pause')
export const resumeJob = call<typeof jobs.resumeJob>('POST', '/v1/jobs/:job/resume')
export const listJobVersions = call<typeof jobs.listJobVersions>('GET', '/v1/jobs/:job/versions')
export const listDependencies = call<typeof dependencies.listDependencies>('GET', '/v1/jobs/:job/dependencies')

export const listEvents = call<typeof events.listEvents>('GET', '/v1/events')
export const aggregateEvents = call<typeof events.aggregateEvents>('GET', '/v1/events/aggregate')
export const readChainTree = call<typeof chains.readChainTree>('GET', '/v1/events/correlation/:correlation_id/tree')
export const getSealHead = call<typeof seals.getSealHead>('GET', '/v1/events/seals/head')
export const verifyEvents = call<typeof seals.verifyEvents>('GET', '/v1/events/verify')

export const sumUsage = call<typeof usage.sumUsage>('GET', '/v1/usage')
export const setPrice = call<typeof usage.setPrice>('PUT', '/v1/prices/:provider/:model')
export const deletePrice = call<typeof usage.deletePrice>('DELETE', '/v1/prices/:provider/:model')
export const listPrices = call<typeof usage.listPrices>('GET', '/v1/prices')

export const listKeys = call<typeof access.listKeys>('GET', '/v1/keys')
export const createKey = call<typeof access.createKey>('POST', '/v1/keys')
export const rotateKey = call<typeof access.rotateKey>('POST', '/v1/keys/:key_id/rotate')
export const revokeKey = call<typeof access.revokeKey>('DELETE', '/v1/keys/:key_id')
